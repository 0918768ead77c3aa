"""One process at a time, by exclusive create alone: killed owners, owners elsewhere, and clocks that are wrong."""

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fpt_bench.results import lease
from fpt_bench.results.lease import Lease, holding


def killed_owner(path: Path) -> None:
    """Leave a lease as a process leaves it that is killed."""
    child = os.fork()
    if child == 0:
        Lease(path).__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.exists()


def owner_elsewhere(path: Path) -> None:
    path.write_text(json.dumps({"host": "far", "space": "another machine", "pid": 1, "started": "1", "token": "x"}))


def test_one_at_a_time_and_nothing_stays(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "lease", [], []

    def work() -> None:
        with Lease(path):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_killed_owner_of_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    killed_owner(tmp_path / "lease")
    assert not holding(tmp_path / "lease")
    started = time.monotonic()
    with Lease(tmp_path / "lease"):
        assert holding(tmp_path / "lease")
    assert time.monotonic() - started < lease.LEASE_SECONDS / 2
    assert list(tmp_path.iterdir()) == []


def test_an_owner_elsewhere_is_waited_for_until_its_lease_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    owner_elsewhere(tmp_path / "lease")
    assert holding(tmp_path / "lease")
    started = time.monotonic()
    with Lease(tmp_path / "lease"):
        assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize("clock", [0.0, time.time() + 1e6], ids=["set back", "ahead"])
def test_an_owner_that_renews_its_lease_keeps_it_whatever_its_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: float
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.6)
    path = tmp_path / "lease"
    owner_elsewhere(path)
    ended = threading.Event()

    def renew() -> None:
        for beat in range(10):
            os.utime(path, (clock + beat, clock - beat))
            time.sleep(0.15)
        ended.set()
        path.unlink()

    other = threading.Thread(target=renew)
    other.start()
    with Lease(path):
        assert ended.is_set()
    other.join()


def test_a_lease_is_renewed_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    with Lease(tmp_path / "lease"):
        os.utime(tmp_path / "lease", (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / "lease").stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (tmp_path / "lease").stat().st_mtime > 0


def test_an_owner_that_was_robbed_leaves_the_new_lease_alone(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with Lease(path):
        owner_elsewhere(path)
    assert holding(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"\xff\xfe garbage"),
        lambda path: path.write_text("[1, 2]"),
        lambda path: path.symlink_to("nothing"),
        lambda path: path.symlink_to(path.name),
        os.mkfifo,
        lambda path: (path.mkdir(), (path / "file").touch()),
    ],
    ids=["bytes", "values", "link to nothing", "loop", "pipe", "folder"],
)
def test_what_is_no_lease_is_taken_over_when_a_lease_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.3)
    make(tmp_path / "lease")
    found = holding(tmp_path / "lease")
    assert found is not None
    assert found.is_garbled
    with Lease(tmp_path / "lease"):
        own = holding(tmp_path / "lease")
        assert own is not None
        assert not own.is_garbled
    assert list(tmp_path.iterdir()) == []


def test_a_lease_of_which_the_file_system_knows_nothing_for_a_while_is_still_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    answers = iter([OSError(errno.ESTALE, "Stale file handle"), OSError(errno.EIO, "Input/output error")])
    read = lease._read

    def answer(path: Path) -> tuple[str, int] | None:
        error = next(answers, None)
        if error is not None:
            raise error
        return read(path)

    with Lease(tmp_path / "lease"):
        monkeypatch.setattr(lease, "_read", answer)
        os.utime(tmp_path / "lease", (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / "lease").stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (tmp_path / "lease").stat().st_mtime > 0
        assert next(answers, None) is None


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Lease(tmp_path / "file" / "lease").__enter__()


def test_a_lease_that_is_put_back_after_a_look_without_it_is_renewed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    path, aside = tmp_path / "lease", tmp_path / "aside"
    with Lease(path) as held:
        path.rename(aside)
        time.sleep(0.2)  # some beats see nothing
        aside.rename(path)
        held.require()
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert path.stat().st_mtime > 0


def test_a_lease_that_somebody_made_in_between_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    owner_elsewhere(path)
    Lease(path)._evict("what a dead owner had said")
    assert json.loads(path.read_text())["host"] == "far"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_has_a_dead_owners_number_is_not_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.write_text(json.dumps(lease._this_process()))
    assert holding(path)
    path.write_text(json.dumps({**lease._this_process(), "started": "before"}))
    assert holding(path) is None
