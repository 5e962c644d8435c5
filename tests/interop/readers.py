"""The readers: how each opens an export, what it does not speak of, and its limits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pynwb

from spikelab import dandi
from tests.interop.comparing import Reader, Seen, plain
from tests.interop.sessions import BIN_MS, FS_HZ
from tests.interop.spikelab_process import SpikelabProcess


def _samples(times_s: Any) -> Any:
    return np.rint(np.asarray(times_s) * FS_HZ).astype(np.int64)


def _pynwb(path: Path, _: SpikelabProcess) -> Seen:
    problems = pynwb.validate(path=str(path))
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        frame = io.read().units.to_dataframe()
        rows = list(frame["electrodes"]) if "electrodes" in frame else None
        (window,) = {tuple(map(float, one[0])) for one in frame["obs_intervals"]}
        return Seen(
            [_samples(times) for times in frame["spike_times"]],
            list(frame.index),
            rows and [one.index[0] if len(one) else None for one in rows],
            rows and [list(one[["x", "y", "z"]].iloc[0]) if len(one) else None for one in rows],
            window_s=window,
            messages=[str(problem) for problem in problems],
        )


def _nwbinspector(config: str | None) -> Callable[[Path, SpikelabProcess], Seen]:
    def read(path: Path, _: SpikelabProcess) -> Seen:
        return Seen(messages=[name for name, _ in inspect(path, config)])

    return read


def inspect(path: Path, config: str | None) -> list[tuple[str, str]]:
    """Names of checks, and messages, of nwbinspector."""
    import nwbinspector as inspector

    settings = None if config is None else inspector.load_config(config)
    return [
        (message.check_function_name, message.message)
        for message in inspector.inspect_nwbfile(nwbfile_path=str(path), config=settings)
    ]


def _dandi(path: Path, _: SpikelabProcess) -> Seen:
    dandi.archive(path, path.parent / "dandiset")
    done = dandi_validate(path.parent / "dandiset")
    passed = done.returncode == 0 and "No errors found" in done.stdout + done.stderr
    return Seen(messages=[] if passed else [done.stdout + done.stderr])


def dandi_validate(folder: Path) -> subprocess.CompletedProcess:
    """What the real command says about a folder."""
    command = [str(Path(sys.executable).with_name("dandi")), "validate", str(folder)]
    # Neither news from the network nor logs in the home of who runs the tests.
    environment = os.environ | {"DANDI_NO_ET": "1", "HOME": str(folder.parent)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _trains(sorting: Any) -> list[Any]:
    return [sorting.get_unit_spike_train(one) for one in sorting.unit_ids]


def _read_nwb_sorting(path: Path, _: SpikelabProcess) -> Seen:
    from spikeinterface import extractors

    sorting = extractors.read_nwb_sorting(str(path))
    properties = (plain(sorting.get_property(name)) for name in ("electrode", "location"))
    return Seen(_trains(sorting), list(sorting.unit_ids), *properties)


def _phy_sorting(sorting: Any) -> Seen:
    depth = sorting.get_property("depth")
    return Seen(
        _trains(sorting),
        list(sorting.unit_ids),
        plain(sorting.get_property("ch")),
        None if depth is None else [[one] for one in depth],
        axes=(1,),
    )


def _read_phy(path: Path, _: SpikelabProcess) -> Seen:
    from spikeinterface import extractors

    return _phy_sorting(extractors.read_phy(path))


def _read_kilosort(path: Path, _: SpikelabProcess) -> Seen:
    from spikeinterface import extractors

    return _phy_sorting(extractors.read_kilosort(path))


def _neuroconv(path: Path, _: SpikelabProcess) -> Seen:
    from neuroconv.datainterfaces import PhySortingInterface

    return _phy_sorting(PhySortingInterface(folder_path=path).sorting_extractor)


def _phylib(path: Path, _: SpikelabProcess) -> Seen:
    from phylib.io.model import load_model

    model = load_model(path / "params.py")
    try:
        ids = list(model.metadata["group"])
        trains = [model.spike_samples[model.get_cluster_spikes(one)] for one in ids]
        best = [
            model.get_cluster_channels(one)[0] if len(train) else None
            for one, train in zip(ids, trains, strict=True)
        ]
        return Seen(
            trains,
            ids,
            [None if row is None else int(model.channel_mapping[row]) for row in best],
            [None if row is None else model.channel_positions[row] for row in best],
            axes=(0, 1),
        )
    finally:
        model.close()


def _neo(path: Path, _: SpikelabProcess) -> Seen:
    from neo.io import NWBIO

    reader = NWBIO(str(path), mode="r")
    try:
        trains = reader.read_block().segments[0].spiketrains
        (window,) = {(float(t.t_start.rescale("s")), float(t.t_stop.rescale("s"))) for t in trains}
        return Seen([_samples(train.rescale("s").magnitude) for train in trains], window_s=window)
    finally:
        # NWBIO.close leaves pynwb's file object open.
        reader._file.get_read_io().close()


def _pynapple(path: Path, _: SpikelabProcess) -> Seen:
    import pynapple

    file = pynapple.NWBFile(str(path))
    try:
        group = file["units"]
        channels = group["electrode"] if "electrode" in group.metadata_columns else None
        return Seen(
            [_samples(group[one].times()) for one in group.keys()],  # noqa: SIM118
            list(group.keys()),
            plain(channels),
        )
    finally:
        file.close()


def _spikelab(loader: str, **options: Any) -> Callable[[Path, SpikelabProcess], Seen]:
    def read(path: Path, library: SpikelabProcess) -> Seen:
        answer = library.load(loader, path, **options)
        if "error" in answer:
            return Seen(messages=[answer["error"]])
        start_ms, length_ms = answer["start_ms"], answer["length_ms"]
        units = answer["attributes"] or [{}]
        return Seen(
            [np.repeat(np.arange(len(row)), row) for row in answer["raster"]]
            if "raster" in answer
            else [_samples(np.array(times) / 1000) for times in answer["train"]],
            [unit["unit_id"] for unit in units] if "unit_id" in units[0] else None,
            _of(units, "electrode"),
            _of(units, "location"),
            axes=(0, 1) if "kilosort" in loader else (0, 1, 2),
            window_s=(start_ms / 1000, (start_ms + length_ms) / 1000),
        )

    return read


def _of(units: Sequence[Mapping[str, Any]], name: str) -> list[Any] | None:
    return [unit.get(name) for unit in units] if any(name in unit for unit in units) else None


def _library(format: str, loader: str, note: str = "", **entry: Any) -> Reader:
    options = entry.pop("options", {})
    name = f"`load_spikedata_from_{loader}`{note}"
    read = _spikelab(f"load_spikedata_from_{loader}", **options)
    return Reader(name, "spikelab", format, read, **entry)


_SPIKES_ONLY = ("ids", "channels", "places")
_ROWS = "takes the row in the electrodes table for the channel"
_RAGGED = {
    "spike_times_dataset": "spike_times",
    "spike_times_index_dataset": "spike_times_index",
    "spike_times_unit": "s",
}
_PAIRED = {"idces_dataset": "idces", "times_dataset": "times", "times_unit": "ms"}
_RASTER = {"raster_dataset": "raster", "raster_bin_size_ms": BIN_MS}

READERS: tuple[Reader, ...] = (
    Reader("`validate`, `NWBHDF5IO`", "pynwb", "nwb", _pynwb),
    Reader(
        "default checks",
        "nwbinspector",
        "nwb",
        _nwbinspector(None),
        unspoken=("keywords",),
        validates_only=True,
    ),
    Reader(
        "checks of `dandi`",
        "nwbinspector",
        "nwb",
        _nwbinspector("dandi"),
        unspoken=("keywords",),
        validates_only=True,
    ),
    Reader("`dandi validate`", "dandi", "nwb", _dandi, validates_only=True),
    Reader("`read_nwb_sorting`", "spikeinterface", "nwb", _read_nwb_sorting, ("start and end",)),
    Reader("`NWBIO`", "neo", "nwb", _neo, _SPIKES_ONLY),
    Reader("`NWBFile`", "pynapple", "nwb", _pynapple, ("places", "start and end")),
    _library(
        "nwb",
        "nwb",
        ", without pynwb",
        options={"prefer_pynwb": False},
        limits={"channels": _ROWS, "places": _ROWS},
    ),
    _library(
        "nwb",
        "nwb",
        ", with pynwb",
        options={"prefer_pynwb": True},
        limits={
            "spikes": "cannot open a file whose units have electrodes "
            "(`ValueError: neuron_attributes has 6 instead of 7 items.`); `prefer_pynwb=False` can"
        },
    ),
    Reader("`load_model`", "phylib", "kilosort", _phylib, ("start and end",)),
    Reader("`read_phy`", "spikeinterface", "kilosort", _read_phy, ("start and end",)),
    Reader(
        "`read_kilosort`",
        "spikeinterface",
        "kilosort",
        _read_kilosort,
        ("silent units", "start and end"),
    ),
    Reader("`PhySortingInterface`", "neuroconv", "kilosort", _neuroconv, ("start and end",)),
    _library(
        "kilosort",
        "kilosort",
        options={"fs_Hz": FS_HZ},
        unspoken=("silent units",),
        limits={
            "places": "takes the channel number for the row in `channel_positions.npy`",
            "start and end": "ends with the last spike, starts at 0",
        },
    ),
    _library("hdf5_ragged", "hdf5", options=_RAGGED, unspoken=_SPIKES_ONLY),
    _library(
        "hdf5_group",
        "hdf5",
        options={"group_per_unit": "units", "group_time_unit": "s"},
        unspoken=_SPIKES_ONLY,
    ),
    _library("hdf5_paired", "hdf5", options=_PAIRED, unspoken=_SPIKES_ONLY),
    _library(
        "hdf5_raster",
        "hdf5",
        options=_RASTER,
        unspoken=_SPIKES_ONLY,
        limits={"start and end": "ends with the last bin"},
        bin_ms=BIN_MS,
    ),
    _library("pickle", "pickle"),
)
