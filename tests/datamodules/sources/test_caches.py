"""Folders made once and shared without locks: the first wins, nothing half-written or damaged is believed."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from datamodules.sources import unfinished
from datamodules.sources.caches import CHECKSUMS_FILE, is_made, made_once, unpack
from datamodules.sources.packages import remembered_checksum
from datamodules.sources.unfinished import own_name
from tests.paths import ROOT


def fill(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "table.txt").write_text("first")
    (folder / "inner" / "more.txt").write_text("second")


def refuse(folder: Path) -> None:
    pytest.fail(f"made {folder} again")


def test_a_folder_is_made_once_with_checksums_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "table"
    assert not is_made(folder)
    assert made_once(folder, fill) == folder
    made_once(folder, refuse)
    assert is_made(folder)
    assert json.loads((folder / CHECKSUMS_FILE).read_text()) == {
        "inner/more.txt": [6, remembered_checksum(folder / "inner" / "more.txt")],
        "table.txt": [5, remembered_checksum(folder / "table.txt")],
    }
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 0.3])
def test_of_two_that_begin_at_different_times_the_first_to_end_wins_and_both_are_given_it(
    tmp_path: Path, seconds: float
) -> None:
    """Their makers know nothing of each other, as on two machines."""

    def make(folder: Path) -> None:
        name = threading.current_thread().name
        for number in range(4):
            (folder / f"{number}.txt").write_text(name)
            time.sleep(0.05)

    def one(delay: float) -> dict[str, str]:
        time.sleep(delay)
        folder = made_once(tmp_path / "table", make)
        return {path.name: path.read_text() for path in folder.glob("*.txt")}

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, [0.0, seconds])
    assert first == second
    assert set(first) == {f"{number}.txt" for number in range(4)}
    assert len(set(first.values())) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "table"]


def flip(folder: Path) -> None:
    (folder / "table.txt").write_text("fIrst")


def cut(folder: Path) -> None:
    (folder / "table.txt").write_text("fir")


def lose(folder: Path) -> None:
    (folder / "inner" / "more.txt").unlink()


def forget(folder: Path) -> None:
    (folder / CHECKSUMS_FILE).unlink()


def garble(folder: Path) -> None:
    (folder / CHECKSUMS_FILE).write_bytes(b"[\xff")


def replace_list(folder: Path) -> None:
    (folder / CHECKSUMS_FILE).write_text('["table.txt"]')


def replace_by_file(folder: Path) -> None:
    for path in [folder / "table.txt", folder / "inner" / "more.txt", folder / CHECKSUMS_FILE]:
        path.unlink()
    (folder / "inner").rmdir()
    folder.rmdir()
    folder.write_text("no folder")


@pytest.mark.parametrize("damage", [flip, cut, lose, forget, garble, replace_list, replace_by_file])
def test_a_damaged_folder_is_made_again_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    folder = made_once(tmp_path / "table", fill)
    made_once(folder, refuse)
    damage(folder)  # type: ignore[operator]
    made_once(folder, fill)
    assert f"{folder} is damaged (" in caplog.text
    assert (folder / "table.txt").read_text() == "first"
    made_once(folder, refuse)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("look", [1, 2], ids=["before it is made again", "while it is replaced"])
def test_a_folder_that_another_has_mended_meanwhile_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    folder = made_once(tmp_path / "table", fill)
    flip(folder)
    damage_of = sys.modules["datamodules.sources.caches"]._damage  # type: ignore[attr-defined]
    looks, mended = iter(range(1, 100)), []

    def slow(path: Path) -> str | None:
        found: str | None = damage_of(path)
        if next(looks) == look:
            monkeypatch.undo()
            mended.append(made_once(folder, fill).stat().st_ino)
        return found

    monkeypatch.setattr("datamodules.sources.caches._damage", slow)
    made_once(folder, fill)
    assert [folder.stat().st_ino] == mended
    made_once(folder, refuse)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("error", [FileNotFoundError("best.ckpt is gone"), ValueError("best.ckpt is gone")])
@pytest.mark.parametrize("damage", [flip, forget, replace_by_file])
def test_a_damaged_folder_stays_where_it_cannot_be_made_again_and_the_error_says_so(
    tmp_path: Path, damage: object, error: Exception
) -> None:
    """As a body that an earlier version trained, without checksums, and whose checkpoints somebody has removed."""
    folder = made_once(tmp_path / "table", fill)
    damage(folder)  # type: ignore[operator]
    inode = folder.stat().st_ino

    def fail(_: Path) -> None:
        assert folder.stat().st_ino == inode, "where this process is killed, it stays too"
        raise error

    with pytest.raises(OSError, match=r"table is damaged \(.*\) and stays as it is.*: best\.ckpt is gone"):
        made_once(folder, fail)
    assert folder.stat().st_ino == inode
    assert list(tmp_path.iterdir()) == [folder]
    made_once(folder, fill)
    made_once(folder, refuse)


def test_a_damaged_folder_is_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_once(tmp_path / "table", fill)
    flip(folder)
    inode, rename, renames = folder.stat().st_ino, Path.rename, iter(range(1, 100))

    def interrupted(path: Path, target: Path) -> Path:
        if next(renames) == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made_once(folder, fill)
    assert folder.stat().st_ino == inode
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("in_folder", [False, True])
def test_nothing_is_left_of_a_maker_that_fails(tmp_path: Path, in_folder: bool) -> None:
    def fail(folder: Path) -> None:
        if in_folder:
            folder /= "part"
            folder.mkdir()
        (folder / "half.txt").write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        made_once(tmp_path / "data", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    def write_to_full_disk(folder: Path) -> None:
        (folder / "table").symlink_to("/dev/full")
        (folder / "table").write_bytes(b"?" * 10)

    with pytest.raises(OSError, match=r"no space left.*--data-root or FPT_BENCH_DATA.*data") as caught:
        made_once(tmp_path / "data", write_to_full_disk)
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from datamodules.sources.caches import made_once

def fill(folder):
    (folder / "table.txt").write_text("half")

Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
made_once(Path(sys.argv[1]), fill)
"""


def test_what_a_process_wrote_that_was_killed_before_its_rename_is_not_believed_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", KILLED, str(folder)], env=here, check=False).returncode == -9
    assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == [".unfinished"]
    assert (made_once(folder, fill) / "table.txt").read_text() == "first"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_lies_unfinished_goes_with_its_owner_and_that_of_another_machine_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = own_name(tmp_path / "other")
    monkeypatch.setattr(unfinished, "_place", lambda: "elsewhere")
    theirs, left = own_name(tmp_path / "other"), own_name(tmp_path / "other")
    monkeypatch.undo()
    for folder in (ours, theirs, left):
        folder.mkdir()
        (folder / "file").touch()
    day_ago = time.time() - 90_000
    for path in (left, left / "file", theirs):  # in `theirs` a file has changed since
        os.utime(path, (day_ago, day_ago))
    not_ours = tmp_path / ".unfinished-by-hand.txt"
    not_ours.touch()
    folder = made_once(tmp_path / "table", fill)
    assert sorted(tmp_path.iterdir()) == sorted([ours, theirs, not_ours, folder])


def test_unpacking_leaves_a_folder_that_is_there_alone_though_it_has_no_checksums(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "by-hand.txt").touch()
    unpack(tmp_path / "not-there.tar", tmp_path / "set")
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["by-hand.txt"]
