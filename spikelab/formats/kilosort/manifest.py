"""``spikelab_export.json``: what a folder of ours is made of, and whether somebody changed it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spikelab.errors import FormatError, TargetError
from spikelab.formats.kilosort.options import LAYOUT, MANIFEST, PARAMS, STANDARD_FILES
from spikelab.formats.kilosort.params import is_plain_name

_ABOUT = (
    "Made by spikelab together with this folder. Without it the folder still opens everywhere, "
    "but the order of the units, attributes that are no table columns, and the means to see "
    "whether somebody curated the folder are gone."
)
# Caches that Phy derives from the spikes; they would describe the spikes of the older export.
_STALE_CACHES = (".phy", "phy.log")
_STALE_PREFIX = "_phy_spikes_subset."
_SORTER_FILES = ("rez.mat", "ops.npy", "templates.npy", "spike_templates.npy", PARAMS)
# What the entry of an attribute must say, by its kind.
_PLACES = dict.fromkeys(("bool", "int", "float", "str"), "column") | {
    "array": "file",
    "json": "values",
    "per_spike": "name",
}
_HINT = "move the folder away, or export to another one"


@dataclass(frozen=True)
class Manifest:
    """What a folder of ours says about itself besides ``params.py``.

    Attributes
    ----------
    cluster_ids : list of int
        The clusters in the order of the units.
    silent : list of int
        Those without spikes.
    labels : list of str
        Their curation labels at the time of the export.
    attributes : list of dict
        Where the attributes are: see :mod:`spikelab.formats.kilosort.attributes`.
    invented_channels, placeholder_templates : list of int
        Clusters whose channel, or whose template, nobody gave.
    invented_positions : list of int
        Channels whose place nobody gave, or that were moved because two must not coincide.
    electrodes : list of int
        Number of each channel on its own probe, in a folder whose channels are numbered by row.
    files : dict of str to str
        Every other file of the export, and its SHA-256.
    """

    cluster_ids: list[int]
    silent: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    attributes: list[dict[str, Any]] = field(default_factory=list)
    invented_channels: list[int] = field(default_factory=list)
    placeholder_templates: list[int] = field(default_factory=list)
    invented_positions: list[int] = field(default_factory=list)
    electrodes: list[int] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it, as the last file of the folder: it holds the digests of all others."""
        files = {path.name: digest(path) for path in sorted(folder.iterdir())}
        content = {"about": _ABOUT, "layout": LAYOUT} | asdict(self) | {"files": files}
        if not self.electrodes:  # channel_map.npy says it all
            del content["electrodes"]
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: Path) -> Manifest | None:
    """The manifest of a folder; None when it has none.

    Raises
    ------
    FormatError
        If it is damaged, or made by a newer version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        layout = content.pop("layout")
        content.pop("about", None)
        manifest = Manifest(**content) if layout == LAYOUT else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(str(error)) from error
    if manifest is None:
        raise FormatError(
            f"{MANIFEST} is of another version",
            found=layout,
            allowed=f"layout {LAYOUT}",
            hint="update this program",
        )
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    """Refuse a manifest that does not have the types it must have."""
    numbers = (
        *("cluster_ids", "silent", "invented_channels", "placeholder_templates"),
        "electrodes",
    )
    for name in numbers:
        if not _are_whole(getattr(manifest, name)):
            raise _damaged(f"{name} is no list of whole numbers")
    if len(set(manifest.cluster_ids)) != len(manifest.cluster_ids):
        raise _damaged("cluster_ids are not distinct")
    if not (
        isinstance(manifest.files, dict)
        and isinstance(manifest.labels, list)
        and len(manifest.labels) == len(manifest.cluster_ids)
        and isinstance(manifest.attributes, list)
        and all(map(_is_entry, manifest.attributes))
    ):
        raise _damaged("an entry is not of its type")
    for entry in manifest.attributes:
        if len(entry.get("values", manifest.cluster_ids)) != len(manifest.cluster_ids):
            raise _damaged(f"{entry['name']} has not one value per unit")


def _is_entry(entry: object) -> bool:
    """Whether an attribute's entry has what its kind needs, and stays inside the folder."""
    return (
        isinstance(entry, Mapping)
        and isinstance(entry.get("name"), str)
        and _PLACES.get(str(entry.get("kind")), "?") in entry
        and isinstance(entry.get("values", []), list)
        and isinstance(entry.get("column", ""), str)
        and is_plain_name(entry.get("file", "-"))
        and all(_are_whole(entry.get(gap, [])) for gap in ("absent", "none"))
    )


def _are_whole(value: object) -> bool:
    return isinstance(value, list) and all(type(number) is int for number in value)


def _damaged(why: str) -> FormatError:
    return FormatError(
        f"{MANIFEST} is damaged",
        found=why,
        hint=f"export again, or delete {MANIFEST} to read the folder as any sorter's",
    )


def carry_over(target: Path) -> set[str]:
    """The names in an older folder that a new export must keep.

    Parameters
    ----------
    target : pathlib.Path
        The folder to be replaced; it need not exist.

    Returns
    -------
    set of str
        Everything that is no part of an export. Caches of Phy are not kept: they describe the
        spikes of the older export.

    Raises
    ------
    TargetError
        If the folder is a sorter's, or an export that was curated since.
    """
    if not target.is_dir():
        return set()
    names = {path.name for path in target.iterdir()}
    try:
        manifest = read(target)
    except FormatError as error:
        raise TargetError(
            "the folder holds an export that cannot be checked for curation",
            found=str(error),
            hint=_HINT,
        ) from error
    if manifest is None:
        _refuse_foreign(names)
        ours = set(STANDARD_FILES)
    else:
        _refuse_curated(target, names, manifest)
        ours = {MANIFEST, *manifest.files}
    return {name for name in names - ours if not _is_stale_cache(name)}


def is_same_export(new: Path, old: Path) -> bool:
    """Whether a folder began as the export that `new` is, whatever was done in it since."""
    return (old / MANIFEST).is_file() and digest(old / MANIFEST) == digest(new / MANIFEST)


def _is_table(name: str) -> bool:
    return name.startswith("cluster_") and name.endswith((".tsv", ".csv"))


def _is_stale_cache(name: str) -> bool:
    return name in _STALE_CACHES or name.startswith(_STALE_PREFIX)


def _refuse_foreign(names: set[str]) -> None:
    """Stray arrays are an older plain export; anything more is somebody's sorting."""
    work = sorted(name for name in names if name in _SORTER_FILES or _is_table(name))
    if work:
        raise TargetError(
            "the folder holds a sorting that is no export of this program; "
            "a new export would destroy its curation",
            found=", ".join(work),
            allowed="a new folder, or an export that nobody changed",
            hint=_HINT,
        )


def _refuse_curated(target: Path, names: set[str], manifest: Manifest) -> None:
    changed = {
        name
        for name, known in manifest.files.items()
        if name in names and not _is_unchanged(target / name, known)
    }
    added = {name for name in names - set(manifest.files) if _is_table(name)}
    if changed | added:
        raise TargetError(
            "the folder was changed since its export; a new export would destroy curation",
            found="changed or new: " + ", ".join(sorted(changed | added)),
            allowed="a new folder, or an export that nobody changed",
            hint=_HINT,
        )


def _is_unchanged(path: Path, known: str) -> bool:
    return path.is_file() and digest(path) == known
