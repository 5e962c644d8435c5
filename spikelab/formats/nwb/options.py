"""Options of the NWB format."""

from __future__ import annotations

from dataclasses import dataclass

from spikelab.errors import OptionError
from spikelab.units import require_fs

SPIKE_TIMES = "spike_times"
SPIKE_TIMES_INDEX = "spike_times_index"
UNITS = "units"
COMPRESSIONS = ("none", "gzip")


@dataclass(frozen=True)
class Options:
    """How to write an NWB file, and what another one does not say about itself.

    Attributes
    ----------
    spike_times_dataset, spike_times_index_dataset, group : str, optional
        Names under which the spike times, their index and the table that holds them can be found
        besides their standard names (writing), or where to look for them (reading).
    fs_Hz : float, optional
        Sampling frequency in Hz; by default ``metadata["fs_Hz"]`` or what the file states (reading:
        else the rate of its raw traces, if the spikes lie on their samples).
    raw : bool, optional
        Whether to write raw traces; by default not.
    compression : {'none', 'gzip'}, optional
        Of the spike times; by default ``'none'``. Raw traces are compressed with gzip unless
        ``'none'`` is given.
    align_start : bool, optional
        Whether a session that begins before zero is written with times counted from its start,
        because archives advise against negative times; the NWB reference time moves along. By
        default the times stay as they are.
    prefer_pynwb : bool, optional
        Reading: True (the default) uses pynwb, and h5py alone where pynwb cannot open the file;
        False uses h5py alone, which reads all that pynwb reads, with the same result.
    length_ms, start_time_ms : float, optional
        Reading: duration and start in ms, for files that do not state them.
    """

    spike_times_dataset: str | None = None
    spike_times_index_dataset: str | None = None
    group: str | None = None
    fs_Hz: float | None = None
    raw: bool | None = None
    compression: str | None = None
    align_start: bool | None = None
    prefer_pynwb: bool | None = None
    length_ms: float | None = None
    start_time_ms: float | None = None

    def __post_init__(self) -> None:
        names = self.spike_times_dataset, self.spike_times_index_dataset, self.group
        for name in names:
            if name is not None and not _is_plain(name):
                raise OptionError(
                    "this name cannot be given to a dataset or group of an NWB file",
                    found=name,
                    allowed="one name, no path: not empty, without '/', not '.' or '..'",
                )
        if self.compression not in (None, *COMPRESSIONS):
            raise OptionError(
                "the compression is unknown",
                found=self.compression,
                allowed=", ".join(COMPRESSIONS),
            )
        if self.fs_Hz is not None:
            require_fs(self.fs_Hz, why="NWB")


def _is_plain(name: object) -> bool:
    return (
        isinstance(name, str)
        and bool(name.strip())
        and name not in (".", "..")
        and "/" not in name
        and "\0" not in name
    )
