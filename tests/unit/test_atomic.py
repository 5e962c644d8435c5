"""Faults are made for real: processes are killed, limits reached, writers run side by side."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spikelab import SpikeData, atomic, convert
from spikelab.atomic import replacing_file, replacing_folder
from spikelab.errors import TargetError

PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
LONG_NAMES = ["x" * 252 + ".h5", "ß" * 126 + ".h5", "名" * 84 + ".h5", "𝄞" * 63 + ".h5"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def scratch_in(folder):
    return [path for path in folder.iterdir() if path.name.startswith(atomic.SCRATCH_PREFIX)]


def write_file(target, text="new"):
    with replacing_file(target) as scratch:
        scratch.write_text(text)


def write_folder(target, *files, carry_over=()):
    with replacing_folder(target, carry_over=carry_over) as scratch:
        for name in files:
            (scratch / name).write_text("new")


# -- files ----------------------------------------------------------------------------------------


def test_the_target_appears_at_the_end_and_nothing_else_stays(tmp_path):
    target = tmp_path / "a" / "b" / "s.nwb"
    with replacing_file(target) as scratch:
        scratch.write_text("new")
        assert not target.exists()
        assert (scratch.parent, scratch.suffix) == (target.parent, ".nwb")
    assert target.read_text() == "new"
    assert names(target.parent) == ["s.nwb"]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, OSError, SystemExit])
def test_a_failing_writer_leaves_the_older_file(tmp_path, fault):
    target = tmp_path / "s.h5"
    target.write_text("old")
    with pytest.raises(fault), replacing_file(target) as scratch:
        scratch.write_text("half")
        raise fault
    assert target.read_text() == "old"
    assert names(tmp_path) == ["s.h5"]


@pytest.mark.parametrize("name", ["with space.h5", "größe µm.h5", ".hidden", "-x", *LONG_NAMES])
def test_names_of_any_kind_and_length(tmp_path, name):
    assert len(os.fsencode(name)) <= 255
    for text in ("first", "second"):
        write_file(tmp_path / name, text)
        assert (tmp_path / name).read_text() == text
    write_folder(tmp_path / "folder" / name, "f")
    write_folder(tmp_path / "folder" / name, "g")
    assert names(tmp_path / "folder" / name) == ["g"]
    assert names(tmp_path) == sorted([name, "folder"])


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_file(Path("s.h5"))
    write_file(Path("sub/../t.h5"))
    write_folder(Path("u"), "f")
    assert (tmp_path / "s.h5").read_text() == (tmp_path / "t.h5").read_text() == "new"
    assert names(tmp_path / "u") == ["f"]


def test_a_working_folder_that_changes_meanwhile_moves_nothing(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with replacing_file(Path("s.h5")) as scratch:
        scratch.write_text("new")
        monkeypatch.chdir(tmp_path / "elsewhere")
    assert names(tmp_path) == ["elsewhere", "s.h5"]


def test_a_symbolic_link_stays_and_what_it_points_at_is_replaced(tmp_path):
    real, link = tmp_path / "data" / "real.h5", tmp_path / "link.h5"
    link.symlink_to(real)
    for text in ("made through a dangling link", "replaced"):
        write_file(link, text)
        assert link.is_symlink()
        assert real.read_text() == text
    assert names(tmp_path) == ["data", "link.h5"]
    assert names(real.parent) == ["real.h5"]


def test_concurrent_writers_do_not_mix(tmp_path):
    target = tmp_path / "s.h5"
    texts = [str(i) * 100_000 for i in range(8)]
    barrier = threading.Barrier(len(texts))

    def write(text):
        with replacing_file(target) as scratch:
            barrier.wait()
            scratch.write_text(text)

    workers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert target.read_text() in texts
    assert names(tmp_path) == ["s.h5"]


# -- killed processes -----------------------------------------------------------------------------

KILLED = """
import sys, time
from pathlib import Path
from spikelab.atomic import replacing_file, replacing_folder
with {kind}(Path(sys.argv[1])) as scratch:
    (scratch / "part" if scratch.is_dir() else scratch).write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def kill_while_writing(kind, target):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(kind=kind), str(target)],
        cwd=PACKAGE_FOLDER,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    yield
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    yield


