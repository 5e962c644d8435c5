"""What jobs ask a cluster for."""

from __future__ import annotations

import os

import numpy as np
import pytest

from spikelab import resources
from spikelab.formats import registry

# Peaks of benchmarks/memory.py (MB): format, size of the input (MB), peak.
EXPORT_PEAKS = [
    ("pickle", 80, 265), ("pickle", 240, 734),
    ("hdf5_ragged", 80, 357), ("hdf5_ragged", 240, 987),
    ("hdf5_group", 80, 357), ("hdf5_group", 240, 987),
    ("hdf5_paired", 80, 591), ("hdf5_paired", 240, 1691),
    ("hdf5_raster", 16, 187), ("hdf5_raster", 80, 679), ("hdf5_raster", 240, 1949),
    ("nwb", 16, 178), ("nwb", 80, 364), ("nwb", 240, 992),
    ("kilosort", 80, 624), ("kilosort", 240, 1801),
]  # fmt: skip
INGEST_PEAKS = [
    ("pickle", 240, 734), ("hdf5_ragged", 240, 750), ("hdf5_group", 240, 523),
    ("hdf5_paired", 480, 1274), ("hdf5_raster", 41, 1044), ("hdf5_raster", 89, 2636),
    ("nwb", 244, 598), ("kilosort", 726, 1148),
    ("hdf5_raw", 115, 2032), ("hdf5_raw", 230, 2144),
]  # fmt: skip
# Two Snakemakes run around each job in a cluster job, 140 MB each.
AROUND_MB = 280


def sizes(size_MB: float) -> resources.Sizes:
    """Of a session whose source and session file are as large."""
    return resources.Sizes(size_MB, size_MB, is_read=True)


@pytest.mark.parametrize(("format", "size_MB", "peak_MB"), EXPORT_PEAKS)
def test_an_export_asks_for_more_than_was_measured(format, size_MB, peak_MB):
    asked = resources.export_mem_mb(format, sizes(size_MB), 1)
    assert peak_MB + AROUND_MB < asked < 2 * peak_MB + 700


@pytest.mark.parametrize(("format", "size_MB", "peak_MB"), INGEST_PEAKS)
def test_reading_asks_for_more_than_was_measured(format, size_MB, peak_MB):
    asked = resources.ingest_mem_mb(format, sizes(size_MB), 1)
    assert peak_MB + AROUND_MB < asked < 3 * peak_MB + 2000


def test_every_format_has_its_factor():
    assert set(registry.EXPORTS) <= set(resources.EXPORT_FACTORS)
    assert set(registry.FORMATS) == set(resources.INGEST_FACTORS)


def test_each_attempt_asks_for_more():
    attempts, asked = (1, 2, 3), sizes(100)
    assert [resources.export_mem_mb("nwb", asked, n) for n in attempts] == [1200, 2400, 3600]
    assert [resources.ingest_mem_mb("nwb", asked, n) for n in attempts] == [1000, 2000, 3000]
    assert [resources.export_minutes(sizes(400), n) for n in attempts] == [3, 6, 9]
    assert [resources.ingest_minutes(sizes(400), n) for n in attempts] == [4, 8, 12]


def test_time_is_whole_minutes():
    assert resources.export_minutes(sizes(0.001), 1) == 1
    assert resources.ingest_minutes(sizes(0.001), 1) == 2
    assert isinstance(resources.export_minutes(sizes(123.4), 1), int)


def test_exports_right_after_their_reading_start_at_once():
    assert resources.export_minutes(resources.Sizes(0.1, 0.1, is_read=False), 1) == 0
    assert resources.export_minutes(resources.Sizes(400, 400, is_read=False), 1) == 2


class TestSizes:
    def test_of_a_session_that_is_to_be_read(self, tmp_path):
        source = tmp_path / "a.raster.h5"
        source.write_bytes(bytes(1_000_000))
        found = resources.Sizes.of("hdf5_raster", [str(source)], str(tmp_path / "a.pkl"))
        assert found == resources.Sizes(1.0, 3.0, is_read=False)

    def test_of_one_that_is_read(self, tmp_path):
        source, session = tmp_path / "a.h5", tmp_path / "a.pkl"
        source.write_bytes(bytes(1_000_000))
        session.write_bytes(bytes(500_000))
        found = resources.Sizes.of("hdf5_group", [str(source)], str(session))
        assert found == resources.Sizes(1.0, 0.5, is_read=True)

    def test_an_older_session_file_says_nothing_about_a_newer_source(self, tmp_path):
        source, session = tmp_path / "a.h5", tmp_path / "a.pkl"
        session.write_bytes(b"tiny")
        os.utime(session, (0, 0))
        source.write_bytes(bytes(1_000_000))
        found = resources.Sizes.of("hdf5_group", [str(source)], str(session))
        assert found == resources.Sizes(1.0, 1.0, is_read=False)

    def test_of_a_download_that_is_still_to_come(self, tmp_path):
        found = resources.Sizes.of("nwb", [str(tmp_path / "no")], str(tmp_path / "a.pkl"))
        assert found == resources.Sizes(0, 0, is_read=False)


class TestSourceSize:
    def test_only_what_is_read_of_a_phy_folder_counts(self, tmp_path):
        np.save(tmp_path / "spike_times.npy", np.zeros(125_000))
        size_MB = (tmp_path / "spike_times.npy").stat().st_size / 1e6
        for unread in ("recording.dat", "temp_wh.dat", "rez.mat", "pc_features.npy"):
            (tmp_path / unread).write_bytes(bytes(5_000_000))
        files = [str(path) for path in tmp_path.iterdir()]
        assert resources.source_MB("kilosort", files) == pytest.approx(size_MB)
        assert resources.source_MB("kilosort", [str(tmp_path)]) == pytest.approx(size_MB)

    def test_files_of_other_formats_count_whatever_their_names(self, tmp_path):
        (tmp_path / "recording.raw").write_bytes(bytes(2_000_000))
        assert resources.source_MB("hdf5_raw", [str(tmp_path / "recording.raw")]) == 2

    def test_an_nwb_file_full_of_traces_does_not_ask_for_a_terabyte(self, tmp_path):
        path = tmp_path / "session.nwb"
        with path.open("wb") as file:
            file.truncate(10**12)
        size_MB = resources.source_MB("nwb", [str(path)])
        assert resources.ingest_mem_mb("nwb", sizes(size_MB), 1) < 20_000

    def test_what_is_not_there_yet_counts_nothing(self, tmp_path):
        assert resources.source_MB("pickle", [str(tmp_path / "later.pkl")]) == 0
