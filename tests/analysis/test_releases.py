"""Runs of two releases of torch, and the words and the command for it."""

import re
import subprocess
from pathlib import Path

import pytest

from fpt_bench.analysis.releases import releases, require_one_release
from fpt_bench.results.result import Attempt, RunResult
from tests.made_up_bench import made_up_bench, write_bench


def made_with(result: RunResult, *versions: str) -> RunResult:
    attempts = tuple(
        Attempt(version="0", commit=None, versions={"torch": v}, device="a CPU", threads=1, platform="a system")
        for v in versions
    )
    return result.model_copy(update={"attempts": attempts})


GRID, RESULTS = made_up_bench(tasks=("bit-xor",))


def test_a_run_counts_for_each_release_that_it_was_made_under() -> None:
    first, second, third, fourth, *_ = RESULTS
    failed = first.model_copy(update={"status": "failed"})
    made = [
        made_with(first, "2.9.0+cpu"),
        made_with(second, "2.14.1", "2.14.1+cu130"),
        made_with(third, "2.14.1", "2.9.0"),
        made_with(fourth),
        made_with(failed, "2.15.0"),
    ]
    assert list(releases(made).items()) == [("2.9.0", 2), ("2.14.1", 2)]


def test_one_release_passes_and_another_to_come_does_not(tmp_path: Path) -> None:
    same = [made_with(result, "2.14.1") for result in RESULTS]
    require_one_release(GRID, same, tmp_path, "2.14.1+cpu")
    require_one_release(GRID, [], tmp_path, "2.15.0")
    require_one_release(GRID.model_copy(update={"runs": ()}), [made_with(r, "2.15.0") for r in RESULTS[:1]], tmp_path)
    with pytest.raises(ValueError, match=r"got 9 of 2\.14\.1, and those to come would be of 2\.15\.0, which is inst"):
        require_one_release(GRID, same, tmp_path, "2.15.0")


def test_the_command_in_the_sentence_moves_the_others_and_loses_none(tmp_path: Path) -> None:
    runs = tmp_path / "my runs"
    made = [made_with(result, "2.14.1" if i else "2.15.0") for i, result in enumerate(RESULTS)]
    write_bench(runs, GRID, made)
    with pytest.raises(ValueError, match=r"got 8 of 2\.14\.1 and 1 of 2\.15\.0; .* add --mix-releases") as refused:
        require_one_release(GRID, made, runs)
    command = re.search(r"mkdir -p .*", str(refused.value))
    assert command is not None
    subprocess.run(["bash", "-c", command[0]], check=True)
    moved = [path.parent.name for path in tmp_path.glob("my runs-torch-2.15.0/*/result.json")]
    assert moved == [made[0].spec.run_id]
    assert {path.parent.name for path in runs.glob("*/result.json")} == {result.spec.run_id for result in made[1:]}


def test_of_runs_that_are_kept_elsewhere_no_command_is_given(tmp_path: Path) -> None:
    made = [made_with(result, "2.14.1" if i else "2.15.0") for i, result in enumerate(RESULTS)]
    write_bench(tmp_path / "runs", GRID, made[1:])
    with pytest.raises(ValueError, match=r"those of 2\.15\.0 are none of .*runs: leave out --kept$"):
        require_one_release(GRID, made, tmp_path / "runs")
