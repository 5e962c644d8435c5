"""Raw voltage traces and the time of each of their samples."""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError, InvalidSpikeData, OptionError
from spikelab.formats import h5
from spikelab.formats.hdf5.layout import Layout
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import MS_PER_S, from_ms, require_fs, to_ms

KINDS = "biuf"
_EXACT_MS = 1e-9


def present(sd: SpikeData) -> bool:
    """Whether the session has raw traces."""
    return sd.raw_data.shape != (0, 0)


def write(file: h5py.File, sd: SpikeData, layout: Layout) -> bool:
    """Write the traces where they are asked for and there; return whether they were."""
    if "raw_dataset" not in layout.names or not present(sd):
        return False
    if sd.raw_data.dtype.kind not in KINDS:
        raise InvalidSpikeData("raw traces must be numbers", found=f"dtype {sd.raw_data.dtype}")
    # Contiguous: as fast as the disk, and a window in time is one read per channel.
    file.create_dataset(layout.names["raw_dataset"], data=sd.raw_data)
    times = file.create_dataset(
        layout.names["raw_time_dataset"], data=_stored_times(sd.raw_time, layout)
    )
    times.attrs["unit"] = layout.raw_unit
    return True


def _stored_times(times_ms: NDArray[np.float64], layout: Layout) -> NDArray[np.generic]:
    """Times in the file's unit; samples between the whole numbers stay there, as floats."""
    stored = from_ms(times_ms, layout.raw_unit, layout.fs_Hz)
    if layout.raw_unit == "samples":
        moved = np.abs(to_ms(stored, "samples", layout.fs_Hz) - times_ms)
        if moved.max(initial=0.0) > _EXACT_MS:
            return times_ms * require_fs(layout.fs_Hz, why="samples") / MS_PER_S
    return stored


def read(
    file: h5py.File, layout: Layout
) -> tuple[NDArray[np.generic] | None, NDArray[np.float64] | float | None]:
    """The traces (channels, samples), and their times in ms or their rate in kHz.

    Raises
    ------
    FormatError
        If the datasets are not there or do not fit.
    OptionError
        If the times are asked for without the traces, or neither they nor the sampling
        frequency are known.
    """
    data_name, time_name = (layout.names.get(f"raw{part}_dataset") for part in ("", "_time"))
    if (layout.header.style and not layout.header.has_raw) or data_name == time_name is None:
        return None, None
    if data_name is None:
        raise OptionError("raw_time_dataset needs raw_dataset", found=time_name)
    data = h5.numbers(file, data_name, ndim=2, kinds=KINDS)
    if time_name is None:
        if layout.fs_Hz is None:
            raise OptionError(
                "raw_dataset needs the times of its samples",
                hint="give raw_time_dataset, or fs_Hz for traces that begin at the start",
            )
        return data, layout.fs_Hz / MS_PER_S
    times = h5.numbers(file, time_name, ndim=1)
    if times.shape != data.shape[1:]:
        raise FormatError(
            "the raw traces and their times do not fit",
            found=f"{data_name!r} {data.shape}, {time_name!r} {times.shape}",
            allowed="(channels, samples) and (samples,)",
        )
    return data, to_ms(times, layout.raw_unit, layout.fs_Hz)
