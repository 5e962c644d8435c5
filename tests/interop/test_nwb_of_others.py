"""NWB files that neuroconv and pynwb write, in the layouts that people have."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
import spikeinterface
from neuroconv.tools.spikeinterface import add_sorting_to_nwbfile
from pynwb import NWBHDF5IO, NWBFile
from pynwb.misc import Units

from spikelab import convert
from spikelab.errors import FormatError

FS_HZ = 30_000.0
TRAINS = {"a3": [30, 600], "b9": [], "7": [90]}
BOTH = pytest.mark.parametrize("prefer_pynwb", [True, False])


def new_file() -> NWBFile:
    return NWBFile("a session", "x1", datetime(2023, 4, 5, 6, tzinfo=UTC))


def store(file: NWBFile, path: Path) -> Path:
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def written_by_neuroconv(path: Path, **settings) -> Path:
    units = {one: np.array(samples, np.int64) for one, samples in TRAINS.items()}
    sorting = spikeinterface.NumpySorting.from_unit_dict([units], FS_HZ)
    sorting.set_property("quality", ["good", "mua", "noise"])
    file = new_file()
    add_sorting_to_nwbfile(sorting, nwbfile=file, **settings)
    return store(file, path)


@BOTH
@pytest.mark.parametrize(
    "settings",
    [{}, {"parent_container": "processing", "units_name": "sorted"}],
    ids=["units", "processed"],
)
def test_neuroconv(tmp_path, prefer_pynwb, settings):
    path = written_by_neuroconv(tmp_path / "a.nwb", **settings)
    sd = convert.load(path, options={"prefer_pynwb": prefer_pynwb})
    found = [np.rint(times * FS_HZ / 1000).astype(int).tolist() for times in sd.train]
    assert found == list(TRAINS.values())
    assert [unit["unit_id"] for unit in sd.neuron_attributes] == list(TRAINS)
    assert [unit["quality"] for unit in sd.neuron_attributes] == ["good", "mua", "noise"]


def with_two_tables(path: Path) -> Path:
    file = new_file()
    module = file.create_processing_module("ecephys", "sorted twice")
    for number, name in enumerate(("first", "second"), start=1):
        table = Units(name=name, description="units")
        table.add_unit(spike_times=[0.5 * number])
        module.add(table)
    return store(file, path)


def test_of_two_processed_tables_one_must_be_named(tmp_path):
    path = with_two_tables(tmp_path / "a.nwb")
    with pytest.raises(FormatError, match=r"ecephys/first, processing/ecephys/second.*name"):
        convert.load(path)
    assert convert.load(path, options={"group": "second"}).train[0].tolist() == [1000.0]


@BOTH
@pytest.mark.parametrize("version", ["2.0.2", "2.1.0", "2.2.5", "2.3.0", "2.4.0", "2.6.0", "2.7.0"])
def test_versions(tmp_path, prefer_pynwb, version):
    """What differed in the units of these versions: the cached schema, and unsigned indices."""
    file = new_file()
    device = file.create_device(name="probe")
    group = file.create_electrode_group("g", description="d", location="CA1", device=device)
    for channel in (5, 9):
        file.add_electrode(id=channel, group=group, location="CA1", x=1.0 * channel)
    file.add_unit_column("quality", "q")
    file.add_unit(id=3, spike_times=[0.1, 0.2], electrodes=[1], quality="good")
    file.add_unit(id=8, spike_times=[0.3], electrodes=[0], quality="mua")
    path = store(file, tmp_path / "a.nwb")
    with h5py.File(path, "r+") as h5:
        h5.attrs["nwb_version"] = version
        del h5["specifications"], h5.attrs[".specloc"]
        for name in ("spike_times_index", "electrodes_index"):
            values, attributes = h5["units"][name][()], dict(h5["units"][name].attrs)
            del h5["units"][name]
            index_type = np.uint64 if version < "2.3" else np.uint8
            h5["units"].create_dataset(name, data=values.astype(index_type)).attrs.update(
                attributes
            )
    sd = convert.load(path, options={"prefer_pynwb": prefer_pynwb})
    assert np.allclose(np.concatenate(sd.train), [100.0, 200.0, 300.0], rtol=0, atol=1e-9)
    assert [unit["unit_id"] for unit in sd.neuron_attributes] == [3, 8]
    assert [unit["quality"] for unit in sd.neuron_attributes] == ["good", "mua"]
    assert sd.electrodes.tolist() == [9, 5]
