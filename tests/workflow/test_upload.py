"""Exports that go to S3, and sources that come from there, in real runs against a local server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from spikelab import convert
from tests.workflow.conftest import Project, tiny_session

SECRET = "canary-9d2f7be1c0"
NO_KEYS = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
KEYS = {**NO_KEYS, "AWS_ACCESS_KEY_ID": "a-key-id", "AWS_SECRET_ACCESS_KEY": SECRET}


@dataclass
class Cloud:
    """A bucket of its own on the server, seen by somebody else."""

    endpoint: str
    client: Any
    bucket: str = field(default_factory=lambda: f"lab-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.client.create_bucket(Bucket=self.bucket)

    @property
    def host(self) -> str:
        return self.endpoint.removeprefix("http://")

    def config(self, more: str = "", **upload: Any) -> str:
        """A configuration that uploads here; in JSON, which is YAML as well."""
        section = {"bucket": self.bucket, "endpoint": self.endpoint} | upload
        download = {"endpoint": self.endpoint}
        return f"upload: {json.dumps(section)}\ndownload: {json.dumps(download)}\n{more}"

    def put(self, key: str, content: bytes, **settings: str) -> str:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content, **settings)
        return f"s3://{self.bucket}/{key}"

    def content(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    @property
    def objects(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return {one["Key"]: self.content(one["Key"]) for one in listed}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module", autouse=True)
def no_keys_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        yield


def new_cloud(endpoint: str) -> Cloud:
    keys = {"aws_access_key_id": "other", "aws_secret_access_key": "other"}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    return Cloud(endpoint, client)


@pytest.fixture
def cloud(endpoint) -> Cloud:
    return new_cloud(endpoint)


@contextmanager
def watched_commands() -> Iterator[set[bytes]]:
    """The command lines of all processes of the machine, as others see them."""
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_bytes())
                except OSError:  # the process has ended
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def result_files(project: Project) -> dict[str, bytes]:
    files = files_below(project.folder / "results")
    return {name: content for name, content in files.items() if not name.endswith(".s3.json")}


def receipt(project: Project, session: str, suffix: str) -> dict[str, Any]:
    return json.loads(project.result(session, f"{suffix}.s3.json").read_text())


def planned(project: Project, *arguments: str) -> dict[str, int]:
    dry = project.run("--dry-run", *arguments, **NO_KEYS)
    assert dry.code == 0, dry.text
    return {rule: count for rule, count in dry.jobs.items() if rule != "upload"}


@dataclass
class Finished:
    """Two sessions, exported and uploaded in one run."""

    project: Project
    cloud: Cloud
    text: str
    commands: set[bytes]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, endpoint) -> Finished:
    project, cloud = Project(tmp_path_factory.mktemp("uploaded")), new_cloud(endpoint)
    project.source("one", seed=1)
    project.source("two", seed=2)
    project.sheet("a data/one.pkl pickle . nwb,kilosort", "b data/two.pkl pickle . pickle")
    project.config(cloud.config(prefix="rats/2024/"))
    with watched_commands() as commands:
        done = project.run(**KEYS)
    assert done.code == 0, done.text
    assert done.jobs["upload_export"] == 3
    return Finished(project, cloud, done.text, commands)


def test_the_bucket_holds_what_the_results_hold(finished):
    assert finished.cloud.objects == {
        f"rats/2024/{name}": content for name, content in result_files(finished.project).items()
    }
    where = f"s3://{finished.cloud.bucket}/rats/2024 on {finished.cloud.host}"
    assert f"3 exports uploaded to {where}" in finished.text


def test_receipts_say_what_is_where(finished):
    file = finished.project.result("a", ".nwb")
    made = receipt(finished.project, "a", ".nwb")
    assert made["path"] == "results/a/a.nwb"
    assert made["url"] == f"s3://{finished.cloud.bucket}/rats/2024/a/a.nwb"
    assert made["size"] == file.stat().st_size
    assert made["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert made["endpoint"] == finished.cloud.host
    folder = receipt(finished.project, "a", "_kilosort")
    assert folder["url"] == f"s3://{finished.cloud.bucket}/rats/2024/a/a_kilosort/"
    local = files_below(finished.project.result("a", "_kilosort"))
    assert [one["path"] for one in folder["objects"]] == [
        f"results/a/a_kilosort/{name}" for name in local
    ]


def test_the_log_of_an_upload_names_the_host(finished):
    log = (finished.project.folder / "logs" / "upload.nwb" / "a.log").read_text()
    assert f"uploading results/a/a.nwb to s3://{finished.cloud.bucket}/rats/2024/a/a.nwb" in log
    assert finished.cloud.host in log


def test_the_secret_is_nowhere(finished, tmp_path):
    report = tmp_path / "report.html"
    assert finished.project.run("--report", str(report), **KEYS).code == 0
    assert_no_secret(finished.project, finished.cloud, finished.text, finished.commands)
    assert SECRET not in report.read_text()


def assert_no_secret(project: Project, cloud: Cloud, text: str, commands: set[bytes]) -> None:
    assert SECRET not in text
    assert any(b"upload.py" in line for line in commands), "the measure sees the jobs"
    assert not any(SECRET.encode() in line for line in commands)
    files = files_below(project.folder)
    assert any(name.startswith(".snakemake/metadata") for name in files)
    assert [name for name, content in files.items() if SECRET.encode() in content] == []
    for key in cloud.objects:
        assert SECRET not in str(cloud.client.head_object(Bucket=cloud.bucket, Key=key))


def test_nothing_is_uploaded_twice(finished):
    again = finished.project.run(**NO_KEYS)
    assert again.code == 0
    assert "Nothing to be done" in again.text


def test_another_place_uploads_anew_and_exports_nothing(finished):
    section = {"bucket": finished.cloud.bucket, "endpoint": finished.cloud.endpoint}
    for change, uploads in (
        ({"prefix": "rats/2024"}, {}),
        ({"prefix": "cats"}, {"upload_export": 3}),
        ({"prefix": "rats/2024", "endpoint": "https://s3.example.org"}, {"upload_export": 3}),
    ):
        text = ", ".join(f"{key}: '{value}'" for key, value in {**section, **change}.items())
        assert planned(finished.project, "--config", f"upload={{{text}}}") == uploads


def test_a_new_export_is_uploaded_and_no_other(project, cloud):
    project.source("one", seed=1)
    project.sheet("a data/one.pkl pickle . pickle,hdf5_raster")
    project.config(cloud.config())
    assert project.run(**KEYS).code == 0
    older = cloud.content("a/a.raster.h5")
    project.config(cloud.config("hdf5_raster: {raster_bin_size_ms: 5.0}\n"))
    done = project.run(**KEYS)
    assert done.code == 0
    assert done.jobs == {"export_hdf5": 1, "upload_export": 1}
    assert older != cloud.content("a/a.raster.h5") == project.result("a", ".raster.h5").read_bytes()


def test_only_what_is_asked_for(project, cloud):
    project.source("one", seed=1)
    project.sheet("a data/one.pkl pickle . pickle,hdf5_paired,hdf5_group")
    project.config(cloud.config(formats=["pickle"]))
    assert project.run("upload", **KEYS).code == 0
    assert set(cloud.objects) == set(result_files(project)) and set(cloud.objects) == {"a/a.pkl"}
    # By its name, also what the configuration leaves out.
    assert project.run("results/a/a.paired.h5.s3.json", **KEYS).code == 0
    assert set(cloud.objects) == {"a/a.pkl", "a/a.paired.h5"}
    assert planned(project) == {"export_hdf5": 1}
    # Another target than the uploads asks for no key.
    assert project.run("hdf5_group", **NO_KEYS).code == 0


@pytest.mark.parametrize("damage", ["elsewhere", "empty"])
def test_a_receipt_that_is_not_of_this_upload_is_not_taken_for_it(project, cloud, damage):
    project.source("one", seed=1)
    project.sheet("a data/one.pkl pickle . pickle")
    project.config(cloud.config())
    assert project.run(**KEYS).code == 0
    receipt = project.result("a", ".pkl.s3.json")
    content = json.loads(receipt.read_text()) | {"url": "s3://another/by-hand/a.pkl"}
    receipt.write_text(json.dumps(content) if damage == "elsewhere" else "")
    cloud.client.delete_object(Bucket=cloud.bucket, Key="a/a.pkl")
    again = project.run(**KEYS)
    assert again.code == 0, again.text
    assert again.jobs == {"upload_export": 1}
    assert set(cloud.objects) == {"a/a.pkl"}
    assert "Nothing to be done" in project.run(**KEYS).text


@pytest.mark.parametrize("target", ["upload", "results/a/a.pkl.s3.json"])
def test_without_a_bucket_it_says_so(project, target):
    project.source("one")
    project.sheet("a data/one.pkl pickle . pickle")
    project.config("upload: {prefix: rats}\n")
    refused = project.run(target, **KEYS)
    assert refused.code == 1
    assert "nothing can be uploaded, because no bucket is set" in refused.text
    assert not (project.folder / "work" / "sessions").exists()


def test_without_a_key_nothing_starts(project, cloud):
    project.source("one")
    project.sheet("a data/one.pkl pickle . pickle")
    project.config(cloud.config())
    assert planned(project) == {"ingest": 1, "export_pickle": 1, "upload_export": 1}
    for keys in (NO_KEYS | {"AWS_PROFILE": "nobody"}, NO_KEYS | {"AWS_ACCESS_KEY_ID": "x"}):
        refused = project.run(**keys)
        assert refused.code == 1
        assert "Nothing was started" in refused.text
        assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in refused.text
        assert not (project.folder / "work" / "sessions").exists()


def test_a_failed_upload_keeps_its_export_and_stops_no_other(project, cloud):
    project.source("one")
    project.sheet("a data/one.pkl pickle . pickle,kilosort")
    project.config(cloud.config())
    assert project.run("kilosort").code == 0
    # A name that a download would refuse.
    unsafe = project.result("a", "_kilosort") / "notes\\today.txt"
    unsafe.touch()
    done = project.run(**KEYS)
    assert done.code == 1
    assert set(cloud.objects) == {"a/a.pkl"}
    summary = done.text[done.text.index("2 of 2 exports are made") :]
    assert f"1 of 2 exports uploaded to s3://{cloud.bucket} on {cloud.host}" in summary
    assert "a: kilosort could not be uploaded" in summary
    assert "log: logs/upload_kilosort/a.log" in summary
    unsafe.unlink()
    again = project.run(**KEYS)
    assert again.code == 0
    assert again.jobs == {"upload_export": 1}


def test_the_reason_of_a_failed_upload_names_host_and_bucket(project, cloud):
    project.source("one")
    project.sheet("a data/one.pkl pickle . pickle")
    project.config(cloud.config(bucket="no-such-bucket"))
    failed = project.run(**KEYS)
    assert failed.code == 1
    assert "a: pickle could not be uploaded" in failed.text
    summary = failed.text[failed.text.index("could not be uploaded") :]
    assert cloud.host in summary and "s3://no-such-bucket/a/a.pkl" in summary
    assert project.result("a", ".pkl").exists()
    assert not project.result("a", ".pkl.s3.json").exists()


def test_a_curated_folder_goes_up_when_it_is_asked_for(project, cloud):
    project.source("one")
    project.sheet("a data/one.pkl pickle . kilosort")
    project.config(cloud.config())
    assert project.run(**KEYS).code == 0
    folder = project.result("a", "_kilosort")
    groups = folder / "cluster_group.tsv"
    groups.write_text(groups.read_text().replace("unsorted", "good"))
    (folder / "new.tsv").write_text("written by Phy\n")
    assert planned(project) == {}
    assert project.run("upload", "--forcerun", "upload_export", **KEYS).code == 0
    assert cloud.objects == result_files(project)

    # A new export that would destroy the curation fails, and the older one stays where it is.
    before = cloud.objects
    project.source("one", seed=5)
    for target in ("all", "results/a/a_kilosort.s3.json"):
        refused = project.run(target, **KEYS)
        assert refused.code == 1
        assert "would destroy curation" in refused.text
        assert cloud.objects == before

    folder.rename(project.folder / "curated")
    assert project.run(**KEYS).code == 0
    assert cloud.objects == result_files(project)


def test_a_removed_folder_is_made_again_before_it_goes_up(project, cloud):
    project.source("one")
    project.sheet("a data/one.pkl pickle . kilosort")
    assert project.run(**KEYS).code == 0
    project.config(cloud.config())
    for target in ("all", "upload"):
        shutil.rmtree(project.result("a", "_kilosort"))
        done = project.run(target, **KEYS)
        assert done.code == 0, done.text
        assert cloud.objects == result_files(project)


def test_a_source_that_cannot_be_read_again_uploads_nothing(project, cloud):
    """Not even the older export, which is kept."""
    project.source("one")
    project.sheet("a data/one.pkl pickle . kilosort")
    project.config(cloud.config())
    assert project.run("kilosort").code == 0
    project.sheet("a data/one.pkl pickle 30000 kilosort")
    for target in ("all", "results/a/a_kilosort.s3.json"):
        failed = project.run(target, **KEYS)
        assert failed.code == 1
        assert "a: could not be read" in failed.text
        assert cloud.objects == {}


def test_the_endpoint_and_a_file_of_keys_from_the_environment(project, cloud, tmp_path_factory):
    keys = tmp_path_factory.mktemp("elsewhere") / "credentials"
    keys.write_text(f"[default]\naws_access_key_id = x\naws_secret_access_key = {SECRET}\n")
    project.source("one")
    project.sheet("a data/one.pkl pickle . pickle")
    project.config(cloud.config(endpoint=None))
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(keys), "AWS_ENDPOINT_URL_S3": cloud.endpoint}
    with watched_commands() as commands:
        done = project.run(**NO_KEYS, **variables)
    assert done.code == 0, done.text
    assert set(cloud.objects) == {"a/a.pkl"}
    assert_no_secret(project, cloud, done.text, commands)


def test_the_dandiset_stays_here(project, cloud):
    facts = {
        "subject_id": "m1",
        "species": "Mus musculus",
        "sex": "M",
        "age": "P90D",
        "device_name": "probe",
        "device_description": "a probe",
        "session_description": "rest",
        "experiment_description": "sleep",
        "subject_description": "a mouse",
        "experimenter": "Doe, Jane",
        "institution": "A university",
        "electrode_location": "CA1",
    }
    sd = tiny_session()
    project.source("one", metadata=sd.metadata | facts)
    project.sheet("a data/one.pkl pickle . nwb")
    project.config(cloud.config("nwb: {layout: dandi}\n"))
    done = project.run(**KEYS)
    assert done.code == 0, done.text
    assert set(cloud.objects) == {"a/a.nwb"}
    assert list((project.folder / "dandiset").rglob("*.nwb"))


def spikes_of(project: Project, session: str) -> list[np.ndarray]:
    return convert.load(project.result(session, ".pkl")).train


def test_sources_on_s3_are_downloaded_once(project, cloud, tmp_path):
    source = project.source("one", seed=1)
    convert.save(tiny_session(3), tmp_path / "phy", "kilosort")
    file = cloud.put("lab/one session.pkl", source.read_bytes())
    for name, content in files_below(tmp_path / "phy").items():
        cloud.put(f"lab/phy/{name}", content)
    source.unlink()
    row = "{}\t{}\t{}\tpickle\n"
    sheet = "session\tsource\tformat\texports\n" + "".join(
        row.format(name, url, format)
        for name, url, format in (
            ("a", file, "pickle"),
            ("b", file, "pickle"),
            ("c", f"s3://{cloud.bucket}/lab/phy/", "kilosort"),
        )
    )
    project.raw_sheet(sheet)
    project.config(cloud.config(bucket=None))
    assert planned(project) == {"fetch": 3, "ingest": 3, "export_pickle": 3}
    done = project.run(**KEYS)
    assert done.code == 0, done.text
    for session, seed in (("a", 1), ("b", 1), ("c", 3)):
        for got, expected in zip(
            spikes_of(project, session), tiny_session(seed).train, strict=True
        ):
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)
    assert cloud.host in (project.folder / "logs" / "fetch" / "a.log").read_text()
    assert planned(project) == {}

    # What changes on the server, Snakemake cannot know; another address, it can.
    cloud.put("lab/one session.pkl", project.source("new", seed=9).read_bytes())
    assert planned(project) == {}
    other = cloud.put("lab/other.pkl", project.source("other", seed=4).read_bytes())
    project.raw_sheet(sheet.replace(f"b\t{file}", f"b\t{other}"))
    assert planned(project) == {"fetch": 1, "ingest": 1, "export_pickle": 1}
    again = project.run("--forcerun", "fetch", **KEYS)
    assert again.code == 0, again.text
    assert spikes_of(project, "a")[2] == tiny_session(9).train[2]
    assert spikes_of(project, "b")[2] == tiny_session(4).train[2]
    assert [path.name for path in (project.folder / "work" / "sources" / "b").glob("*.pkl")] == [
        "other.pkl"
    ]


def test_a_source_that_cannot_be_had_or_read_is_named_by_its_url(project, cloud):
    good = cloud.put("good.pkl", project.source("one").read_bytes())
    bad = cloud.put("bad.pkl", b"junk")
    none = f"s3://{cloud.bucket}/none.pkl"
    project.sheet(*(f"{n} {url} pickle . pickle" for n, url in zip("abc", (good, bad, none))))
    project.config(cloud.config(bucket=None))
    done = project.run(**KEYS)
    assert done.code == 1
    assert project.result("a", ".pkl").exists()
    summary = done.text[done.text.index("1 of 3 exports are made") :]
    assert "b: could not be read" in summary and f"downloaded from {bad}" in summary
    assert "c: could not be downloaded" in summary
    assert none in summary and cloud.host in summary
    assert "log: logs/fetch/c.log" in summary


def test_public_sources_need_no_key(project, cloud):
    url = cloud.put("one.pkl", project.source("one").read_bytes(), ACL="public-read")
    project.sheet(f"a {url} pickle . pickle")
    project.config(f"download: {{endpoint: '{cloud.endpoint}'}}\n")
    refused = project.run(**NO_KEYS)
    assert refused.code == 1
    assert "Nothing was started" in refused.text and "anonymous" in refused.text
    project.config(f"download: {{endpoint: '{cloud.endpoint}', anonymous: true}}\n")
    done = project.run(**NO_KEYS)
    assert done.code == 0, done.text
