"""Pickles go to the SpikeLab library and come back, in both directions and every protocol."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from spikelab.compare import differences
from spikelab.data_loaders.data_exporters import export_to_pickle
from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle
from tests.conftest import make_hard_session

PROTOCOLS = range(6)

REPORT = """
import json, sys
from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle
found = []
for path in sys.argv[1:]:
    sd = load_spikedata_from_pickle(path)
    found.append({
        "train": [[float(t).hex() for t in times] for times in sd.train],
        "N": sd.N, "length": sd.length, "start_time": sd.start_time,
        "ids": [unit["unit_id"] for unit in sd.neuron_attributes],
        "waveform": [unit["waveform"].dtype.str for unit in sd.neuron_attributes],
        "electrodes": [int(e) for e in sd.electrodes],
        "metadata": sd.metadata, "raw": [list(sd.raw_data.shape), list(sd.raw_time.shape)],
        "spikes": int(sd.raster(20.0).sum()),
    })
print(json.dumps(found))
"""

EXPORT = """
import sys
import numpy as np
from spikelab.spikedata.spikedata import SpikeData
from spikelab.data_loaders.data_exporters import export_to_pickle
sd = SpikeData(
    [np.array([0.1 + 0.2, 1.5]), [], np.array([3, 1])], start_time=-0.5, length=4.0,
    neuron_attributes=[{"unit_id": 5 + i, "w": np.arange(3, dtype="f4") * i} for i in range(3)],
    metadata={"fs_Hz": 30e3, "tags": {"a", "b"}, "rate": np.float64(2.5)},
    raw_data=np.arange(8, dtype="i2").reshape(2, 4), raw_time=2.0,
)
edge = SpikeData([np.array([0.1, 2.4, 0.7])], start_time=0.1)
for protocol in range(6):
    export_to_pickle(sd, f"{sys.argv[1]}/full{protocol}.pkl", protocol=protocol)
    export_to_pickle(edge, f"{sys.argv[1]}/edge{protocol}.pkl", protocol=protocol)
"""


def run(python: str, code: str, *arguments: str, cwd) -> str:
    # Away from the checkout, whose package has the same name.
    command = [python, "-I", "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def test_the_library_reads_ours(spikelab_python, tmp_path):
    sd = make_hard_session()
    paths = [export_to_pickle(sd, tmp_path / f"{p}.pkl", protocol=p) for p in PROTOCOLS]
    found = json.loads(run(spikelab_python, REPORT, *paths, cwd=tmp_path))
    expected = {
        "train": [[float(t).hex() for t in times] for times in sd.train],
        "N": 6,
        "length": 30_000.0,
        "start_time": 12_000.0,
        "ids": [3, 7, 50, 11, 20, 21],
        "waveform": ["<f4"] * 6,
        "electrodes": [4, 4, 9, 10, 0, 12],
        "metadata": sd.metadata,
        "raw": [[0, 0], [0]],
        "spikes": 400 + 250 + 31 + 0 + 1 + 90,
    }
    assert found == [expected] * len(PROTOCOLS)


@pytest.fixture(scope="module")
def theirs(spikelab_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    run(spikelab_python, EXPORT, str(folder), cwd=folder)
    return folder


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_we_read_theirs(theirs, protocol):
    found = load_spikedata_from_pickle(theirs / f"full{protocol}.pkl")
    assert [times.tolist() for times in found.train] == [[0.1 + 0.2, 1.5], [], [1.0, 3.0]]
    assert (found.N, found.start_time, found.length) == (3, -0.5, 4.0)
    assert [unit["unit_id"] for unit in found.neuron_attributes] == [5, 6, 7]
    assert found.neuron_attributes[2]["w"].tolist() == [0.0, 2.0, 4.0]
    assert found.metadata == {"fs_Hz": 30e3, "tags": {"a", "b"}, "rate": 2.5}
    assert found.raw_data.dtype == np.int16
    assert found.raw_data.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert found.raw_time.tolist() == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_spike_at_the_very_end_survives(theirs, protocol):
    found = load_spikedata_from_pickle(theirs / f"edge{protocol}.pkl")
    assert found.train[0].tolist() == [0.1, 0.7, 2.4]


def test_there_and_back_again(spikelab_python, tmp_path):
    sd = make_hard_session()
    export_to_pickle(sd, tmp_path / "there.pkl")
    code = (
        "from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle as load\n"
        "from spikelab.data_loaders.data_exporters import export_to_pickle as export\n"
        "export(load('there.pkl'), 'back.pkl')"
    )
    run(spikelab_python, code, cwd=tmp_path)
    assert differences(sd, load_spikedata_from_pickle(tmp_path / "back.pkl")) == []
