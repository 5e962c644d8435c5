"""The SpikeLab library in a process of its own: it has our import name."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

_SERVER = """
import json, sys, warnings
from spikelab.data_loaders import data_loaders
warnings.simplefilter("ignore")
def plain(value):
    return value.tolist() if hasattr(value, "tolist") else str(value)
for line in sys.stdin:
    loader, path, options = json.loads(line)
    try:
        sd = getattr(data_loaders, loader)(path, **options)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    else:
        answer = {
            "train": [times.tolist() for times in sd.train],
            "start_ms": float(sd.start_time), "length_ms": float(sd.length),
            "attributes": sd.neuron_attributes,
            "raw_data": sd.raw_data, "raw_time": sd.raw_time,
        }
        bin_ms = options.get("raster_bin_size_ms")
        if bin_ms:
            answer["raster"] = sd.raster(bin_ms).tolist()
    print(json.dumps(answer, default=plain), flush=True)
"""
_VERSION = "from importlib.metadata import version; print(version('spikelab'))"


class SpikelabProcess:
    """Answers what the library's loaders make of a path.

    Parameters
    ----------
    python : str
        A Python in which ``import spikelab`` is the SpikeLab library.
    folder : pathlib.Path
        Where it runs: away from the checkout.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self._command = [python, "-I", "-c"]
        self._folder = folder

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._command, _SERVER],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def version(self) -> str:
        """The version of the library."""
        done = subprocess.run(
            [*self._command, _VERSION], cwd=self._folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def load(self, loader: str, path: Path, **options: Any) -> dict[str, Any]:
        """What a loader returns, as plain values, or ``{"error": ...}``."""
        print(json.dumps([loader, str(path), options]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())
