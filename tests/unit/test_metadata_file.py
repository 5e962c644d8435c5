"""Metadata files: what they may say, and what is refused."""

from __future__ import annotations

import pytest

from spikelab import metadata_file


def read(folder, text):
    path = folder / "m.yaml"
    path.write_text(text, encoding="utf-8")
    values, problems = metadata_file.read(path)
    return values, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    "text",
    [
        "session_start_time: 2024-03-05T14:30:00+01:00\nexperimenter: [Doe, Jane]\nage: P3D\n",
        '{"session_start_time": "2024-03-05T14:30:00+01:00", "experimenter": ["Doe", "Jane"],'
        ' "age": "P3D", "lab": ""}',
    ],
)
def test_yaml_and_json_and_dates_as_written(tmp_path, text):
    values, problems = read(tmp_path, text)
    assert problems == []
    assert values == {
        "session_start_time": "2024-03-05T14:30:00+01:00",
        "experimenter": ["Doe", "Jane"],
        "age": "P3D",
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("speceis: Mus musculus\n", "did you mean species?"),
        ("- a\n", "holds no names and values; found list"),
        ("", "holds no names and values"),
        ("sex: {a: b}\n", "sex is neither text nor a list of texts"),
        ("a: [\n", "cannot be read"),
        ("aws_secret_access_key: abc\n", "credentials must not stand in files"),
    ],
)
def test_what_is_refused(tmp_path, text, part):
    values, (problem,) = read(tmp_path, text)
    assert values == {}
    assert part in problem
    assert "m.yaml" in problem
    assert "abc" not in problem
