"""Session, subject and device: ``SpikeData.metadata`` to and from the fields of an NWB file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from spikelab import metadata as names
from spikelab.errors import AssumptionWarning, FormatError, OptionError
from spikelab.formats import h5

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.device import Device

# An NWB file must state a start. Everybody, the archives' checks too, takes this one for unknown.
NO_START = "1970-01-01T00:00:00+00:00"
NO_START_NOTE = f"The start of this session is not known; {NO_START} is a placeholder."
NO_DESCRIPTION = "no description of the session was given"
PLACEHOLDERS = "spikelab_placeholders"
OTHER_METADATA = "spikelab_metadata"
# Traces need not be in the file: what is known of them is kept beside the other metadata.
CONVERSION = "raw_conversion_to_volts"
# HDF5 attributes have room for 64 kB.
_MAX_ATTRIBUTE = 60_000

_GENERAL = (
    "session_id",
    "institution",
    "lab",
    "experiment_description",
    "protocol",
    "notes",
    "experimenter",
    "keywords",
)
# Names of a subject's fields in NWB where they differ from ours.
_SUBJECT = {name: name for name in names.SUBJECT_NAMES} | {"subject_description": "description"}


def new_file(
    metadata: Mapping[str, Any], identifier: str, shift_ms: float
) -> tuple[NWBFile, list[str]]:
    """An NWB file object with everything but data, and the names of fields nobody gave.

    Parameters
    ----------
    metadata : mapping
        Given values only; other names than those of :mod:`spikelab.metadata` are ignored.
    identifier : str
        What identifies the file when `metadata` does not say.
    shift_ms : float
        What time zero of the file is before or after the start of the session, ms.

    Warns
    -----
    AssumptionWarning
        If no session start time is known.
    """
    from pynwb import NWBFile

    general = {name: metadata[name] for name in _GENERAL if name in metadata}
    for name in ("experimenter", "keywords"):
        if name in general:
            general[name] = names.as_list(general[name])
    general = {n: v if isinstance(v, list) else str(v) for n, v in general.items()}
    required = {
        "session_start_time": NO_START,
        "session_description": NO_DESCRIPTION,
        "identifier": identifier,
    }
    placeholders = [name for name in required if name not in metadata]
    required |= {name: str(metadata[name]) for name in required if name in metadata}
    if "session_start_time" in placeholders:
        general["notes"] = "\n".join(filter(None, (general.get("notes"), NO_START_NOTE)))
        warnings.warn(
            f"no session_start_time is known: the NWB file states the placeholder {NO_START}, "
            "and is not ready for an archive",
            AssumptionWarning,
            stacklevel=2,
        )
    start = names.parse_time(required.pop("session_start_time"))
    if shift_ms:
        general["timestamps_reference_time"] = start + timedelta(milliseconds=shift_ms)
    # Not the time of writing: equal sessions shall give equal files.
    file = NWBFile(session_start_time=start, file_create_date=[start], **required, **general)
    file.subject = _subject(metadata)
    return file, placeholders


def _subject(metadata: Mapping[str, Any]) -> Any:
    from pynwb.file import Subject

    given = {own: metadata[name] for name, own in _SUBJECT.items() if name in metadata}
    if not given:
        return None
    fields: dict[str, Any] = {n: str(v) for n, v in given.items() if n != "date_of_birth"}
    if "date_of_birth" in given:
        fields["date_of_birth"] = names.parse_time(given["date_of_birth"], "date_of_birth")
    return Subject(**fields)


def device(file: NWBFile, metadata: Mapping[str, Any]) -> tuple[Device, list[str]]:
    """Add the recording device; also returns the names of fields nobody gave."""
    from pynwb.device import DeviceModel

    model, placeholders = None, []
    if "device_model" in metadata or "device_manufacturer" in metadata:
        fields = {"device_model": "unknown model", "device_manufacturer": "unknown manufacturer"}
        placeholders += [name for name in fields if name not in metadata]
        fields |= {name: str(metadata[name]) for name in fields if name in metadata}
        model = DeviceModel(
            name=_plain(fields["device_model"], "device_model"),
            manufacturer=fields["device_manufacturer"],
            description=f"{fields['device_model']}, made by {fields['device_manufacturer']}",
        )
        file.add_device_model(model)
    if "device_name" not in metadata:
        placeholders.append("device_name")
    description = metadata.get("device_description")
    made = file.create_device(
        name=_plain(str(metadata.get("device_name", "device")), "device_name"),
        description=None if description is None else str(description),
        model=model,
    )
    return made, placeholders


def _plain(name: str, field: str) -> str:
    if "/" in name or ":" in name or name in (".", ".."):
        raise OptionError(f"{field} must be a plain name in NWB", found=name, allowed="no / and :")
    return name


def other_metadata(metadata: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Metadata that NWB has no field for: a JSON text, and the names it cannot hold."""
    kept: dict[str, Any] = {}
    lost = []
    for name, value in metadata.items():
        if (name in names.NAMES and name != CONVERSION) or name == "fs_Hz":
            continue
        value = value.item() if isinstance(value, np.generic) else value
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError):
            same = False
        size = len(json.dumps({**kept, name: value}).encode()) if same else 0
        if same and size <= _MAX_ATTRIBUTE:
            kept[name] = value
        else:
            lost.append(name)
    return (json.dumps(kept, sort_keys=True) if kept else None), lost


