"""HDF5, style raster: spike counts, (units, bins)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab import binning, trains
from spikelab.errors import FormatError, OptionError
from spikelab.formats import h5
from spikelab.formats.hdf5 import layout as layouts
from spikelab.formats.hdf5 import session
from spikelab.formats.hdf5.layout import CommonOptions
from spikelab.spikedata.spikedata import SpikeData

STYLE = "raster"
# Long rows of one unit, or several short ones: spikes then are written in their own order.
_CHUNK_BINS = 2**18
# Far beyond any sampling frequency: damage, which would fill the memory.
_MOST_PER_MS = 10**6
_BLOCK_BINS = 2**24
_GZIP_LEVEL = 1


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Name of the dataset, and the width of a bin in ms (must be given for writing)."""

    raster_dataset: str | None = None
    raster_bin_size_ms: float | None = None


def write(sd: SpikeData, path: Path, options: Options) -> None:
    """Write the counts, compressed, in the smallest unsigned integers that hold them."""
    layout = layouts.for_writing(sd, options, STYLE)
    bin_size_ms = _checked(options.raster_bin_size_ms)
    (counts, columns, row_ends), shape = binning.csr_counts(
        sd.train, sd.start_time, sd.length, bin_size_ms
    )
    with h5.writing(path) as file:
        raster = file.create_dataset(
            layout.names["raster_dataset"],
            shape,
            np.min_scalar_type(int(counts.max(initial=0))),
            **_storage(shape),
        )
        raster.attrs["bin_size_ms"] = bin_size_ms
        raster.attrs["time_origin_ms"] = sd.start_time
        _fill(raster, counts, columns + np.repeat(np.arange(sd.N), np.diff(row_ends)) * shape[1])
        session.describe(file, sd, layout)


def _checked(bin_size_ms: float | None) -> float:
    if bin_size_ms is None:
        raise OptionError(
            "the raster needs raster_bin_size_ms, the width of a bin in ms",
            hint="give it, for example raster_bin_size_ms=1.0",
        )
    return binning.check_bin_size(bin_size_ms)


def _storage(shape: tuple[int, int]) -> dict[str, Any]:
    if 0 in shape:
        return {}
    bins = min(shape[1], _CHUNK_BINS)
    rows = min(shape[0], max(1, _CHUNK_BINS // shape[1]))
    return {"chunks": (rows, bins), "compression": "gzip", "compression_opts": _GZIP_LEVEL}


def _fill(raster: h5py.Dataset, counts: NDArray[np.int64], position: NDArray[np.int64]) -> None:
    """Write counts at ascending positions of the flattened matrix, block by block."""
    for rows, bins in _blocks(raster):
        block = np.zeros((rows.stop - rows.start, bins.stop - bins.start), raster.dtype)
        first = rows.start * raster.shape[1] + bins.start
        inside = slice(*np.searchsorted(position, (first, first + block.size)))
        block.flat[position[inside] - first] = counts[inside]
        raster[rows, bins] = block


def _blocks(raster: h5py.Dataset) -> Iterator[tuple[slice, slice]]:
    """Parts of the matrix that fit into memory, made of whole chunks; rows are the outer loop."""
    n_rows, n_bins = raster.shape
    if raster.size == 0:
        return
    chunk_rows, chunk_bins = raster.chunks or (1, min(n_bins, _BLOCK_BINS))
    if n_bins * chunk_rows <= _BLOCK_BINS:
        rows, bins = chunk_rows * (_BLOCK_BINS // (n_bins * chunk_rows)), n_bins
    else:
        rows, bins = chunk_rows, chunk_bins * max(1, _BLOCK_BINS // (chunk_rows * chunk_bins))
    for row in range(0, n_rows, rows):
        for column in range(0, n_bins, bins):
            yield (
                slice(row, min(row + rows, n_rows)),
                slice(column, min(column + bins, n_bins)),
            )


def read(path: Path, options: Options) -> SpikeData:
    """Read the style: a bin's spikes are spread evenly inside it."""
    with h5.reading(path) as file:
        layout = layouts.for_reading(file, options, STYLE)
        raster = h5.numeric(file, layout.names["raster_dataset"], ndim=2, kinds="biuf")
        stated = {name: _attribute(raster, name) for name in ("bin_size_ms", "time_origin_ms")}
        bin_size_ms = _checked(
            layouts.agree("raster_bin_size_ms", options.raster_bin_size_ms, stated["bin_size_ms"])
        )
        layout, start, end = layouts.complete(
            layout, stated["time_origin_ms"], raster.shape[1] * bin_size_ms
        )
        unit, column, counts = _spikes(raster)
        if counts.max(initial=0) > _MOST_PER_MS * max(bin_size_ms, 1.0):
            raise FormatError(
                f"dataset {raster.name!r} holds values that are no spike counts",
                found=f"{counts.max()} spikes in a bin of {bin_size_ms} ms",
                allowed=f"up to {_MOST_PER_MS} per ms",
            )
        late = start + column * bin_size_ms > end
        if late.any():
            raise FormatError(
                "the raster has spikes after the end of the session",
                found=f"{counts[late].sum()} spikes in bins that begin after {end} ms",
                hint="give the right length_ms and start_time_ms, or leave them out",
            )
        units, times = binning.place(unit, column, counts, bin_size_ms, start, end)
        return session.build(file, layout, trains.by_unit(units, times, raster.shape[0]))


def _attribute(raster: h5py.Dataset, name: str) -> float | None:
    value = np.asarray(raster.attrs.get(name, ""))
    return float(value.item()) if value.size == 1 and value.dtype.kind in "iuf" else None


def _spikes(raster: h5py.Dataset) -> tuple[NDArray[np.int64], ...]:
    """Row, column and count of every bin with spikes; a unit's columns ascend."""
    parts = [np.empty((3, 0), dtype=np.int64)]
    for rows, bins in _blocks(raster):
        block = raster[rows, bins]
        row, column = np.divmod(np.flatnonzero(block != 0), block.shape[1])
        counts = block[row, column]
        if counts.size and not (np.all(counts > 0) and np.all(counts == np.rint(counts))):
            raise FormatError(
                f"dataset {raster.name!r} holds values that are no spike counts",
                allowed="whole numbers of at least 0",
            )
        parts.append(np.stack([row + rows.start, column + bins.start, counts.astype(np.int64)]))
    return tuple(np.concatenate(parts, axis=1))
