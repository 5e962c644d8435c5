"""Networks and processes that fail on the way."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from spikelab import s3
from spikelab.errors import TransferError
from spikelab.s3 import client as s3_client
from tests.conftest import REPOSITORY
from tests.s3.conftest import Bucket
from tests.s3.faults import Cutter
from tests.s3.test_objects import PART, random_bytes

KEY = "lab/file.bin"
LARGE_BYTES = 200_000_000
# What the transfer of any size may add to what a program with boto3 needs anyway.
PEAK_BYTES = 120 * 2**20
# Moves an object, and says what the most memory was, in bytes.
MOVE = """
import re, sys
from pathlib import Path
import boto3
from spikelab import s3
kind, path, url = sys.argv[1:]
def peak():  # that of getrusage begins with the parent's
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
boto3.client("s3")
before = peak()
access = s3.Access()
if kind == "send":
    s3.send(Path(path), url, access)
else:
    s3.fetch(url, Path(path), access)
print(peak() - before)
"""


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(random_bytes(2 * PART + 50))
    return path


@pytest.fixture
def impatient(monkeypatch):
    """Few attempts and short waits."""
    monkeypatch.setattr(s3_client, "CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 1)
    monkeypatch.setattr(s3_client, "ATTEMPTS", 2)


@pytest.fixture
def environment(server):
    """Of a process that uses `server`."""
    return environment_of(server)


def environment_of(server):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return clean | server.variables | {"PYTHONPATH": str(REPOSITORY)}


class TestResets:
    def test_one_in_an_upload_is_overcome(self, server, bucket, large):
        cutter = Cutter(server.url, upward=True, after_bytes=PART // 2, times=1)
        with cutter.running() as url:
            access = dataclasses.replace(server.access, endpoint_url=url)
            s3.upload(large, bucket.url(KEY), access)
        assert cutter.cuts == 1
        assert bucket.get(KEY) == large.read_bytes()
        assert bucket.unfinished() == []

    def test_many_in_an_upload_leave_the_older_object(self, server, bucket, large, impatient):
        bucket.put(KEY, b"older")
        cutter = Cutter(server.url, upward=True, after_bytes=PART // 2, times=float("inf"))
        with cutter.running() as url:
            access = dataclasses.replace(server.access, endpoint_url=url)
            with pytest.raises(TransferError, match=rf"{KEY} on 127\.0\.0\.1:\d+ failed"):
                s3.upload(large, bucket.url(KEY), access)
        assert cutter.cuts >= 2
        assert bucket.get(KEY) == b"older"
        assert bucket.unfinished() == []

    def test_one_in_a_download_is_overcome(self, server, bucket, large, tmp_path):
        s3.upload(large, bucket.url(KEY), server.access)
        cutter = Cutter(server.url, upward=False, after_bytes=PART // 2, times=1)
        with cutter.running() as url:
            access = dataclasses.replace(server.access, endpoint_url=url)
            back = s3.download(bucket.url(KEY), tmp_path / "back", access)
        assert cutter.cuts == 1
        assert back.read_bytes() == large.read_bytes()

    def test_many_in_a_download_leave_the_older_file(
        self, server, bucket, large, tmp_path, impatient
    ):
        s3.upload(large, bucket.url(KEY), server.access)
        back = tmp_path / "back"
        back.write_bytes(b"older")
        cutter = Cutter(server.url, upward=False, after_bytes=PART // 2, times=float("inf"))
        with cutter.running() as url:
            access = dataclasses.replace(server.access, endpoint_url=url)
            with pytest.raises(TransferError, match=rf"{KEY} on 127\.0\.0\.1:\d+ failed"):
                s3.download(bucket.url(KEY), back, access)
        assert cutter.cuts >= 2
        assert back.read_bytes() == b"older"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "large.bin"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("upload", [True, False])
def test_a_silent_server_is_given_up(file, tmp_path, impatient, scheme, upload):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        access = s3.Access("id", "secret", endpoint_url=f"{scheme}://{host}")
        with pytest.raises(TransferError, match=rf"{host} failed; found \w*Timeout"):
            if upload:
                s3.upload(file, s3.S3Url("bucket", KEY), access)
            else:
                s3.download(s3.S3Url("bucket", KEY), tmp_path / "back", access)


def test_a_killed_upload_leaves_the_older_object_and_the_next_cleans_up(
    server, bucket, environment, tmp_path
):
    bucket.put(KEY, b"older")
    path = tmp_path / "file.bin"
    path.write_bytes(random_bytes(5 * PART))
    command = [sys.executable, "-m", "spikelab", "upload", str(path), f"s3://{bucket.name}/{KEY}"]
    running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not bucket.unfinished() and running.poll() is None:
        time.sleep(0.01)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert bucket.unfinished() == [KEY]
    assert bucket.get(KEY) == b"older"
    assert not (tmp_path / "file.bin.s3.json").exists()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert bucket.get(KEY) == path.read_bytes()
    assert bucket.unfinished() == []


def test_an_interrupted_upload_cleans_up_by_itself(one_server, tmp_path):
    bucket = Bucket(one_server)
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(25 * PART))
    command = [sys.executable, "-m", "spikelab", "upload", str(path), f"s3://{bucket.name}/{KEY}"]
    running = subprocess.Popen(
        command, env=environment_of(one_server), stderr=subprocess.PIPE, text=True
    )
    while not bucket.unfinished() and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    assert running.communicate()[1] == "spikelab: interrupted\n"
    assert running.returncode == 130
    assert bucket.unfinished() == []
    assert bucket.listed() == []


def test_a_large_object_needs_little_memory(plain_server, tmp_path):
    bucket = Bucket(plain_server)
    path, back = tmp_path / "large.bin", tmp_path / "back.bin"
    block = np.random.default_rng(0).bytes(LARGE_BYTES // 20)
    with path.open("wb") as file:
        for i in range(20):
            file.write(i.to_bytes(8, "big") + block[8:])
    for kind, local in (("send", path), ("fetch", back)):
        command = [sys.executable, "-c", MOVE, kind, str(local), f"s3://{bucket.name}/large"]
        environment = environment_of(plain_server)
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        assert 2 * PART < int(done.stdout) < PEAK_BYTES
    subprocess.run(["cmp", str(path), str(back)], check=True)
