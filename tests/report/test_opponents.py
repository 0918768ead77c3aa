"""An arm that names its own opponent is compared with that one alone, in every table and figure."""

import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.export import cells_frame, overall_frame
from fpt_bench.config.experiment import NOBODY, Arm, Experiment
from fpt_bench.report.figures.forest import draw_forest
from fpt_bench.report.figures.rows import draw_speed_up
from fpt_bench.report.figures.style import make_looks
from fpt_bench.report.page.verdict_line import verdict_line
from fpt_bench.report.summary import summarize
from fpt_bench.report.tables import markdown
from fpt_bench.results.result import RunResult
from tests.made_up_bench import made_up_bench


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Two bodies, each beside a random twin: `language` against the baseline, `speech` against `speech-random`."""
    grid, results = made_up_bench(tasks=("bit-xor", "mnist"))
    arms = {name: grid.experiment.arms[name] for name in ("language", "random")}
    arms |= {
        "speech": Arm(run={"init": "random"}, against="speech-random"),
        "speech-random": Arm(run={"init": "random"}, against=NOBODY),
    }
    named = {"language": "language", "random": "random", "full": "speech"}
    runs = [run.model_copy(update={"arm": named[run.arm]}) for run in grid.runs]
    runs += [run.model_copy(update={"arm": "speech-random"}) for run in grid.runs if run.arm == "random"]
    experiment = grid.experiment.model_copy(update={"arms": arms, "claims": ()})
    return Bench.of(grid.model_copy(update={"experiment": experiment, "runs": tuple(runs)}), results)


def test_whom_an_arm_is_compared_with() -> None:
    arms = {"a": Arm(), "b": Arm(), "c": Arm(against="d"), "d": Arm(against=NOBODY), "e": Arm(against="gone")}
    experiment = Experiment(name="e", question="", tasks=("mnist",), arms=arms, baseline="b")
    assert {arm: experiment.opponent(arm) for arm in arms} == {"a": "b", "b": None, "c": "d", "d": None, "e": None}


def test_differences_are_to_ones_own_opponent(bench: Bench) -> None:
    assert bench.own_opponents == {"speech": "speech-random"}
    means = {arm: cell.accuracy.mean for arm in bench.arms if (cell := bench.cell("mnist", arm)) and cell.accuracy}
    deltas = {cell.arm: cell.delta.estimate.mean for cell in bench.of_task("mnist") if cell.delta}
    assert deltas == {
        "language": pytest.approx(means["language"] - means["random"]),
        "speech": pytest.approx(means["speech"] - means["speech-random"]),
    }
    assert {overall.arm for overall in bench.overall if overall.delta} == {"language", "speech"}
    assert dict(overall_frame(bench)[["arm", "against"]].to_numpy())["speech"] == "speech-random"
    frame = cells_frame(bench).set_index(["task", "arm"])
    assert frame.loc[("mnist", "speech"), "against"] == "speech-random"
    assert frame.loc[("mnist", "language"), "against"] == "random"


def test_tables_name_the_opponent_and_rank_the_differences(bench: Bench) -> None:
    page = markdown(bench)
    lines = [[field.strip() for field in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    header = lines[0]
    assert "Δ to its own baseline, pp" in header
    place = header.index("compared with")
    of_mnist = [line for line in lines[2:] if line[0] == "mnist†" and len(line) == len(header)]
    deltas = {cell.arm: cell.delta.estimate.mean for cell in bench.of_task("mnist") if cell.delta}
    ranked = sorted(deltas, key=lambda arm: -deltas[arm])
    assert [line[1] for line in of_mnist] == [*ranked, "random", "speech-random"]
    assert {line[1]: line[place] for line in of_mnist}["speech"] == "speech-random"
    assert "Δ: difference to the arm named beside it" in page


def test_figures_and_sentences_name_it(bench: Bench) -> None:
    looks = make_looks(bench.arms)
    forest, faster = draw_forest(bench, looks), draw_speed_up(bench, looks)
    assert forest is not None
    assert {cell.arm for cell in forest.cells} == {"language", "speech"}
    assert "speech minus speech-random" in forest.alt
    assert faster is not None
    assert {cell.arm for cell in faster.cells} == {"language", "speech"}
    assert "speech against speech-random: " in verdict_line(bench)
    said = " ".join(paragraph.text for paragraph in summarize(bench))
    assert "against speech-random: open" in said


def test_an_opponent_that_does_not_arrive_is_no_failure_of_the_arm(bench: Bench) -> None:
    slow, curves = made_up_bench(tasks=("bit-xor",), seeds=(7, 8, 9))
    never = [run.model_copy(update={"arm": "never"}) for run in slow.runs if run.arm == "random"]
    flat = [result.model_copy(update={"curve": ((50, 0.5),), "best_step": 50}) for result in curves]
    arms = {**bench.grid.experiment.arms, "never": Arm(against=NOBODY), "speech": Arm(against="never")}
    experiment = bench.grid.experiment.model_copy(update={"arms": arms})
    grid = bench.grid.model_copy(update={"experiment": experiment, "runs": (*bench.grid.runs, *never)})
    changed = Bench.of(grid, [*bench.results, *flat])
    speech = changed.cell("bit-xor", "speech")
    assert speech is not None
    assert speech.convergence is not None
    assert speech.convergence.reached == 3
    drawing = draw_speed_up(changed, make_looks(changed.arms))
    assert drawing is not None
    assert {cell.arm for cell in drawing.cells} == {"language"}, "`target not reached` would be untrue of speech"


def test_an_arm_with_another_target_is_not_said_to_miss_it() -> None:
    grid, results = made_up_bench(tasks=("bit-xor",))
    full = {run.spec.run_id for run in grid.runs if run.arm == "full"}

    def harder(result: RunResult) -> RunResult:
        assert result.data is not None
        return result.model_copy(update={"data": result.data.model_copy(update={"floor": 0.6})})

    results = [harder(result) if result.spec.run_id in full else result for result in results]
    other = Bench.of(grid.model_copy(update={"targets": {}}), results, simple=())
    drawing = draw_speed_up(other, make_looks(other.arms))
    assert drawing is not None
    said = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    assert "another target" in said
    assert "target not reached" not in said


def test_an_arm_whose_opponent_is_left_out_is_said_to_be_compared_with_none(bench: Bench) -> None:
    arms = {name: arm for name, arm in bench.grid.experiment.arms.items() if name != "speech-random"}
    runs = tuple(run for run in bench.grid.runs if run.arm != "speech-random")
    experiment = bench.grid.experiment.model_copy(update={"arms": arms})
    alone = Bench.of(bench.grid.model_copy(update={"experiment": experiment, "runs": runs}), bench.results)
    assert all(cell.delta is None for cell in alone.cells if cell.arm == "speech")
    assert "`speech` is compared with none: `speech-random` is not in this bench." in markdown(alone)
