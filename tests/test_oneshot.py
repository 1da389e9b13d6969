"""Jobs in processes of their own: what comes of them, and the locks that keep them single."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jobs
import pytest
from disks import mounted
from ending import alive
from needs import need_root

from exporter.oneshot import locks
from exporter.oneshot.job import Job, Teller
from exporter.oneshot.locks import Lock, is_killed, open_lock_folder
from exporter.oneshot.run import Outcome
from exporter.oneshot.runs import run_jobs

LIMIT = 60.0


@pytest.fixture(autouse=True)
def _helpers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def job(key: object, work: Callable[[Teller], str]) -> Job[str]:
    return Job("a job", f"{key}", work)


def told(outcome: Outcome[str]) -> str:
    """What was found, or else the error."""
    return outcome.found or str(outcome.error)


# What comes of a job.


def test_outcomes_come_in_the_order_of_the_jobs_and_one_that_fails_costs_itself_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    works: tuple[Callable[[Teller], str], ...] = (
        partial(jobs.give, "one"),
        jobs.fail,
        jobs.refuse,
        jobs.die,
        jobs.leave,
        partial(jobs.give, "two"),
    )
    outcomes = run_jobs([job(tmp_path / str(i), work) for i, work in enumerate(works)], LIMIT)
    assert [told(outcome) for outcome in outcomes] == [
        "one",
        "unexpected error: ZeroDivisionError: a bug",
        "a sentence",
        "its process ended without an answer: killed by signal 9, as where memory runs out",
        "its process ended without an answer",
        "two",
    ]
    assert "in fail" in capfd.readouterr().out, "the traceback of a bug is in the log"


def test_two_jobs_of_one_key_run_one_after_the_other(tmp_path: Path) -> None:
    both = [job(tmp_path, partial(jobs.give, name)) for name in ("one", "two")]
    assert [told(outcome) for outcome in run_jobs(both, LIMIT)] == ["one", "two"]


def test_a_child_holds_no_stream_no_terminal_and_no_folder_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (outcome,) = run_jobs([job(tmp_path, jobs.open_files)], LIMIT)
    assert told(outcome) == "['/dev/null'] True /"


def test_a_module_of_ours_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exporter").mkdir()
    (tmp_path / "exporter/__init__.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    (outcome,) = run_jobs([job(tmp_path, partial(jobs.give, "ours"))], LIMIT)
    assert told(outcome) == "ours"


# Locks.


def test_a_lock_is_held_until_the_last_descriptor_is_closed(tmp_path: Path) -> None:
    folder = open_lock_folder([str(tmp_path)])
    assert folder is not None
    lock, other = Lock.of(folder, "a"), Lock.of(folder, "b")
    taken = lock.take()
    assert taken is not None
    inherited = os.dup(taken)
    assert lock.take() is None
    assert other.take() is not None
    os.close(taken)
    assert lock.take() is None
    os.close(inherited)
    assert lock.take() is not None


def test_the_file_of_a_lock_tells_who_holds_it_and_when_it_last_gave_a_sign(tmp_path: Path) -> None:
    folder = open_lock_folder([str(tmp_path)])
    assert folder is not None
    lock = Lock.of(folder, "a")
    fd = lock.take()
    assert fd is not None
    assert lock.holder().pid is None
    os.pwrite(fd, b"4711", 0)
    os.utime(fd, ns=(1, 2))
    first = lock.holder()
    assert (first.pid, first.stamp, first.is_killed) == (4711, 2, False)
    os.utime(fd)
    assert lock.holder().stamp > first.stamp


def test_a_process_that_lives_or_is_not_there_was_not_killed() -> None:
    assert not is_killed(os.getpid())
    assert not is_killed(1 << 30)


def test_the_folder_of_locks_is_made_for_this_user_alone(tmp_path: Path) -> None:
    assert open_lock_folder([str(tmp_path / "nowhere"), str(tmp_path)]) is not None
    (made,) = tmp_path.iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert open_lock_folder([str(tmp_path)]) is not None
    assert list(tmp_path.iterdir()) == [made]


@pytest.mark.parametrize(
    "squat",
    [
        lambda place: place.symlink_to(place.parent / "theirs"),
        lambda place: place.write_text("a file"),
        lambda place: (place.mkdir(), place.chmod(0o777)),
        lambda place: (place.mkdir(), place.chmod(0o750)),
    ],
    ids=["a symlink", "a file", "open to all", "open to a group"],
)
def test_what_others_put_in_the_place_of_the_folder_is_not_used(
    tmp_path: Path, squat: Callable[[Path], object]
) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    squat(tmp_path / f"hardlink-exporter-{os.geteuid()}")
    assert open_lock_folder([str(tmp_path)]) is None
    (tmp_path / "next").mkdir()
    assert open_lock_folder([str(tmp_path), str(tmp_path / "next")]) is not None
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.root
def test_a_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    need_root()
    place = tmp_path / "hardlink-exporter-0"
    place.mkdir(mode=0o700)
    os.chown(place, 65534, 65534)
    assert open_lock_folder([str(tmp_path)]) is None


def test_a_symlink_in_the_place_of_a_lock_file_is_not_followed(tmp_path: Path) -> None:
    folder = open_lock_folder([str(tmp_path)])
    assert folder is not None
    lock = Lock.of(folder, "a")
    (tmp_path / "victim").write_text("kept")
    os.symlink(tmp_path / "victim", lock.name, dir_fd=folder)
    with pytest.raises(OSError, match="symbolic links"):
        lock.take()


def without_locks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> list[str]:
    """The warnings of two jobs that find something, with their lock files in this folder."""
    monkeypatch.setattr(locks, "open_lock_folder", lambda: open_lock_folder([str(folder)]))
    both = [job(key, partial(jobs.give, key)) for key in ("one", "two")]
    assert [told(outcome) for outcome in run_jobs(both, LIMIT)] == ["one", "two"]
    return [line for line in capfd.readouterr().out.splitlines() if "warning" in line]


def test_jobs_whose_lock_files_cannot_be_opened_run_without_them_and_one_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = open_lock_folder([str(tmp_path)])
    assert folder is not None
    for key in ("one", "two"):
        os.mkdir(Lock.of(folder, key).name, dir_fd=folder)
    (warning,) = without_locks(tmp_path, monkeypatch, capfd)
    assert "no lock file can be opened: Is a directory: each scan that hangs leaves" in warning


@pytest.mark.root
@pytest.mark.parametrize(
    ("options", "said"),
    [("nr_inodes=2", "No space left on device"), ("ro", "Read-only file system")],
)
def test_jobs_on_a_host_whose_disk_takes_no_lock_file_run_without(
    options: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    need_root()
    with mounted("-t", "tmpfs", "none", str(tmp_path)):
        opened = open_lock_folder([str(tmp_path)])
        assert opened is not None
        os.close(opened)
        subprocess.run(["mount", "-o", f"remount,{options}", str(tmp_path)], check=True)
        (warning,) = without_locks(tmp_path, monkeypatch, capfd)
    assert f"no lock file can be opened: {said}: " in warning


def test_a_lock_that_the_kernel_refuses_leaves_no_descriptor_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_lock_folder([str(tmp_path)])
    assert folder is not None

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="No locks available"):
        Lock.of(folder, "a").take()
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("pause", [0, 2], ids=["while they start", "while they work"])
def test_children_end_with_the_command_that_started_them(tmp_path: Path, pause: float) -> None:
    words = (
        "import jobs\n"
        "from exporter.oneshot.job import Job\n"
        "from exporter.oneshot.runs import run_jobs\n"
        f"run_jobs([Job('a job', {str(tmp_path)!r}, jobs.wait)], 60)\n"
    )
    command = subprocess.Popen([sys.executable, "-c", words])
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    deadline = time.monotonic() + 60
    while not (pids := children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(pause)
    command.kill()
    command.wait()
    while any(alive(int(pid)) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
