"""How fast objects go up and come back, and in how much memory, on two servers of this machine.

Run from the repository, in the environment of the tests: ``python -m benchmarks.transfers``. The
servers share the processors with the transfers: figures of the network come on top.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.s3 import swift

REPOSITORY = Path(__file__).resolve().parents[1]
LARGE_BYTES = 200_000_000
SMALL_BYTES = 10_000
SMALL_COUNT = 40
BUCKET = "benchmark"
CREATE = "import boto3, sys; boto3.client('s3').create_bucket(Bucket=sys.argv[1])"
# Prints seconds and the highest memory in MB. The import of boto3 is not counted.
MEASURE = """
import re, sys, time
from pathlib import Path
import boto3
from spikelab import s3
kind, path, url = sys.argv[1:]
boto3.client("s3")
transfer = {"send": lambda: s3.send(Path(path), url, s3.Access()),
            "fetch": lambda: s3.fetch(url, Path(path), s3.Access())}[kind]
start_s = time.perf_counter()
transfer()
elapsed_s = time.perf_counter() - start_s
status = Path("/proc/self/status").read_text()
print(elapsed_s, int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) / 1024)
"""


def main() -> None:
    """Print a line per server and transfer."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "small").mkdir()
        (root / "large.bin").write_bytes(os.urandom(LARGE_BYTES))
        for i in range(SMALL_COUNT):
            (root / "small" / f"{i}.bin").write_bytes(os.urandom(SMALL_BYTES))
        with moto(root / "moto.log") as variables:
            measure("moto", variables, root)
        with openstack_swift(root / "swift") as variables:
            measure("Swift", variables, root)


def measure(name: str, variables: dict[str, str], root: Path) -> None:
    """One server."""
    environment = os.environ | variables | {"PYTHONPATH": str(REPOSITORY)}
    run(environment, CREATE, BUCKET)
    url = f"s3://{BUCKET}/large.bin"
    for kind, path in (("send", root / "large.bin"), ("fetch", root / "back.bin")):
        seconds, peak_mb = run(environment, MEASURE, kind, str(path), url)
        rate = LARGE_BYTES / 1e6 / seconds
        print(f"{name:6}{kind:6} 200 MB: {seconds:5.1f} s, {rate:4.0f} MB/s, peak {peak_mb:.0f} MB")
    url = f"s3://{BUCKET}/small/"
    steps = (("send", "small", "send"), ("send", "small", "again"), ("fetch", "back", "fetch"))
    for kind, path, title in steps:
        seconds, _ = run(environment, MEASURE, kind, str(root / path), url)
        print(f"{name:6}{title:6} small objects: {seconds / SMALL_COUNT:.3f} s each")


def run(environment: dict[str, str], code: str, *words: str) -> list[float]:
    """The numbers that another process prints."""
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split()]


def access(url: str, key_id: str, secret: str) -> dict[str, str]:
    """Variables that boto3 reads."""
    names = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
    return names | {"AWS_ENDPOINT_URL_S3": url, "AWS_DEFAULT_REGION": "us-east-1"}


@contextlib.contextmanager
def moto(log: Path) -> Iterator[dict[str, str]]:
    """The lenient server, in a process of its own."""
    [port] = swift.free_ports(1)
    with log.open("w") as output:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            swift.wait_for(port, server, log)
            yield access(f"http://127.0.0.1:{port}", "id", "secret")
        finally:
            server.kill()
            server.wait()


@contextlib.contextmanager
def openstack_swift(root: Path) -> Iterator[dict[str, str]]:
    """The strict server."""
    certificate, key = swift.make_certificate(root)
    with swift.running(root, certificate, key) as (url, _):
        yield access(url, swift.KEY_ID, swift.SECRET)


if __name__ == "__main__":
    main()
