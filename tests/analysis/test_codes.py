"""Stable codes: each holds for a cell that is made to have it, and for no other."""

import json

import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.codes import CODES, _are_of_several
from fpt_bench.analysis.export import as_json, cells_frame
from fpt_bench.report.notes import bench_notes
from fpt_bench.results.result import Attempt, BodyRecord, RunResult
from tests.made_up import made_up_grid, made_up_result

SCORES = (0.80, 0.81, 0.82)


def results(init: str, scores: tuple[float, ...] = SCORES, rises: bool = False, **changed: object) -> list[RunResult]:
    made = []
    for seed, score in enumerate(scores):
        early = 0.6 if rises else score
        curve = ((25, early), (50, early), (75, early), (100, score))
        made.append(made_up_result("bit-xor", seed, score, init, curve=curve).model_copy(update=changed))
    return made


def attempt(torch: str) -> tuple[Attempt, ...]:
    versions = {"torch": torch}
    return (Attempt(version="0", commit=None, versions=versions, device="a CPU", threads=1, platform="a system"),)


def body(pinned: bool | None) -> BodyRecord:
    return BodyRecord(source="a body", fingerprint="b" * 64, execution="native", pinned=pinned)


def of_language(language: list[RunResult], random: list[RunResult] | None = None) -> tuple[Bench, Cell]:
    bench = Bench.of(made_up_grid(("bit-xor",)), language + (results("random") if random is None else random))
    cell = bench.cell("bit-xor", "language")
    assert cell is not None
    return bench, cell


@pytest.mark.parametrize(
    ("codes", "changed"),
    [
        ((), {}),
        (("FPT001",), {"rises": True}),
        ((), {"rises": True, "scores": (1.0, 1.0, 1.0)}),
        (("FPT004",), {"scores": (0.75, 0.75, 0.99)}),
        (("FPT006",), {"body": body(pinned=False)}),
        ((), {"body": body(pinned=None)}),
        ((), {"body": body(pinned=True)}),
        (("FPT007",), {"readout_moves": 0.04}),
        ((), {"readout_moves": 0.4}),
    ],
)
def test_a_code_holds_for_what_it_is_of(codes: tuple[str, ...], changed: dict[str, object]) -> None:
    bench, cell = of_language(results("pretrained", **changed))  # type: ignore[arg-type]
    assert cell.codes == codes
    notes = [note for note in bench_notes(bench) if note.startswith("FPT")]
    assert [note[:6] for note in notes] == list(codes)
    assert all("bit-xor `language`" in note and "To do: " in note for note in notes)
    rows = json.loads(as_json(cells_frame(bench)))
    said = next(row["codes"] for row in rows if row["arm"] == "language")
    assert [each["code"] for each in said] == list(codes)
    assert all(each["why"] and each["to_do"] for each in said)


def test_another_release_than_the_baselines_is_mixed() -> None:
    newer = results("pretrained", attempts=attempt("2.15.0"))
    assert of_language(newer, results("random", attempts=attempt("2.14.1")))[1].codes == ("FPT005",)
    assert of_language(newer, results("random", attempts=attempt("2.15.0")))[1].codes == ()


def test_every_code_says_why_and_what_to_do() -> None:
    assert list(CODES) == [f"FPT{number:03}" for number in range(1, len(CODES) + 1)]
    assert all(code.name and code.why and code.to_do for code in CODES.values())


def thinning(init: str, arrives: int) -> list[RunResult]:
    """Runs whose validations thin out: 60 % until the 98 % that they have from a step on."""
    steps = (2, 4, 6, 8, 12, 18, 24)
    curve = tuple((step, 0.98 if step >= arrives else 0.6) for step in steps)
    return [made_up_result("bit-xor", seed, 0.9, init, curve=curve) for seed in range(3)]


def test_where_validations_thin_out_the_last_quarter_is_one_of_steps() -> None:
    # The new best at 18 is among the last two of seven validations, and not in the last quarter of 24 steps.
    _, cell = of_language(thinning("pretrained", arrives=18))
    assert "FPT001" not in cell.codes
    _, cell = of_language(thinning("pretrained", arrives=24))
    assert "FPT001" in cell.codes


def test_a_speed_up_is_as_wide_as_the_gaps_of_both_curves() -> None:
    _, cell = of_language(thinning("pretrained", arrives=8), thinning("random", arrives=18))
    assert cell.convergence is not None
    found = cell.convergence.speed_up
    assert found is not None
    # The true steps lie in (6, 8] and in (12, 18].
    assert (found.mean, found.low, found.high) == pytest.approx((18 / 8, 12 / 8, 18 / 6))


@pytest.mark.parametrize(
    ("scores", "codes"),
    [
        ((0.9, 0.901, 0.902, 0.903, 0.907), ("FPT008",)),
        ((0.9, 0.901, 0.902, 0.903), ()),
        ((0.9, 0.901, 0.902, 0.903, 0.909), ()),
        ((0.9, 0.902, 0.904, 0.906, 0.95), ()),
        ((1.0,) * 5, ("FPT008",)),
    ],
)
def test_an_arm_is_flat_beside_another_by_five_seeds(scores: tuple[float, ...], codes: tuple[str, ...]) -> None:
    grid = made_up_grid(("bit-xor",), seeds=tuple(range(5)))
    other = results("random", (0.80, 0.81, 0.82, 0.83, 0.84)[: len(scores)])
    cell = Bench.of(grid, results("pretrained", scores) + other).cell("bit-xor", "language")
    assert cell is not None
    assert cell.codes == codes


def test_runs_of_other_data_or_another_body_are_told() -> None:
    def other(name: str) -> list[RunResult]:
        first, *rest = results("pretrained")
        changed = getattr(first, name).model_copy(update={"fingerprint": "0" * 64})
        return [first.model_copy(update={name: changed}), *rest]

    assert of_language(other("data"))[1].codes == ("FPT009",)
    assert of_language(other("body"))[1].codes == ("FPT009",)
    assert not _are_of_several({0: {"a"}, 1: {"b"}, 2: {"c"}}, may_be_drawn=True), "each seed drew its own"
    assert _are_of_several({0: {"a"}, 1: {"a"}, 2: {"b"}}, may_be_drawn=True)
    assert _are_of_several({0: {"a", "d"}, 1: {"b"}, 2: {"c"}}, may_be_drawn=True)
    assert _are_of_several({0: {"a"}, 1: {"b"}}, may_be_drawn=False), "nothing of ours is drawn by the seed"
    whole = [run.model_copy(update={"data": other("data")[0].data}) for run in results("pretrained")]
    assert of_language(whole)[1].codes == ("FPT009",), "the arm that it is compared with read others"
    shuffled = [
        run.model_copy(update={"spec": run.spec.model_copy(update={"data_arguments": {"shuffled": True}})})
        for run in whole
    ]
    grid = made_up_grid(("bit-xor",))
    ours = iter(run.spec for run in shuffled)
    runs = tuple(run.model_copy(update={"spec": next(ours)}) if run.arm == "language" else run for run in grid.runs)
    cell = Bench.of(grid.model_copy(update={"runs": runs}), shuffled + results("random")).cell("bit-xor", "language")
    assert cell is not None
    assert cell.codes == (), "other data were asked for"