@pytest.mark.parametrize("kind", ["replacing_file", "replacing_folder"])
def test_kill_9_leaves_the_older_target_and_the_next_writer_tidies_up(tmp_path, kind):
    target = tmp_path / "s"
    write_file(target, "old") if kind == "replacing_file" else write_folder(target, "old")
    steps = kill_while_writing(kind, target)
    next(steps)
    (scratch,) = scratch_in(tmp_path)

    write_file(tmp_path / "other")
    assert scratch.exists(), "the scratch of a living writer is not waste"

    next(steps)
    assert (target.read_text() if target.is_file() else names(target)) in ("old", ["old"])
    assert scratch_in(tmp_path) == [scratch]

    write_file(tmp_path / "other")
    assert names(tmp_path) == ["other", "s"]


@pytest.mark.parametrize("name", ["", "not-ours", "00000000.1.abc-s.h5", "x.y.z"])
def test_what_is_not_surely_waste_is_left(tmp_path, name):
    stranger = tmp_path / f"{atomic.SCRATCH_PREFIX}{name}"
    own_machine = tmp_path / f"{atomic.SCRATCH_PREFIX}{atomic._machine()}.x-s.h5"
    for path in (stranger, own_machine):
        path.write_text("?")
    write_file(tmp_path / "s.h5")
    assert stranger.exists()
    assert own_machine.exists()


# -- limits ---------------------------------------------------------------------------------------

FULL = """
import resource, sys
from pathlib import Path
from spikelab.atomic import replacing_file
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with replacing_file(Path(sys.argv[1])) as scratch:
        scratch.write_bytes(bytes(20_000))
except OSError as error:
    print(type(error).__name__)
"""


def test_a_full_disk_leaves_the_older_file(tmp_path):
    target = tmp_path / "s.h5"
    target.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, target], cwd=PACKAGE_FOLDER, capture_output=True, text=True
    )
    assert done.stdout == "OSError\n"
    assert target.read_text() == "old"
    assert names(tmp_path) == ["s.h5"]


FULL_EXPORT = """
import resource, sys, warnings
from spikelab import SpikeData, convert
warnings.simplefilter("ignore")
sd = SpikeData([[float(i) for i in range(5000)]], metadata={"fs_Hz": 1000.0})
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    convert.save(sd, sys.argv[1], sys.argv[2])
except Exception as error:
    print(type(error).__name__, str(error).startswith(sys.argv[1]), flush=True)
"""


