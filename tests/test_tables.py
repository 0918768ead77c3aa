"""Tables: byte for byte on made-up results, and honest about what is missing."""

import json
import re
import time
from pathlib import Path

import pytest

from fpt_bench.config_files import CONFIGS, read_yaml
from fpt_bench.grid import Grid
from fpt_bench.render import render_latex, render_markdown, write_tables
from fpt_bench.results import RESULT_FILE, Provenance, RunResult, collect_results
from fpt_bench.tables import build_frame, build_overall, build_rates
from tests.made_up import made_up_grid, made_up_result

GOLDEN = Path(__file__).parent / "golden"
RATES = (1e-4, 1e-3, 1e-2)
PUBLISHED = CONFIGS / "reference" / "published.yaml"
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
    write_tables(grid, results, tmp_path, PUBLISHED)
    assert (tmp_path / f"table.{suffix}").read_bytes() == (GOLDEN / f"{name}.{suffix}").read_bytes()


def test_a_swept_cell_stands_for_its_chosen_rate() -> None:
    frame = build_frame(swept_grid(), swept_results()).set_index(["task", "arm"])
    language, random = frame.loc[("bit-xor", "language")], frame.loc[("bit-xor", "random")]
    assert (language["learning_rate"], language["rate_edge"]) == (1e-3, False)
    assert (random["learning_rate"], random["rate_edge"]) == (1e-2, True)
    assert language["learning_rates"] == "0.0001 0.001 0.01"
    assert language["accuracy_mean"] == pytest.approx(0.98)
    assert language["delta_mean"] == pytest.approx(0.04)
    assert language["delta_method"] == "paired"


def test_runs_that_were_given_up_are_not_missing() -> None:
    grid, results = swept_grid(), swept_results()
    frame = build_frame(grid, results)
    assert list(frame["expected"] - frame["scored"]) == [2, 0], "the neighbour of the best still lacks two seeds"
    page = render_markdown(frame, grid, build_rates(grid, results))
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
    text = render_latex(build_frame(named, made_up_results()), named)
    assert r"bit-xor & 50\%\_of \& \{it\} & 99.0 $\pm$ 2.5 & 3 &" in text
    body = text.partition("\n")[2]
    assert not re.findall(r"(?<!\\)[%#_^~]", body)
    unescaped = re.sub(r"\\[{}]", "", body)
    assert unescaped.count("{") == unescaped.count("}")
    assert body.isascii()


def test_overall_by_hand() -> None:
    results = made_up_results() + [made_up_result("mnist", seed, 0.1 + 0.09 * seed, "random") for seed in range(3)]
    overall = build_overall(made_up_grid(), results).set_index("arm")
    # language: Bit XOR (0.98, 0.99, 1) over floor 0.5: 0.96 0.98 1; MNIST (0.8, 0.1) over 0.1: 7/9 and 0.
    # Of 5 values a quarter is 1 whole one at either end: 7/9, 0.96, 0.98 are left.
    assert overall.loc["language", "overall_mean"] == pytest.approx((7 / 9 + 0.96 + 0.98) / 3)
    # random: 0.8 0.82 0.84 and 0 0.1 0.2: 0.1 to 0.82 are left.
    assert overall.loc["random", "overall_mean"] == pytest.approx((0.1 + 0.2 + 0.8 + 0.82) / 4)
    assert list(overall["n_at_least"]) == [2, 3]


def test_overall_needs_two_tasks_that_every_arm_has() -> None:
    assert build_overall(made_up_grid(), made_up_results()).empty, "MNIST has no score at random"


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
    write_tables(grid, results, tmp_path / "tables", PUBLISHED)
    seconds = time.process_time() - started
    print(f"{len(results)} results: {seconds:.2f} s of one core")
    assert (len(results), problems) == (5000, [])
    assert seconds < 5, "1.2 s when this was written"


