"""The tables of units and electrodes, built from whole columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikelab.formats.nwb.options import SPIKE_TIMES, UNITS, Options
from spikelab.formats.nwb.plan import Plan

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.device import Device
    from pynwb.misc import Units


def add_electrodes(file: NWBFile, device: Device, plan: Plan, given: Mapping[str, Any]) -> None:
    """Add the groups, and the table of the electrodes with channel numbers as ids."""
    from hdmf.common import ElementIdentifiers, VectorData
    from pynwb.ecephys import ElectrodesTable

    electrodes = plan.electrodes
    area = str(given.get("electrode_location", "unknown"))
    groups = {
        name: file.create_electrode_group(
            name=name, description=f"electrodes of {name}", location=area, device=device
        )
        for name in dict.fromkeys([*electrodes.groups, *(plan.groups or ())])
    }
    if not electrodes.keys:
        return
    data: dict[str, tuple[str, Any]] = {
        "location": ("brain area of the electrode", electrodes.areas),
        "group": ("the group of the electrode", [groups[name] for name, _ in electrodes.keys]),
        "group_name": ("name of the group", [name for name, _ in electrodes.keys]),
    }
    channels = electrodes.channels
    if electrodes.ids.tolist() != channels:
        data["channel"] = ("channel as the source calls it", np.array(channels, dtype=object))
        if all(isinstance(channel, int) for channel in channels):
            data["channel"] = ("channel number on its probe", np.array(channels))
    for axis, values in zip("xyz", electrodes.places.T):
        # The same values twice: on the probe is what they are, x, y and z is where readers look.
        data[axis] = (f"{axis} of the electrode on its probe, in micrometres", values)
        data[f"rel_{axis}"] = data[axis]
    columns = [VectorData(name=n, description=d, data=values) for n, (d, values) in data.items()]
    file.electrodes = ElectrodesTable(
        id=ElementIdentifiers(name="id", data=electrodes.ids), columns=columns, colnames=list(data)
    )


def units_table(file: NWBFile, plan: Plan, fs_Hz: float | None, options: Options) -> Units:
    """The table of the units, whose electrodes point into the file's table."""
    from hdmf.common import DynamicTableRegion, ElementIdentifiers, VectorData
    from pynwb.misc import Units

    times = _compressed(plan.times_s, options)
    windows = np.tile(np.array(plan.window_s), (len(plan.ids), 1))
    columns = [
        *_ragged(
            VectorData(name=SPIKE_TIMES, description="spike times in s", data=times), plan.ends
        ),
        *_ragged(
            VectorData(name="obs_intervals", description="observed from, to, in s", data=windows),
            np.arange(1, len(plan.ids) + 1),
        ),
    ]
    if plan.electrodes.rows.size:
        region = DynamicTableRegion(
            name="electrodes",
            description="electrodes of each unit",
            data=plan.electrodes.rows,
            table=file.electrodes,
        )
        columns += _ragged(region, plan.electrodes.ends)
    if plan.groups is not None:
        groups = [file.electrode_groups[name] for name in plan.groups]
        columns.append(
            VectorData(name="electrode_group", description="group of each unit", data=groups)
        )
    for one in plan.columns:
        made = VectorData(name=one.name, description=one.description, data=one.data)
        columns += [made] if one.ends is None else _ragged(made, one.ends)
    return Units(
        name=UNITS,
        description="sorted units",
        id=ElementIdentifiers(name="id", data=plan.ids),
        columns=columns,
        colnames=[c.name for c in columns if not c.name.endswith("_index")],
        resolution=None if fs_Hz is None else 1.0 / fs_Hz,
        waveform_unit="unknown",
    )


def _ragged(column: Any, ends: NDArray[np.int64]) -> list[Any]:
    from hdmf.common import VectorIndex

    return [column, VectorIndex(name=f"{column.name}_index", data=ends, target=column)]


def _compressed(data: NDArray[np.float64], options: Options) -> Any:
    if options.compression != "gzip" or not data.size:
        return data
    from pynwb import H5DataIO

    return H5DataIO(data, compression="gzip", compression_opts=1, shuffle=True)
