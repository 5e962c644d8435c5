"""Foreign readers that need an environment of their own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SPIKELAB = "spikelab==0.1.2"


@pytest.fixture(scope="session")
def spikelab_python() -> str:
    """A Python in which ``import spikelab`` is the SpikeLab library, which has our import name.

    ``SPIKELAB_PYTHON`` names one that exists; otherwise it is made once, in ``.venv-interop``.
    """
    given = os.environ.get("SPIKELAB_PYTHON")
    if given:
        return given
    folder = REPOSITORY / ".venv-interop"
    folder.mkdir(exist_ok=True)
    python = folder / SPIKELAB / "bin" / "python"
    # Test processes run side by side: the first one makes it, the others wait.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = python.with_name("installed")
        if not done.exists():
            _install(python)
            done.touch()
    return str(python)


def _install(python: Path) -> None:
    venv.create(python.parents[1], clear=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", SPIKELAB], check=True)