def test_numbers_by_hand() -> None:
    frame = build_frame(made_up_grid(), made_up_results()).set_index(["task", "arm"])
    cell = frame.loc[("bit-xor", "language")]
    assert cell["accuracy_mean"] == pytest.approx(0.99)
    assert cell["delta_mean"] == pytest.approx(0.08)
    assert cell["delta_method"] == "paired"
    assert cell["delta_high"] - cell["delta_low"] == pytest.approx(0, abs=1e-12)
    assert cell["steps_to_target"] == 50
    assert cell["speed_up"] == 2
    diverged = frame.loc[("mnist", "language")]
    assert (diverged["n"], diverged["diverged"]) == (2, 1)
    assert diverged["accuracy_mean"] == pytest.approx((0.8 + 0.1) / 2)


def test_published_figures_stand_beside_real_data_only() -> None:
    frame = build_frame(made_up_grid(), made_up_results(), read_yaml(PUBLISHED)).set_index(["task", "arm"])
    assert frame.loc[("bit-xor", "language"), "published"] == 1.0
    assert frame["published"].isna().loc[("mnist", "language")]


def test_embedded_data_carry_their_dagger_to_the_footnote() -> None:
    grid = made_up_grid()
    page = render_markdown(build_frame(grid, made_up_results()), grid)
    assert "| mnist†" in page
    assert "- † Data of mnist: made-up mnist" in page
    assert "bit-xor†" not in page


def made_with(result: RunResult, torch: str) -> RunResult:
    versions = {"torch": torch}
    provenance = Provenance(version="0", commit=None, versions=versions, device="a CPU", threads=1, platform="a system")
    return result.model_copy(update={"provenance": provenance})


def test_runs_made_with_several_releases_are_said_so() -> None:
    grid, results = made_up_grid(), made_up_results()
    same = [made_with(result, "2.14") for result in results]
    mixed = [made_with(results[0], "2.13"), *same[1:]]
    said = "Runs were made with torch 2.13 on a CPU; torch 2.14 on a CPU"
    assert said in render_markdown(build_frame(grid, mixed), grid)
    assert "Runs were made with" not in render_markdown(build_frame(grid, same), grid)
    assert build_frame(grid, mixed)["made_with"][0] == "torch 2.13 on a CPU and torch 2.14 on a CPU"


def test_arms_on_different_data_are_not_paired() -> None:
    results = made_up_results()
    moved = results[3].model_copy(update={"data": results[3].data.model_copy(update={"fingerprint": "e" * 64})})
    frame = build_frame(made_up_grid(), [*results[:3], moved, *results[4:]]).set_index(["task", "arm"])
    assert frame.loc[("bit-xor", "language"), "delta_method"] == "Welch"


def test_tables_of_nothing_say_so(tmp_path: Path) -> None:
    write_tables(made_up_grid(), [], tmp_path, PUBLISHED)
    assert "Incomplete: 12 of 12 runs have no score yet." in (tmp_path / "table.md").read_text()
    assert len(json.loads((tmp_path / "table.json").read_text())) == 4
    assert (tmp_path / "table.csv").read_text().count("\n") == 5


def test_a_run_that_diverged_has_not_converged() -> None:
    results = [made_up_result("bit-xor", 0, None, status="diverged", curve=FAST)]
    frame = build_frame(made_up_grid(("bit-xor",), (0,)), results).set_index(["task", "arm"])
    cell = frame.loc[("bit-xor", "language")]
    assert (cell["accuracy_mean"], cell["reached_target"]) == (0.5, 0)
    assert cell["steps_to_target"] == float("inf")


def test_published_figures_stand_beside_published_sizes_only() -> None:
    results = [r.model_copy(update={"spec": r.spec.model_copy(update={"data_arguments": {"string_bits": 4}})})
               for r in made_up_results()[:1]]  # fmt: skip
    grid = made_up_grid(("bit-xor",), (0,))
    moved = grid.model_copy(update={"runs": (grid.runs[0].model_copy(update={"spec": results[0].spec}), grid.runs[1])})
    frame = build_frame(moved, results, read_yaml(PUBLISHED)).set_index(["task", "arm"])
    assert frame["published"].isna().all()
    assert "string_bits=4" in frame.loc[("bit-xor", "language"), "data_source"]
