"""Valid sources of every format as bytes, and ways to damage them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from spikelab import SpikeData, convert
from spikelab.formats import registry

ALONE = ""  # the name of the only file of what is no folder
Files = dict[str, bytes]

# -- what is damaged ------------------------------------------------------------------------------


def session() -> SpikeData:
    """A small session with something of everything."""
    rng = np.random.default_rng(7)
    samples = [np.sort(rng.choice(20_000, n, replace=False)) for n in (40, 0, 25, 1, 60)]
    attributes = [
        {
            "unit_id": 3 * unit,
            "electrode": unit,
            "location": [10.0 * unit, 20.0],
            "quality": "good" if unit % 2 else "mua",
            "snr": unit / 3,
            "template": np.arange(6.0),
        }
        for unit in range(5)
    ]
    metadata = {
        "fs_Hz": 20_000.0,
        "session_start_time": "2024-03-05T14:30:00+01:00",
        "subject_id": "m1",
        "species": "Mus musculus",
        "probe": {"shanks": [1, 2], "name": "µ"},
    }
    return SpikeData(
        [times / 20 for times in samples],
        length=1000.0,
        neuron_attributes=attributes,
        metadata=metadata,
        raw_data=rng.normal(size=(2, 400)).astype("f4"),
        raw_time=20.0,
    )


def samples_of(format: str, folder: Path) -> list[Files]:
    """Valid sources of a format, as different in their bytes as users' files are."""
    if format == "spikelab_npz":
        return [_npz(folder, save) for save in (np.savez, np.savez_compressed)]
    if format == "hdf5_raw":
        path = _saved("hdf5_ragged", folder)
        with h5py.File(path, "r+") as file:
            del file["spike_times"], file["spike_times_index"]
        return [{ALONE: path.read_bytes()}, _without_checksums(path)]
    if format == "pickle":
        return [content(_saved(format, folder, protocol=number)) for number in (0, 2, 5)]
    path = _saved(format, folder)
    if format == "kilosort":
        bare = {name: data for name, data in content(path).items() if not name.endswith(".json")}
        return [content(path), bare]
    return [content(path), _without_checksums(path)]


def _saved(format: str, folder: Path, **options: object) -> Path:
    target = folder / f"sample{registry.get(format).suffix}"
    if format == "hdf5_raster":
        options["raster_bin_size_ms"] = 1.0
    if format.startswith("hdf5"):
        options |= {"raw_dataset": "raw_data", "raw_time_dataset": "raw_time"}
    return convert.save(session(), target, format, options)


def _npz(folder: Path, save: Callable[..., None]) -> Files:
    units = np.empty(3, dtype=object)
    for i in range(3):
        train = np.arange(i, 500, 7 + i)
        units[i] = {"unit_id": i, "spike_train": train, "x_max": 1.0, "y_max": 2.0 * i}
        units[i] |= {"electrode": i, "template": np.ones((4, 3)), "peak_sign": "neg"}
    path = folder / "sample.npz"
    save(path, units=units, fs=20_000.0, locations=np.ones((3, 2)))
    return content(path)


def _without_checksums(path: Path) -> Files:
    """The same in the older layout of HDF5: there, damage gets further."""
    older = path.with_name("older.h5")
    with h5py.File(path) as source, h5py.File(older, "w", libver="earliest") as target:
        for name in source:
            source.copy(name, target)
        for name, value in source.attrs.items():
            target.attrs[name] = value
    return content(older)


def content(path: Path) -> Files:
    """A file or folder as bytes; empty when there is nothing."""
    if path.is_file():
        return {ALONE: path.read_bytes()}
    files = sorted(one for one in path.rglob("*") if one.is_file())
    return {str(one.relative_to(path)): one.read_bytes() for one in files}


def put(files: Files, path: Path) -> None:
    """The opposite of `content`."""
    for name, data in files.items():
        one = path / name if name else path
        one.parent.mkdir(parents=True, exist_ok=True)
        one.write_bytes(data)


def remove(path: Path) -> None:
    """Remove all its files."""
    for name in content(path):
        (path / name if name else path).unlink()


# -- damage ---------------------------------------------------------------------------------------

NUMBERS = [
    0,
    1,
    2,
    7,
    127,
    128,
    255,
    2**15,
    2**16,
    2**31 - 1,
    2**31,
    2**32,
    2**62,
    2**63,
    2**64 - 1,
]


def mutated(samples: list[Files], rng: np.random.Generator) -> Files:
    """One of the samples, damaged."""
    files = dict(samples[rng.integers(len(samples))])
    if list(files) != [ALONE]:
        return _folder(files, rng)
    data = files[ALONE]
    if data.startswith(b"PK") and rng.random() < 0.7:
        return {ALONE: _zip(data, rng)}  # behind the checksums of the archive
    return {ALONE: _bytes(data, data, rng)}


def _folder(files: Files, rng: np.random.Generator) -> Files:
    for _ in range(_few(rng)):
        one, other = (str(name) for name in rng.choice(sorted(files), 2))
        kind = rng.random()
        if kind < 0.08 and len(files) > 1:
            del files[one]
        elif kind < 0.16:
            files[one], files[other] = files[other], files[one]
        else:
            files[one] = _bytes(files[one], files[other], rng)
    return files


def _zip(data: bytes, rng: np.random.Generator) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = _folder({name: archive.read(name) for name in archive.namelist()}, rng)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, member in files.items():
            archive.writestr(name, member)
    return made.getvalue()


def _bytes(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    for _ in range(_few(rng)):
        # Headers and texts are at the beginning, and there is most to break.
        span = len(data) if rng.random() < 0.6 else min(len(data), 1024)
        start = int(rng.integers(span + 1))
        stop = min(len(data), start + _few(rng) ** 2)
        data = data[:start] + _replacement(data, (start, stop), other, rng)
    return data


def _replacement(
    data: bytes, place: tuple[int, int], other: bytes, rng: np.random.Generator
) -> bytes:
    """What comes instead of everything from a place on."""
    start, stop = place
    kind = rng.integers(8)
    if kind == 0:  # cut short
        return b""
    if kind == 1:  # remove
        return data[stop:]
    if kind == 2:  # insert
        return rng.bytes(stop - start) + data[start:]
    if kind == 3:  # zero
        return bytes(stop - start) + data[stop:]
    if kind == 4:  # splice
        begin = int(rng.integers(len(other) + 1))
        return other[begin : begin + 8 * (stop - start)] + data[stop:]
    if kind == 5:  # a number where counts and sizes may be
        size = int(rng.choice([1, 2, 4, 8]))
        value = NUMBERS[rng.integers(len(NUMBERS))] % 256**size
        return value.to_bytes(size, rng.choice(["little", "big"])) + data[start + size :]
    if kind == 6:  # flip one bit
        flipped = bytes(one ^ 1 << int(rng.integers(8)) for one in data[start : start + 1])
        return flipped + data[start + 1 :]
    return rng.bytes(stop - start) + data[stop:]


def _few(rng: np.random.Generator) -> int:
    return min(int(rng.geometric(0.4)), 12)
