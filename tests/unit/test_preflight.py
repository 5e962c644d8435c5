"""What is refused before the first job; what a real Slurm says is in tests/cluster."""

from __future__ import annotations

import math

import pytest

from spikelab import preflight
from spikelab.plan import SetupError

REQUEST = {"mem_mb": 600, "runtime": 9}


def test_without_sbatch_a_run_on_slurm_says_where_to_start_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"no command sbatch.*login node"):
        preflight.require_slurm([REQUEST])


def test_nothing_is_asked_for_no_job(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert preflight.require_slurm([]) == []


def test_the_largest_and_the_longest_job_are_put_before_slurm(monkeypatch, tmp_path):
    """A stand-in for sbatch that writes down what it is asked; a real one is in tests/cluster."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text('#!/bin/sh\necho "$@" >> "$0.asked"\n')
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    large, long = {"mem_mb": 9000, "runtime": 5}, {"mem_mb": 700, "runtime": 99}
    preflight.require_slurm([REQUEST, large, long | {"slurm_partition": "night"}])
    first, second = (tmp_path / "sbatch.asked").read_text().splitlines()
    assert first.startswith("--test-only")
    assert "--mem=9000 --time=5 " in first
    assert "--mem=700 --time=99 --partition=night " in second


@pytest.mark.parametrize(
    ("printed", "minutes"),
    [("infinite", math.inf), ("n/a", math.inf), ("5:00", 5), ("30", 0.5), ("1:30:00", 90),
     ("2-00:00:00", 2880), ("1-02:03:30", 1563.5)],
)  # fmt: skip
def test_times_of_sinfo(printed, minutes):
    assert preflight._minutes(printed) == minutes


def stand_in(monkeypatch, folder, sinfo: str) -> None:
    for name, text in (("sbatch", "true"), ("sinfo", f"echo '{sinfo}'")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_job_for_which_no_time_is_allowed_is_refused(monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path, "main* 8:00\nnight 10:00:00")
    with pytest.raises(SetupError, match=r"9 minutes.*allowed: 8 minutes in the partition main"):
        preflight.require_slurm([REQUEST])
    assert preflight.require_slurm([REQUEST | {"slurm_partition": "night"}], 3) == []


def test_an_attempt_for_which_no_time_is_allowed_is_told(monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path, "main* 20:00")
    (note,) = preflight.require_slurm([REQUEST], 3)
    assert "attempt 3 of the longest job asks for 27 minutes" in note
    assert "lower retries" in note
    assert preflight.require_slurm([REQUEST], 2) == []


def test_a_silent_controller_is_not_waited_for(monkeypatch, tmp_path):
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\nexec sleep 60\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(preflight, "SLURM_TIMEOUT_S", 0.2)
    with pytest.raises(SetupError, match="Slurm is silent"):
        preflight.require_slurm([REQUEST])
