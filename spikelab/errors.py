"""Errors and warnings of spikelab.

Every error answers four questions: what is wrong and where, what was found, what is allowed,
and what to do next. Layers that know more than the one that failed (the file, the session) add
it with :meth:`SpikelabError.locate` while the error passes through them.
"""

from __future__ import annotations

import os
from typing import Any, Self


class _UNSAID:
    """Stands for a finding that was not given; a class, because pickles keep its identity."""


class SpikelabError(Exception):
    """Base of every error that spikelab raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong, one clause without a full stop.
    found : object, optional
        The offending value.
    allowed : str, optional
        What would have been accepted.
    hint : str, optional
        What to do next.
    path : str or os.PathLike, optional
        The file or folder concerned.
    session : str, optional
        The session concerned.
    """

    def __init__(
        self,
        what: str,
        *,
        found: object = _UNSAID,
        allowed: str | None = None,
        hint: str | None = None,
        path: str | os.PathLike[str] | None = None,
        session: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.found = found
        self.allowed = allowed
        self.hint = hint
        self.path = path
        self.session = session

    def locate(
        self, *, path: str | os.PathLike[str] | None = None, session: str | None = None
    ) -> Self:
        """Add the file or the session where they are not known yet; return the error itself."""
        self.path = path if self.path is None else self.path
        self.session = session if self.session is None else self.session
        return self

    def __str__(self) -> str:
        place = "" if self.path is None else f"{os.fspath(self.path)}: "
        if self.session is not None:
            place = f"session {self.session}: {place}"
        parts = [place + self.what]
        if self.found is not _UNSAID:
            parts.append(f"found {_shorten(self.found)}")
        if self.allowed is not None:
            parts.append(f"allowed: {self.allowed}")
        text = "; ".join(parts)
        if self.hint is None:
            return text
        return f"{text}. What to do: {self.hint}{'' if self.hint.endswith(('.', '?')) else '.'}"

    def __reduce__(self) -> tuple[object, ...]:
        # The default protocol would call the class without its keyword arguments. The path of an
        # ImportError is no entry of the instance dict.
        return (_rebuild, (type(self), self.what, {**self.__dict__, "path": self.path}))


def _rebuild(cls: type[SpikelabError], what: str, state: dict[str, object]) -> SpikelabError:
    error = cls(what)
    for name, value in state.items():
        setattr(error, name, value)
    return error


def _shorten(value: object, limit: int = 200) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


class InvalidSpikeData(SpikelabError, ValueError):
    """Spike trains or attributes that cannot form a session."""


class OptionError(SpikelabError, ValueError):
    """An argument, option or configuration entry that is not acceptable."""


class ArgumentTypeError(OptionError, TypeError):
    """An argument of a wrong type."""


class FormatError(SpikelabError, ValueError):
    """A file whose content is not what its format asks for."""


class MissingFile(SpikelabError, FileNotFoundError):
    """A source that does not exist."""


class TargetError(SpikelabError, OSError):
    """A target that must not, or cannot, be written."""


class MissingDependency(SpikelabError, ImportError):
    """An optional package that this operation needs and that is not installed."""

    path: Any  # ImportError has one of its own, which is text alone


class TransferError(SpikelabError, OSError):
    """An object-store upload or download that did not succeed."""


class SpikelabWarning(UserWarning):
    """Base of the warnings of spikelab."""


class LossWarning(SpikelabWarning):
    """Content of the session that the chosen format cannot hold, or a reader that is lost."""


class AssumptionWarning(SpikelabWarning):
    """A value nobody gave, for which a stated placeholder or convention was used."""
