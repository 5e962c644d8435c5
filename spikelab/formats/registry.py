"""The formats: the only list of them.

Every entry names a module with

* ``Options``: a frozen dataclass, shared by reader and writer;
* ``read(path, options) -> SpikeData``;
* ``write(sd, path, options) -> None`` where the format can be written; `path` is a scratch path,
  for a folder an empty folder that exists;
* for folders, ``carry_over(path) -> set of str``: the names in an older folder that are somebody
  else's and must be kept. It raises :class:`~spikelab.errors.TargetError` where a new export
  would destroy work, unless ``is_same_export(new, old) -> bool`` says that it brings nothing new.

The modules are imported only when they are used.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

from spikelab.errors import OptionError

Part = Literal["silent_units", "start_time", "length", "unit_ids", "attributes", "metadata", "raw"]
ALL_PARTS: frozenset[Part] = frozenset(
    ("silent_units", "start_time", "length", "unit_ids", "attributes", "metadata", "raw")
)


@dataclass(frozen=True)
class Format:
    """One format as data.

    Attributes
    ----------
    name : str
        The name in sheets, configurations and on the command line.
    title : str
        One line for people.
    suffix : str
        The end of its file or folder names.
    module : str
        Where its reader and writer live.
    writes : bool
        Whether it can be exported.
    folder : bool
        Whether an export is a folder.
    spikes : {'exact', 'unit', 'bin'}
        How spike times come back: bit by bit, to the rounding of the time unit they are stored
        in, or in their bin.
    keeps : frozenset of str
        What else comes back. ``attributes`` and ``metadata`` mean: as far as docs/formats.md says.
    """

    name: str
    title: str
    suffix: str
    module: str
    writes: bool = True
    folder: bool = False
    spikes: Literal["exact", "unit", "bin"] = "unit"
    keeps: frozenset[Part] = ALL_PARTS

    def load_module(self) -> ModuleType:
        """Import the module that reads and writes the format."""
        return importlib.import_module(self.module)

    def options(self, values: Mapping[str, Any] | None = None) -> Any:
        """Make the format's ``Options`` from a mapping, refusing names it does not know."""
        known = self.option_names()
        unknown = sorted(set(values or {}) - set(known))
        if unknown:
            raise OptionError(
                f"{self.name} has no such option",
                found=", ".join(unknown),
                allowed=", ".join(known),
            )
        return self.load_module().Options(**(values or {}))

    def option_names(self) -> list[str]:
        """The names of the format's options."""
        return [field.name for field in fields(self.load_module().Options)]


_HDF5 = "spikelab.formats.hdf5"
_FORMATS = (
    Format("pickle", "SpikeData pickle", ".pkl", "spikelab.formats.pickled", spikes="exact"),
    Format("hdf5_ragged", "HDF5, spike times and end index", ".ragged.h5", f"{_HDF5}.ragged"),
    Format(
        "hdf5_raster",
        "HDF5, matrix of spike counts",
        ".raster.h5",
        f"{_HDF5}.raster",
        spikes="bin",
    ),
    Format("hdf5_group", "HDF5, one dataset per unit", ".group.h5", f"{_HDF5}.group"),
    Format("hdf5_paired", "HDF5, unit index and time per spike", ".paired.h5", f"{_HDF5}.paired"),
    Format(
        "hdf5_raw",
        "HDF5, raw voltage traces to be thresholded",
        ".raw.h5",
        f"{_HDF5}.raw",
        writes=False,
    ),
    Format("nwb", "Neurodata Without Borders 2", ".nwb", "spikelab.formats.nwb"),
    Format(
        "kilosort",
        "Kilosort/Phy folder",
        "_kilosort",
        "spikelab.formats.kilosort",
        folder=True,
        keeps=ALL_PARTS - {"metadata", "raw"},
    ),
    Format(
        "spikelab_npz",
        "SpikeLab sorting result",
        ".npz",
        "spikelab.formats.spikelab_npz",
        writes=False,
    ),
    Format(
        "spikeinterface",
        "a sorting that SpikeInterface can read",
        "",
        "spikelab.formats.spikeinterface",
        writes=False,
        folder=True,
    ),
)
FORMATS: Mapping[str, Format] = MappingProxyType({entry.name: entry for entry in _FORMATS})
EXPORTS: tuple[str, ...] = tuple(name for name, entry in FORMATS.items() if entry.writes)

# Endings of other people's files, tried after the formats' own suffixes.
_FOREIGN_SUFFIXES = {
    ".pickle": "pickle",
    ".h5": "hdf5_ragged",
    ".hdf5": "hdf5_ragged",
    ".nwb.h5": "nwb",
}


def get(name: str) -> Format:
    """The format of that name.

    Raises
    ------
    OptionError
        If there is none; the message lists the names and the closest one.
    """
    if name in FORMATS:
        return FORMATS[name]
    close = difflib.get_close_matches(name, FORMATS, n=1)
    raise OptionError(
        "the format is unknown",
        found=name,
        allowed=", ".join(FORMATS),
        hint=f"did you mean {close[0]}?" if close else None,
    )


def guess(path: str | os.PathLike[str]) -> Format:
    """The format that a path's name stands for.

    An HDF5 file of no particular style counts as ``hdf5_ragged``; what a file on disk really
    holds is for :func:`spikelab.convert.detect` to find out.

    Raises
    ------
    OptionError
        If the name tells nothing.
    """
    name = Path(path).name
    own = [entry for entry in _FORMATS if entry.suffix and name.endswith(entry.suffix)]
    if own:
        return max(own, key=lambda entry: len(entry.suffix))
    for suffix in sorted(_FOREIGN_SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return FORMATS[_FOREIGN_SUFFIXES[suffix]]
    raise OptionError(
        "the name of the path does not tell its format",
        found=os.fspath(path),
        allowed=", ".join(f"*{entry.suffix}" for entry in _FORMATS if entry.suffix),
        hint="name the format",
    )
