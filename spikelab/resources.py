"""What a job asks a cluster for: memory and time, from the size of what it reads and the attempt.

The factors stand on measured peaks (``benchmarks/memory.py``, docs/clusters.md), with a third of
room. Only the standard library is needed: parsing the workflow asks for each job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

# The job itself, and the two Snakemakes around it in a cluster job.
START_MB = 600
# MB of memory for each MB of the session file.
EXPORT_FACTORS: Mapping[str, float] = {
    "pickle": 4,
    "hdf5_ragged": 5,
    "hdf5_group": 5,
    "hdf5_paired": 9,
    "hdf5_raster": 11,
    "nwb": 6,
    "kilosort": 10,
    "dandi": 1,
}
# MB of memory for each MB of the source. A raster is compressed, raw traces are filtered as
# float64, and what SpikeInterface reads may be anything.
INGEST_FACTORS: Mapping[str, float] = {
    "pickle": 4,
    "hdf5_ragged": 4,
    "hdf5_group": 4,
    "hdf5_paired": 4,
    "hdf5_raster": 40,
    "hdf5_raw": 25,
    "nwb": 4,
    "kilosort": 3,
    "spikelab_npz": 12,
    "spikeinterface": 12,
}
# MB of the session file for each MB of the source, where it is more than that.
SESSION_FACTORS: Mapping[str, float] = {"hdf5_raster": 3, "spikelab_npz": 4, "spikeinterface": 2}

# The first job of a cluster job waits for Python on a cold network disk, the others do not.
INGEST_START_MIN = 2
EXPORT_START_MIN = 1
MB_PER_MIN = 200

# Sources up to here are read and exported in seconds: many make one cluster job.
SMALL_MB = 20
# Beside the spikes, these files hold raw traces that no ingest of sorted spikes reads; of a Phy
# folder, neither are the features.
_RAW_SUFFIXES = frozenset({".dat", ".bin", ".raw", ".mat"})
_UNREAD_NAMES = frozenset({"pc_features.npy", "template_features.npy"})
# An NWB file may be full of raw traces; its spikes seldom exceed this.
MOST_NWB_MB = 4000


def source_MB(format: str, files: Iterable[str]) -> float:
    """Size (MB) of what an ingest reads.

    Parameters
    ----------
    format : str
        Format of the source.
    files : iterable of str
        Its files, as far as they exist, or folders of them.

    Returns
    -------
    float
    """
    size = sum(_bytes(Path(file), folder=format == "kilosort") for file in files) / 1e6
    return min(size, MOST_NWB_MB) if format == "nwb" else size


def session_MB(format: str, size_MB: float) -> float:
    """Likely size (MB) of the session file made of a source of that format and size."""
    return size_MB * SESSION_FACTORS.get(format, 1)


def _bytes(path: Path, *, folder: bool) -> int:
    if path.is_dir():
        return sum(_bytes(one, folder=folder) for one in path.rglob("*") if one.is_file())
    if folder and (path.suffix in _RAW_SUFFIXES or path.name in _UNREAD_NAMES):
        return 0
    return path.stat().st_size if path.exists() else 0


def ingest_mem_mb(format: str, size_MB: float, attempt: int) -> int:
    """Memory (MB) to read a source of a format and size."""
    return int((START_MB + INGEST_FACTORS[format] * size_MB) * attempt)


def export_mem_mb(format: str, size_MB: float, attempt: int) -> int:
    """Memory (MB) to export a session file of a size."""
    return int((START_MB + EXPORT_FACTORS[format] * size_MB) * attempt)


def ingest_minutes(size_MB: float, attempt: int) -> int:
    """Time (minutes) to read a source of a size."""
    return int((INGEST_START_MIN + size_MB / MB_PER_MIN) * attempt)


def export_minutes(size_MB: float, attempt: int) -> int:
    """Time (minutes) to export a session file of a size."""
    return int((EXPORT_START_MIN + size_MB / MB_PER_MIN) * attempt)
