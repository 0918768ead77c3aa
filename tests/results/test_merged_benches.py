"""Results of one bench from several places: they become one, count once, and contradict each other nowhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.results.folder import (
    GRID_FILE,
)
from fpt_bench.results.grids import find_grids, read_grid
from fpt_bench.results.packed import merge_grids, pack
from fpt_bench.results.result_files import collect_results, write_result
from tests.made_up_bench import write_bench
from tests.results.made_up_packs import WHEN, bench_of, longer


def test_results_of_others_are_added(tmp_path: Path) -> None:
    mine, theirs = bench_of("one", seeds=(0, 1)), bench_of("one", seeds=(2, 3))
    early = theirs[0].model_copy(update={"registered": dict.fromkeys(theirs[0].registered, WHEN - timedelta(days=1))})
    pack([write_bench(tmp_path / "theirs", early, theirs[1])], tmp_path / "sent" / "one.jsonl")
    pack([write_bench(tmp_path / "mine", *mine)], tmp_path / "kept" / "one.jsonl")
    both = tmp_path / "kept" / "one.jsonl"
    assert pack([both, tmp_path / "sent" / "one.jsonl"], both) == ({both: 12}, [])
    grid = read_grid(find_grids(both)[0])
    assert {run.spec.seed for run in grid.runs} == {0, 1, 2, 3}
    assert grid.registered == early.registered
    assert all(cell.n == 4 for cell in Bench.of(grid, collect_results(both)[0]).cells)


def test_a_part_that_was_asked_for_first_registered_the_claims_of_the_whole(tmp_path: Path) -> None:
    grid, results = bench_of("one")
    early = dict.fromkeys(grid.registered, WHEN - timedelta(days=1))
    part = grid.model_copy(update={"picked": "--arms language", "registered": early})
    pack(
        [write_bench(tmp_path / "part", part, results), write_bench(tmp_path / "whole", grid, results)],
        tmp_path / "kept",
    )
    registered = {read_grid(path).picked: read_grid(path).registered for path in find_grids(tmp_path / "kept")}
    assert registered == {"": early, "--arms language": early}
    for name in ("whole", "part"):  # whichever comes first
        pack([tmp_path / name], tmp_path / "one by one")
    assert read_grid(tmp_path / "one by one" / "tables" / grid.name / GRID_FILE).registered == early
    pack([tmp_path / "part"], tmp_path / "again")
    pack([tmp_path / "whole"], tmp_path / "again")
    assert read_grid(tmp_path / "again" / "tables" / grid.name / GRID_FILE).registered == early


def test_claims_that_were_put_on_file_later_join_those_before() -> None:
    grid, _ = bench_of("one")
    (claim,) = grid.experiment.claims
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    new = claim.model_copy(update={"margin": 0.01})
    before = grid.model_copy(update={"registered": {claim.hash: early}})
    after = grid.model_copy(
        update={
            "experiment": grid.experiment.model_copy(update={"claims": (new, claim)}),
            "registered": {claim.hash: late, new.hash: late},
        }
    )
    both = merge_grids(Path("a"), before, Path("b"), after)
    assert both.experiment.claims == (claim, new)
    assert both.registered == {claim.hash: early, new.hash: late}


def test_grids_that_are_not_of_one_bench_are_not_one() -> None:
    grid, _ = bench_of("one")
    other = grid.model_copy(update={"experiment": grid.experiment.model_copy(update={"margin": 0.01})})
    with pytest.raises(ValueError, match=r"^a and b: expected one experiment under the name one-embedded, got two"):
        merge_grids(Path("a"), grid, Path("b"), other)
    spec = grid.runs[0].spec.model_copy(update={"precision": "bfloat16"})
    twice = grid.model_copy(update={"runs": (grid.runs[0].model_copy(update={"spec": spec}),)})
    with pytest.raises(ValueError, match=r"^a and b: expected seed 0 of mnist / language once, .* would count twice"):
        merge_grids(Path("a"), grid, Path("b"), twice, {grid.runs[0].spec.run_id, spec.run_id})


@pytest.mark.parametrize("field", [{"precision": "bfloat16"}, {"learning_rate": 0.03}])
def test_of_two_ways_to_do_a_seed_the_one_that_nobody_went_gives_way(field: dict[str, object]) -> None:
    grid, results = bench_of("one")
    changed = [run.model_copy(update={"spec": run.spec.model_copy(update=field)}) for run in grid.runs]
    other = grid.model_copy(update={"runs": tuple(changed)})
    done = {result.spec.run_id for result in results}
    for first, second in ((grid, other), (other, grid)):
        both = merge_grids(Path("a"), first, Path("b"), second, done)
        assert {run.spec.run_id for run in both.runs} == done


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"max_steps": 9_000, "eval_every": 50}, "one max_steps, got "),
        ({"data": "real"}, "one data, got embedded and real"),
        ({"learning_rate": 0.03}, "one learning_rate, got 0.001 and 0.03"),
    ],
)
def test_seeds_of_two_budgets_or_two_data_are_of_two_benches(field: dict[str, object], said: str) -> None:
    (grid, results), (later, more) = bench_of("one"), bench_of("one", seeds=(2, 3))
    changed = [run.model_copy(update={"spec": run.spec.model_copy(update=field)}) for run in later.runs]
    other = grid.model_copy(update={"runs": tuple(changed)})
    done = {result.spec.run_id for result in results}
    assert merge_grids(Path("a"), grid, Path("b"), other, done).runs, "nobody did the others"
    done |= {run.spec.run_id for run in changed}
    with pytest.raises(ValueError, match=rf"^a and b: expected all seeds of mnist / \w+ with {said}"):
        merge_grids(Path("a"), grid, Path("b"), other, done)
    assert (
        len(merge_grids(Path("a"), grid, Path("b"), later, done | {r.spec.run_id for r in more}).runs)
        == len(results) * 2
    )


def test_nothing_is_packed_that_would_count_twice_beside_what_is_there(tmp_path: Path) -> None:
    grid, results = bench_of("one")
    pack([write_bench(tmp_path / "a", grid, results)], tmp_path / "kept" / "a.jsonl")
    other = [r.model_copy(update={"spec": r.spec.model_copy(update={"precision": "bfloat16"})}) for r in results]
    specs = {result.spec.run_id: changed.spec for result, changed in zip(results, other, strict=True)}
    runs = tuple(run.model_copy(update={"spec": specs[run.spec.run_id]}) for run in grid.runs)
    elsewhere = write_bench(tmp_path / "b", grid.model_copy(update={"runs": runs}), other[:1])
    before = {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="it would count twice"):
        pack([elsewhere], tmp_path / "kept" / "b.jsonl")
    again = write_bench(tmp_path / "c", *bench_of("two"))
    write_result(longer(results[0]), again / results[0].spec.run_id)
    with pytest.raises(ValueError, match=r"and what is packed: expected one result of .* that differ in seconds"):
        pack([again], tmp_path / "kept" / "c.jsonl")
    assert {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()} == before


def test_a_bench_without_an_arm_and_one_with_it_are_one() -> None:
    grid, _ = bench_of("one")
    arms = {name: arm for name, arm in grid.experiment.arms.items() if name != "full"}
    part = grid.model_copy(
        update={
            "experiment": grid.experiment.model_copy(update={"arms": arms}),
            "runs": tuple(run for run in grid.runs if run.arm in arms),
            "missing": {"arm full": "a package is not installed"},
        }
    )
    for first, second in ((grid, part), (part, grid)):
        both = merge_grids(Path("a"), first, Path("b"), second)
        assert both.experiment.arms == grid.experiment.arms
        assert {run.spec.run_id for run in both.runs} == {run.spec.run_id for run in grid.runs}
        assert both.missing == {}
    tasks = grid.experiment.tasks[:1]
    fewer = grid.model_copy(
        update={
            "experiment": grid.experiment.model_copy(update={"tasks": tasks}),
            "runs": tuple(run for run in grid.runs if run.task in tasks),
        }
    )
    for first, second in ((grid, fewer), (fewer, grid)):
        both = merge_grids(Path("a"), first, Path("b"), second)
        assert both.experiment.tasks == grid.experiment.tasks
        assert {run.spec.run_id for run in both.runs} == {run.spec.run_id for run in grid.runs}
    arms["language"] = arms["random"]
    other = grid.model_copy(update={"experiment": grid.experiment.model_copy(update={"arms": arms})})
    with pytest.raises(ValueError, match="got two that differ"):
        merge_grids(Path("a"), grid, Path("b"), other)
