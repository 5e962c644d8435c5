"""What ``dandi validate`` says of a dandiset with many sessions, and that it can say no."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from spikelab import SpikeData, convert, dandi
from spikelab.errors import InvalidSpikeData
from tests.interop.readers import dandi_validate
from tests.interop.sessions import WITHOUT_KEYWORDS, mixed_session

CLEAN = "No errors found"


def save(sd: SpikeData, path: Path, **options) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return convert.save(sd, path, "nwb", options)


def verdict(folder: Path) -> tuple[int, str]:
    done = dandi_validate(folder)
    return done.returncode, done.stdout + done.stderr


def test_a_dandiset_of_several_sessions(tmp_path, real_recording):
    root = tmp_path / "dandiset"
    early = SpikeData([[-200.5, -100.25], [300.0]], start_time=-400.0, length=900.0)
    early.metadata |= WITHOUT_KEYWORDS
    traces = mixed_session()
    traces.raw_data = np.zeros((2, 300), np.float32)
    traces.raw_time = 12_000 + np.arange(300) / 30
    recording = convert.load_source(real_recording, fs_Hz=30e3, metadata=WITHOUT_KEYWORDS)
    sessions = {"hard": mixed_session(), "early": early, "raw": traces, "real rec.": recording}
    for name, sd in sessions.items():
        sd.metadata["session_id"] = name
        path = save(sd, tmp_path / f"{name}.nwb", align_start=True, raw=True)
        dandi.archive(path, root)
    assert sorted(path.name for path in root.glob("*/*")) == [
        "sub-culture7_ses-early_ecephys.nwb",
        "sub-culture7_ses-hard_ecephys.nwb",
        "sub-culture7_ses-raw_ecephys.nwb",
        "sub-culture7_ses-real-rec-_ecephys.nwb",
    ]
    code, text = verdict(root)
    assert code == 0, text
    assert CLEAN in text


def test_it_can_say_no(tmp_path):
    """So that its yes means something."""
    made = dandi.archive(save(mixed_session(), tmp_path / "a.nwb"), tmp_path / "dandiset")
    made.rename(made.with_name("sub-culture7_ses-a_b_ecephys.nwb"))
    code, text = verdict(tmp_path / "dandiset")
    assert code != 0
    assert "DANDI.NON_DANDI_FILENAME" in text


@pytest.mark.parametrize("name", ["subject_id", "session_start_time"])
def test_what_it_would_refuse_is_refused_before(tmp_path, name):
    metadata = {key: value for key, value in WITHOUT_KEYWORDS.items() if key != name}
    path = save(mixed_session(metadata), tmp_path / "a.nwb")
    with pytest.raises(InvalidSpikeData, match=name):
        dandi.archive(path, tmp_path / "dandiset")
    assert not (tmp_path / "dandiset").exists()
