"""Exports that all readers share, and readers that need an environment of their own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.interop import sessions
from tests.interop.spikelab_process import SpikelabProcess

# With all that its loaders use where they can: pandas for tables of clusters, pynwb.
SPIKELAB = "spikelab[io,neo]==0.1.2"


def find_spikelab() -> str:
    """A Python in which ``import spikelab`` is the SpikeLab library, which has our import name.

    ``SPIKELAB_PYTHON`` names one that exists; otherwise it is made once, in ``.venv-interop``.
    """
    given = os.environ.get("SPIKELAB_PYTHON")
    if given:
        return given
    folder = REPOSITORY / ".venv-interop"
    folder.mkdir(exist_ok=True)
    python = folder / "spikelab" / "bin" / "python"
    # Test processes run side by side: the first one makes it, the others wait.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists() or done.read_text() != SPIKELAB:
            _install(python)
            done.write_text(SPIKELAB)
    return str(python)


def _install(python: Path) -> None:
    venv.create(python.parents[1], clear=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", SPIKELAB], check=True)


@pytest.fixture(scope="session")
def spikelab_python() -> str:
    """See :func:`find_spikelab`."""
    return find_spikelab()


@pytest.fixture(scope="session")
def spikelab_library(spikelab_python, tmp_path_factory) -> Iterator[SpikelabProcess]:
    """The SpikeLab library, running."""
    with SpikelabProcess(spikelab_python, tmp_path_factory.mktemp("spikelab")) as library:
        yield library


@pytest.fixture(scope="session")
def hard_exports(tmp_path_factory) -> tuple[sessions.Source, dict[str, Path]]:
    """The hard session and its exports."""
    source = sessions.hard()
    return source, sessions.export_all(source.sd, tmp_path_factory.mktemp("hard"))


@pytest.fixture(scope="session")
def real_exports(real_recording, tmp_path_factory) -> tuple[sessions.Source, dict[str, Path]]:
    """The real recording and its exports."""
    source = sessions.real(real_recording)
    return source, sessions.export_all(source.sd, tmp_path_factory.mktemp("real"))
