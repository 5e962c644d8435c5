import dataclasses
import importlib.util

import pytest

from spikelab.errors import OptionError
from spikelab.formats import registry
from spikelab.formats.registry import ALL_PARTS, EXPORTS, FORMATS

NAMES = ["pickle", "hdf5_ragged", "hdf5_raster", "hdf5_group", "hdf5_paired", "hdf5_raw", "nwb"]


def test_the_formats_of_the_sheet_are_there():
    assert set(FORMATS) >= {*NAMES, "kilosort", "spikeinterface"}
    assert set(FORMATS) - set(EXPORTS) == {"hdf5_raw", "spikeinterface", "spikelab_npz"}


def test_the_registry_cannot_be_changed():
    with pytest.raises(TypeError):
        FORMATS["nwb"] = FORMATS["pickle"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        FORMATS["nwb"].suffix = ".h5"


@pytest.mark.parametrize("entry", FORMATS.values(), ids=lambda entry: entry.name)
def test_every_entry_has_a_module_that_does_what_it_says(entry):
    assert importlib.util.find_spec(entry.module) is not None
    module = entry.load_module()
    assert callable(module.read)
    assert hasattr(module, "write") or not entry.writes
    assert hasattr(module, "carry_over") or not (entry.writes and entry.folder)
    assert entry.keeps <= ALL_PARTS
    assert dataclasses.is_dataclass(module.Options)
    assert entry.options() == module.Options()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(module.Options(), entry.option_names()[0], None)


@pytest.mark.parametrize("name", EXPORTS)
def test_suffixes_are_distinct_and_guessed(name):
    assert registry.guess(f"some/where/s.1{FORMATS[name].suffix}").name == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.pickle", "pickle"),
        ("a.h5", "hdf5_ragged"),
        ("a.hdf5", "hdf5_ragged"),
        ("s_kilosort/", "kilosort"),
        ("s3://bucket/a.b/c.pkl", "pickle"),
        ("a.raster.nwb", "nwb"),
    ],
)
def test_other_names_are_guessed(path, name):
    assert registry.guess(path).name == name


@pytest.mark.parametrize("path", ["a.txt", "nwb", "a.nwb/b"])
def test_names_that_tell_nothing_are_refused(path):
    with pytest.raises(OptionError, match=r"does not tell its format.*nwb"):
        registry.guess(path)


def test_unknown_names_get_a_proposal():
    with pytest.raises(OptionError, match=r"did you mean hdf5_ragged\?$"):
        registry.get("hdf5_raged")
    with pytest.raises(OptionError, match="allowed: pickle, "):
        registry.get("zzz")


def test_unknown_options_are_named():
    with pytest.raises(OptionError, match="nwb has no such option; found colour, speed"):
        FORMATS["nwb"].options({"speed": 1, "colour": 2, "group": "units"})
