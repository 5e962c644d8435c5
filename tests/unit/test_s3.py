"""Uploads and downloads against a real server on this machine."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from spikelab import s3, s3_client
from spikelab.compare import differences
from spikelab.data_loaders.data_exporters import export_to_pickle
from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle
from spikelab.errors import FormatError, MissingFile, OptionError, TransferError
from tests.conftest import make_hard_session

KEY_ID, SECRET = "canary-key-id", "canary-secret-9d2f"
BUCKET = "recordings"


@pytest.fixture(scope="module")
def server_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No access from outside: neither variables, nor files, nor a machine's role."""
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def access(server_url):
    return s3.Access(KEY_ID, SECRET, region_name="us-east-1", endpoint_url=server_url)


@pytest.fixture
def server(server_url):
    """Another client of the server, with one empty bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=server_url,
        aws_access_key_id="other",
        aws_secret_access_key="other",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=one["Key"])
    for one in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(b"spikes" * 1000)
    return path


def url(key: str = "lab/file.bin", bucket: str = BUCKET) -> s3.S3Url:
    return s3.S3Url(bucket, key)


def content_of(server, key: str = "lab/file.bin") -> bytes:
    return server.get_object(Bucket=BUCKET, Key=key)["Body"].read()


class TestUrl:
    def test_bucket_and_key(self):
        parsed = s3.parse_url("s3://my-bucket/lab/my data.pkl")
        assert (parsed.bucket, parsed.key) == ("my-bucket", "lab/my data.pkl")
        assert str(parsed) == "s3://my-bucket/lab/my data.pkl"

    @pytest.mark.parametrize(
        "wrong", ["", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "s3://b/folder/",
                  "http://b/k", "bucket/key", "S3//b/k"]
    )  # fmt: skip
    def test_anything_else_is_refused(self, wrong):
        with pytest.raises(OptionError, match="s3://bucket/key"):
            s3.parse_url(wrong)


class TestPickle:
    def test_goes_there_and_comes_back(self, server, server_url):
        sd = make_hard_session()
        keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}
        target = f"s3://{BUCKET}/my_data.pkl"
        sent = export_to_pickle(sd, target, s3_upload=True, endpoint_url=server_url, **keys)
        assert sent == target
        found = load_spikedata_from_pickle(target, endpoint_url=server_url, **keys)
        assert differences(sd, found) == []

    def test_an_object_that_is_no_pickle_is_named_by_its_url(self, server, access):
        server.put_object(Bucket=BUCKET, Key="no.pkl", Body=b"nothing")
        with pytest.raises(FormatError):
            load_spikedata_from_pickle(
                f"s3://{BUCKET}/no.pkl",
                aws_access_key_id=KEY_ID,
                aws_secret_access_key=SECRET,
                endpoint_url=access.endpoint_url,
            )

    def test_a_url_without_s3_upload_is_refused(self):
        with pytest.raises(OptionError, match="s3_upload=True"):
            export_to_pickle(make_hard_session(), "s3://bucket/key.pkl")

    def test_a_path_with_s3_upload_is_refused(self, tmp_path):
        with pytest.raises(OptionError, match="s3://bucket/key"):
            export_to_pickle(make_hard_session(), tmp_path / "key.pkl", s3_upload=True)


class TestUpload:
    def test_carries_its_checksum(self, server, access, file):
        assert s3.upload(file, url(), access) == f"s3://{BUCKET}/lab/file.bin"
        assert content_of(server) == file.read_bytes()
        head = server.head_object(Bucket=BUCKET, Key="lab/file.bin")
        assert head["Metadata"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()

    @pytest.mark.parametrize("size", [0, 1, 8 * 2**20 - 1, 8 * 2**20, 17 * 2**20 + 5])
    def test_every_size_arrives_whole(self, server, access, tmp_path, size):
        path = tmp_path / "file.bin"
        path.write_bytes(np.random.default_rng(size).bytes(size))
        s3.upload(path, url(), access)
        assert content_of(server) == path.read_bytes()
        back = s3.download(url(), tmp_path / "back.bin", access)
        assert back.read_bytes() == path.read_bytes()
        stamp = server.head_object(Bucket=BUCKET, Key="lab/file.bin")
        assert ("-" in stamp["ETag"]) == (size >= 8 * 2**20)

    def test_an_identical_object_is_left_alone(self, server, access, file):
        server.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        try:
            s3.upload(file, url(), access)
            s3.upload(file, url(), access)
            versions = server.list_object_versions(Bucket=BUCKET)["Versions"]
            assert len(versions) == 1
            file.write_bytes(b"other")
            s3.upload(file, url(), access)
            assert len(server.list_object_versions(Bucket=BUCKET)["Versions"]) == 2
        finally:
            for one in server.list_object_versions(Bucket=BUCKET)["Versions"]:
                server.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])

    def test_an_object_changed_behind_our_back_is_replaced(self, server, access, file):
        s3.upload(file, url(), access)
        metadata = server.head_object(Bucket=BUCKET, Key="lab/file.bin")["Metadata"]
        forged = b"x" * file.stat().st_size
        server.put_object(Bucket=BUCKET, Key="lab/file.bin", Body=forged, Metadata=metadata)
        s3.upload(file, url(), access)
        assert content_of(server) == file.read_bytes()

    def test_leftovers_of_this_key_are_cleared_and_no_others(self, server, access, tmp_path):
        for key in ("lab/file.bin", "lab/file.bin.gz", "lab/file"):
            server.create_multipart_upload(Bucket=BUCKET, Key=key)
        path = tmp_path / "file.bin"
        path.write_bytes(bytes(9 * 2**20))
        s3.upload(path, url(), access)
        left = server.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
        assert sorted(one["Key"] for one in left) == ["lab/file", "lab/file.bin.gz"]

    def test_two_at_once(self, server, access, tmp_path):
        path = tmp_path / "file.bin"
        path.write_bytes(np.random.default_rng(1).bytes(9 * 2**20))
        done = []
        threads = [
            threading.Thread(target=lambda: done.append(s3.upload(path, url(), access)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 3
        assert content_of(server) == path.read_bytes()
        assert "Uploads" not in server.list_multipart_uploads(Bucket=BUCKET)


class TestDownload:
    def test_without_our_checksum(self, server, access, tmp_path):
        server.put_object(Bucket=BUCKET, Key="theirs.bin", Body=b"theirs")
        assert (
            s3.download(url("theirs.bin"), tmp_path / "a" / "b", access).read_bytes() == b"theirs"
        )

    def test_a_changed_object_is_noticed_and_the_older_file_stays(
        self, server, access, file, tmp_path
    ):
        s3.upload(file, url(), access)
        metadata = server.head_object(Bucket=BUCKET, Key="lab/file.bin")["Metadata"]
        server.put_object(Bucket=BUCKET, Key="lab/file.bin", Body=b"changed", Metadata=metadata)
        local = tmp_path / "local.bin"
        local.write_bytes(b"older")
        with pytest.raises(TransferError, match="not what was uploaded"):
            s3.download(url(), local, access)
        assert local.read_bytes() == b"older"
        assert sorted(one.name for one in tmp_path.iterdir()) == ["file.bin", "local.bin"]

    @pytest.mark.parametrize("bucket", [BUCKET, "no-such-bucket"])
    def test_what_is_not_there_is_missing(self, server, access, tmp_path, bucket):
        with pytest.raises(MissingFile, match=rf"s3://{bucket}/lab/file\.bin on 127\.0\.0\.1:\d+"):
            s3.download(url(bucket=bucket), tmp_path / "file.bin", access)
        assert list(tmp_path.iterdir()) == []


class TestEndpoint:
    def test_the_argument_goes_before_the_variables(self, server, access, file, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        s3.upload(file, url(), access)
        assert content_of(server) == file.read_bytes()

    @pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
    def test_each_variable_is_heard(self, server, server_url, file, monkeypatch, variable):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        monkeypatch.setenv(variable, server_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        s3.upload(file, url())
        assert content_of(server) == file.read_bytes()

    @pytest.mark.parametrize("value", ["127.0.0.1:9000", "nonsense", "http://"])
    def test_a_wrong_one_is_refused(self, file, value):
        with pytest.raises(OptionError, match="endpoint"):
            s3.upload(file, url(), s3.Access(KEY_ID, SECRET, endpoint_url=value))

    @pytest.mark.parametrize(
        ("endpoint", "mode"),
        [(None, "when_supported"), ("https://s3.example.org:9000", "when_required")],
    )
    def test_checksums_of_newer_clients_only_on_amazon(self, endpoint, mode):
        place = s3.Access(KEY_ID, SECRET, region_name="eu-central-1", endpoint_url=endpoint)
        with s3_client.connection(url(), place) as client:
            assert client.meta.config.request_checksum_calculation == mode
            assert client.meta.config.response_checksum_validation == mode

    def test_the_checksum_mode_can_be_set(self, monkeypatch):
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
        place = s3.Access(KEY_ID, SECRET, endpoint_url="https://s3.example.org:9000")
        with s3_client.connection(url(), place) as client:
            assert client.meta.config.request_checksum_calculation == "when_supported"


class TestErrors:
    def test_no_bucket(self, server, access, file):
        with pytest.raises(TransferError, match=r"no-such-bucket.*127\.0\.0\.1:\d+.*NoSuchBucket"):
            s3.upload(file, url(bucket="no-such-bucket"), access)

    def test_no_credentials(self, server_url, file):
        with pytest.raises(TransferError, match="AWS_ACCESS_KEY_ID"):
            s3.upload(file, url(), s3.Access(endpoint_url=server_url))

    @pytest.mark.parametrize("half", ["aws_access_key_id", "aws_secret_access_key"])
    def test_half_the_credentials(self, server_url, file, half):
        access = s3.Access(**{half: SECRET}, endpoint_url=server_url)
        with pytest.raises(OptionError, match="together") as caught:
            s3.upload(file, url(), access)
        assert SECRET not in str(caught.value)

    def test_half_the_credentials_in_the_environment(self, server_url, file, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        with pytest.raises(TransferError, match="PartialCredentials"):
            s3.upload(file, url(), s3.Access(endpoint_url=server_url))

    def test_an_unknown_profile(self, file, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(TransferError, match="ProfileNotFound"):
            s3.upload(file, url())

    def test_a_refused_port(self, file):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        place = s3.Access(KEY_ID, SECRET, endpoint_url=f"http://user:{SECRET}@127.0.0.1:{port}")
        with pytest.raises(TransferError, match=f"{port}.*EndpointConnectionError") as caught:
            s3.upload(file, url(), place)
        assert SECRET not in str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)

    def test_a_silent_server_is_given_up(self, file, monkeypatch):
        monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 1)
        monkeypatch.setattr(s3_client, "ATTEMPTS", 1)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            place = s3.Access(
                KEY_ID, SECRET, endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}"
            )
            with pytest.raises(TransferError, match="ReadTimeoutError"):
                s3.upload(file, url(), place)

    def test_secrets_do_not_show(self):
        secret = s3.Access("id-9", "secret-9", "token-9", "eu-west-1", "https://s3.example.org")
        assert "9" not in repr(secret)
        assert "eu-west-1" in repr(secret)
