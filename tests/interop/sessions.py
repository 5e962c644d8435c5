"""The sessions that every reader is tried on, and what a reader must find in their exports."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikelab import SpikeData, convert
from spikelab.formats import registry
from tests.conftest import make_hard_session

FS_HZ = 30_000.0
# Neither session lasts a whole number of bins.
BIN_MS = 7.0
COMPLETE = {
    "fs_Hz": FS_HZ,
    "session_start_time": "2024-03-05T14:30:00+01:00",
    "session_description": "spontaneous activity",
    "session_id": "div21",
    "experimenter": "Doe, Jane",
    "institution": "Institute",
    "experiment_description": "firing of cultures",
    "keywords": "culture",
    "subject_id": "culture7",
    "subject_description": "cortical culture",
    "species": "Rattus norvegicus",
    "sex": "U",
    "age": "P21D",
    "device_name": "array",
    "device_description": "a CMOS array",
    "device_manufacturer": "a maker",
    "device_model": "one",
}
# neo opens no NWB file with keywords.
WITHOUT_KEYWORDS = {name: value for name, value in COMPLETE.items() if name != "keywords"}
EXPORTS: dict[str, dict] = {
    "nwb": {},
    "kilosort": {},
    "hdf5_ragged": {},
    "hdf5_group": {},
    "hdf5_paired": {},
    "hdf5_raster": {"raster_bin_size_ms": BIN_MS},
    "pickle": {},
}


@dataclass(frozen=True)
class Source:
    """A session, and what of it a reader can report.

    Attributes
    ----------
    sd : SpikeData
    ids : list of int
        Of the units, in their order.
    channels : list of (int or None)
    places : list of (list of float or None)
        Micrometres.
    """

    sd: SpikeData
    ids: list[int]
    channels: list[int | None]
    places: list[list[float] | None]

    def samples(self, bin_ms: float | None = None) -> dict[int, NDArray[np.int64]]:
        """Sample (or bin) of each spike of each unit."""
        if bin_ms is None:
            trains = [np.rint(times * FS_HZ / 1000) for times in self.sd.train]
        else:
            trains = [np.floor((times - self.sd.start_time) / bin_ms) for times in self.sd.train]
        return {one: times.astype(np.int64) for one, times in zip(self.ids, trains, strict=True)}

    @property
    def window_s(self) -> tuple[float, float]:
        """Start and end of the session."""
        return self.sd.start_time / 1000, (self.sd.start_time + self.sd.length) / 1000


def mixed_session(metadata=WITHOUT_KEYWORDS) -> SpikeData:
    """The hard session, with a unit without electrode and attributes that some units lack."""
    sd = make_hard_session(metadata=dict(metadata))
    attributes = sd.neuron_attributes
    for name in ("electrode", "location"):
        del attributes[3][name]
    attributes[1] |= {"tip_um": None, "flag": 1, "amps": np.arange(250.0)}
    attributes[2] |= {"tip_um": 4.5, "flag": 0, "amps": np.arange(31.0)}
    return sd


def hard() -> Source:
    """Ids with gaps, a silent unit, a shared electrode, two probes, a late start, silence last."""
    channels = [4, 4, 9, None, 0, 12]
    places = [None if c is None else [16.0 * (c % 2), 20.0 * c, 0.0] for c in channels]
    return Source(mixed_session(), [3, 7, 50, 11, 20, 21], channels, places)


def real(path: Path) -> Source:
    """A recording of three units without electrodes, with what its owner's sheet would add."""
    sheet = {name: value for name, value in WITHOUT_KEYWORDS.items() if name != "fs_Hz"}
    del sheet["session_start_time"]
    sd = convert.load_source(path, "nwb", fs_Hz=FS_HZ, metadata=sheet)
    return Source(sd, [6, 191, 206], [None] * 3, [None] * 3)


def of_few_spikes(*trains: list[float]) -> SpikeData:
    """A session of next to nothing, with all metadata but keywords."""
    return SpikeData(trains, length=100.0, metadata=dict(WITHOUT_KEYWORDS))


# What some readers refuse, whoever wrote the file.
EDGES: dict[str, Callable[[], SpikeData]] = {
    "with `keywords`": lambda: mixed_session(COMPLETE),
    "without units": of_few_spikes,
    "without spikes": lambda: of_few_spikes([], []),
    "of one spike": lambda: of_few_spikes([5.0]),
    "whose first unit is silent": lambda: of_few_spikes([], [1.0, 2.0], [2.5]),
    "whose last unit is silent": lambda: of_few_spikes([1.0, 2.0], [2.5], []),
}


def export(sd: SpikeData, folder: Path, format: str) -> Path:
    """Export in one format; what it cannot hold is tested elsewhere."""
    target = folder / ("session" + registry.get(format).suffix)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return convert.save(sd, target, format, EXPORTS[format])


def export_all(sd: SpikeData, folder: Path) -> dict[str, Path]:
    """Export in every format."""
    return {format: export(sd, folder, format) for format in EXPORTS}
