"""What a job asks a cluster for: memory and time, from the size of what it reads and the attempt.

The factors stand on measured peaks (``benchmarks/memory.py``, docs/clusters.md), with a third of
room. Only the standard library is needed: parsing the workflow asks for each job.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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

# The first jobs of a cluster job wait for Python on a cold network disk, the others do not.
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


@dataclass(frozen=True)
class Sizes:
    """How much there is to read for the jobs of a session.

    Attributes
    ----------
    source_MB : float
        Size of what an ingest reads; 0 where nothing is there yet.
    session_MB : float
        Size of the session file; where it is to be made anew, what its source suggests.
    is_read : bool
        Whether the session file is there and no older than its source.
    """

    source_MB: float
    session_MB: float
    is_read: bool

    @classmethod
    def of(cls, format: str, source_files: Sequence[str], session_file: str) -> Sizes:
        """Look at the files of a session, as far as they exist.

        Parameters
        ----------
        format : str
            Format of the source.
        source_files : sequence of str
            Its files, or folders of them.
        session_file : str
            Where the session file is or will be.
        """
        source = source_MB(format, source_files)
        made = Path(session_file)
        if made.exists() and made.stat().st_mtime >= _newest(source_files):
            return cls(source, made.stat().st_size / 1e6, is_read=True)
        return cls(source, source * SESSION_FACTORS.get(format, 1), is_read=False)


def _newest(files: Sequence[str]) -> float:
    return max((Path(file).stat().st_mtime for file in files if Path(file).exists()), default=0)


def slurm_cores() -> int | None:
    """How many cores the Slurm job has in which this runs; None outside of Slurm."""
    cores = os.environ.get("SLURM_CPUS_PER_TASK")
    return int(cores) if cores else None


def source_MB(format: str, files: Iterable[str]) -> float:
    """Size (MB) of what an ingest reads; arguments as in :meth:`Sizes.of`."""
    size = sum(_bytes(Path(file), folder=format == "kilosort") for file in files) / 1e6
    return min(size, MOST_NWB_MB) if format == "nwb" else size


def _bytes(path: Path, *, folder: bool) -> int:
    if path.is_dir():
        return sum(_bytes(one, folder=folder) for one in path.rglob("*") if one.is_file())
    if folder and (path.suffix in _RAW_SUFFIXES or path.name in _UNREAD_NAMES):
        return 0
    return path.stat().st_size if path.exists() else 0


def ingest_mem_mb(format: str, sizes: Sizes, attempt: int) -> int:
    """Memory (MB) to read a source."""
    return int((START_MB + INGEST_FACTORS[format] * sizes.source_MB) * attempt)


def export_mem_mb(format: str, sizes: Sizes, attempt: int) -> int:
    """Memory (MB) to export a session file."""
    return int((START_MB + EXPORT_FACTORS[format] * sizes.session_MB) * attempt)


def ingest_minutes(sizes: Sizes, attempt: int) -> int:
    """Time (minutes) to read a source."""
    return int((INGEST_START_MIN + sizes.source_MB / MB_PER_MIN) * attempt)


def export_minutes(sizes: Sizes, attempt: int) -> int:
    """Time (minutes) to export a session file.

    Snakemake sums up the times of the jobs in a cluster job, in whole minutes. Exports right after
    the reading of their session add none of their own for the start: its minutes are enough.
    """
    start = EXPORT_START_MIN if sizes.is_read else 0
    return int((start + sizes.session_MB / MB_PER_MIN) * attempt)
