"""Pin every dependency, with hashes: lock.py > requirements.lock (what `make lock` does).

Needs uv. The pins are for the extras that runs need and for setuptools, which builds what comes
without a wheel; they hold for every Python and platform that pyproject.toml allows.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
HEADER = """\
# Made by `make lock`. Versions and hashes of all that a run needs, on any platform:
#     pip install --require-hashes -r requirements.lock
#     pip install --no-deps .
"""
OPTIONS = ["--universal", "--generate-hashes", "--no-annotate", "--no-header", "--no-config"]
# Neither the index nor a folder of this machine goes into the file.
OPTIONS += ["--no-emit-index-url", "--no-emit-find-links", "--no-sources", "--quiet"]


def main() -> None:
    """Print the lock."""
    text = PYPROJECT.read_text(encoding="utf-8")
    pyproject = tomllib.loads(text)
    project = pyproject["project"]
    extras = [name for name in project["optional-dependencies"] if name != "test"]
    oldest = project["requires-python"].removeprefix(">=")
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, "--python-version", oldest]
    command += [part for name in extras for part in ("--extra", name)]
    done = subprocess.run(
        [*command, str(PYPROJECT), "-"],
        input="\n".join(pyproject["build-system"]["requires"]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    print(HEADER + done.stdout, end="")


if __name__ == "__main__":
    main()
