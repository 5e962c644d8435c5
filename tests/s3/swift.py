"""OpenStack Swift with its S3 interface on loopback: one disk, no replicas, no root needed.

Unlike most stand-ins it refuses what a real server refuses: wrong secrets, wrong checksums,
other users, small parts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import REPOSITORY

PACKAGE = "swift==2.38.*"
KEY_ID, SECRET = "test:tester", "canary-secret-9d2f"
OTHER_KEY_ID, OTHER_SECRET = "test:other", "other-secret-c07e"
START_TIMEOUT_S = 60

# The launcher makes the rings, starts the servers, and ends them when its standard input closes:
# also when the process that started it was killed.
LAUNCHER = """
import os, subprocess, sys
from swift.common.ring import RingBuilder
folder, binaries, *ports = sys.argv[1:]
kinds = ["account", "container", "object"]
for kind, port in zip(kinds, ports):
    builder = RingBuilder(4, 1, 0)
    device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk"}
    builder.add_dev(device | {"weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{kind}.ring.gz")
running = [
    subprocess.Popen(
        [sys.executable, f"{binaries}/swift-{kind.split('-')[0]}-server", f"{folder}/{kind}.conf"],
        stdin=subprocess.DEVNULL,
    )
    for kind in [*kinds, "proxy", "proxy-tls"]
]
sys.stdin.read()
for server in running:
    server.kill()
"""

STORAGE = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
devices = {root}/disks
mount_check = false
swift_dir = {root}/etc
workers = 0
user = {user}
log_level = ERROR
log_address = {root}/no-log

[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
"""

PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {root}/etc
workers = 0
user = {user}
log_level = ERROR
log_address = {root}/no-log
{tls}

[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats bulk s3api tempauth slo dlo \
versioned_writes symlink proxy-logging proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
user_test_other = {other_secret}

[filter:s3api]
use = egg:swift#s3api
s3_acl = false

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{no_port}
"""

PLAIN_FILTERS = (
    "catch_errors",
    "proxy-logging",
    "listing_formats",
    "bulk",
    "slo",
    "dlo",
    "symlink",
)


def find_python() -> str:
    """A Python with Swift: that of ``SWIFT_PYTHON``, or made once, in ``.venv-interop``."""
    given = os.environ.get("SWIFT_PYTHON")
    if given:
        return given
    folder = REPOSITORY / ".venv-interop"
    folder.mkdir(exist_ok=True)
    python = folder / "swift" / "bin" / "python"
    # Test processes run side by side: the first one makes it, the others wait.
    with (folder / "swift.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "swift.installed"
        if not done.exists() or done.read_text() != PACKAGE:
            venv.create(python.parents[1], clear=True, with_pip=False)
            pip = [sys.executable, "-m", "pip", "--python", str(python)]
            subprocess.run([*pip, "install", "--quiet", PACKAGE], check=True)
            done.write_text(PACKAGE)
    return str(python)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def running(root: Path, certificate: Path, key: Path) -> Iterator[tuple[str, str]]:
    """Start the servers in `root`; yield the URLs of the plain and of the encrypted one."""
    python = find_python()
    ports = free_ports(6)
    _configure(root, ports, f"cert_file = {certificate}\nkey_file = {key}")
    words = [str(root / "etc"), str(Path(python).parent), *map(str, ports[:3])]
    with (root / "log").open("w") as log:
        launcher = subprocess.Popen(
            [python, "-c", LAUNCHER, *words], stdin=subprocess.PIPE, stdout=log, stderr=log
        )
        try:
            for port in ports[:5]:
                wait_for(port, launcher, root / "log")
            yield f"http://127.0.0.1:{ports[3]}", f"https://127.0.0.1:{ports[4]}"
        finally:
            launcher.communicate()


def _configure(root: Path, ports: list[int], tls: str) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "disks" / "disk").mkdir(parents=True)
    common = {"root": root, "user": pwd.getpwuid(os.getuid()).pw_name, "no_port": ports[5]}
    secrets = {"secret": SECRET, "other_secret": OTHER_SECRET}
    texts = {"swift": "[swift-hash]\nswift_hash_path_suffix = tests\n"}
    for kind, port in zip(("account", "container", "object"), ports, strict=False):
        texts[kind] = STORAGE.format(kind=kind, port=port, **common)
    filters = "".join(
        f"\n[filter:{name}]\nuse = egg:swift#{name.replace('-', '_')}\n" for name in PLAIN_FILTERS
    )
    for name, port, lines in (("proxy", ports[3], ""), ("proxy-tls", ports[4], tls)):
        texts[name] = PROXY.format(port=port, tls=lines, **common, **secrets) + filters
    for name, text in texts.items():
        (root / "etc" / f"{name}.conf").write_text(text)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is its own authority, and its key."""
    folder.mkdir(exist_ok=True)
    paths = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=tests", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def wait_for(port: int, launcher: subprocess.Popen[bytes], log: Path) -> None:
    """Return once a server answers; raise if it ended, or does not within a minute."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and launcher.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"no server answers on port {port}:\n{log.read_text()}")
