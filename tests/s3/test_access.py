"""How a server is found, what it is told, and what is said when it refuses."""

from __future__ import annotations

import dataclasses
import socket

import pytest

from spikelab import s3
from spikelab.errors import MissingFile, OptionError, TransferError
from spikelab.s3 import client as s3_client
from tests.s3 import swift
from tests.s3.conftest import Bucket

SECRET = "canary-secret-wrong"
KEY = "lab/file.bin"
NOWHERE = "http://127.0.0.1:1"


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


class TestEndpoint:
    def test_the_argument_goes_before_the_variables(self, bucket, access, file, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", NOWHERE)
        monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
        s3.upload(file, bucket.url(KEY), access)
        assert bucket.get(KEY) == file.read_bytes()

    @pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
    def test_each_variable_is_heard(self, server, bucket, file, tmp_path, monkeypatch, variable):
        monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
        monkeypatch.setenv(variable, server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret)
        s3.upload(file, bucket.url(KEY))
        back = s3.download(bucket.url(KEY), tmp_path / "back")
        assert back.read_bytes() == bucket.get(KEY) == file.read_bytes()

    def test_a_profile_is_heard(self, server, bucket, file, tmp_path, monkeypatch):
        (tmp_path / "config").write_text(f"[profile lab]\nendpoint_url = {server.url}\n")
        (tmp_path / "credentials").write_text(
            f"[lab]\naws_access_key_id = {server.key_id}\naws_secret_access_key = {server.secret}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_PROFILE", "lab")
        s3.upload(file, bucket.url(KEY))
        assert bucket.get(KEY) == file.read_bytes()

    @pytest.mark.parametrize("value", ["127.0.0.1:9000", "nonsense", "http://"])
    def test_a_wrong_one_is_refused(self, file, value):
        access = s3.Access("id", SECRET, endpoint_url=value)
        with pytest.raises(OptionError, match="endpoint"):
            s3.upload(file, s3.S3Url("bucket", KEY), access)

    @pytest.mark.parametrize(
        "form",
        [
            "http://user:{}@{}",
            "http://{}@{}",
            "http://user:{}/x@{}",
            "http://user:{0}",
            "http://{1}/?token={0}",
            "http://{1}/#{0}",
        ],
    )
    @pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", None])
    def test_one_with_a_secret_is_refused_before_anything_is_sent(
        self, file, monkeypatch, form, variable
    ):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.1)
            endpoint = form.format(SECRET, f"127.0.0.1:{listener.getsockname()[1]}")
            access = s3.Access("id", "secret", endpoint_url=None if variable else endpoint)
            if variable:
                monkeypatch.setenv(variable, endpoint)
            with pytest.raises(OptionError, match="endpoint") as caught:
                s3.upload(file, s3.S3Url("bucket", KEY), access)
            with pytest.raises(TimeoutError):
                listener.accept()
        assert SECRET not in str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)

    def test_a_host_is_named_in_lower_case(self):
        access = s3.Access("id", SECRET, endpoint_url="https://S3.Example.org:9000")
        with s3_client.connection(s3.S3Url("bucket", KEY), access) as client:
            assert s3_client.host_of(client) == "s3.example.org:9000"

    @pytest.mark.parametrize(
        ("endpoint", "mode"),
        [(None, "when_supported"), ("https://s3.example.org:9000", "when_required")],
    )
    def test_checksums_of_newer_clients_only_on_amazon(self, endpoint, mode):
        access = s3.Access("id", SECRET, region_name="eu-central-1", endpoint_url=endpoint)
        with s3_client.connection(s3.S3Url("bucket", KEY), access) as client:
            assert client.meta.config.request_checksum_calculation == mode
            assert client.meta.config.response_checksum_validation == mode

    @pytest.mark.parametrize(
        "name", ["request_checksum_calculation", "response_checksum_validation"]
    )
    @pytest.mark.parametrize("place", ["environment", "profile"])
    def test_each_checksum_mode_can_be_set(self, monkeypatch, tmp_path, name, place):
        if place == "environment":
            monkeypatch.setenv(f"AWS_{name.upper()}", "when_supported")
        else:
            (tmp_path / "config").write_text(f"[default]\n{name} = when_supported\n")
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        access = s3.Access("id", SECRET, endpoint_url="https://s3.example.org:9000")
        with s3_client.connection(s3.S3Url("bucket", KEY), access) as client:
            found = client.meta.config
            modes = {found.request_checksum_calculation, found.response_checksum_validation}
            assert getattr(found, name) == "when_supported"
            assert modes == {"when_supported", "when_required"}


