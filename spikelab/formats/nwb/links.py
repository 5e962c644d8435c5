"""Custom names: the spike times and their index can be found under the names asked for as well.

The names of the standard always stay, for readers that know nothing else. What a second name does
to them depends on where it lies:

* In a group of its own, soft links: no reader minds them.
* In the table itself, hard links whose names sort after the standard ones: pynwb meets the object
  under its standard name first. A name that sorts before would become the object's name, so there
  a virtual dataset repeats the values.
* SpikeInterface takes every dataset of the table for a property with one value per unit, unless
  an index lies beside it whose name is the dataset's with ``_index`` added: that is added too.
"""

from __future__ import annotations

import warnings

import h5py

from spikelab.errors import LossWarning, OptionError
from spikelab.formats.nwb.options import SPIKE_TIMES, SPIKE_TIMES_INDEX, UNITS, Options


def add_names(file: h5py.File, options: Options) -> None:
    """Make the custom names of the options in a finished file.

    Raises
    ------
    OptionError
        If a name is that of another object.

    Warns
    -----
    LossWarning
        If a reader is lost.
    """
    times = options.spike_times_dataset or SPIKE_TIMES
    index = options.spike_times_index_dataset or SPIKE_TIMES_INDEX
    group = options.group or UNITS
    if times == index:
        raise OptionError("spike times and their index need different names", found=times)
    if group != UNITS:
        if group in file:
            raise _taken("group", group)
        made = file.create_group(group)
        for name, standard in ((times, SPIKE_TIMES), (index, SPIKE_TIMES_INDEX), ("id", "id")):
            if name in made:
                raise _taken("dataset", name)
            made[name] = h5py.SoftLink(f"/{UNITS}/{standard}")
        return
    for name, standard in ((times, SPIKE_TIMES), (index, SPIKE_TIMES_INDEX)):
        if name != standard:
            _alias(file[UNITS], name, standard)
    if times != SPIKE_TIMES and index != (expected := f"{times}_index"):
        if expected in file[UNITS]:
            _warn_lost_reader(times)
        else:
            _alias(file[UNITS], expected, SPIKE_TIMES_INDEX)


def _taken(kind: str, name: str) -> OptionError:
    return OptionError(f"an NWB file has another object where this {kind} would be", found=name)


def _alias(units: h5py.Group, name: str, standard: str) -> None:
    if name in units:
        raise _taken("dataset", name)
    if name > standard:
        units[name] = units[standard]
        return
    source = units[standard]
    layout = h5py.VirtualLayout(shape=source.shape, dtype=source.dtype)
    layout[...] = h5py.VirtualSource(".", source.name, shape=source.shape)
    units.create_virtual_dataset(name, layout)


def _warn_lost_reader(name: str) -> None:
    warnings.warn(
        f"SpikeInterface cannot read the NWB file: it takes {name!r} in the table of the units for "
        f"one value per unit. Name the index {name}_index, or give another group",
        LossWarning,
        stacklevel=2,
    )
