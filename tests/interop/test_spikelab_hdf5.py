"""The SpikeLab library's HDF5 loader reads every style, and we read what its exporter writes."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from spikelab import SpikeData
from spikelab.data_loaders.data_exporters import export_spikedata_to_hdf5
from spikelab.data_loaders.data_loaders import load_spikedata_from_hdf5
from tests.conftest import make_hard_session

STYLES = {
    "ragged": {
        "spike_times_dataset": "spike_times",
        "spike_times_index_dataset": "spike_times_index",
    },
    "group": {"group_per_unit": "units"},
    "paired": {"idces_dataset": "idces", "times_dataset": "times"},
}
UNIT_OPTIONS = {"ragged": "spike_times_unit", "group": "group_time_unit", "paired": "times_unit"}
RAW = {"raw_dataset": "raw_data", "raw_time_dataset": "raw_time", "raw_time_unit": "ms"}
TRACES = np.arange(40, dtype=np.int16).reshape(2, 20)

_EXPORT = """
import json, sys
import numpy as np
from spikelab.spikedata.spikedata import SpikeData
from spikelab.data_loaders.data_exporters import export_spikedata_to_hdf5
path, train, options = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
sd = SpikeData([np.array(times, float) for times in train], length=60.0, start_time=10.0)
export_spikedata_to_hdf5(sd, path, **options)
if options["style"] == "raster":
    print(json.dumps(sd.raster(options["raster_bin_size_ms"]).tolist()))
"""


def run(python, folder, code, *arguments):
    """What the library prints, in a process that cannot see our package."""
    command = [python, "-I", "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def their_view(library, path, **options):
    return library.load("load_spikedata_from_hdf5", path, **options)


@pytest.mark.parametrize("unit", ["s", "ms", "samples"])
@pytest.mark.parametrize("style", STYLES)
def test_the_library_reads_our_spikes_and_traces(spikelab_library, tmp_path, style, unit):
    sd = make_hard_session(raw_data=TRACES, raw_time=30.0)
    path = tmp_path / "ours.h5"
    export_spikedata_to_hdf5(sd, path, style=style, **{UNIT_OPTIONS[style]: unit}, **RAW)
    found = their_view(
        spikelab_library,
        path,
        **STYLES[style],
        **{UNIT_OPTIONS[style]: unit},
        **RAW,
        fs_Hz=30_000.0,
    )
    assert (len(found["train"]), found["start_ms"], found["length_ms"]) == (6, 12_000.0, 30_000.0)
    for theirs, ours in zip(found["train"], sd.train, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(np.rint(np.array(theirs) * 30), np.rint(ours * 30))
    np.testing.assert_array_equal(found["raw_data"], TRACES)
    np.testing.assert_array_equal(found["raw_time"], 12_000.0 + np.arange(20) / 30.0)


def test_the_library_reads_our_raster(spikelab_library, tmp_path):
    sd = make_hard_session()
    path = tmp_path / "ours.h5"
    export_spikedata_to_hdf5(sd, path, style="raster", raster_bin_size_ms=20.0)
    found = their_view(spikelab_library, path, raster_dataset="raster", raster_bin_size_ms=20.0)
    np.testing.assert_array_equal(found["raster"], sd.raster(20.0))
    assert (len(found["train"]), found["start_ms"]) == (6, 12_000.0)
    assert found["length_ms"] == pytest.approx(30_000.0)


def test_its_limits_are_its_own(spikelab_library, tmp_path):
    """It takes a silent first unit for a leading zero, and drops silent units at the end."""
    path = tmp_path / "ours.h5"
    export_spikedata_to_hdf5(SpikeData([[], [1.0], [2.0]], length=3.0), path)
    assert len(their_view(spikelab_library, path, **STYLES["ragged"])["train"]) == 2
    assert load_spikedata_from_hdf5(path).N == 3
    export_spikedata_to_hdf5(SpikeData([[1.0], []], length=3.0), path, style="paired")
    paired = their_view(spikelab_library, path, **STYLES["paired"], times_unit="ms")
    assert len(paired["train"]) == 1
    assert load_spikedata_from_hdf5(path).N == 2


TRAIN = [[11.0, 12.5, 69.5], [], [30.25]]


@pytest.mark.parametrize("style", STYLES)
def test_we_read_its_spikes_by_the_usual_names(spikelab_python, tmp_path, style):
    path = tmp_path / "theirs.h5"
    run(spikelab_python, tmp_path, _EXPORT, str(path), json.dumps(TRAIN),
        json.dumps({"style": style}))  # fmt: skip
    found = load_spikedata_from_hdf5(path)
    assert (found.N, found.start_time, found.length) == (3, 10.0, 60.0)
    for ours, theirs in zip(found.train, TRAIN, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_we_read_its_raster_without_being_told_the_bin(spikelab_python, tmp_path):
    path = tmp_path / "theirs.h5"
    counts = run(spikelab_python, tmp_path, _EXPORT, str(path), json.dumps(TRAIN),
                 json.dumps({"style": "raster", "raster_bin_size_ms": 2.0}))  # fmt: skip
    found = load_spikedata_from_hdf5(path)
    raster = found.raster(2.0)
    np.testing.assert_array_equal(raster, np.array(counts)[:, : raster.shape[1]])
    assert raster.sum() == np.sum(counts) == 4
    assert (found.start_time, found.length) == (10.0, 60.0)
