"""Every format that can be written keeps the contract."""

from __future__ import annotations

from spikelab.compare import Precision
from spikelab.formats import registry
from tests.contract import SESSIONS, FormatContract

AT_30_KHZ = {"fs_Hz": 30_000.0}


class TestPickle(FormatContract):
    format = "pickle"


class TestRagged(FormatContract):
    format = "hdf5_ragged"
    precision = Precision("s")
    options = {"raw_dataset": "raw_data", "raw_time_dataset": "raw_time"}


class TestRaggedInMilliseconds(TestRagged):
    precision = Precision("ms")
    options = TestRagged.options | {"spike_times_unit": "ms"}


class TestGroup(FormatContract):
    format = "hdf5_group"
    precision = Precision("s")
    options = {"raw_dataset": "raw_data", "raw_time_dataset": "raw_time"}


class TestPaired(FormatContract):
    format = "hdf5_paired"
    options = {"raw_dataset": "raw_data", "raw_time_dataset": "raw_time"}


class TestPairedInSamples(FormatContract):
    format = "hdf5_paired"
    precision = Precision("samples", fs_Hz=30_000)
    options = {
        "times_unit": "samples",
        "raw_dataset": "raw_data",
        "raw_time_dataset": "raw_time",
        **AT_30_KHZ,
    }


class TestRaster(FormatContract):
    format = "hdf5_raster"
    precision = Precision("bin", bin_size_ms=20.0)
    options = {
        "raster_bin_size_ms": 20.0,
        "raw_dataset": "raw_data",
        "raw_time_dataset": "raw_time",
    }


class TestNwb(FormatContract):
    format = "nwb"
    precision = Precision("s")
    options = {"raw": True, **AT_30_KHZ}


class TestKilosort(FormatContract):
    format = "kilosort"
    precision = Precision("samples", fs_Hz=30_000)
    options = AT_30_KHZ


def test_no_exported_format_is_left_out():
    tried = {one.format for one in FormatContract.__subclasses__()}
    assert tried == set(registry.EXPORTS)
    assert len(SESSIONS) >= 14
