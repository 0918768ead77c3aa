"""Runs of two releases of torch, and the words and the command for it."""

import re
import subprocess
from pathlib import Path

import pytest

from fpt_bench.analysis.releases import is_mixed, releases, require_one_release
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.lines import line_of
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
    require_one_release(GRID, same, tmp_path, "2.14.1+cpu", {"bit-xor"})
    require_one_release(GRID, same, tmp_path, "2.15.0", {"mnist"})
    require_one_release(GRID, [], tmp_path, "2.15.0", {"bit-xor"})
    require_one_release(GRID.model_copy(update={"runs": ()}), [made_with(r, "2.15.0") for r in RESULTS[:1]], tmp_path)
    with pytest.raises(
        ValueError, match=r"got of bit-xor 9 of 2\.14\.1, and those to come would be of 2\.15\.0, which is inst"
    ):
        require_one_release(GRID, same, tmp_path, "2.15.0", {"bit-xor"})


@pytest.mark.parametrize("tasks", [("bit-xor", "mnist"), ("mine.sorting:Sort", "mine"), ("sort", "sort_long")])
def test_tasks_may_be_of_several_releases_and_one_task_may_not(tasks: tuple[str, str], tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("bit-xor", "mnist"))
    named = dict(zip(("bit-xor", "mnist"), tasks, strict=True))

    def renamed(spec: RunSpec) -> RunSpec:
        return spec.model_copy(update={"task": named[spec.task]})

    cells = tuple(run.model_copy(update={"task": named[run.task], "spec": renamed(run.spec)}) for run in grid.runs)
    grid = grid.model_copy(update={"runs": cells})
    results = [result.model_copy(update={"spec": renamed(result.spec)}) for result in results]
    first, second = tasks
    runs, made = tmp_path / "runs", [made_with(r, "2.15.0" if r.spec.task == second else "2.14.1") for r in results]
    require_one_release(grid, made, runs)
    assert not is_mixed(made)
    odd = [next(i for i, result in enumerate(made) if result.spec.task == task) for task in tasks]
    for index, release in zip(odd, ("2.15.0", "2.14.1"), strict=True):
        made[index] = made_with(made[index], release)
    assert is_mixed(made)
    write_bench(runs, grid, made)
    (runs / "own.jsonl").write_bytes(b"".join(line_of(result) for result in made))
    with pytest.raises(ValueError, match=rf"expected runs of a task .* got of {first} .*; of {second} 1 of") as refused:
        require_one_release(grid, made, runs)
    command = re.search(r"mkdir -p .*", str(refused.value))
    assert command is not None
    subprocess.run(["bash", "-c", command[0]], check=True)
    for index, release in zip(odd, ("2.15.0", "2.14.1"), strict=True):
        moved = tmp_path / f"runs-torch-{release}"
        assert [path.parent.name for path in moved.glob("*/result.json")] == [made[index].spec.run_id]
        assert (moved / f"torch-{release}.jsonl").read_bytes() == line_of(made[index])
    # Those of the other task, of the same release, stay.
    assert len((runs / "own.jsonl").read_text().splitlines()) == len(made) - 2
    assert len([*runs.glob("*/result.json")]) == len(made) - 2


def test_the_command_in_the_sentence_moves_the_others_and_loses_none(tmp_path: Path) -> None:
    runs = tmp_path / "my runs"
    made = [made_with(result, "2.14.1" if i else "2.15.0") for i, result in enumerate(RESULTS)]
    write_bench(runs, GRID, made)
    with pytest.raises(
        ValueError, match=r"got of bit-xor 8 of 2\.14\.1 and 1 of 2\.15\.0; .* add --mix-releases"
    ) as refused:
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
