"""Every documented call, made as users make it, with what it wrote looked at."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import boto3
import h5py
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from spikelab import SpikeData
from spikelab.compare import Precision, differences
from spikelab.data_loaders.data_exporters import (
    export_spikedata_to_hdf5,
    export_spikedata_to_kilosort,
    export_spikedata_to_nwb,
    export_to_pickle,
)
from spikelab.data_loaders.data_loaders import (
    load_spikedata_from_hdf5,
    load_spikedata_from_kilosort,
    load_spikedata_from_nwb,
    load_spikedata_from_pickle,
)
from tests.conftest import SHARED

SPECIFICATION = SHARED / "spec" / "exporting_data.txt"
FLAT_MS = [1.0, 2.5, 2001.0, 40.0]
ENDS = [3, 3, 4]


@pytest.fixture
def sd(tmp_path, monkeypatch) -> SpikeData:
    """Three units, the middle one silent, with raw traces; the test runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return SpikeData(
        [[1.0, 2.5, 2001.0], [], [40.0]],
        length=5000.0,
        neuron_attributes=[
            {"unit_id": one, "electrode": one % 4, "location": [20.0 * (one % 4), 0.0]}
            for one in (6, 191, 206)
        ],
        metadata={"session_start_time": "2024-03-05T14:30:00+01:00"},
        raw_data=np.arange(20, dtype=np.int16).reshape(2, 10),
        raw_time=20.0,
    )


@pytest.fixture
def s3_server(monkeypatch):
    """An S3 server on loopback with the bucket ``my-bucket``, found through the environment."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **keys)
    client.create_bucket(Bucket="my-bucket")
    yield client
    server.stop()


def test_ragged_is_the_default(sd):
    assert export_spikedata_to_hdf5(sd, "output.h5") is None
    with h5py.File("output.h5") as file:
        np.testing.assert_allclose(file["spike_times"], np.divide(FLAT_MS, 1000), rtol=1e-15)
        assert file["spike_times_index"][()].tolist() == ENDS
    assert differences(sd, load_spikedata_from_hdf5("output.h5"), Precision("s"), KEPT) == []


def test_raster(sd):
    export_spikedata_to_hdf5(
        sd, "output.h5", style="raster", raster_dataset="raster", raster_bin_size_ms=1.0
    )
    with h5py.File("output.h5") as file:
        raster = file["raster"][()]
    expected = np.zeros((3, 5000))
    expected[0, [1, 2, 2001]] = expected[2, 40] = 1
    np.testing.assert_array_equal(raster, expected)


def test_group(sd):
    export_spikedata_to_hdf5(
        sd, "output.h5", style="group", group_per_unit="units", group_time_unit="s"
    )
    with h5py.File("output.h5") as file:
        assert [file[f"units/{unit}"].size for unit in range(3)] == [3, 0, 1]
        np.testing.assert_allclose(file["units/2"], [0.04], rtol=1e-15)


def test_paired(sd):
    export_spikedata_to_hdf5(
        sd,
        "output.h5",
        style="paired",
        idces_dataset="idces",
        times_dataset="times",
        times_unit="ms",
    )
    with h5py.File("output.h5") as file:
        assert file["idces"][()].tolist() == [0, 0, 2, 0]
        assert file["times"][()].tolist() == [1.0, 2.5, 40.0, 2001.0]


def test_raw(sd):
    export_spikedata_to_hdf5(
        sd, "output.h5", raw_dataset="raw_data", raw_time_dataset="raw_time", raw_time_unit="ms"
    )
    with h5py.File("output.h5") as file:
        np.testing.assert_array_equal(file["raw_data"], np.arange(20).reshape(2, 10))
        np.testing.assert_allclose(file["raw_time"], np.arange(10) / 20)


@pytest.mark.parametrize("names", [{}, dict(spike_times_dataset="spike_times", group="units")])
def test_nwb(sd, names):
    if names:
        names["spike_times_index_dataset"] = "spike_times_index"
    export_spikedata_to_nwb(sd, "session.nwb", **names)
    with h5py.File("session.nwb") as file:
        np.testing.assert_allclose(file["units/spike_times"], np.divide(FLAT_MS, 1000), rtol=1e-15)
        assert file["units/spike_times_index"][()].tolist() == ENDS
        assert file["units/id"][()].tolist() == [6, 191, 206]
    assert differences(sd, load_spikedata_from_nwb("session.nwb"), Precision("s"), KEPT) == []


def test_kilosort(sd):
    paths = export_spikedata_to_kilosort(sd, "output_folder/", fs_Hz=30000)
    assert [Path(path).name for path in paths] == ["spike_times.npy", "spike_clusters.npy"]
    assert all(type(path) is str for path in paths)
    assert np.load(paths[0]).tolist() == [30, 75, 1200, 60030]
    assert np.load(paths[1]).tolist() == [6, 6, 206, 6]
    found = load_spikedata_from_kilosort("output_folder/", fs_Hz=30000)
    assert differences(sd, found, Precision("samples", 30000), KEPT) == []


def test_kilosort_with_custom_options(sd):
    paths = export_spikedata_to_kilosort(
        sd,
        "output_folder/",
        fs_Hz=30000,
        time_unit="samples",
        spike_times_file="spike_times.npy",
        spike_clusters_file="spike_clusters.npy",
        cluster_ids=None,
    )
    assert np.load(paths[1]).tolist() == [6, 6, 206, 6]


def test_pickle(sd):
    path = export_to_pickle(sd, "my_data.pkl")
    assert path == "my_data.pkl"
    assert differences(sd, load_spikedata_from_pickle(path)) == []


def test_pickle_on_s3(sd, s3_server):
    s3_url = export_to_pickle(
        sd,
        "s3://my-bucket/my_data.pkl",
        s3_upload=True,
        aws_access_key_id="...",
        aws_secret_access_key="...",
    )
    assert s3_url == "s3://my-bucket/my_data.pkl"
    body = s3_server.get_object(Bucket="my-bucket", Key="my_data.pkl")["Body"].read()
    assert pickle.loads(body).train[0].tolist() == [1.0, 2.5, 2001.0]
    keys = {"aws_access_key_id": "...", "aws_secret_access_key": "..."}
    assert differences(sd, load_spikedata_from_pickle(s3_url, **keys)) == []


def code_of(text: str) -> list[str]:
    """The statements of a text that mixes code and prose: lines that begin like code."""
    lines = text.splitlines()
    statements = []
    for start, line in enumerate(lines):
        if not re.match(r"from \w+\.|export_\w+\(|[\w, ]+ = export_", line):
            continue
        for end in range(start + 1, len(lines) + 1):
            statement = "\n".join(lines[start:end])
            try:
                ast.parse(statement)
            except SyntaxError:
                continue
            statements.append(statement)
            break
    return statements


def test_the_written_specification_runs(sd, s3_server):
    if not SPECIFICATION.exists():
        pytest.skip(f"no specification: put it at {SPECIFICATION}")
    statements = code_of(SPECIFICATION.read_text())
    calls = [one for one in statements if "(" in one]
    assert len(calls) == 11, "the specification has changed: read it again"
    names = {"sd": sd}
    for statement in statements:
        exec(compile(statement, str(SPECIFICATION), "exec"), names)
    assert names["s3_url"] == "s3://my-bucket/my_data.pkl"
    assert sorted(path.name for path in Path().iterdir()) == [
        "my_data.pkl",
        "output.h5",
        "output_folder",
        "session.nwb",
    ]


KEPT = frozenset({"start_time", "length", "unit_ids"})
