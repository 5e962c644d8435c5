"""Two S3 servers on loopback, each plain and encrypted, and clients of them.

Most tests run on all four. Those on what only a strict server refuses ask for `strict_server`.
"""

from __future__ import annotations

import functools
import os
import ssl
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import pytest
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from spikelab import s3
from tests.s3 import swift

REGION = "us-east-1"


@dataclass(frozen=True)
class Server:
    """A running server, and a user of it."""

    url: str
    key_id: str
    secret: str
    ca_bundle: Path

    @property
    def access(self) -> s3.Access:
        """How our code reaches it."""
        return s3.Access(self.key_id, self.secret, region_name=REGION, endpoint_url=self.url)

    @property
    def host(self) -> str:
        """As receipts and messages name it."""
        return self.url.partition("://")[2]

    @property
    def variables(self) -> dict[str, str]:
        """How another process reaches it."""
        return {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @functools.cache  # noqa: B019 -- one per server
    def client(self) -> Any:
        """A client that owes nothing to our code."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            region_name=REGION,
            verify=str(self.ca_bundle),
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


class Bucket:
    """A bucket, seen by somebody else."""

    def __init__(self, server: Server) -> None:
        self.server, self.client = server, server.client()
        self.name = f"recordings-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.name)

    def url(self, key: str) -> s3.S3Url:
        return s3.S3Url(self.name, key)

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=body, **more)

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def head(self, key: str) -> dict[str, Any]:
        return self.client.head_object(Bucket=self.name, Key=key)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def listed(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        return [one["Key"] for one in found]

    def begin(self, key: str) -> None:
        """An upload in parts that nobody ends."""
        self.client.create_multipart_upload(Bucket=self.name, Key=key)

    def unfinished(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())
        return sorted(one["Key"] for one in found)

    def keep_versions(self) -> None:
        settings = {"Status": "Enabled"}
        self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration=settings)

    def versions(self, key: str) -> list[str]:
        found = self.client.list_object_versions(Bucket=self.name, Prefix=key)["Versions"]
        return [one["VersionId"] for one in found]


@pytest.fixture(scope="session", autouse=True)
def shared_descriptions() -> Iterator[None]:
    """Every client would read the description of all operations anew, which takes long."""
    with pytest.MonkeyPatch.context() as patch:
        cached = functools.cache(botocore.loaders.create_loader)
        patch.setattr(botocore.loaders, "create_loader", cached)
        yield


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is its own authority, and its key."""
    return swift.make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def moto_urls(certificate) -> Iterator[tuple[str, str]]:
    """A lenient server: plain, encrypted."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    app = DomainDispatcherApplication(create_backend_app)
    servers = [
        make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
        for context in (None, tls)
    ]
    for one in servers:
        one.log = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{servers[0].port}", f"https://127.0.0.1:{servers[1].port}"
    for one in servers:
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="session")
def swift_urls(certificate, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """A strict server: plain, encrypted."""
    with swift.running(tmp_path_factory.mktemp("swift"), *certificate) as urls:
        yield urls


def _server(kind: str, request: pytest.FixtureRequest) -> Server:
    name, scheme = kind.split("-")
    url = request.getfixturevalue(f"{name}_urls")[scheme == "https"]
    ca_bundle = request.getfixturevalue("certificate")[0]
    if name == "swift":
        return Server(url, swift.KEY_ID, swift.SECRET, ca_bundle)
    return Server(url, "canary-key-id", "canary-secret-9d2f", ca_bundle)


@pytest.fixture(params=["moto-http", "moto-https", "swift-http", "swift-https"])
def server(request) -> Server:
    """Each of the servers."""
    return _server(request.param, request)


@pytest.fixture(params=["swift-http", "swift-https"])
def strict_server(request) -> Server:
    """Those that check what they are given."""
    return _server(request.param, request)


@pytest.fixture(params=["moto-http", "swift-http"])
def plain_server(request) -> Server:
    """One of each kind, for what takes long."""
    return _server(request.param, request)


@pytest.fixture
def one_server(request) -> Server:
    """The quickest to start, for what does not depend on the server."""
    return _server("moto-http", request)


@pytest.fixture
def access(server) -> s3.Access:
    """How our code reaches `server`."""
    return server.access


@pytest.fixture
def bucket(server) -> Bucket:
    """A new bucket on `server`."""
    return Bucket(server)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path_factory, certificate) -> None:
    """No access from outside: neither variables, nor files, nor a machine's role."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = tmp_path_factory.getbasetemp() / "no-such-file"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))


@pytest.fixture
def file(tmp_path) -> Path:
    """A small file."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"spikes" * 1000)
    return path