@pytest.mark.parametrize("limit", [1_000, 20_000, 30_000])
@pytest.mark.parametrize("format", ["pickle", "hdf5_ragged", "hdf5_group", "nwb", "kilosort"])
def test_a_full_disk_is_a_target_error_that_names_the_target(tmp_path, format, limit):
    """In a process of its own, which must end well: HDF5 tends to crash after a failed write."""
    start = {"session_start_time": "2024-03-05T14:30:00+01:00"}
    short = SpikeData([[1.0]], metadata={"fs_Hz": 1000.0} | start)
    target = convert.save(short, tmp_path / "s", format)
    done = subprocess.run(
        [sys.executable, "-c", FULL_EXPORT, target, format, str(limit)],
        cwd=PACKAGE_FOLDER,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "TargetError True\n", done.stderr
    assert done.returncode == 0
    assert convert.load(target, format).train[0].tolist() == [1.0]
    write_file(tmp_path / "other")
    assert names(tmp_path) == ["other", "s"]


def test_what_cannot_be_a_target(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.pkl").mkdir()
    sd = SpikeData([[1.0]])
    for target in ("file/s.pkl", "folder.pkl", "n" * 256 + ".pkl"):
        with pytest.raises(TargetError, match=r"s\.pkl|folder\.pkl|nnn"):
            convert.save(sd, tmp_path / target)
    assert names(tmp_path) == ["file", "folder.pkl"]
    assert (tmp_path / "file").read_text() == "x"


# -- folders --------------------------------------------------------------------------------------


def test_a_folder_is_swapped_whole_and_keeps_what_belongs_to_others(tmp_path):
    target = tmp_path / "s_kilosort"
    write_folder(target, "a", "shared", "note", "stale")
    (target / "note").write_text("somebody's")
    (target / "link").symlink_to("nowhere")
    with replacing_folder(target, carry_over={"note", "shared", "link", "absent"}) as scratch:
        (scratch / "a").write_text("2")
        (scratch / "shared").write_text("2")
        assert names(target) == ["a", "link", "note", "shared", "stale"]
    assert names(target) == ["a", "link", "note", "shared"]
    assert (target / "note").read_text() == "somebody's"
    assert (target / "shared").read_text() == "2"
    assert names(tmp_path) == ["s_kilosort"]


def test_a_failing_writer_leaves_the_older_folder(tmp_path):
    target = tmp_path / "s"
    write_folder(target, "a")
    with pytest.raises(RuntimeError), replacing_folder(target) as scratch:
        (scratch / "b").write_text("half")
        raise RuntimeError
    assert names(target) == ["a"]
    assert names(tmp_path) == ["s"]


def test_a_folder_behind_a_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    write_folder(link, "a")
    write_folder(link, "b")
    assert link.is_symlink()
    assert names(real) == ["b"]
    assert names(tmp_path) == ["link", "real"]


def test_concurrent_writers_of_a_folder_all_succeed_and_one_wins(tmp_path):
    target = tmp_path / "s"
    write_folder(target, "note")
    barrier, failures = threading.Barrier(6), []

    def write(i):
        try:
            for _ in range(20):
                barrier.wait()
                write_folder(target, *(f"{i}-{part}" for part in range(5)), carry_over={"note"})
        except BaseException as error:  # a thread would swallow it
            failures.append(error)
            barrier.abort()

    workers = [threading.Thread(target=write, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert len({name.split("-")[0] for name in names(target) if name != "note"}) == 1
    assert len([name for name in names(target) if name != "note"]) == 5
    assert names(tmp_path) == ["s"]


def test_a_swap_that_fails_halfway_puts_the_older_folder_back(tmp_path, monkeypatch):
    """The second rename of the swap fails, as on a file system that has become read-only."""
    target = tmp_path / "s"
    write_folder(target, "a")
    calls = []

    def placed(scratch, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError("read-only")
        return False

    monkeypatch.setattr(atomic, "_placed", placed)
    monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)
    with pytest.raises(OSError, match="read-only"):
        write_folder(target, "b")
    assert names(target) == ["a"]
    assert names(tmp_path) == ["s"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders in one step")
def test_a_folder_is_in_its_place_at_any_moment(tmp_path, monkeypatch):
    """Looked at in the moments in which files of others are taken over."""
    target = tmp_path / "s"
    write_folder(target, "a", "note", "late")
    link, seen = atomic._link, []

    def watched(source, place):
        seen.append((target / "a").exists())
        link(source, place)

    monkeypatch.setattr(atomic, "_link", watched)
    write_folder(target, "a", carry_over={"note", "late"})
    assert seen == [True, True]
    assert names(target) == ["a", "late", "note"]
    assert names(tmp_path) == ["s"]


def test_without_an_exchange_a_folder_is_swapped_by_renaming(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)
    target = tmp_path / "s"
    write_folder(target, "a", "note", "stale")
    write_folder(target, "a", carry_over={"note"})
    assert names(target) == ["a", "note"]
    assert names(tmp_path) == ["s"]
