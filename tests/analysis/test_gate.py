"""The regression gate finds every blow that is planted, on the same machine and on another one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fpt_bench.analysis.baseline import Baseline, make_baseline, read_baseline, write_baseline
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.gate import Verdict, check_bench
from fpt_bench.config.claims import Claim
from fpt_bench.report.verdict import render_junit, render_summary
from fpt_bench.results.result import Attempt, GroupCount, RunResult
from tests.made_up import INITS, made_up_grid, made_up_result

SCORES = {
    ("bit-xor", "language"): (0.93, 0.94, 0.92),
    ("bit-xor", "random"): (0.60, 0.62, 0.61),
    ("mnist", "language"): (0.78, 0.80, 0.77),
    ("mnist", "random"): (0.33, 0.35, 0.31),
}
Table = Mapping[tuple[str, str], tuple[float, ...]]
Change = Callable[[RunResult], RunResult]
CLAIM = Claim(better="language", worse="random", tasks=("bit-xor", "mnist"), refuted_by="worse", source="a test")
HERE, ELSEWHERE = "a processor", "another processor"


def bench_of(
    scores: Table = SCORES,
    device: str = HERE,
    change: Change = lambda result: result,
    claims: bool = True,
    late: int = 0,
) -> Bench:
    """A bench of three seeds; `change` is done to the runs of language on digits, which come `late` steps late."""
    results = []
    for (task, arm), values in scores.items():
        for seed, score in enumerate(values):
            hit = (task, arm) == ("mnist", "language")
            curve = ((20 + late * hit, score), (100, score))
            result = made_up_result(task, seed, score, init=INITS[arm], curve=curve)
            attempt = Attempt(
                version="0", commit=None, versions={"torch": "2.15.0"}, device=device, flags=("avx2",),
                threads=1, platform="a system",
            )  # fmt: skip
            result = result.model_copy(update={"attempts": (attempt,)})
            results.append(change(result) if hit else result)
    seeds = tuple(range(max(len(values) for values in scores.values())))
    grid = made_up_grid(("bit-xor", "mnist"), seeds)
    grid = grid.model_copy(update={"runs": tuple(changed_spec(run, results) for run in grid.runs)})
    stated = tuple(CLAIM.model_copy(update={"measure": measure}) for measure in ("score", "area")) if claims else ()
    return Bench.of(
        grid.model_copy(update={"experiment": grid.experiment.model_copy(update={"claims": stated})}), results
    )


def changed_spec(run: Any, results: list[RunResult]) -> Any:
    """Let a grid name the run that was made in place of its own."""
    of_cell = [r.spec for r in results if (r.spec.task, r.spec.init) == (run.task, INITS[run.arm])]
    return run.model_copy(update={"spec": next((s for s in of_cell if s.seed == run.spec.seed), run.spec)})


def spec_of(**fields: Any) -> Change:
    return lambda result: result.model_copy(update={"spec": result.spec.model_copy(update=fields)})


def trained(times: int) -> Change:
    more = {"norm": GroupCount(trained=1234 * times, total=1234 * times)}
    return lambda result: result.model_copy(update={"parameters": more})


def swapped(scores: Table) -> Table:
    other = {"language": "random", "random": "language"}
    return {(task, arm): scores[task, other[arm]] for task, arm in scores}


@pytest.fixture
def baseline(tmp_path: Path) -> Baseline:
    path = tmp_path / "baseline.json"
    path.write_text(write_baseline(make_baseline(bench_of())))
    return read_baseline(path)


def failed_checks(verdict: Verdict) -> set[tuple[str, str]]:
    return {(finding.subject, finding.check) for finding in verdict.findings if finding.problem}


@pytest.mark.parametrize("device", [HERE, ELSEWHERE])
def test_the_same_table_passes_here_and_elsewhere(baseline: Baseline, device: str) -> None:
    verdict = check_bench(bench_of(device=device), baseline)
    assert verdict.problems == ()
    repeated = 12 if device == HERE else 0
    assert verdict.line == f"check passed: 4 cells, no regression; {repeated} of 12 runs compared seed by seed"


LANGUAGE = ("mnist / language", "score")
FLOORS = {"bit-xor": 0.5, "mnist": 0.1}
SCORE_BLOWS = {
    **{
        f"one seed of {task} at its floor": (SCORES | {(task, "language"): (floor, *SCORES[task, "language"][1:])})
        for task, floor in FLOORS.items()
    },
    "a leak everywhere": dict.fromkeys(SCORES, (0.999,) * 3),
    "a leak in one cell": SCORES | {("mnist", "language"): (0.999,) * 3},
    "a leak in one seed": SCORES | {("mnist", "random"): (0.999, 0.35, 0.31)},
    "a cell that has risen, though not to the top": SCORES | {("mnist", "random"): (0.60, 0.62, 0.58)},
    "arms swapped": swapped(SCORES),
    "the baseline arm risen to language": SCORES | {(task, "random"): SCORES[task, "language"] for task in FLOORS},
}


@pytest.mark.parametrize("device", [HERE, ELSEWHERE])
@pytest.mark.parametrize("blow", SCORE_BLOWS)
def test_a_blow_to_scores_is_found(baseline: Baseline, blow: str, device: str) -> None:
    # Without claims: the scores alone must tell.
    verdict = check_bench(bench_of(SCORE_BLOWS[blow], device, claims=False), baseline)
    assert {check for _, check in failed_checks(verdict)} >= {"score"}, verdict
    if blow.startswith(("one", "a leak in one", "a cell")):
        assert len({subject for subject, _ in failed_checks(verdict)}) == 1, verdict.problems


SPEC_BLOWS = {
    "rate x 10": (spec_of(learning_rate=1e-2), "spec", "learning_rate 0.001 -> 0.01"),
    "steps x 10": (spec_of(max_steps=1000), "spec", "max_steps 100 -> 1000"),
    "dropout": (spec_of(dropout=0.5), "spec", "dropout 0.1 -> 0.5"),
    "another precision": (spec_of(precision="bfloat16"), "spec", "precision auto -> bfloat16"),
    "trained parameters x 100": (trained(100), "parameters", "expected trained parameters 1234, got 123400"),
    "a test set of 1": (
        lambda r: r.model_copy(update={"test_examples": 1}),
        "data",
        "expected test examples 128, got 1",
    ),
}


@pytest.mark.parametrize("blow", SPEC_BLOWS)
def test_a_blow_to_what_was_asked_for_is_found_though_no_score_moves(baseline: Baseline, blow: str) -> None:
    change, check, words = SPEC_BLOWS[blow]
    verdict = check_bench(bench_of(change=change), baseline)
    assert failed_checks(verdict) == {("mnist / language", check)}
    assert words in verdict.problems[0]


def test_what_a_processor_settles_is_excused_on_another_one(baseline: Baseline) -> None:
    verdict = check_bench(bench_of(device=ELSEWHERE, change=spec_of(precision="bfloat16")), baseline)
    assert verdict.problems == ()


def test_what_is_not_compared_seed_by_seed_is_explained_in_one_line(baseline: Baseline) -> None:
    verdict = check_bench(bench_of(device=ELSEWHERE), baseline)
    assert verdict.explanations == (
        "12 runs compared by the baseline's deviation: made with torch 2.15.0 on another processor (avx2), 1 x 1 "
        "threads; the baseline with torch 2.15.0 on a processor (avx2), 1 x 1 threads",
    )
    assert verdict.explanations[0] in render_summary(verdict, Path("runs"), Path("kept.json"))


@pytest.mark.parametrize("attempt", [{"flags": ("cuda", "avx2")}, {"flags": None}])
def test_a_gpu_or_an_unknown_machine_repeats_nothing(attempt: dict[str, Any]) -> None:
    def change(result: RunResult) -> RunResult:
        return result.model_copy(update={"attempts": (result.attempts[0].model_copy(update=attempt),)})

    kept = make_baseline(bench_of(change=change))
    assert check_bench(bench_of(change=change), kept).repeated == 9


def test_the_smallest_move_is_found_where_a_run_is_repeated(baseline: Baseline) -> None:
    moved = SCORES | {("mnist", "language"): (0.779, 0.80, 0.77)}
    verdict = check_bench(bench_of(moved), baseline)
    assert verdict.problems == (
        "mnist / language: score moved though spec, data, processor and torch are the same: seed 0 0.78 -> 0.779",
    )
    assert check_bench(bench_of(moved, ELSEWHERE), baseline).problems == ()


def test_slower_learning_to_the_same_score_is_found(baseline: Baseline) -> None:
    here = check_bench(bench_of(late=40), baseline)
    assert failed_checks(here) == {("mnist / language", "area")}
    elsewhere = check_bench(bench_of(late=70, device=ELSEWHERE), baseline)
    assert failed_checks(elsewhere) == {("mnist / language", "area")}
    assert "by more than the" in elsewhere.problems[0]


def test_a_claim_that_the_baseline_bore_out_must_keep_its_sign_on_every_task(baseline: Baseline) -> None:
    for task in FLOORS:
        risen = SCORES | {(task, "random"): tuple(score + 0.01 for score in SCORES[task, "language"])}
        found = failed_checks(check_bench(bench_of(risen, ELSEWHERE), baseline))
        for measure in ("score", "area"):
            assert ("claim", f"language better than random in {measure} on {task}") in found


def test_a_claim_that_the_baseline_did_not_bear_out_is_not_held_against_a_bench() -> None:
    near = SCORES | {("mnist", "random"): (0.77, 0.79, 0.76)}
    kept = make_baseline(bench_of(near))
    over = SCORES | {("mnist", "random"): (0.79, 0.81, 0.78)}
    assert check_bench(bench_of(over, ELSEWHERE), kept).problems == ()


def test_one_seed_a_cell_on_another_machine_is_nothing_to_compare_by() -> None:
    single = {key: scores[:1] for key, scores in SCORES.items()}
    kept = make_baseline(bench_of(single))
    assert not check_bench(bench_of(single), kept).problems, "here seeds are compared one by one"
    assert not check_bench(bench_of(), kept).problems, "other seeds beside those that were kept are no fault"
    elsewhere = check_bench(bench_of(single, device=ELSEWHERE), kept)
    assert failed_checks(elsewhere) == {(f"{task} / {arm}", "score") for task, arm in SCORES}
    assert "nothing to compare by" in elsewhere.problems[0]


def test_a_cell_or_a_seed_that_is_missing_failed_or_diverged_is_found(baseline: Baseline) -> None:
    now = bench_of()
    gone = check_bench(replace(now, cells=now.cells[1:]), baseline)
    assert gone.problems == ("bit-xor / language: expected a result, got none",)
    fewer = check_bench(bench_of(SCORES | {("mnist", "language"): (0.78, 0.80)}), baseline)
    assert "mnist / language: expected a score of seed 2, got none" in fewer.problems

    def ended(status: str) -> Change:
        return lambda r: r if r.spec.seed else r.model_copy(update={"status": status, "error": "x", "test_score": None})

    failed = check_bench(bench_of(change=ended("failed")), baseline)
    assert "expected a score of seed 0, got a failed run (x)" in failed.problems[0]
    diverged = check_bench(bench_of(change=ended("diverged")), baseline)
    assert "expected seed 0 to end well, but it diverged" in diverged.problems[0]


def test_a_cell_that_the_baseline_does_not_have_is_found(baseline: Baseline) -> None:
    older = baseline.model_copy(update={"cells": baseline.cells[1:]})
    assert "expected no such cell" in check_bench(bench_of(), older).problems[0]


@pytest.mark.parametrize(
    ("name", "check"), [("data", "data"), ("body", "body"), ("floor", "data"), ("perfect", "data")]
)
def test_other_data_another_body_and_another_floor_are_found(baseline: Baseline, name: str, check: str) -> None:
    other = baseline.cells[0].model_copy(update={name: 0.4 if name in ("floor", "perfect") else "0" * 16})
    verdict = check_bench(
        bench_of(device=ELSEWHERE), baseline.model_copy(update={"cells": (other, *baseline.cells[1:])})
    )
    assert ("bit-xor / language", check) in failed_checks(verdict)


def test_a_note_fails_only_where_the_baseline_does_not_have_it(baseline: Baseline) -> None:
    def deaf(result: RunResult) -> RunResult:
        return result.model_copy(update={"readout_moves": 0.01})

    noted = make_baseline(bench_of(change=deaf))
    assert [cell.codes for cell in noted.cells if "FPT007" in cell.codes] == ["FPT007"], "of language on digits"
    assert check_bench(bench_of(change=deaf), noted).problems == ()
    assert check_bench(bench_of(), noted).problems == (), "a note that is gone is good news"
    assert check_bench(bench_of(device=ELSEWHERE, change=deaf), baseline).problems == (), "another machine"
    assert check_bench(bench_of(change=deaf), baseline).problems[0].endswith("FPT007: the baseline has no such note")


def test_a_baseline_is_of_a_bench_that_is_done() -> None:
    with pytest.raises(ValueError, match=r"expected a score of all 3 runs of mnist / language to keep them, got 2"):
        make_baseline(bench_of(SCORES | {("mnist", "language"): (0.78, 0.80)}))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{", "", "expected a baseline in JSON"),
        ('"schema": 1', '"schema": 2', "expected a baseline in JSON .*schema"),
        ('"score": 0.93', '"score": NaN', "expected a baseline in JSON"),
        ('"seed": 1', '"seed": 0', "expected each seed once in bit-xor / language"),
        ('"arm": "random"', '"arm": "language"', "expected each task and arm once"),
        ('"status"', '"state"', "unknown key 'state'"),
    ],
)
def test_a_garbled_baseline_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(write_baseline(make_baseline(bench_of())).replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_baseline(path)


def test_junit_has_a_case_for_each_cell_and_check(baseline: Baseline) -> None:
    verdict = check_bench(bench_of(SCORE_BLOWS["a leak in one cell"]), baseline)
    suite = ElementTree.fromstring(render_junit(verdict))
    cases = {(case.get("classname"), case.get("name")): case.find("failure") for case in suite}
    assert {check for place, check in cases if place == "mnist / random"} == {
        "result", "spec", "parameters", "data", "body", "notes", "score", "area",
    }  # fmt: skip
    assert {place for place, failure in cases.items() if failure is not None} == {LANGUAGE}
    assert (suite.get("tests"), suite.get("failures")) == (str(4 * 8 + 4), "1")


def test_the_summary_says_what_failed(baseline: Baseline) -> None:
    page = render_summary(
        check_bench(bench_of(SCORE_BLOWS["a leak in one cell"]), baseline), Path("runs"), Path("k.json")
    )
    assert page.startswith(
        "**check failed: 1 problems in 4 cells; 12 of 12 runs compared seed by seed**\n\n`runs` against"
    )
    assert "| mnist / language | score | score moved though" in page
    assert "|" not in render_summary(check_bench(bench_of(), baseline), Path("runs"), Path("k.json"))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("perfect", 100, "perfect: expected 1, in fractions, where 0.02 is 2 pp (points in 100), got 100"),
        ("floor", 50, "floor: expected a number from 0 to 1, in fractions, where 0.02 is 2 pp"),
        ("floor", 1.0, "expected a floor that is not perfection, got 1 for both"),
        ("runs.score", 93, "score of seed 0: expected a number from 0 to 1, in fractions, where 0.02 is 2 pp"),
        ("runs.score", -0.1, "score of seed 0: expected a number from 0 to 1"),
        ("runs.area", 90.0, "area of seed 0: expected at most 1, perfection all along"),
        ("runs.seed", True, "seed: Input should be a valid integer"),
        ("learning_rates", [100.0], "learning_rates.0: Input should be less than 10"),
        ("spec", {"task": "bit-xor", "dropout": 10}, "dropout"),
        ("test_examples", -1, "test_examples: Input should be greater than or equal to 0"),
    ],
)
def test_a_number_of_another_unit_is_no_baseline(tmp_path: Path, field: str, value: Any, says: str) -> None:
    path = tmp_path / "kept.json"
    content = json.loads(write_baseline(make_baseline(bench_of())))
    cell = content["cells"][0]
    *inside, name = field.split(".")
    (cell[inside[0]][0] if inside else cell)[name] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"kept\.json: expected a baseline") as caught:
        read_baseline(path)
    assert says in str(caught.value)


def test_a_bench_from_which_something_was_left_out_is_no_baseline() -> None:
    bench = bench_of()
    grid = bench.grid.model_copy(update={"missing": {"arm vision": "no package of its weights"}})
    with pytest.raises(ValueError, match="got one without arm vision: no package of its weights"):
        make_baseline(replace(bench, grid=grid))
    (first, *others) = bench.cells
    part = replace(first, scored=first.expected - 1)
    with pytest.raises(ValueError, match=r"expected a score of all 3 runs of .* to keep them, got 2"):
        make_baseline(replace(bench, cells=(part, *others)))


def test_a_claim_of_arms_with_other_floors_is_held_against_one_scale() -> None:
    def of_lower_floor(result: RunResult) -> RunResult:
        assert result.data is not None
        data = result.data.model_copy(update={"floor": 0.0, "trivial": {"guess": 0.0}})
        return result.model_copy(update={"data": data})

    level = {key: (values[0],) * 3 for key, values in SCORES.items()}
    # 20 % of the way from its own floor, and 13 % from random's: language is the worse one all the same.
    below = level | {("mnist", "language"): (0.20,) * 3, ("mnist", "random"): (0.22,) * 3}
    kept = make_baseline(bench_of(below, change=of_lower_floor))
    for device in (HERE, ELSEWHERE):
        assert check_bench(bench_of(below, device, of_lower_floor), kept).problems == ()
