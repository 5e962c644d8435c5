"""Export a session: the public functions. What they do is in :mod:`spikelab.formats`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from spikelab import convert
from spikelab.errors import OptionError, SpikelabError
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import TimeUnit

PathLike = str | os.PathLike[str]
Hdf5Style = Literal["ragged", "raster", "group", "paired"]


def export_spikedata_to_hdf5(
    sd: SpikeData,
    filepath: PathLike,
    *,
    style: Hdf5Style = "ragged",
    raster_dataset: str = "raster",
    raster_bin_size_ms: float | None = None,
    spike_times_dataset: str = "spike_times",
    spike_times_index_dataset: str = "spike_times_index",
    spike_times_unit: TimeUnit = "s",
    fs_Hz: float | None = None,
    group_per_unit: str = "units",
    group_time_unit: TimeUnit = "s",
    idces_dataset: str = "idces",
    times_dataset: str = "times",
    times_unit: TimeUnit = "ms",
    raw_dataset: str | None = None,
    raw_time_dataset: str | None = None,
    raw_time_unit: TimeUnit = "ms",
) -> None:
    """Write an HDF5 file in one of four styles.

    Parameters
    ----------
    sd : SpikeData
        The session.
    filepath : str or os.PathLike
        The file to make; an older one is replaced once the new one is complete.
    style : {'ragged', 'raster', 'group', 'paired'}
        ``ragged``: all spike times in one array, and for each unit the position after its last
        spike. ``raster``: spike counts, (units, bins). ``group``: one dataset per unit.
        ``paired``: for each spike the index of its unit and its time, in order of time.
    raster_dataset, raster_bin_size_ms
        Style ``raster``: name of the dataset, width of a bin in ms (must be given).
    spike_times_dataset, spike_times_index_dataset, spike_times_unit
        Style ``ragged``: names of the datasets, unit of the spike times.
    fs_Hz : float, optional
        Sampling frequency in Hz, for the unit ``'samples'``; by default ``sd.metadata['fs_Hz']``.
    group_per_unit, group_time_unit
        Style ``group``: name of the group, unit of the spike times.
    idces_dataset, times_dataset, times_unit
        Style ``paired``: names of the datasets, unit of the spike times.
    raw_dataset, raw_time_dataset, raw_time_unit
        Names for the raw traces (channels, samples) and their times, and the times' unit. The
        traces are written when the first two are given.

    Raises
    ------
    OptionError
        If an argument is not usable.
    TargetError
        If the file cannot be written.
    """
    raw: dict[str, Any] = {
        "fs_Hz": fs_Hz,
        "raw_dataset": raw_dataset,
        "raw_time_dataset": raw_time_dataset,
        "raw_time_unit": raw_time_unit,
    }
    options: dict[str, dict[str, Any]] = {
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
    if style not in options:
        raise OptionError("the style is unknown", found=style, allowed=", ".join(options)).locate(
            path=filepath
        )
    convert.save(sd, filepath, f"hdf5_{style}", raw | options[style])


def export_spikedata_to_nwb(
    sd: SpikeData,
    filepath: PathLike,
    *,
    spike_times_dataset: str = "spike_times",
    spike_times_index_dataset: str = "spike_times_index",
    group: str = "units",
) -> None:
    """Write a valid NWB 2 file; spike times in seconds.

    Parameters
    ----------
    sd : SpikeData
        The session. Unit ids, electrodes, places and other attributes become columns of the
        units table; ``sd.metadata`` gives subject and session (docs/formats.md lists the names).
    filepath : str or os.PathLike
        The file to make; an older one is replaced once the new one is complete.
    spike_times_dataset, spike_times_index_dataset, group : str
        Names under which the spike times, their index and the table can be found as well. The
        names of the standard are there always.

    Raises
    ------
    OptionError
        If an argument is not usable.
    TargetError
        If the file cannot be written.

    Warns
    -----
    LossWarning
        If an attribute cannot be kept, or if no layout gives a custom name without losing a
        reader.
    AssumptionWarning
        If no session start time is known.
    """
    options = {
        "spike_times_dataset": spike_times_dataset,
        "spike_times_index_dataset": spike_times_index_dataset,
        "group": group,
    }
    convert.save(sd, filepath, "nwb", options)


def export_spikedata_to_kilosort(
    sd: SpikeData,
    folder: PathLike,
    *,
    fs_Hz: float,
    spike_times_file: str = "spike_times.npy",
    spike_clusters_file: str = "spike_clusters.npy",
    time_unit: TimeUnit = "samples",
    cluster_ids: Sequence[int] | None = None,
) -> tuple[str, str]:
    """Write a Kilosort/Phy folder.

    Parameters
    ----------
    sd : SpikeData
        The session.
    folder : str or os.PathLike
        The folder to make.
    fs_Hz : float
        Sampling frequency in Hz.
    spike_times_file, spike_clusters_file : str
        Names of the two files.
    time_unit : {'samples', 's', 'ms'}
        Unit of the spike times. Phy and Kilosort need ``'samples'``.
    cluster_ids : sequence of int, optional
        One id per unit, distinct and not negative. By default the units' ``unit_id`` when every
        unit has a distinct non-negative whole number, else 0 to N-1.

    Returns
    -------
    spike_times_path, spike_clusters_path : str

    Raises
    ------
    OptionError
        If an argument is not usable.
    TargetError
        If the folder cannot be written, or holds curation that would be lost.
    """
    options = {
        "fs_Hz": fs_Hz,
        "spike_times_file": spike_times_file,
        "spike_clusters_file": spike_clusters_file,
        "time_unit": time_unit,
        "cluster_ids": cluster_ids,
    }
    target = convert.save(sd, folder, "kilosort", options)
    return str(target / spike_times_file), str(target / spike_clusters_file)


def export_to_pickle(
    sd: SpikeData,
    filepath: PathLike,
    *,
    protocol: int | None = None,
    s3_upload: bool = False,
    aws_access_key_id: str | None = None,
    aws_secret_access_key: str | None = None,
    aws_session_token: str | None = None,
    region_name: str | None = None,
    endpoint_url: str | None = None,
) -> str:
    """Write a pickle that the SpikeLab library reads too, locally or on S3.

    Parameters
    ----------
    sd : SpikeData
        The session.
    filepath : str or os.PathLike
        The file to make, or with `s3_upload` a URL ``s3://bucket/key``.
    protocol : int, optional
        Pickle protocol; by default 5.
    s3_upload : bool
        Whether to upload to S3.
    aws_access_key_id, aws_secret_access_key, aws_session_token, region_name : str, optional
        Access to S3; by default whatever boto3 finds in the environment or its files.
    endpoint_url : str, optional
        Another S3 server; by default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon.

    Returns
    -------
    str
        The path or the URL.

    Raises
    ------
    OptionError
        If the protocol or the URL is not usable.
    TargetError, TransferError
        If the file cannot be written or uploaded.
    """
    options = {"protocol": protocol}
    if not s3_upload:
        if os.fspath(filepath).startswith("s3://"):
            raise OptionError(
                "an S3 URL needs s3_upload=True", found=os.fspath(filepath), hint="set it"
            )
        return str(convert.save(sd, filepath, "pickle", options))
    import tempfile

    from spikelab import s3

    access = s3.Access(
        aws_access_key_id, aws_secret_access_key, aws_session_token, region_name, endpoint_url
    )
    url = s3.parse_url(os.fspath(filepath))
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "session.pkl"
        try:
            convert.save(sd, local, "pickle", options)
        except SpikelabError as error:
            error.path = os.fspath(filepath)
            raise
        return s3.upload(local, url, access)