class TestRefusals:
    """What only a strict server refuses; its answers to HEAD have no reasons."""

    def both(self, access, bucket, file, tmp_path, match):
        with pytest.raises(TransferError, match=match) as caught:
            s3.upload(file, bucket.url(KEY), access)
        with pytest.raises(TransferError, match=match):
            s3.download(bucket.url(KEY), tmp_path / "back", access)
        assert [path.name for path in tmp_path.iterdir()] == [file.name]
        return str(caught.value)

    @pytest.fixture
    def bucket(self, strict_server):
        return Bucket(strict_server)

    def test_a_wrong_secret(self, strict_server, bucket, file, tmp_path):
        access = dataclasses.replace(strict_server.access, aws_secret_access_key=SECRET)
        match = rf"{bucket.name}/{KEY} on {strict_server.host} failed; found 403.*secret"
        assert SECRET not in self.both(access, bucket, file, tmp_path, match)
        assert bucket.listed() == []

    def test_another_user(self, strict_server, bucket, file, tmp_path):
        names = {
            "aws_access_key_id": swift.OTHER_KEY_ID,
            "aws_secret_access_key": swift.OTHER_SECRET,
        }
        access = dataclasses.replace(strict_server.access, **names)
        self.both(access, bucket, file, tmp_path, rf"{strict_server.host} failed; found 403.*permi")
        assert bucket.listed() == []

    def test_the_reason_is_told_where_the_server_tells_it(self, strict_server, bucket):
        access = dataclasses.replace(strict_server.access, aws_secret_access_key=SECRET)
        with (
            pytest.raises(TransferError, match="found SignatureDoesNotMatch"),
            s3_client.connection(bucket.url(KEY), access) as client,
        ):
            client.list_objects_v2(Bucket=bucket.name)

    def test_an_unknown_authority(self, strict_server, bucket, file, monkeypatch):
        monkeypatch.delenv("AWS_CA_BUNDLE")
        if strict_server.url.startswith("https"):
            with pytest.raises(TransferError, match=r"SSLError.*AWS_CA_BUNDLE"):
                s3.upload(file, bucket.url(KEY), strict_server.access)
        else:
            s3.upload(file, bucket.url(KEY), strict_server.access)


class TestErrors:
    def test_no_bucket(self, server, access, file, tmp_path):
        url = s3.S3Url("no-such-bucket", KEY)
        with pytest.raises(TransferError, match=rf"{url} on {server.host}.*NoSuchBucket"):
            s3.upload(file, url, access)
        with pytest.raises(MissingFile, match=rf"{url} on {server.host}.*bucket"):
            s3.download(url, tmp_path / "back", access)

    def test_no_credentials(self, one_server, file):
        access = s3.Access(endpoint_url=one_server.url)
        with pytest.raises(TransferError, match="AWS_ACCESS_KEY_ID"):
            s3.upload(file, s3.S3Url("bucket", KEY), access)

    def test_none_are_needed_for_public_objects(self, one_server, file, tmp_path):
        bucket = Bucket(one_server)
        bucket.put(KEY, file.read_bytes(), ACL="public-read")
        access = s3.Access(endpoint_url=one_server.url, anonymous=True)
        back = s3.download(bucket.url(KEY), tmp_path / "back", access)
        assert back.read_bytes() == file.read_bytes()

    @pytest.mark.parametrize("half", ["aws_access_key_id", "aws_secret_access_key"])
    def test_half_the_credentials(self, file, half):
        access = s3.Access(**{half: SECRET}, endpoint_url=NOWHERE)
        with pytest.raises(OptionError, match="together") as caught:
            s3.upload(file, s3.S3Url("bucket", KEY), access)
        assert SECRET not in str(caught.value)

    def test_half_the_credentials_in_the_environment(self, file, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        with pytest.raises(TransferError, match="PartialCredentials"):
            s3.upload(file, s3.S3Url("bucket", KEY), s3.Access(endpoint_url=NOWHERE))

    def test_an_unknown_profile(self, file, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(TransferError, match="ProfileNotFound"):
            s3.upload(file, s3.S3Url("bucket", KEY))

    @pytest.mark.parametrize("program", ["/no/such/program", "echo canary", "echo []"])
    def test_a_program_that_gives_no_credentials(self, file, tmp_path, monkeypatch, program):
        (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        with pytest.raises(OptionError, match="credential_process") as caught:
            s3.upload(file, s3.S3Url("bucket", KEY), s3.Access(endpoint_url=NOWHERE))
        assert "canary" not in str(caught.value)

    def test_a_setting_of_boto3_is_not_taken_for_the_endpoint(self, file, monkeypatch):
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "abc")
        access = s3.Access("id", SECRET, endpoint_url=NOWHERE)
        with pytest.raises(OptionError, match="settings of boto3"):
            s3.upload(file, s3.S3Url("bucket", KEY), access)

    def test_a_proxy_that_is_not_there(self, file, monkeypatch):
        monkeypatch.setattr(s3_client, "ATTEMPTS", 1)
        monkeypatch.setenv("HTTP_PROXY", NOWHERE)
        access = s3.Access("id", SECRET, endpoint_url="http://s3.example.org")
        with pytest.raises(TransferError, match=r"ProxyConnectionError.*HTTP_PROXY"):
            s3.upload(file, s3.S3Url("bucket", KEY), access)

    def test_a_refused_port(self, file, monkeypatch):
        monkeypatch.setattr(s3_client, "ATTEMPTS", 1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        access = s3.Access("id", SECRET, endpoint_url=f"http://127.0.0.1:{port}")
        with pytest.raises(TransferError, match=f"{port}.*EndpointConnectionError") as caught:
            s3.upload(file, s3.S3Url("bucket", KEY), access)
        assert SECRET not in str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)

    def test_secrets_do_not_show(self):
        secret = s3.Access("id-9", "secret-9", "token-9", "eu-west-1", "https://s3.example.org")
        assert "9" not in repr(secret)
        assert "eu-west-1" in repr(secret)
