"""A folder of runs as others leave it: one bad entry is one sentence, and the rest is read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fpt_bench.results import regular_files
from fpt_bench.results.folder import GRID_FILE, RESULT_FILE, sizes_of_runs
from fpt_bench.results.grids import find_grids, read_grid, state_of_results
from fpt_bench.results.predictions import read_predictions
from fpt_bench.results.regular_files import LIMIT, read_regular
from fpt_bench.results.result_files import collect_results, write_result
from tests.made_up import made_up_grid, made_up_result

pytestmark = pytest.mark.usefixtures("nothing_is_waited_for")


def large(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(LIMIT + 1)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to itself": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "a folder": (Path.mkdir, "expected a regular file, got a folder"),
    "a pipe": (os.mkfifo, "expected a regular file, got a pipe or a device"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "expected a regular file, got a pipe or a device"),
    "too large": (large, "expected at most 16 MB, got a larger file"),
    "garbage": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "got bytes that are not text"),
}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9)
    write_result(result, tmp_path / result.spec.run_id)
    return tmp_path / result.spec.run_id


@pytest.mark.parametrize("odd", ODD)
def test_a_bad_result_is_one_sentence(tmp_path: Path, good: Path, odd: str) -> None:
    make, message = ODD[odd]
    bad = tmp_path / "bad" / RESULT_FILE
    bad.parent.mkdir()
    make(bad)
    results, problems = collect_results(tmp_path)
    assert [result.spec.run_id for result in results] == [good.name]
    (problem,) = problems
    assert problem.startswith(f"{bad}: expected ")
    assert message in problem
    state_of_results(tmp_path)


@pytest.mark.parametrize("odd", ODD)
def test_a_bad_grid_and_bad_predictions_are_named(tmp_path: Path, odd: str) -> None:
    make, message = ODD[odd]
    for name, read in (
        (GRID_FILE, lambda folder: read_grid(folder / GRID_FILE)),
        ("predictions.json", read_predictions),
    ):
        folder = tmp_path / "tables" / name
        folder.mkdir(parents=True)
        make(folder / name)
        with pytest.raises((OSError, ValueError), match=name) as caught:
            read(folder)
        assert message in str(caught.value) or odd == "garbage"
    assert find_grids(tmp_path) == [tmp_path / "tables" / GRID_FILE / GRID_FILE]


def test_a_grid_of_an_arm_that_its_experiment_has_not_is_named(tmp_path: Path) -> None:
    content = made_up_grid().model_dump_json().replace('"arm":"language"', '"arm":"langauge"')
    (tmp_path / GRID_FILE).write_text(content)
    with pytest.raises(ValueError, match=r"grid\.json.*'langauge'. Did you mean 'language'\?"):
        read_grid(tmp_path / GRID_FILE)


@pytest.mark.usefixtures("good")
def test_stray_entries_and_those_that_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    (tmp_path / "\udcff\udcfe").mkdir()
    (tmp_path / "\udcff\udcfe" / RESULT_FILE).write_text("{")
    (tmp_path / "private").mkdir()
    opened = os.open

    def refuse(path: Path, flags: int) -> int:  # as any user but root is refused
        if path.parent.name == "private":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags)

    monkeypatch.setattr(regular_files.os, "open", refuse)
    results, problems = collect_results(tmp_path)
    assert len(results) == 1
    assert len(problems) == 3
    assert "private/result.json: expected a file that can be read, got: Permission denied." in problems[1]
    state_of_results(tmp_path)


def test_a_folder_that_is_a_link_to_itself_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        find_grids(tmp_path / "loop")


def test_what_cannot_be_looked_at_has_no_size(tmp_path: Path, good: Path) -> None:
    (result,), _ = collect_results(tmp_path)
    before = sizes_of_runs(tmp_path, [result])
    (good / "loop").symlink_to("loop")
    (good / "far").symlink_to("/", target_is_directory=True)
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    (good / "link").symlink_to("../large")
    assert before[0] > 0
    assert sizes_of_runs(tmp_path, [result]) == before


def test_at_most_so_much_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", limit=5) == b"12345"
    with pytest.raises(ValueError, match="got a larger file"):
        read_regular(tmp_path / "file", limit=4)


def test_a_link_is_followed_only_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"12345"
    with pytest.raises(ValueError, match="got a link"):
        read_regular(tmp_path / "link", follow=False)


def test_tables_of_a_stray_file_are_none(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("in the way")
    with pytest.raises(FileNotFoundError, match=r"expected grid\.json"):
        find_grids(tmp_path)
