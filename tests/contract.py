"""What every format promises, whatever it is: a class to inherit, a session to try it on."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from spikelab import SpikeData, convert
from spikelab.compare import Precision, differences
from spikelab.errors import SpikelabError
from spikelab.formats import registry
from tests.conftest import REPOSITORY, make_hard_session

TRACES = {"raw_data": np.arange(60, dtype=np.int16).reshape(2, 30), "raw_time": 30.0}
LATE_SPIKE_MS = 33_333 * 1000 / 30_000

SESSIONS = {
    "hard": make_hard_session,
    "no units": lambda: SpikeData([], length=100.0),
    "no spikes": lambda: SpikeData([[], []], length=100.0),
    "one spike": lambda: SpikeData([[LATE_SPIKE_MS]], length=2000.0),
    "one silent unit": lambda: SpikeData([[]], length=10.0, start_time=5.0),
    "silent first, middle, last": lambda: SpikeData([[], [1.0], [], [2.0], []], length=9.0),
    "starts before zero": lambda: SpikeData(
        [[-200.0, 0.0, 300.0], [], [-100.0]], start_time=-200.0, length=500.0
    ),
    "spike at both edges": lambda: SpikeData([[100.0, 200.0]], start_time=100.0, length=100.0),
    "equal times": lambda: SpikeData([[5.0, 5.0, 5.0], [5.0]], length=10.0),
    "forty hours": lambda: SpikeData([[1.0, 40 * 3.6e6 - 1], []], length=41 * 3.6e6),
    "raw traces": lambda: SpikeData([[0.5], []], length=2.0, **TRACES),
    "no attributes": lambda: make_hard_session(neuron_attributes=None),
    "no metadata": lambda: make_hard_session(metadata={}),
    "ids as text": lambda: SpikeData(
        [[1.0], [2.0]], length=3.0, neuron_attributes=[{"unit_id": "a10"}, {"unit_id": "a9"}]
    ),
}


class FormatContract:
    """Inherit, and say how the format is written.

    Attributes
    ----------
    format : str
        Name in the registry.
    options : dict
        Options of the writer.
    precision : Precision
        How exactly spikes must come back.
    not_kept : dict of str to set of str
        Parts that a session loses though the format keeps them in general, with reason in the
        format's documentation.
    """

    format: str
    options: dict = {}
    precision = Precision("ms")
    not_kept: dict[str, set[str]] = {}

    def save(self, sd: SpikeData, path: Path) -> Path:
        """Export, minding no warning: sessions of this module lack metadata on purpose."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return convert.save(sd, path, self.format, self.options)

    def load(self, path: Path) -> SpikeData:
        """Load, telling the reader nothing but the path."""
        return convert.load(path)

    def target(self, folder: Path, name: str = "session") -> Path:
        """Where to export to."""
        return folder / (name + registry.get(self.format).suffix)

    @pytest.mark.parametrize("name", SESSIONS)
    def test_what_was_written_comes_back(self, tmp_path, name):
        source = SESSIONS[name]()
        found = self.load(self.save(source, self.target(tmp_path)))
        parts = registry.get(self.format).keeps - self.not_kept.get(name, set())
        assert differences(source, found, self.precision, frozenset(parts)) == []

    def test_the_file_is_found_out_by_its_content(self, tmp_path):
        entry = registry.get(self.format)
        path = self.save(make_hard_session(), self.target(tmp_path))
        neutral = tmp_path / ("neutral" if entry.folder else "neutral.h5")
        if entry.suffix.endswith(".pkl"):
            neutral = tmp_path / "neutral.pickle"
        path.rename(neutral)
        assert convert.detect(neutral).name == self.format

    def test_an_export_that_fails_keeps_the_older_one(self, tmp_path):
        source = make_hard_session()
        path = self.save(source, self.target(tmp_path))
        before = content(path)
        broken = make_hard_session()
        broken.train[1] = np.array(["not", "a", "time"], dtype=object)
        with pytest.raises(SpikelabError, match=path.name):
            self.save(broken, path)
        assert content(path) == before
        assert [one.name for one in tmp_path.iterdir()] == [path.name]

    def test_a_failed_first_export_leaves_nothing(self, tmp_path):
        broken = make_hard_session()
        broken.train[1] = np.array([np.nan, 1.0])
        with pytest.raises(SpikelabError):
            self.save(broken, self.target(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_exporting_again_replaces_the_older_one(self, tmp_path):
        path = self.save(make_hard_session(), self.target(tmp_path))
        fresh = self.save(make_hard_session(), self.target(tmp_path, "fresh"))
        self.save(make_hard_session(neuron_attributes=None, metadata={"fs_Hz": 30e3}), path)
        self.save(make_hard_session(), path)
        assert content(path) == content(fresh)

    def test_the_same_session_gives_the_same_bytes_everywhere(self, tmp_path):
        here = content(self.save(make_hard_session(), self.target(tmp_path, "here")))
        for number, (seed, zone) in enumerate([("1", "UTC"), ("2", "Asia/Tokyo")]):
            target = self.target(tmp_path, f"there{number}")
            environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone}
            command = [sys.executable, "-c", _EXPORT, self.format, str(target), repr(self.options)]
            subprocess.run(command, check=True, env=environment, cwd=REPOSITORY)
            assert content(target) == here

    def test_a_session_read_back_gives_the_same_bytes(self, tmp_path):
        first = self.save(make_hard_session(), self.target(tmp_path, "first"))
        source = convert.load(convert.save(make_hard_session(), tmp_path / "canonical.pkl"))
        second = self.save(source, self.target(tmp_path, "second"))
        assert content(first) == content(second)


_EXPORT = """
import ast, sys, warnings
from spikelab import convert
from tests.conftest import make_hard_session
warnings.simplefilter("ignore")
convert.save(make_hard_session(), sys.argv[2], sys.argv[1], ast.literal_eval(sys.argv[3]))
"""


def content(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of every file of a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()
    }
