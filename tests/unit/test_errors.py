import copy
import pickle

import pytest

from spikelab import errors
from spikelab.errors import MissingFile, OptionError, SpikelabError, TargetError

ALL_ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SpikelabError)
]


def test_a_message_says_where_what_found_allowed_and_what_to_do():
    error = OptionError("the bin is unusable", found=-1, allowed="above 0", hint="give a bin")
    error.locate(path="a/b.h5", session="s1")
    assert str(error) == (
        "session s1: a/b.h5: the bin is unusable; found -1; allowed: above 0. "
        "What to do: give a bin."
    )


def test_a_message_has_only_the_parts_that_are_known():
    assert str(OptionError("wrong")) == "wrong"
    assert str(OptionError("wrong", found=None)) == "wrong; found None"


@pytest.mark.parametrize("hint", ["did you mean nwb?", "Do this."])
def test_a_hint_keeps_its_own_full_stop(hint):
    assert str(OptionError("wrong", hint=hint)).endswith(f"What to do: {hint}")


def test_place_is_added_but_not_overwritten():
    error = OptionError("wrong", path="first")
    assert error.locate(path="second", session="s") is error
    assert (error.path, error.session) == ("first", "s")


def test_long_findings_are_shortened():
    assert len(str(OptionError("wrong", found="x" * 10_000))) < 300


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "clone", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy]
)
def test_errors_survive_other_processes(kind, clone):
    error = kind("wrong", found=[1, 2], allowed="3", hint="do", path="p", session="s")
    cloned = clone(error)
    assert type(cloned) is kind
    assert str(cloned) == str(error)
    assert vars(cloned) == vars(error)


def test_errors_are_what_python_programs_expect_to_catch():
    assert issubclass(OptionError, ValueError)
    assert issubclass(MissingFile, FileNotFoundError)
    assert issubclass(TargetError, OSError)
    assert all(issubclass(kind, SpikelabError) for kind in ALL_ERRORS)
    assert len(ALL_ERRORS) >= 8


def test_an_unsaid_finding_stays_unsaid_in_another_process():
    error = pickle.loads(pickle.dumps(OptionError("wrong")))
    assert str(error) == "wrong"
