"""Tables: byte for byte on made-up results, and honest about what is missing."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.export import cells_frame
from fpt_bench.config.grid import Grid
from fpt_bench.report.metric_words import length_of, place_of
from fpt_bench.report.summary import summarize
from fpt_bench.report.tables import latex, markdown, write_tables
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import Attempt, RunResult
from fpt_bench.results.result_files import collect_results
from tests.made_up import made_up_grid, made_up_result

GOLDEN = Path(__file__).parent / "golden"
RATES = (1e-4, 1e-3, 1e-2)
FAST, SLOW = ((50, 0.97), (100, 1.0)), ((50, 0.6), (100, 0.96))


def made_up_results() -> list[RunResult]:
    results = [made_up_result("bit-xor", seed, 0.98 + seed / 100, curve=FAST) for seed in range(3)]
    results += [made_up_result("bit-xor", seed, 0.90 + seed / 100, init="random", curve=SLOW) for seed in range(3)]
    results += [made_up_result("mnist", 0, 0.8), made_up_result("mnist", 1, None, status="diverged")]
    return results


def swept_results() -> list[RunResult]:
    """A sweep whose best rate lies inside the grid or at its edge, with a run that diverged and a rate given up."""
    rates = {"pretrained": (0.55, 0.97, 0.9), "random": (0.52, 0.56, 0.93)}
    results = []
    for init, levels in rates.items():
        for rate, level in zip(RATES, levels, strict=True):
            for seed in range(3 if level > 0.55 else 1):
                value = level + seed / 100
                results.append(
                    made_up_result("bit-xor", seed, value, init, curve=((50, value), (100, value)), rate=rate)
                )
    diverged = made_up_result("bit-xor", 2, None, "pretrained", "diverged", ((50, 0.9),), 1e-2)
    return [result for result in results if result.spec != diverged.spec] + [diverged]


def swept_grid() -> Grid:
    grid = made_up_grid(("bit-xor",), rates=RATES)
    return grid.model_copy(update={"left_out": ("mnist",)})


@pytest.mark.parametrize("suffix", ["md", "tex", "csv"])
@pytest.mark.parametrize(
    ("name", "grid", "results"),
    [("table", made_up_grid(), made_up_results()), ("sweep", swept_grid(), swept_results())],
)
def test_tables_are_the_golden_ones_byte_for_byte(
    name: str, grid: Grid, results: list[RunResult], suffix: str, tmp_path: Path
) -> None:
    write_tables(Bench.of(grid, results), tmp_path)
    assert (tmp_path / f"table.{suffix}").read_bytes() == (GOLDEN / f"{name}.{suffix}").read_bytes()


def cell_of(bench: Bench, task: str, arm: str) -> Cell:
    cell = bench.cell(task, arm)
    assert cell is not None
    return cell


def test_a_swept_cell_stands_for_its_chosen_rate() -> None:
    bench = Bench.of(swept_grid(), swept_results())
    language, random = (cell_of(bench, "bit-xor", arm) for arm in ("language", "random"))
    assert (language.choice.rate, language.choice.edge) == (1e-3, False)
    assert (random.choice.rate, random.choice.edge) == (1e-2, True)
    assert cells_frame(bench)["learning_rates"][0] == "0.0001 0.001 0.01"
    assert language.accuracy is not None
    assert language.accuracy.mean == pytest.approx(0.98)
    assert language.delta is not None
    assert language.delta.estimate.mean == pytest.approx(0.04)


def test_runs_that_were_given_up_are_not_missing() -> None:
    bench = Bench.of(swept_grid(), swept_results())
    missing = [cell.expected - cell.scored for cell in bench.cells]
    assert missing == [2, 0], "the neighbour of the best still lacks two seeds"
    page = markdown(bench)
    assert "52.0 (1 of 3, given up)" in page
    assert "sparing 2 runs" in page


def test_latex_survives_whatever_a_name_holds() -> None:
    grid = made_up_grid(("bit-xor",))
    arms = {"50%_of & {it}": grid.experiment.arms["language"], "random": grid.experiment.arms["random"]}
    named = grid.model_copy(
        update={
            "experiment": grid.experiment.model_copy(update={"arms": arms}),
            "runs": tuple(run.model_copy(update={"arm": "50%_of & {it}"}) if run.arm == "language" else run
                          for run in grid.runs),
        }
    )  # fmt: skip
    text = latex(Bench.of(named, made_up_results()))
    assert r"bit-xor & 50\%\_of \& \{it\} & 99.0 $\pm$ 2.5 & 3 &" in text
    body = text.partition("\n")[2]
    assert not re.findall(r"(?<!\\)[%#_^~]", body)
    unescaped = re.sub(r"\\[{}]", "", body)
    assert unescaped.count("{") == unescaped.count("}")
    assert body.isascii()


def test_overall_by_hand() -> None:
    results = made_up_results() + [made_up_result("mnist", seed, 0.1 + 0.09 * seed, "random") for seed in range(3)]
    bench = Bench.of(made_up_grid(), results)
    overall = {o.arm: o.estimate for o in bench.overall}
    # language: Bit XOR (0.98, 0.99, 1) over floor 0.5: 0.96 0.98 1; MNIST (0.8, 0.1) over 0.1: 7/9 and 0.
    assert overall["language"].mean == pytest.approx((0.98 + 3.5 / 9) / 2)
    # random: 0.8 0.82 0.84 and 0 0.1 0.2.
    assert overall["random"].mean == pytest.approx((0.82 + 0.1) / 2)
    assert [estimate.n for estimate in overall.values()] == [2, 3]
    delta = {o.arm: o.delta for o in bench.overall}
    assert delta["random"] is None
    assert delta["language"] is not None
    assert delta["language"].mean == pytest.approx((0.98 + 3.5 / 9 - 0.82 - 0.1) / 2)


def test_overall_needs_two_tasks_that_every_arm_has() -> None:
    assert Bench.of(made_up_grid(), made_up_results()).overall == (), "MNIST has no score at random"


@pytest.mark.slow
def test_tables_of_5000_results_take_seconds(tmp_path: Path) -> None:
    rates = tuple(10 ** (-6 + place / 20) for place in range(25))
    grid = made_up_grid(seeds=tuple(range(50)), rates=rates)
    for run in grid.runs:
        curve = tuple((step, 0.9) for step in range(50, 1001, 50))
        result = made_up_result(run.task, run.spec.seed, 0.9, run.spec.init, curve=curve, rate=run.spec.learning_rate)
        folder = tmp_path / run.spec.run_id
        folder.mkdir()
        (folder / RESULT_FILE).write_text(result.model_dump_json(indent=1))
    started = time.process_time()  # a busy machine is not our doing
    results, problems = collect_results(tmp_path)
    write_tables(Bench.of(grid, results), tmp_path / "tables")
    seconds = time.process_time() - started
    print(f"{len(results)} results: {seconds:.2f} s of one core")
    assert (len(results), problems) == (5000, [])
    assert seconds < 10, "1.2 s when this was written, and four times that beside two other programs"


def test_numbers_by_hand() -> None:
    bench = Bench.of(made_up_grid(), made_up_results())
    cell = cell_of(bench, "bit-xor", "language")
    assert cell.accuracy is not None
    assert cell.accuracy.mean == pytest.approx(0.99)
    assert cell.delta is not None
    assert cell.delta.estimate.mean == pytest.approx(0.08)
    assert cell.delta.word == "open", "three seeds settle nothing"
    assert cell.convergence is not None
    assert cell.convergence.steps == 50
    assert cell.convergence.speed_up is not None
    assert cell.convergence.speed_up.mean == 2
    diverged = cell_of(bench, "mnist", "language")
    assert (diverged.n, diverged.count("diverged")) == (2, 1)
    assert diverged.accuracy is not None
    assert diverged.accuracy.mean == pytest.approx((0.8 + 0.1) / 2)


def test_published_figures_stand_beside_real_data_only() -> None:
    bench = Bench.of(made_up_grid(), made_up_results())
    assert cell_of(bench, "bit-xor", "language").published == 1.0
    assert cell_of(bench, "mnist", "language").published is None


@pytest.mark.parametrize(("as_published", "figure"), [(None, 1.0), (True, 1.0), (False, None)])
def test_published_figures_stand_beside_no_other_files(as_published: bool | None, figure: float | None) -> None:
    """None: generated by the published rule, or a result that says nothing of it."""
    results = [
        r.model_copy(update={"data": r.data.model_copy(update={"as_published": as_published})}) if r.data else r
        for r in made_up_results()
    ]
    assert cell_of(Bench.of(made_up_grid(), results), "bit-xor", "language").published == figure


def test_embedded_data_carry_their_dagger_to_the_footnote() -> None:
    page = markdown(Bench.of(made_up_grid(), made_up_results()))
    assert "| mnist†" in page
    assert "- † Data of mnist: made-up mnist" in page
    assert "bit-xor†" not in page


def test_sizes_other_than_the_published_carry_a_double_dagger() -> None:
    """Kept results that say nothing of it have it, too: it is read off what was asked for."""
    grid, results = made_up_grid(), made_up_results()
    small = {"data_arguments": {"bits": 3}}
    grid = grid.model_copy(
        update={"runs": tuple(run.model_copy(update={"spec": run.spec.model_copy(update=small)}) for run in grid.runs)}
    )
    results = [result.model_copy(update={"spec": result.spec.model_copy(update=small)}) for result in results]
    bench = Bench.of(grid, results)
    page = markdown(bench)
    assert "| bit-xor‡" in page
    assert "- ‡ Data of bit-xor: made-up bit-xor | examples; bits=3" in page
    assert "| mnist†" in page, "a stand-in has its own mark, whatever its size"
    assert r"bit-xor\textdaggerdbl{}" in latex(bench)
    assert any("‡ bit-xor: other sizes than published" in paragraph.text for paragraph in summarize(bench))


def test_test_examples_that_stand_in_training_are_given_below_the_tables() -> None:
    results = made_up_results()
    assert "stand in training" not in markdown(Bench.of(made_up_grid(), results))
    shared = [
        r.model_copy(update={"data": r.data.model_copy(update={"test_in_training": 24})})
        if r.data is not None and r.spec.task == "mnist"
        else r
        for r in results
    ]
    page = markdown(Bench.of(made_up_grid(), shared))
    assert "- Of the test examples of mnist, 24 of 128 also stand in training" in page
    assert "Of the test examples of bit-xor" not in page


def test_other_test_sets_are_given_below_the_tables() -> None:
    scores = {"test": 0.9, "test-nested": 0.25}
    results = [
        r.model_copy(update={"test_scores": scores} if r.spec.task == "mnist" else {}) for r in made_up_results()
    ]
    page = markdown(Bench.of(made_up_grid(), results))
    assert "- Accuracy on test-nested of mnist, %: language 25.0." in page
    assert "of bit-xor, %" not in page


def test_other_test_sets_are_written_in_the_unit_of_the_metric() -> None:
    def of_errors(result: RunResult) -> RunResult:
        assert result.data is not None
        errors = {"metric": "mean-absolute-error", "higher_is_better": False, "perfect": 0.0, "is_fraction": False}
        data = result.data.model_copy(update={**errors, "floor": 100.0})
        return result.model_copy(update={"data": data, "test_score": 69.0, "test_scores": {"test": 69.0, "far": 71.5}})

    results = [of_errors(r) if r.spec.task == "mnist" else r for r in made_up_results()]
    assert "- Mean-absolute-error on far of mnist: language 71.5" in markdown(Bench.of(made_up_grid(), results))


def test_notes_say_of_which_arm_data_and_targets_are_where_not_all_share_them() -> None:
    def shuffled(result: RunResult) -> RunResult:
        assert result.data is not None
        data = result.data.model_copy(update={"source": "shuffled bits", "floor": 0.6, "trivial": {"constant": 0.6}})
        return result.model_copy(update={"data": data})

    results = [shuffled(r) if r.spec.init == "random" else r for r in made_up_results()]
    bench = Bench.of(made_up_grid().model_copy(update={"targets": {}}), results)
    page = markdown(bench)
    assert "Data of bit-xor (`random`): shuffled bits" in page
    assert "Data of bit-xor (`language`): made-up bit-xor" in page
    assert "Data of mnist: made-up mnist" in page
    assert "Floor of bit-xor (`random`): constant." in page
    assert "bit-xor (`language`) 75.0 %, half-way from the floor to perfect; bit-xor (`random`) 80.0 %" in page
    language = bench.cell("bit-xor", "language")
    assert language is not None
    assert language.convergence is not None
    assert language.convergence.speed_up is None, "steps to another target are no steps to this one"
    for other in bench.overall:
        scores = [bench.cell(task, other.arm).scores for task in other.tasks]  # type: ignore[union-attr]
        by_one_floor = [(np.mean(scores[0]) - 0.6) / 0.4, (np.mean(scores[1]) - 0.1) / 0.9]
        assert other.estimate.mean == pytest.approx(np.mean(by_one_floor)), "of both arms the baseline's floor"


def made_with(result: RunResult, torch: str) -> RunResult:
    versions = {"torch": torch}
    attempt = Attempt(version="0", commit=None, versions=versions, device="a CPU", threads=1, platform="a system")
    return result.model_copy(update={"attempts": (attempt,)})


def test_runs_made_with_several_releases_are_said_so() -> None:
    grid, results = made_up_grid(), made_up_results()
    same = [made_with(result, "2.14") for result in results]
    mixed = Bench.of(grid, [made_with(results[0], "2.13"), *same[1:]])
    said = f"Runs of {results[0].spec.task} were made with torch 2.13 on a CPU; torch 2.14 on a CPU: a release or"
    assert said in markdown(mixed)
    assert "- Runs were made with torch 2.14 on a CPU.\n" in markdown(Bench.of(grid, same)), "they may be others' runs"
    assert cells_frame(mixed)["made_with"][0] == "torch 2.13 on a CPU and torch 2.14 on a CPU"
    by_task = Bench.of(grid, [made_with(r, "2.13" if r.spec.task == "mnist" else "2.14") for r in results])
    assert "- Runs of bit-xor were made with torch 2.14 on a CPU.\n" in markdown(by_task)
    assert "- Runs of mnist were made with torch 2.13 on a CPU.\n" in markdown(by_task)


def test_tables_of_nothing_say_so(tmp_path: Path) -> None:
    write_tables(Bench.of(made_up_grid(), []), tmp_path)
    assert "Incomplete: 12 of 12 runs have no score." in (tmp_path / "table.md").read_text()
    assert len(json.loads((tmp_path / "table.json").read_text())) == 4
    assert (tmp_path / "table.csv").read_text().count("\n") == 5


def test_a_run_that_diverged_has_not_converged() -> None:
    results = [made_up_result("bit-xor", 0, None, status="diverged", curve=FAST)]
    cell = cell_of(Bench.of(made_up_grid(("bit-xor",), (0,)), results), "bit-xor", "language")
    assert cell.accuracy is not None
    assert cell.convergence is not None
    assert (cell.accuracy.mean, cell.convergence.reached, cell.convergence.steps) == (0.5, 0, float("inf"))


def test_published_figures_stand_beside_published_sizes_only() -> None:
    results = [r.model_copy(update={"spec": r.spec.model_copy(update={"data_arguments": {"string_bits": 4}})})
               for r in made_up_results()[:1]]  # fmt: skip
    grid = made_up_grid(("bit-xor",), (0,))
    moved = grid.model_copy(update={"runs": (grid.runs[0].model_copy(update={"spec": results[0].spec}), grid.runs[1])})
    bench = Bench.of(moved, results)
    assert [cell.published for cell in bench.cells] == [None, None]
    assert "string_bits=4" in cell_of(bench, "bit-xor", "language").data_source


def test_core_hours_are_those_of_the_last_attempts_threads_and_processes() -> None:
    last = Attempt(
        version="0", commit=None, versions={}, device="-", flags=("avx2",), threads=2, platform="-", processes=3
    )
    attempts = (last.model_copy(update={"threads": 9}), last)
    runs = [made_up_result("mnist", s, 0.8).model_copy(update={"seconds": 600.0, "attempts": attempts}) for s in (0, 1)]
    on_gpu = runs[0].model_copy(update={"attempts": (last.model_copy(update={"flags": ("cuda",)}),)})
    grid = made_up_grid(("mnist",), (0, 1))
    here, there = (Bench.of(grid, found).cell("mnist", "language") for found in (runs, [on_gpu, runs[1]]))
    assert here is not None
    assert here.core_hours == pytest.approx(2 * 600 * 2 * 3 / 3600)
    assert there is not None
    assert there.core_hours is None


def test_a_difference_is_drawn_where_the_floor_is_perfect_already() -> None:
    result = next(r for r in made_up_results() if r.spec.task == "mnist")
    assert result.data is not None
    data = result.data.model_copy(update={"floor": 1.0})
    cell = Cell.alone(
        "mnist", "language", [result.spec], {result.spec.run_id: result.model_copy(update={"data": data})}
    )
    assert length_of(cell, -0.5, mixed=True) == place_of(cell, 0.5, mixed=True) == -50.0
