"""One sorted session in memory: spike times in ms per unit, attributes, metadata, raw traces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import EllipsisType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikelab import binning, trains
from spikelab.errors import InvalidSpikeData
from spikelab.spikedata import attributes as attribute_names
from spikelab.spikedata import checks, selection
from spikelab.spikedata.thresholding import Direction, crossings
from spikelab.units import MS_PER_S, require_fs


class SpikeData:
    """Spike trains of the units of one session.

    Parameters
    ----------
    train : iterable of array_like of float
        Spike times in ms, one array per unit. They are copied and sorted.
    N : int, optional
        Number of units; units beyond those in `train` are silent.
    length : float, optional
        Duration in ms. By default it ends at the last spike.
    start_time : float
        Start of the session in ms; negative for times around an event.
    neuron_attributes : sequence of mapping, optional
        One mapping per unit. Names with a meaning: ``unit_id``; ``electrode``, ``channel`` or
        ``ch``; ``location``, ``x``/``y``/``z`` or ``position``.
    metadata : mapping, optional
        About the session. Names with a meaning: ``fs_Hz``, and those in docs/formats.md (NWB).
    raw_data : array_like, shape (n_channels, n_samples), optional
        Raw traces, kept as they are without a copy.
    raw_time : array_like, shape (n_samples,), or float, optional
        Time in ms of each sample, or the sampling rate in kHz of traces that begin at
        `start_time`.

    Attributes
    ----------
    train : list of numpy.ndarray of float64
        Sorted spike times in ms.
    N : int
        Number of units.
    length, start_time : float
        In ms.
    neuron_attributes : list of dict, or None
    metadata : dict
    raw_data : numpy.ndarray, shape (n_channels, n_samples); (0, 0) without raw traces.
    raw_time : numpy.ndarray of float64, shape (n_samples,), ms

    Raises
    ------
    InvalidSpikeData
        If a time is not finite or lies outside [start_time, start_time + length], or if N, the
        attributes or the raw traces do not fit the trains.

    Notes
    -----
    The instance dict holds these eight attributes and nothing else: it is what pickles exchange
    with the SpikeLab library.
    """

    def __init__(
        self,
        train: Iterable[ArrayLike],
        *,
        N: int | None = None,
        length: float | None = None,
        start_time: float = 0.0,
        neuron_attributes: Sequence[Mapping[str, Any]] | None = None,
        metadata: Mapping[str, Any] | None = None,
        raw_data: ArrayLike | None = None,
        raw_time: ArrayLike | float | None = None,
    ) -> None:
        self.train = [checks.sorted_times(times, unit) for unit, times in enumerate(train)]
        self.N = checks.number_of_units(N, len(self.train))
        self.train += [np.empty(0) for _ in range(self.N - len(self.train))]
        self.start_time = checks.finite(start_time, "start_time")
        self.length = checks.session_length(length, self.start_time, self.train)
        checks.inside(self.train, self.start_time, self.length)
        self.neuron_attributes = checks.attributes_of(neuron_attributes, self.N)
        self.metadata = checks.mapping(metadata, "metadata")
        self.raw_data, self.raw_time = checks.raw_traces(raw_data, raw_time, self.start_time)

    def __repr__(self) -> str:
        n_spikes = sum(map(len, self.train))
        return (
            f"SpikeData({self.N} units, {n_spikes} spikes, "
            f"{self.length:g} ms from {self.start_time:g} ms)"
        )

    # -- constructors ---------------------------------------------------------------------------

    @classmethod
    def from_idces_times(
        cls, idces: ArrayLike, times: ArrayLike, N: int | None = None, **kwargs: Any
    ) -> Self:
        """From paired arrays: the unit index (0 to N-1) and the time in ms of each spike.

        Parameters
        ----------
        idces : array_like of int, shape (n_spikes,)
            Unit of each spike.
        times : array_like of float, shape (n_spikes,)
            Time of each spike in ms, in any order.
        N : int, optional
            Number of units; by default the highest index plus one.
        **kwargs
            The constructor's other arguments.
        """
        units = trains.as_integers(idces, "unit indices")
        n_units = int(units.max(initial=-1)) + 1 if N is None else checks.number_of_units(N, 0)
        return cls(trains.by_unit(units, times, n_units), **kwargs)

    @classmethod
    def from_events(
        cls, events: Iterable[tuple[int, float]], N: int | None = None, **kwargs: Any
    ) -> Self:
        """From (unit index, time in ms) pairs; arguments as in :meth:`from_idces_times`."""
        pairs = checks.pairs(events)
        return cls.from_idces_times(pairs[:, 0], pairs[:, 1], N, **kwargs)

    @classmethod
    def from_raster(cls, raster: ArrayLike, bin_size_ms: float, **kwargs: Any) -> Self:
        """From spike counts.

        A bin's spikes are spread evenly inside it: three spikes in the bin 0 to 10 ms lie at
        2.5, 5 and 7.5 ms. Binned again at `bin_size_ms` they give the same counts.

        Parameters
        ----------
        raster : array_like of int, shape (n_units, n_bins)
            Number of spikes per unit and bin.
        bin_size_ms : float
            Width of a bin in ms.
        **kwargs
            The constructor's other arguments. `length` defaults to all bins; a shorter one may
            cut the last bin only.
        """
        counts = checks.counts(raster)
        bin_size_ms = binning.check_bin_size(bin_size_ms)
        start = checks.finite(kwargs.get("start_time", 0.0), "start_time")
        full = counts.shape[1] * bin_size_ms
        given = kwargs.pop("length", None)
        length = full if given is None else checks.finite(given, "length")
        if counts.shape[1] > max(binning.n_bins(length, bin_size_ms, start), 1):
            raise InvalidSpikeData(
                "the raster is longer than the session",
                found=f"{counts.shape[1]} bins of {bin_size_ms} ms, length {length} ms",
            )
        units, times = binning.spread(counts, bin_size_ms, start, start + length)
        return cls(trains.by_unit(units, times, counts.shape[0]), length=length, **kwargs)

    @classmethod
    def from_thresholding(
        cls,
        data: ArrayLike,
        fs_Hz: float = 20e3,
        threshold_sigma: float = 5.0,
        filter: dict[str, float] | bool = True,
        hysteresis: bool = True,
        direction: Direction = "both",
        *,
        length: float | None = None,
        start_time: float = 0.0,
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Detect spikes in raw traces, one unit per channel; the traces stay attached.

        Parameters
        ----------
        data : array_like, shape (n_channels, n_samples)
            Raw voltages, any unit.
        fs_Hz : float
            Sampling frequency in Hz.
        threshold_sigma : float
            Threshold in standard deviations of each channel's filtered trace.
        filter : dict or bool
            True: third-order Butterworth band-pass, 300 Hz to 6 kHz, zero phase. A dict with
            ``lowcut``, ``highcut`` (Hz) and ``order`` for another one, False for none.
        hysteresis : bool
            True: one spike where the threshold is crossed. False: one for every sample beyond.
        direction : {'both', 'up', 'down'}
            Which crossings count.
        length : float, optional
            Duration in ms; by default that of the traces.
        start_time : float
            Time in ms of the first sample.
        metadata : mapping, optional
            About the session; ``fs_Hz`` is added.
        """
        traces = np.asarray(data)
        rate_Hz = require_fs(fs_Hz, why="thresholding")
        found = crossings(traces, rate_Hz, threshold_sigma, filter, hysteresis, direction)
        start = checks.finite(start_time, "start_time")
        return cls(
            [times + start for times in found],
            length=traces.shape[1] * MS_PER_S / rate_Hz if length is None else length,
            start_time=start,
            neuron_attributes=[{"electrode": channel} for channel in range(traces.shape[0])],
            metadata={**(metadata or {}), "fs_Hz": rate_Hz},
            raw_data=traces,
            raw_time=rate_Hz / MS_PER_S,
        )

    @classmethod
    def from_neo_spiketrains(cls, spiketrains: Iterable[Any], **kwargs: Any) -> Self:
        """From ``neo.SpikeTrain`` objects.

        Start and end are the earliest ``t_start`` and the latest ``t_stop`` unless they are
        given as `start_time` and `length` (ms).
        """
        spiketrains = list(spiketrains)
        train = [np.asarray(one.rescale("ms").magnitude, np.float64) for one in spiketrains]
        if spiketrains:
            start = min(float(one.t_start.rescale("ms")) for one in spiketrains)
            stop = max(float(one.t_stop.rescale("ms")) for one in spiketrains)
            start = kwargs.setdefault("start_time", start)
            kwargs.setdefault("length", stop - start)
        return cls(train, **kwargs)

    # -- views ----------------------------------------------------------------------------------

    def idces_times(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Unit index and time in ms of every spike, in order of time."""
        times, idces = trains.chronological(self.train)
        return idces, times

    def sparse_raster(self, bin_size: float = 1.0) -> Any:
        """Spike counts as a ``scipy.sparse.csr_array`` of shape (N, n_bins).

        Parameters
        ----------
        bin_size : float
            Width of a bin in ms. Bins are half-open and counted from `start_time`; a spike at
            the very end is in the last bin. There are ceil(length / bin_size) of them.
        """
        from scipy.sparse import csr_array

        return csr_array(*binning.csr_counts(self.train, self.start_time, self.length, bin_size))

    def raster(self, bin_size: float = 1.0) -> NDArray[np.int64]:
        """Spike counts, shape (N, n_bins); bins as in :meth:`sparse_raster`."""
        return binning.dense_counts(self.train, self.start_time, self.length, bin_size)

    @property
    def electrodes(self) -> NDArray[np.generic] | None:
        """Electrode of each unit, shape (N,), or None when a unit has none."""
        return attribute_names.electrodes(self.neuron_attributes)

    @property
    def unit_locations(self) -> NDArray[np.float64] | None:
        """Place of each unit, shape (N, n_dimensions), or None when a unit has none."""
        return attribute_names.locations(self.neuron_attributes)

    def subset(
        self, units: Iterable[Any], by: str | None = None, preserve_order: bool = False
    ) -> Self:
        """The session with some of its units.

        Parameters
        ----------
        units : iterable or scalar
            Indices of units; with `by`, values of that attribute.
        by : str, optional
            Name of an attribute. Every unit whose value is among `units` is taken.
        preserve_order : bool
            False keeps the order of the session, True that of `units`. Duplicates count once.

        Raises
        ------
        OptionError
            If there is no such unit, or no unit has the attribute.
        """
        wanted = [units] if np.isscalar(units) else list(units)
        attrs = self.neuron_attributes
        if by is None:
            chosen = selection.indices(wanted, self.N)
        else:
            chosen = selection.indices_by(wanted, by, attrs)
        if not preserve_order:
            chosen.sort()
        return self._with(
            train=[self.train[i] for i in chosen],
            neuron_attributes=None if attrs is None else [attrs[i] for i in chosen],
        )

    def subtime(
        self,
        start: float | EllipsisType | None,
        end: float | EllipsisType | None,
        shift_to: float | None = None,
    ) -> Self:
        """The session between two times.

        Parameters
        ----------
        start, end : float, None or Ellipsis
            From `start` (included) to `end` (excluded, but the end of the session includes a
            spike that lies on it), ms. None and Ellipsis leave that side as it is. In a session
            that does not begin before zero, negative times count back from its end.
        shift_to : float, optional
            The time in ms that becomes zero; by default `start`.
        """
        first, last, stop = selection.time_window(self.start_time, self.length, start, end)
        shift = first if shift_to is None else checks.finite(shift_to, "shift_to")

        def within(times: NDArray[np.float64]) -> slice:
            side: Literal["left", "right"] = "right" if last == stop else "left"
            return slice(np.searchsorted(times, first), np.searchsorted(times, last, side))

        traces = within(self.raw_time)
        return self._with(
            train=[times[within(times)] - shift for times in self.train],
            start_time=first - shift,
            length=last - first,
            raw_data=self.raw_data[:, traces] if self.raw_data.size else None,
            raw_time=self.raw_time[traces] - shift if self.raw_data.size else None,
        )

    def copy(self) -> Self:
        """A copy of trains and attributes, with every invariant checked again."""
        return self._with(train=self.train, N=self.N)

    def _with(self, **changes: Any) -> Self:
        state: dict[str, Any] = {
            "length": self.length,
            "start_time": self.start_time,
            "neuron_attributes": self.neuron_attributes,
            "metadata": self.metadata,
            "raw_data": self.raw_data if self.raw_data.size else None,
            "raw_time": self.raw_time if self.raw_data.size else None,
        }
        return type(self)(**(state | changes))

    # -- exports --------------------------------------------------------------------------------

    def to_hdf5(self, filepath: str, **options: Any) -> None:
        """Write HDF5; options as in :func:`..data_exporters.export_spikedata_to_hdf5`."""
        from spikelab.data_loaders.data_exporters import export_spikedata_to_hdf5

        export_spikedata_to_hdf5(self, filepath, **options)

    def to_nwb(self, filepath: str, **options: Any) -> None:
        """Write NWB; options as in :func:`..data_exporters.export_spikedata_to_nwb`."""
        from spikelab.data_loaders.data_exporters import export_spikedata_to_nwb

        export_spikedata_to_nwb(self, filepath, **options)

    def to_kilosort(self, folder: str, *, fs_Hz: float, **options: Any) -> tuple[str, str]:
        """Write a folder; options as in :func:`..data_exporters.export_spikedata_to_kilosort`."""
        from spikelab.data_loaders.data_exporters import export_spikedata_to_kilosort

        return export_spikedata_to_kilosort(self, folder, fs_Hz=fs_Hz, **options)