def read_metadata(file: h5py.File) -> dict[str, Any]:
    """The metadata of an NWB file under our names; blanks and placeholders are left out."""
    found = {
        name: _value(file, name)
        for name in ("session_start_time", "session_description", "identifier")
    }
    found |= {name: _value(file, f"general/{name}") for name in _GENERAL}
    found |= {name: _value(file, f"general/subject/{own}") for name, own in _SUBJECT.items()}
    found |= _read_device(file)
    placeholders = {text(name) for name in np.atleast_1d(file.attrs.get(PLACEHOLDERS, []))}
    if _is_no_start(found["session_start_time"]):
        placeholders.add("session_start_time")
        kept = [n for n in str(found["notes"] or "").split("\n") if n != NO_START_NOTE]
        found["notes"] = "\n".join(kept)
    found = {name: value for name, value in found.items() if name not in placeholders}
    return names.parsed(found) | _read_other(file)


def _read_other(file: h5py.File) -> dict[str, Any]:
    stored = text(file.attrs.get(OTHER_METADATA, "{}"))
    try:
        other = json.loads(stored)
    except ValueError:
        other = None
    if not isinstance(other, dict):
        raise FormatError(f"the attribute {OTHER_METADATA} is damaged", found=stored)
    return other


def _is_no_start(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("1970-01-01T00:00:00")


def _value(file: h5py.Group, path: str) -> Any:
    item = h5.find(file, path)
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        return None
    value = item[()]
    if isinstance(value, np.ndarray):
        return [text(one) for one in value.ravel()]
    return text(value)


def text(value: Any) -> str:
    """A text of an HDF5 file, whichever way it is stored."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _read_device(file: h5py.File) -> dict[str, Any]:
    devices = h5.find(file, "general/devices")
    found: dict[str, Any] = {}
    if isinstance(devices, h5py.Group):
        there = {name: device for name, device in devices.items() if device is not None}
        kinds = {n: text(d.attrs.get("neurodata_type", "")) for n, d in there.items()}
        own = [name for name, kind in kinds.items() if kind not in ("DeviceModel", "")]
        if len(own) == 1:
            one = devices[own[0]]
            found["device_name"] = own[0]
            found["device_description"] = _attribute(one, "description")
            found["device_manufacturer"] = _attribute(one, "manufacturer")
            if isinstance(model := one.get("model"), h5py.Group):
                found["device_model"] = _link_target(one, "model").rsplit("/", 1)[-1]
                found["device_manufacturer"] = _attribute(model, "manufacturer")
    groups = h5.find(file, "general/extracellular_ephys")
    members = groups.values() if isinstance(groups, h5py.Group) else ()
    # A link that leads nowhere is None.
    places = {_attribute(g, "location") for g in members if g is not None} - {None}
    if len(places) == 1 and places != {"unknown"}:
        found["electrode_location"] = places.pop()
    return found


def _link_target(group: h5py.Group, name: str) -> str:
    """Where a member of a group lies: h5py names linked objects by the way taken to them."""
    link = group.get(name, getlink=True)
    return text(link.path) if isinstance(link, h5py.SoftLink) else text(group[name].name)


def _attribute(item: h5py.HLObject, name: str) -> str | None:
    return text(item.attrs[name]) if name in item.attrs else None
