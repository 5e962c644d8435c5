"""Objects that change or vanish behind our back, and their repair."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from spikelab import s3
from spikelab.errors import FormatError, MissingFile, OptionError, TargetError
from spikelab.s3.receipt import Receipt
from tests.s3.conftest import Bucket

KEY = "lab/file.bin"


@pytest.fixture
def receipt(bucket, access, file, tmp_path):
    """A receipt beside `file`."""
    url = f"s3://{bucket.name}/{KEY}"
    return s3.send(file, url, access).save(tmp_path / "file.bin.s3.json")


@pytest.fixture
def folder_receipt(bucket, access, tmp_path):
    """A receipt beside a folder of three files."""
    folder = tmp_path / "a_kilosort"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name * 10)
    url = f"s3://{bucket.name}/lab/a_kilosort/"
    return s3.send(folder, url, access).save(tmp_path / "a_kilosort.s3.json")


def forge(bucket, key=KEY):
    """Another content of the same size, with the metadata of the first."""
    head = bucket.head(key)
    bucket.put(key, b"x" * head["ContentLength"], Metadata=head["Metadata"])


def longer(bucket):
    bucket.put(KEY, bucket.get(KEY) + b"x", Metadata=bucket.head(KEY)["Metadata"])


def without_metadata(bucket):
    bucket.put(KEY, bucket.get(KEY))


CHANGES = {
    "it is gone": lambda bucket: bucket.delete(KEY),
    "its content changed": forge,
    "6001 bytes instead of 6000": longer,
    "the SHA-256 in its metadata is not": without_metadata,
}


def test_what_is_as_it_was_is_no_problem(access, receipt, folder_receipt):
    before = receipt.read_bytes()
    assert s3.check(receipt, access, repair=True) == []
    assert s3.check(folder_receipt, access) == []
    assert receipt.read_bytes() == before


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_is_named_and_repaired(bucket, access, receipt, file, what):
    CHANGES[what](bucket)
    [problem] = s3.check(receipt, access)
    assert what in problem.what
    assert (problem.url, problem.repaired) == (f"s3://{bucket.name}/{KEY}", False)
    [problem] = s3.check(receipt, access, repair=True)
    assert what in problem.what
    assert problem.repaired
    assert bucket.get(KEY) == file.read_bytes()
    assert s3.check(receipt, access) == []
    assert f'"{Receipt.read(receipt).etag}"' == bucket.head(KEY)["ETag"]


def test_the_files_of_a_folder_are_repaired_one_by_one(bucket, access, folder_receipt):
    bucket.delete("lab/a_kilosort/a")
    forge(bucket, "lab/a_kilosort/c")
    older = Receipt.read(folder_receipt)
    problems = s3.check(folder_receipt, access, repair=True)
    assert [(one.url[-1], one.repaired) for one in problems] == [("a", True), ("c", True)]
    assert bucket.get("lab/a_kilosort/a") == b"a" * 10
    assert bucket.get("lab/a_kilosort/c") == b"c" * 10
    newer = Receipt.read(folder_receipt)
    assert (newer.sha256, newer.size, newer.path) == (older.sha256, older.size, older.path)
    assert newer.files[1] == older.files[1]
    # A later upload of the folder still knows them as its own.
    assert len({str(bucket.head(f"lab/a_kilosort/{n}")["Metadata"].keys()) for n in "abc"}) == 1


def test_results_that_moved_are_found_beside_the_receipt(bucket, access, folder_receipt, tmp_path):
    bucket.delete("lab/a_kilosort/b")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("a_kilosort", "a_kilosort.s3.json"):
        (tmp_path / name).rename(moved / name)
    [problem] = s3.check(moved / "a_kilosort.s3.json", access, repair=True)
    assert problem.repaired
    assert bucket.get("lab/a_kilosort/b") == b"b" * 10


def test_a_newer_file_does_not_hide_the_one_that_was_sent(bucket, access, receipt, file, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / file.name).write_bytes(file.read_bytes())
    copy = receipt.rename(kept / receipt.name)
    file.write_bytes(b"a newer export")
    bucket.delete(KEY)
    [problem] = s3.check(copy, access, repair=True)
    assert problem.repaired
    assert bucket.get(KEY) == (kept / file.name).read_bytes()


def test_what_another_upload_of_the_folder_left_is_a_problem(bucket, access, folder_receipt):
    metadata = bucket.head("lab/a_kilosort/a")["Metadata"]
    bucket.put("lab/a_kilosort/d", b"older", Metadata=metadata)
    bucket.put("lab/a_kilosort/notes", b"theirs")
    [problem] = s3.check(folder_receipt, access)
    assert (problem.url, problem.repaired) == (f"s3://{bucket.name}/lab/a_kilosort/d", False)
    assert "another upload" in problem.what
    [problem] = s3.check(folder_receipt, access, repair=True)
    assert problem.repaired
    assert bucket.listed() == [f"lab/a_kilosort/{name}" for name in ("a", "b", "c", "notes")]
    assert s3.check(folder_receipt, access) == []


@pytest.mark.parametrize("local", ["gone", "changed"])
def test_a_local_file_that_is_another_repairs_nothing(bucket, access, receipt, file, local):
    if local == "gone":
        file.unlink()
    else:
        file.write_bytes(b"a newer export")
    bucket.delete(KEY)
    before = receipt.read_bytes()
    [problem] = s3.check(receipt, access, repair=True)
    assert not problem.repaired
    assert "not repaired" in problem.what
    assert str(file) in problem.what
    assert bucket.listed() == []
    assert receipt.read_bytes() == before


def test_a_receipt_of_another_server_is_not_compared(one_server, tmp_path, file):
    bucket = Bucket(one_server)
    sent = s3.send(file, f"s3://{bucket.name}/{KEY}", one_server.access)
    sent.save(tmp_path / "r.s3.json")
    facts = json.loads((tmp_path / "r.s3.json").read_text())
    assert facts["endpoint"] == one_server.host
    other = tmp_path / "other.s3.json"
    other.write_text(json.dumps(facts | {"endpoint": "s3.example.org"}))
    with pytest.raises(OptionError, match=r"another server.*allowed: s3\.example\.org"):
        s3.check(other, one_server.access)


class TestReceiptFile:
    @pytest.fixture
    def receipt(self):
        names = {"path": "a.nwb", "url": "s3://b/a.nwb", "size": 3, "sha256": "0" * 64}
        more = {"etag": "e", "version_id": None, "endpoint": "h:1", "time": "2026-01-01T00:00:00Z"}
        return Receipt(**names, **more)

    def test_is_plain_json(self, receipt, tmp_path):
        facts = json.loads(receipt.save(tmp_path / "a" / "r.s3.json").read_text())
        assert facts == {
            "path": "a.nwb",
            "url": "s3://b/a.nwb",
            "size": 3,
            "sha256": "0" * 64,
            "etag": "e",
            "version_id": None,
            "endpoint": "h:1",
            "time": "2026-01-01T00:00:00Z",
        }

    def test_comes_back(self, receipt, tmp_path):
        assert Receipt.read(receipt.save(tmp_path / "r")) == receipt
        folder = Receipt.of_folder("x", "s3://b/", [receipt])
        assert Receipt.read(folder.save(tmp_path / "f")) == folder

    @pytest.mark.parametrize(
        "change",
        [
            {"size": "3"},
            {"more": 1},
            {"objects": []},
            {"objects": [1]},
            {"etag": 1},
            {"url": None},
            {"size": True},
        ],
    )
    def test_anything_else_is_refused(self, receipt, tmp_path, change):
        path = receipt.save(tmp_path / "r.s3.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(FormatError, match=r"no receipt.*\.s3\.json"):
            Receipt.read(path)

    @pytest.mark.parametrize("text", ["", "[]", "{}", "\udcff"])
    def test_other_files_are_refused(self, tmp_path, text):
        path = tmp_path / "r"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(FormatError, match="no receipt"):
            Receipt.read(path)

    def test_a_missing_one_is_named(self, tmp_path):
        with pytest.raises(MissingFile, match=r"no\.s3\.json"):
            Receipt.read(tmp_path / "no.s3.json")

    @pytest.mark.parametrize(
        "change", [{"size": 4}, {"sha256": "0" * 64}, {"url": "s3://b/elsewhere/"}]
    )
    def test_a_folder_that_contradicts_its_objects_is_refused(self, receipt, tmp_path, change):
        path = Receipt.of_folder("x", "s3://b/", [receipt]).save(tmp_path / "f")
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(FormatError, match="no receipt"):
            Receipt.read(path)

    def test_digests_are_read_in_lower_case(self, receipt, tmp_path):
        path = replace(receipt, sha256="AB" * 32).save(tmp_path / "r")
        assert Receipt.read(path).sha256 == "ab" * 32

    @pytest.mark.parametrize("name", [".", "file/r.s3.json", "x" * 300])
    def test_a_place_that_cannot_be(self, receipt, tmp_path, name):
        (tmp_path / "file").write_text("")
        with pytest.raises(TargetError, match="receipt cannot be written"):
            receipt.save(tmp_path / name)
        with pytest.raises((FormatError, MissingFile), match="receipt"):
            Receipt.read(tmp_path / name)
