"""``spikelab upload``, as its users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spikelab.cli import main
from tests.conftest import REPOSITORY
from tests.s3.conftest import Bucket
from tests.s3.test_objects import PART, random_bytes


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two exports, one of them a folder; the current one."""
    results = tmp_path / "results"
    (results / "a_kilosort").mkdir(parents=True)
    (results / "a.nwb").write_bytes(b"nwb")
    (results / "a_kilosort" / "params.py").write_bytes(b"params")
    monkeypatch.chdir(results)
    return results


@pytest.fixture
def logged_in(server, monkeypatch):
    """Access from the environment."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)


class TestUpload:
    @pytest.fixture(autouse=True)
    def environment(self, here, logged_in):
        """Set up."""

    def test_a_file_to_a_key(self, bucket, server, capsys):
        assert main(["upload", "a.nwb", f"s3://{bucket.name}/lab/other.nwb"]) == 0
        assert bucket.listed() == ["lab/other.nwb"]
        facts = json.loads(Path("a.nwb.s3.json").read_text())
        assert (facts["path"], facts["url"]) == ("a.nwb", f"s3://{bucket.name}/lab/other.nwb")
        shown = capsys.readouterr().out.splitlines()
        assert shown == [f"{facts['url']}: 3 bytes on {server.host}, receipt a.nwb.s3.json"]

    def test_several_below_a_prefix(self, bucket, capsys):
        main(["upload", "a.nwb", "a_kilosort/", f"s3://{bucket.name}/lab/"])
        assert bucket.listed() == ["lab/a.nwb", "lab/a_kilosort/params.py"]
        # Once more, as a pattern that takes in the receipts.
        words = sorted(path.name for path in Path().iterdir())
        assert words == ["a.nwb", "a.nwb.s3.json", "a_kilosort", "a_kilosort.s3.json"]
        assert main(["upload", *words, f"s3://{bucket.name}/lab/"]) == 0
        assert bucket.listed() == ["lab/a.nwb", "lab/a_kilosort/params.py"]
        assert capsys.readouterr().err.count("a receipt, not uploaded") == 2

    def test_receipts_go_where_they_are_told(self, bucket, tmp_path):
        url = f"s3://{bucket.name}/lab/"
        assert main(["upload", "a.nwb", url, "--receipt", str(tmp_path / "one.json")]) == 0
        assert main(["upload", "a.nwb", "a_kilosort", url, "--receipt", str(tmp_path / "r")]) == 0
        assert json.loads((tmp_path / "one.json").read_text())["url"] == f"{url}a.nwb"
        found = sorted(path.name for path in (tmp_path / "r").iterdir())
        assert found == ["a.nwb.s3.json", "a_kilosort.s3.json"]

    def test_check_tells_by_its_exit_code(self, bucket, capsys):
        main(["upload", "a.nwb", "a_kilosort", f"s3://{bucket.name}/lab/"])
        receipts = ["a.nwb.s3.json", "a_kilosort.s3.json"]
        capsys.readouterr()
        assert main(["upload", "--check", *receipts]) == 0
        assert capsys.readouterr().out.splitlines() == [f"{name}: ok" for name in receipts]
        bucket.delete("lab/a.nwb")
        assert main(["upload", "--check", *receipts]) == 1
        assert capsys.readouterr().out.splitlines() == [
            f"a.nwb.s3.json: differs: s3://{bucket.name}/lab/a.nwb: it is gone",
            "a_kilosort.s3.json: ok",
        ]
        assert main(["upload", "--check", "no.s3.json", *receipts]) == 2
        assert len(capsys.readouterr().out.splitlines()) == 3
        assert main(["upload", "--check", ".", "x" * 300, "a.nwb/r", *receipts]) == 2
        assert capsys.readouterr().out.splitlines()[-1] == "a_kilosort.s3.json: ok"
        assert main(["upload", "--check", "--repair", *receipts]) == 0
        assert capsys.readouterr().out.startswith("a.nwb.s3.json: repaired: ")
        assert main(["upload", "--check", *receipts]) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.nwb"], "where to"),
        (["s3://bucket/lab/"], "where to"),
        (["a.nwb", "a_kilosort", "s3://bucket/lab"], "end the URL in a slash"),
        (["a.nwb", "../results/a.nwb", "s3://bucket/lab/"], "the same name"),
        (["no.nwb", "s3://bucket/lab/"], "no.nwb: there is no such file or folder"),
        (["x" * 300, "s3://bucket/lab/"], "there is no such file or folder"),
        (["a.nwb", "s3://bucket/a", "--receipt", "a.nwb/r"], "receipt cannot be written"),
        (["a.nwb", "a_kilosort", "s3:///"], "not the URL of an S3 object"),
        (["a.nwb", "s3://bucket"], "not the URL of an S3 object"),
        (["a.nwb", "s3://bucket/a", "--repair"], "--repair needs --check"),
        (["--check", "a.s3.json", "--receipt", "x"], "--receipt is for uploads"),
        (["a.nwb", "s3://bucket/a", "--endpoint-url", "http://me:canary-9d2f@h"], "without user"),
    ],
)
def test_errors_exit_with_2(here, capsys, words, expected):
    assert main(["upload", *words]) == 2
    shown = capsys.readouterr()
    assert expected in shown.err
    assert "canary" not in shown.err + shown.out
    assert sorted(path.name for path in here.iterdir()) == ["a.nwb", "a_kilosort"]


def test_the_secret_shows_nowhere(plain_server, here):
    bucket = Bucket(plain_server)
    (here / "a_kilosort" / "temp.npy").write_bytes(random_bytes(3 * PART))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = clean | plain_server.variables | {"PYTHONPATH": str(REPOSITORY)}
    program = [sys.executable, "-m", "spikelab", "upload"]
    words = ["a.nwb", "a_kilosort", f"s3://{bucket.name}/lab/"]
    running = subprocess.Popen(
        [*program, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = ""
    while running.poll() is None:
        seen += Path(f"/proc/{running.pid}/cmdline").read_text()
        time.sleep(0.01)
    seen += "".join(running.communicate())
    assert running.returncode == 0
    receipts = ["a.nwb.s3.json", "a_kilosort.s3.json"]
    refused = environment | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    for variables in (environment, refused):
        done = subprocess.run(
            [*program, "--check", *receipts], env=variables, capture_output=True, text=True
        )
        seen += done.stdout + done.stderr
    seen += "".join(Path(name).read_text() for name in receipts)
    seen += "".join(str(bucket.head(key)) for key in bucket.listed())
    assert bucket.name in seen
    assert plain_server.secret not in seen
    assert plain_server.key_id not in seen
