"""Folders: one object per file, there and back, on every server."""

from __future__ import annotations

import hashlib
import subprocess
import threading

import pytest

from spikelab import s3
from spikelab.errors import FormatError, MissingFile, OptionError, TargetError, TransferError
from spikelab.s3 import parts as s3_parts
from spikelab.s3.folders import refuse_hostile
from tests.s3.conftest import Bucket
from tests.s3.test_objects import PART, random_bytes

FILES = {
    "params.py": b"dat_path = 'traces.dat'\n",
    "spike_times.npy": b"times",
    "empty.tsv": b"",
    "a b/ä.tsv": b"deep",
}
LARGE = random_bytes(PART + 1)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "a_kilosort"
    for name, content in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.fixture
def url(bucket):
    return f"s3://{bucket.name}/lab/a_kilosort/"


def content_of(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


class TestThereAndBack:
    def test_every_file_is_an_object(self, bucket, access, folder, url, tmp_path, monkeypatch):
        monkeypatch.setattr(s3_parts, "REPORT_EVERY_S", 0)
        (folder / "templates.npy").write_bytes(LARGE)
        files, lines = FILES | {"templates.npy": LARGE}, []
        receipt = s3.send(folder, url, access, progress=lines.append)
        assert sum(line.startswith(f"{url}templates.npy: ") for line in lines) == 2
        assert lines[-1].startswith(f"{url}: {len(files)} of {len(files)} files, ")
        assert set(bucket.listed()) == {f"lab/a_kilosort/{name}" for name in files}
        back = tmp_path / "deep" / "back"
        found = s3.fetch(url, back, access)
        assert content_of(back) == files
        assert (found.size, found.sha256) == (receipt.size, receipt.sha256)
        assert [one.etag for one in found.files] == [one.etag for one in receipt.files]
        assert {one.path for one in found.files} == {str(back / name) for name in files}

    def test_the_receipt_lists_them(self, bucket, server, folder, url):
        receipt = s3.send(folder, url, server.access)
        assert (receipt.url, receipt.endpoint, receipt.path) == (url, server.host, str(folder))
        assert (receipt.etag, receipt.version_id) == (None, None)
        assert receipt.size == sum(map(len, FILES.values()))
        assert [one.url for one in receipt.files] == [f"{url}{name}" for name in sorted(FILES)]
        assert [one.sha256 for one in receipt.files] == [
            hashlib.sha256(FILES[name]).hexdigest() for name in sorted(FILES)
        ]
        # What the tool itself says, in the folder.
        listing = subprocess.run(
            ["sha256sum", *sorted(FILES)], cwd=folder, check=True, capture_output=True
        ).stdout
        assert receipt.sha256 == hashlib.sha256(listing).hexdigest()

    def test_an_unchanged_folder_is_not_sent_again(self, bucket, access, folder, url):
        bucket.keep_versions()
        s3.send(folder, url, access)
        (folder / "spike_times.npy").write_bytes(b"other")
        s3.send(folder, url, access)
        counts = {name: len(bucket.versions(f"lab/a_kilosort/{name}")) for name in FILES}
        assert counts == dict.fromkeys(FILES, 1) | {"spike_times.npy": 2}

    def test_leftovers_are_cleared(self, bucket, access, folder, url):
        for key in ("lab/a_kilosort/params.py", "lab/a_kilosort/other", "lab/a_kilosort.npy"):
            bucket.begin(key)
        s3.send(folder, url, access)
        assert bucket.unfinished() == ["lab/a_kilosort.npy", "lab/a_kilosort/other"]


class TestStale:
    def test_files_that_the_folder_no_longer_has_are_deleted(self, bucket, access, folder, url):
        s3.send(folder, url, access)
        (folder / "empty.tsv").unlink()
        lines = []
        s3.send(folder, url, access, progress=lines.append)
        assert "lab/a_kilosort/empty.tsv" not in bucket.listed()
        assert len(bucket.listed()) == len(FILES) - 1
        assert any(f"{url}empty.tsv" in line for line in lines)

    def test_a_file_that_was_there_already_becomes_one_of_the_folder(
        self, bucket, access, folder, url
    ):
        s3.send(folder / "empty.tsv", f"{url}empty.tsv", access)
        s3.send(folder, url, access)
        (folder / "empty.tsv").unlink()
        s3.send(folder, url, access)
        assert "lab/a_kilosort/empty.tsv" not in bucket.listed()

    def test_objects_of_others_stay(self, bucket, access, folder, url):
        s3.send(folder, url, access)
        metadata = bucket.head("lab/a_kilosort/empty.tsv")["Metadata"]
        # Somebody's own, one sent alone, one overwritten by somebody, and those beside the folder.
        bucket.put("lab/a_kilosort/notes.txt", b"notes")
        s3.send(folder / "params.py", f"{url}alone.py", access)
        bucket.put("lab/a_kilosort/params.py", b"theirs")
        bucket.put("lab/a_kilosort2/x", b"", Metadata=metadata)
        (folder / "params.py").unlink()
        s3.send(folder, url, access)
        others = {"a_kilosort/notes.txt", "a_kilosort/alone.py", "a_kilosort/params.py"}
        kept = others | {"a_kilosort2/x"} | {f"a_kilosort/{name}" for name in FILES}
        assert set(bucket.listed()) == {f"lab/{name}" for name in kept}


class TestTwoAtOnce:
    @pytest.fixture
    def other(self, tmp_path):
        """Another state of the folder, with one file in common."""
        path = tmp_path / "other"
        path.mkdir()
        (path / "params.py").write_bytes(b"other")
        (path / "other.npy").write_bytes(b"other")
        return path

    def test_an_upload_that_another_overtook_fails(self, bucket, access, folder, other, url):
        s3.send(other, url, access)

        def come_between(line):
            if "deleted" in line:
                s3.send(other, url, access)

        with pytest.raises(TransferError, match=r"changed while.*params\.py"):
            s3.send(folder, url, access, progress=come_between)
        assert set(bucket.listed()) == {f"lab/a_kilosort/{n}" for n in ("params.py", "other.npy")}

    def test_a_receipt_of_the_last_one_holds(self, bucket, access, folder, other, url):
        sent, refused = [], []

        def send(path):
            try:
                sent.append(s3.send(path, url, access))
            except TransferError as error:
                refused.append(error)

        threads = [threading.Thread(target=send, args=(path,)) for path in (folder, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(sent) + len(refused) == 2
        there = {f"s3://{bucket.name}/{key}": bucket.head(key) for key in bucket.listed()}
        etags = {one: head["ETag"].strip('"') for one, head in there.items()}
        whole = [all(etags.get(o.url) == o.etag for o in one.files) for one in sent]
        assert refused or any(whole)


class TestRefusals:
    @pytest.mark.parametrize(
        "names",
        [["../out"], ["a/../../out"], ["/etc/out"], ["a//b"], ["./a"], ["a", "a/b"], ["a\\..\\b"],
         ["a\nb"], ["folder/"]],
    )  # fmt: skip
    def test_names_that_lead_elsewhere(self, names):
        with pytest.raises(FormatError, match="cannot be a file in a folder"):
            refuse_hostile(["fine", *names], "s3://bucket/prefix/")

    @pytest.mark.parametrize("names", [["../out"], ["a/../../out"], ["/out"], ["a", "a/b"]])
    def test_nothing_of_such_a_folder_is_downloaded(self, one_server, tmp_path, names):
        # Clients of the other server make paths of such keys themselves.
        bucket = Bucket(one_server)
        for name in ["fine", *names]:
            bucket.put(f"lab/{name}", b"x")
        with pytest.raises(FormatError, match="cannot be a file in a folder"):
            s3.fetch(f"s3://{bucket.name}/lab/", tmp_path / "to" / "here", one_server.access)
        assert list(tmp_path.rglob("*")) == []

    def test_a_local_name_that_no_download_accepts(self, bucket, access, folder, url):
        (folder / "a\nb").write_bytes(b"x")
        with pytest.raises(FormatError, match="cannot be a file in a folder"):
            s3.send(folder, url, access)
        assert bucket.listed() == []

    def test_objects_that_stand_for_folders_are_no_files(self, bucket, access, tmp_path):
        for key in ("lab/", "lab/deep/", "lab/deep/a"):
            bucket.put(key, b"")
        s3.fetch(f"s3://{bucket.name}/lab/", tmp_path / "lab", access)
        assert content_of(tmp_path / "lab") == {"deep/a": b""}

    def test_nothing_there(self, bucket, server, tmp_path):
        with pytest.raises(MissingFile, match=server.host):
            s3.fetch(f"s3://{bucket.name}/no/", tmp_path / "no", server.access)
        (tmp_path / "empty").mkdir()
        with pytest.raises(MissingFile, match="empty"):
            s3.send(tmp_path / "empty", f"s3://{bucket.name}/lab/", server.access)

    def test_a_folder_needs_a_slash(self, bucket, access, folder, url):
        with pytest.raises(OptionError, match="s3://bucket/prefix/"):
            s3.send(folder, url.rstrip("/"), access)

    def test_files_of_an_older_folder_are_not_lost(self, bucket, access, folder, url, tmp_path):
        s3.send(folder, url, access)
        target = tmp_path / "target"
        target.mkdir()
        (target / "params.py").write_text("older")
        (target / "thesis.tex").write_text("years")
        with pytest.raises(TransferError, match=r"thesis\.tex"):
            s3.fetch(url, target, access)
        assert set(content_of(target)) == {"params.py", "thesis.tex"}
        (target / "thesis.tex").unlink()
        s3.fetch(url, target, access)
        assert content_of(target) == FILES

    def test_a_file_in_the_place_of_the_folder(self, bucket, access, folder, url):
        with pytest.raises(TargetError, match="file"):
            s3.fetch(url, folder / "params.py", access)

    def test_one_bad_file_leaves_no_folder(self, bucket, access, folder, url, tmp_path):
        s3.send(folder, url, access)
        metadata = bucket.head("lab/a_kilosort/params.py")["Metadata"]
        bucket.put("lab/a_kilosort/params.py", b"forged", Metadata=metadata)
        with pytest.raises(TransferError, match=r"params\.py.*not what was uploaded"):
            s3.fetch(url, tmp_path / "back", access)
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_what_is_left_out_is_told(one_server, folder):
    bucket, lines = Bucket(one_server), []
    (folder / "linked").symlink_to(folder / "a b")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "params2.py").symlink_to("params.py")
    (folder / ".phy").mkdir()
    (folder / ".phy" / "cache").write_bytes(b"x")
    url = f"s3://{bucket.name}/lab/"
    receipt = s3.send(folder, url, one_server.access, progress=lines.append)
    assert {one.url.removeprefix(url) for one in receipt.files} == {*FILES, "params2.py"}
    told = [line.split(": ")[0] for line in lines if "not uploaded" in line]
    assert told == [str(folder / "dangling"), str(folder / "linked")]
    # As the documentation says to check it.
    command = "find . -xtype f -not -path '*/.*' | sed 's|^\\./||' | LC_ALL=C sort"
    command += " | tr '\\n' '\\0' | xargs -0 sha256sum | sha256sum"
    done = subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True)
    assert done.stdout.decode().split()[0] == receipt.sha256
