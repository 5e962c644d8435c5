"""Sessions that a reader cannot open, or of which it loses something, whoever wrote the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.interop.comparing import Reader
from tests.interop.spikelab_process import SpikelabProcess


@dataclass(frozen=True)
class Refusal:
    """What a reader cannot open, or loses, whoever wrote the file.

    Attributes
    ----------
    package, format : str
        As in :class:`Reader`; of several readers, all.
    session : str
        A key of :data:`tests.interop.sessions.EDGES`.
    says : str
        How the error, warning or message begins, or what is lost.
    """

    package: str
    format: str
    session: str
    says: str


_NO_GROUP = "Failed to build TsGroup."
_EMPTY_MAXIMUM = "ValueError: zero-size array to reduction operation maximum which has no identity"
_EMPTY_INDEX = "<class 'IndexError'>: Index (0) out of range for empty dimension"
_NO_UNIT = "a unit less"

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "neo",
        "nwb",
        "with `keywords`",
        "ValueError: Invalid annotation. Annotations of type <class 'hdmf.utils.StrDataset'>",
    ),
    Refusal("neo", "nwb", "without units", "IndexError: list index out of range"),
    Refusal("pynapple", "nwb", "without units", _NO_GROUP),
    Refusal("pynapple", "nwb", "without spikes", _NO_GROUP),
    Refusal("pynapple", "nwb", "of one spike", _NO_GROUP),
    Refusal("nwbinspector", "nwb", "without units", _EMPTY_INDEX),
    Refusal("nwbinspector", "nwb", "without spikes", _EMPTY_INDEX),
    Refusal("phylib", "kilosort", "without units", _EMPTY_MAXIMUM),
    Refusal("phylib", "kilosort", "without spikes", _EMPTY_MAXIMUM),
    Refusal("phylib", "kilosort", "of one spike", "AssertionError"),
    Refusal("spikelab", "hdf5_ragged", "whose first unit is silent", _NO_UNIT),
    Refusal("spikelab", "hdf5_paired", "whose last unit is silent", _NO_UNIT),
)


def outcome(reader: Reader, path: Path, library: SpikelabProcess, n_units: int) -> str:
    """What a reader says about a file that it cannot open, or that it has lost a unit."""
    try:
        seen = reader.read(path, library)
    except Exception as error:  # whatever it raises is its answer
        return f"{type(error).__name__}: {error}".strip(": ")
    if seen.messages:
        return "\n".join(seen.messages)
    lost = seen.trains is not None and len(seen.trains) == n_units - 1
    return _NO_UNIT if lost else "nothing"
