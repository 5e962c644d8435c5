"""Load a session: the public functions that mirror the exporters.

A file written by this package says everything about itself, so its path is enough. The other
arguments are for other people's files; one that contradicts what a file states is an error.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikelab import convert
from spikelab.spikedata.spikedata import SpikeData
from spikelab.spikedata.thresholding import Direction
from spikelab.units import TimeUnit

PathLike = str | os.PathLike[str]


def load_spikedata_from_hdf5(
    filepath: PathLike,
    *,
    raster_dataset: str | None = None,
    raster_bin_size_ms: float | None = None,
    spike_times_dataset: str | None = None,
    spike_times_index_dataset: str | None = None,
    spike_times_unit: TimeUnit | None = None,
    fs_Hz: float | None = None,
    group_per_unit: str | None = None,
    group_time_unit: TimeUnit | None = None,
    idces_dataset: str | None = None,
    times_dataset: str | None = None,
    times_unit: TimeUnit | None = None,
    raw_dataset: str | None = None,
    raw_time_dataset: str | None = None,
    raw_time_unit: TimeUnit | None = None,
    length_ms: float | None = None,
    start_time_ms: float | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> SpikeData:
    """Read an HDF5 file of any of the four styles.

    The style is the one that the file states, else the one whose dataset is named here, else the
    one whose usual datasets are there.

    Parameters
    ----------
    filepath : str or os.PathLike
        The file.
    raster_dataset, raster_bin_size_ms
        Style raster: name of the dataset, width of a bin in ms.
    spike_times_dataset, spike_times_index_dataset, spike_times_unit
        Style ragged: names of the datasets, unit of the spike times (``'s'`` where neither file
        nor caller says).
    fs_Hz : float, optional
        Sampling frequency in Hz, for the unit ``'samples'``.
    group_per_unit, group_time_unit
        Style group: name of the group, unit of the spike times (``'s'``).
    idces_dataset, times_dataset, times_unit
        Style paired: names of the datasets, unit of the spike times (``'ms'``).
    raw_dataset, raw_time_dataset, raw_time_unit
        Names for raw traces and their times, and the times' unit (``'ms'``).
    length_ms, start_time_ms : float, optional
        Duration and start in ms.
    metadata : mapping, optional
        Added to the session's metadata.

    Returns
    -------
    SpikeData

    Raises
    ------
    MissingFile
        If there is no such file.
    FormatError
        If the content is not what the style asks for.
    OptionError
        If an argument contradicts the file, or something is missing that only you can know.
    """
    from spikelab.formats.hdf5 import header

    raw: dict[str, Any] = {
        "fs_Hz": fs_Hz,
        "raw_dataset": raw_dataset,
        "raw_time_dataset": raw_time_dataset,
        "raw_time_unit": raw_time_unit,
        "length_ms": length_ms,
        "start_time_ms": start_time_ms,
    }
    styles: dict[str, dict[str, Any]] = {
        "ragged": {
            "spike_times_dataset": spike_times_dataset,
            "spike_times_index_dataset": spike_times_index_dataset,
            "spike_times_unit": spike_times_unit,
        },
        "raster": {"raster_dataset": raster_dataset, "raster_bin_size_ms": raster_bin_size_ms},
        "group": {"group_per_unit": group_per_unit, "group_time_unit": group_time_unit},
        "paired": {
            "idces_dataset": idces_dataset,
            "times_dataset": times_dataset,
            "times_unit": times_unit,
        },
    }
    given = {style: _given(options) for style, options in styles.items()}
    style = header.choose_style(filepath, given)
    sd = convert.load(filepath, f"hdf5_{style}", _given(raw) | given[style])
    sd.metadata.update(metadata or {})
    return sd


def load_spikedata_from_hdf5_raw_thresholded(
    filepath: PathLike,
    dataset: str,
    *,
    fs_Hz: float | None = None,
    threshold_sigma: float = 5.0,
    filter: dict[str, float] | bool = True,
    hysteresis: bool = True,
    direction: Direction = "both",
) -> SpikeData:
    """Detect spikes in raw traces of an HDF5 file.

    Parameters
    ----------
    filepath : str or os.PathLike
        The file.
    dataset : str
        Name of the dataset, (channels, samples).
    fs_Hz : float, optional
        Sampling frequency in Hz; needed unless the file states it.
    threshold_sigma, filter, hysteresis, direction
        As in :meth:`~spikelab.spikedata.spikedata.SpikeData.from_thresholding`.

    Returns
    -------
    SpikeData
        One unit per channel; the traces stay attached.
    """
    options = {
        "dataset": dataset,
        "fs_Hz": fs_Hz,
        "threshold_sigma": threshold_sigma,
        "filter": filter,
        "hysteresis": hysteresis,
        "direction": direction,
    }
    return convert.load(filepath, "hdf5_raw", options)


def load_spikedata_from_nwb(
    filepath: PathLike,
    *,
    prefer_pynwb: bool = True,
    length_ms: float | None = None,
    start_time_ms: float | None = None,
) -> SpikeData:
    """Read the units table of an NWB file.

    Parameters
    ----------
    filepath : str or os.PathLike
        The file.
    prefer_pynwb : bool
        True reads with pynwb, and with h5py alone where pynwb cannot; False with h5py alone,
        which reads the same.
    length_ms, start_time_ms : float, optional
        Duration and start in ms, for files that do not state them.

    Returns
    -------
    SpikeData
    """
    options = {
        "prefer_pynwb": prefer_pynwb,
        "length_ms": length_ms,
        "start_time_ms": start_time_ms,
    }
    return convert.load(filepath, "nwb", options)


def load_spikedata_from_kilosort(
    folder: PathLike,
    *,
    fs_Hz: float | None = None,
    spike_times_file: str | None = None,
    spike_clusters_file: str | None = None,
    cluster_info_tsv: str | None = None,
    time_unit: TimeUnit | None = None,
    include_noise: bool = True,
    length_ms: float | None = None,
    start_time_ms: float | None = None,
    channel_map_file: str | None = None,
    channel_positions_file: str | None = None,
) -> SpikeData:
    """Read a Kilosort or Phy folder.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder.
    fs_Hz : float, optional
        Sampling frequency in Hz; needed unless params.py states it.
    spike_times_file, spike_clusters_file : str, optional
        Names of the two files; by default what the folder states, else ``spike_times.npy`` and
        ``spike_clusters.npy``.
    cluster_info_tsv : str, optional
        Name of the table of the clusters; by default ``cluster_info.tsv`` where it exists.
    time_unit : {'samples', 's', 'ms'}, optional
        Unit of the spike times; by default what the folder states, else ``'samples'``.
    include_noise : bool
        False leaves out the units that are labelled noise, and says how many.
    length_ms, start_time_ms : float, optional
        Duration and start in ms, for folders that do not state them.
    channel_map_file, channel_positions_file : str, optional
        Names; by default ``channel_map.npy`` and ``channel_positions.npy``.

    Returns
    -------
    SpikeData
    """
    options = {
        "fs_Hz": fs_Hz,
        "spike_times_file": spike_times_file,
        "spike_clusters_file": spike_clusters_file,
        "cluster_info_tsv": cluster_info_tsv,
        "time_unit": time_unit,
        "include_noise": include_noise,
        "length_ms": length_ms,
        "start_time_ms": start_time_ms,
        "channel_map_file": channel_map_file,
        "channel_positions_file": channel_positions_file,
    }
    return convert.load(folder, "kilosort", _given(options))


def load_spikedata_from_pickle(
    filepath: PathLike,
    *,
    aws_access_key_id: str | None = None,
    aws_secret_access_key: str | None = None,
    aws_session_token: str | None = None,
    region_name: str | None = None,
    endpoint_url: str | None = None,
) -> SpikeData:
    """Read a pickled session of this package or of the SpikeLab library.

    Nothing in the file is run: only the classes that such a pickle needs are accepted.

    Parameters
    ----------
    filepath : str or os.PathLike
        The file, or a URL ``s3://bucket/key``.
    aws_access_key_id, aws_secret_access_key, aws_session_token, region_name, endpoint_url
        As in :func:`~spikelab.data_loaders.data_exporters.export_to_pickle`.

    Returns
    -------
    SpikeData

    Raises
    ------
    MissingFile
        If there is no such file or object.
    FormatError
        If the file is no pickled session, or names anything that is not on the list.
    """
    if not os.fspath(filepath).startswith("s3://"):
        return convert.load(filepath, "pickle")
    from spikelab import s3

    access = s3.Access(
        aws_access_key_id, aws_secret_access_key, aws_session_token, region_name, endpoint_url
    )
    with tempfile.TemporaryDirectory() as folder:
        local = s3.download(s3.parse_url(os.fspath(filepath)), Path(folder) / "s.pkl", access)
        return convert.load(local, "pickle")


def load_spikedata_from_spikelab_sorted_npz(
    filepath: PathLike, *, length_ms: float | None = None
) -> SpikeData:
    """Read a sorting result that the SpikeLab library compiled; nothing in the file is run.

    Parameters
    ----------
    filepath : str or os.PathLike
        The ``.npz`` file.
    length_ms : float, optional
        Duration in ms; by default up to the last spike.

    Returns
    -------
    SpikeData
        Units keep what the file says about them: ``unit_id``, ``location``, ``electrode``,
        ``template``, ``amplitudes``, ``std_norms``, ``peak_sign``, ``max_channel_id``.
    """
    return convert.load(filepath, "spikelab_npz", {"length_ms": length_ms})


def load_spikedata_from_spikeinterface(
    sorting: Any,
    sampling_frequency: float | None = None,
    unit_ids: Sequence[int | str] | None = None,
    segment_index: int = 0,
) -> SpikeData:
    """Take over a SpikeInterface sorting.

    Parameters
    ----------
    sorting : spikeinterface.BaseSorting or alike
        Anything with ``get_unit_ids``, ``get_sampling_frequency`` and ``get_unit_spike_train``.
    sampling_frequency : float, optional
        In Hz; by default the sorting's own.
    unit_ids : sequence of int or str, optional
        The units to take, in this order; by default all.
    segment_index : int
        The segment to take.

    Returns
    -------
    SpikeData
        Each unit keeps its id as ``unit_id``, and its properties as attributes.
    """
    from spikelab.formats import spikeinterface

    return spikeinterface.from_sorting(sorting, sampling_frequency, unit_ids, segment_index)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given, leaving the rest to the defaults of the format."""
    return {name: value for name, value in options.items() if value is not None}
