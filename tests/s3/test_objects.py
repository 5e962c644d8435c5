"""Single objects: uploads and downloads, on every server."""

from __future__ import annotations

import hashlib
import threading

import numpy as np
import pytest

from spikelab import s3
from spikelab.compare import differences
from spikelab.data_loaders.data_exporters import export_to_pickle
from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle
from spikelab.errors import FormatError, MissingFile, OptionError, TargetError, TransferError
from spikelab.s3 import client as s3_client
from spikelab.s3 import objects
from spikelab.s3 import parts as s3_parts
from tests.conftest import make_hard_session

KEY = "lab/file.bin"
PART = 8 * 2**20
MODES = ["when_required", "when_supported"]


def random_bytes(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


@pytest.fixture
def large(tmp_path):
    """A file of two parts."""
    path = tmp_path / "large.bin"
    path.write_bytes(random_bytes(PART + 50))
    return path


class TestPickle:
    def test_goes_there_and_comes_back(self, bucket, server):
        sd = make_hard_session()
        keys = {"aws_access_key_id": server.key_id, "aws_secret_access_key": server.secret}
        target = f"s3://{bucket.name}/my_data.pkl"
        sent = export_to_pickle(sd, target, s3_upload=True, endpoint_url=server.url, **keys)
        assert sent == target
        found = load_spikedata_from_pickle(target, endpoint_url=server.url, **keys)
        assert differences(sd, found) == []

    def test_an_object_that_is_no_pickle_is_refused(self, bucket, server):
        bucket.put("no.pkl", b"nothing")
        with pytest.raises(FormatError):
            load_spikedata_from_pickle(
                f"s3://{bucket.name}/no.pkl",
                aws_access_key_id=server.key_id,
                aws_secret_access_key=server.secret,
                endpoint_url=server.url,
            )

    def test_a_url_without_s3_upload_is_refused(self):
        with pytest.raises(OptionError, match="s3_upload=True"):
            export_to_pickle(make_hard_session(), "s3://bucket/key.pkl")

    def test_a_path_with_s3_upload_is_refused(self, tmp_path):
        with pytest.raises(OptionError, match="s3://bucket/key"):
            export_to_pickle(make_hard_session(), tmp_path / "key.pkl", s3_upload=True)


class TestUpload:
    def test_carries_its_checksum(self, bucket, access, file):
        assert s3.upload(file, bucket.url(KEY), access) == f"s3://{bucket.name}/{KEY}"
        assert bucket.get(KEY) == file.read_bytes()
        stated = bucket.head(KEY)["Metadata"]["sha256"]
        assert stated == hashlib.sha256(file.read_bytes()).hexdigest()

    @pytest.mark.parametrize(
        ("size", "mode"),
        [(size, MODES[0]) for size in (0, PART, 2 * PART + 5)]
        + [(size, MODES[1]) for size in (1, PART + 1)],
    )
    def test_every_size_arrives_whole(self, bucket, access, tmp_path, monkeypatch, size, mode):
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", mode)
        monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", mode)
        path = tmp_path / "file.bin"
        path.write_bytes(random_bytes(size))
        s3.upload(path, bucket.url(KEY), access)
        assert bucket.get(KEY) == path.read_bytes()
        assert ("-" in bucket.head(KEY)["ETag"]) == (size > PART)
        back = s3.download(bucket.url(KEY), tmp_path / "back.bin", access)
        assert back.read_bytes() == path.read_bytes()

    def test_names_that_need_quoting(self, bucket, access, file, tmp_path):
        key = "my lab/ä+b&c%20?d#e=f;'g'.bin"
        s3.upload(file, bucket.url(key), access)
        assert bucket.listed() == [key]
        back = s3.download(bucket.url(key), tmp_path / "back", access)
        assert back.read_bytes() == file.read_bytes()

    @pytest.mark.parametrize(
        ("name", "mode"), [("file", MODES[0]), ("large", MODES[0]), ("large", MODES[1])]
    )
    def test_an_identical_object_is_left_alone(
        self, bucket, access, request, monkeypatch, name, mode
    ):
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", mode)
        path = request.getfixturevalue(name)
        bucket.keep_versions()
        s3.upload(path, bucket.url(KEY), access)
        s3.upload(path, bucket.url(KEY), access)
        assert len(bucket.versions(KEY)) == 1
        path.write_bytes(b"other")
        s3.upload(path, bucket.url(KEY), access)
        assert len(bucket.versions(KEY)) == 2

    def test_an_object_changed_behind_our_back_is_replaced(self, bucket, access, file):
        s3.upload(file, bucket.url(KEY), access)
        metadata = bucket.head(KEY)["Metadata"]
        bucket.put(KEY, b"x" * file.stat().st_size, Metadata=metadata)
        s3.upload(file, bucket.url(KEY), access)
        assert bucket.get(KEY) == file.read_bytes()

    @pytest.mark.parametrize("name", ["file", "large"])
    def test_leftovers_of_this_key_are_cleared_and_no_others(self, bucket, access, request, name):
        for key in (KEY, f"{KEY}.gz", "lab/file"):
            bucket.begin(key)
        s3.upload(request.getfixturevalue(name), bucket.url(KEY), access)
        assert bucket.unfinished() == ["lab/file", f"{KEY}.gz"]

    def test_leftovers_are_cleared_where_nothing_is_to_be_sent(self, bucket, access, file):
        s3.upload(file, bucket.url(KEY), access)
        bucket.begin(KEY)
        s3.upload(file, bucket.url(KEY), access)
        assert bucket.unfinished() == []

    def test_progress_is_told(self, bucket, access, large, monkeypatch):
        monkeypatch.setattr(s3_parts, "REPORT_EVERY_S", 0)
        lines = []
        url = f"s3://{bucket.name}/{KEY}"
        s3.send(large, url, access, progress=lines.append)
        assert len(lines) == 2
        assert lines[-1].startswith(f"{url}: 8 of 8 MB, ")

    def test_a_missing_file_is_named(self, bucket, access, tmp_path):
        with pytest.raises(MissingFile, match=r"no\.bin"):
            s3.upload(tmp_path / "no.bin", bucket.url(KEY), access)

    @pytest.mark.parametrize("part", [0, 1])
    def test_a_file_that_changes_meanwhile_is_an_error(self, bucket, access, large, part):
        bucket.put(KEY, b"older")

        def change(params, **_):
            if params["query_string"]["partNumber"] == part + 1:
                with large.open("r+b") as file:
                    file.seek(PART)
                    file.write(b"other")

        with s3_client.connection(bucket.url(KEY), access) as client:
            client.meta.events.register("before-call.s3.UploadPart", change)
            with pytest.raises(TransferError, match="changed while it was uploaded"):
                objects.put_object(client, large, bucket.url(KEY))
        assert bucket.get(KEY) == b"older"
        assert bucket.unfinished() == []


class TestOtherWriters:
    @pytest.mark.parametrize("name", ["file", "large"])
    def test_equal_content_at_once(self, bucket, access, request, name):
        path = request.getfixturevalue(name)
        done = []
        threads = [
            threading.Thread(target=lambda: done.append(s3.upload(path, bucket.url(KEY), access)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 3
        assert bucket.get(KEY) == path.read_bytes()
        assert bucket.unfinished() == []

    def test_different_content_at_once_is_never_mixed(self, bucket, access, tmp_path):
        contents = [random_bytes(PART + 1 + i) for i in range(3)]
        done, refused = [], []

        def upload(i):
            path = tmp_path / f"{i}.bin"
            path.write_bytes(contents[i])
            try:
                done.append(s3.upload(path, bucket.url(KEY), access))
            except TransferError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=upload, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) >= 1
        assert len(done) + len(refused) == 3
        assert bucket.get(KEY) in contents

    @pytest.mark.parametrize(
        ("name", "operation"), [("file", "PutObject"), ("large", "CompleteMultipartUpload")]
    )
    @pytest.mark.parametrize("equal", [True, False])
    def test_an_object_that_comes_between_is_noticed(
        self, bucket, access, request, name, operation, equal
    ):
        path = request.getfixturevalue(name)
        with s3_client.connection(bucket.url(KEY), access) as client:

            def come_between(**_):
                client.meta.events.unregister(f"before-call.s3.{operation}", come_between)
                if equal:
                    s3.upload(path, bucket.url(KEY), access)
                else:
                    bucket.put(KEY, b"theirs")

            client.meta.events.register(f"before-call.s3.{operation}", come_between)
            if equal:
                objects.put_object(client, path, bucket.url(KEY))
                assert bucket.get(KEY) == path.read_bytes()
            else:
                with pytest.raises(TransferError, match="PreconditionFailed"):
                    objects.put_object(client, path, bucket.url(KEY))
                assert bucket.get(KEY) == b"theirs"
        assert bucket.unfinished() == []


class TestDownload:
    def test_without_our_checksum(self, bucket, access, tmp_path):
        bucket.put("theirs.bin", b"theirs")
        found = s3.download(bucket.url("theirs.bin"), tmp_path / "a" / "b", access)
        assert found.read_bytes() == b"theirs"

    @pytest.mark.parametrize("form", [str.upper, lambda _: "cGxhaW4=", lambda _: ""])
    def test_a_checksum_that_somebody_else_put_there(self, bucket, access, tmp_path, form):
        stated = form(hashlib.sha256(b"theirs").hexdigest())
        bucket.put("theirs.bin", b"theirs", Metadata={"sha256": stated})
        found = s3.download(bucket.url("theirs.bin"), tmp_path / "back", access)
        assert found.read_bytes() == b"theirs"

    def test_a_changed_object_is_noticed_and_the_older_file_stays(
        self, bucket, access, file, tmp_path
    ):
        s3.upload(file, bucket.url(KEY), access)
        bucket.put(KEY, b"changed", Metadata=bucket.head(KEY)["Metadata"])
        local = tmp_path / "local.bin"
        local.write_bytes(b"older")
        with pytest.raises(TransferError, match="not what was uploaded"):
            s3.download(bucket.url(KEY), local, access)
        assert local.read_bytes() == b"older"
        assert sorted(one.name for one in tmp_path.iterdir()) == ["file.bin", "local.bin"]

    @pytest.mark.parametrize("name", ["file", "large"])
    @pytest.mark.parametrize("gone", [True, False])
    def test_a_change_meanwhile_is_noticed(self, bucket, access, request, tmp_path, name, gone):
        path = request.getfixturevalue(name)
        s3.upload(path, bucket.url(KEY), access)
        with s3_client.connection(bucket.url(KEY), access) as client:

            def change(**_):
                if gone:
                    bucket.delete(KEY)
                else:
                    bucket.put(KEY, b"y" * path.stat().st_size)

            client.meta.events.register("before-call.s3.GetObject", change)
            with pytest.raises(TransferError, match="changed while it was downloaded"):
                objects.get_object(client, bucket.url(KEY), tmp_path / "back")
        assert [one.name for one in tmp_path.iterdir()] == [path.name]

    def test_what_is_not_there_is_missing(self, bucket, access, tmp_path):
        for url in (bucket.url(KEY), s3.S3Url("no-such-bucket", KEY)):
            with pytest.raises(MissingFile, match=rf"{url} on 127\.0\.0\.1:\d+"):
                s3.download(url, tmp_path / "file.bin", access)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_in_the_place_of_the_file(self, bucket, access, file, tmp_path):
        s3.upload(file, bucket.url(KEY), access)
        with pytest.raises(TargetError, match="folder"):
            s3.fetch(f"s3://{bucket.name}/{KEY}", tmp_path, access)


class TestReceipt:
    @pytest.mark.parametrize("name", ["file", "large"])
    def test_holds_what_the_server_confirmed(self, bucket, server, request, tmp_path, name):
        path = request.getfixturevalue(name)
        bucket.keep_versions()
        url = f"s3://{bucket.name}/{KEY}"
        receipt = s3.send(path, url, server.access)
        head = bucket.head(KEY)
        assert receipt.path == str(path)
        assert (receipt.url, receipt.endpoint) == (url, server.host)
        assert receipt.size == path.stat().st_size
        assert receipt.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert f'"{receipt.etag}"' == head["ETag"]
        assert [receipt.version_id] == bucket.versions(KEY)
        back = s3.fetch(url, tmp_path / "back", server.access)
        same = {"url", "size", "sha256", "etag", "version_id", "endpoint"}
        assert {n: getattr(back, n) for n in same} == {n: getattr(receipt, n) for n in same}

    def test_has_no_version_where_none_is_kept(self, bucket, access, file):
        assert s3.send(file, f"s3://{bucket.name}/{KEY}", access).version_id is None
