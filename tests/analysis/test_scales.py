"""Scores are compared where they can be: of one metric and direction, on a scale that is one."""

from typing import Any

import pytest
from pydantic import ValidationError

from fpt_bench.analysis.benches import Bench
from fpt_bench.results.result import DataRecord
from tests.made_up import made_up_grid, made_up_result

SCALE: dict[str, Any] = {"kind": "real", "source": "-", "fingerprint": "-", "trivial": {"guess": 0.5}, "floor": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"higher_is_better": False}, "perfect score that is no worse than the floor, got 1 and 0.5, where lower is"),
        ({"perfect": 0.4}, "perfect score that is no worse than the floor, got 0.4 and 0.5, where higher is better"),
        ({"trivial": {"guess": 0.5, "most": 0.9}}, "best of the trivial rules, 0.9, as the floor, got 0.5"),
        ({"trivial": {"mean": 2.0, "zero": 3.0}, "floor": 3.0, "perfect": 0.0, "higher_is_better": False}, "rules, 2,"),
    ],
)
def test_a_scale_has_its_best_rule_as_floor_and_perfection_beyond_it(change: dict[str, Any], message: str) -> None:
    DataRecord(**SCALE)
    with pytest.raises(ValidationError, match=message):
        DataRecord(**{**SCALE, **change})


@pytest.mark.parametrize(
    "change",
    [{"metric": "macro-f1"}, {"higher_is_better": False, "perfect": 0.0}, {"is_fraction": False}, {"perfect": 0.95}],
)
def test_arms_whose_scores_are_of_two_kinds_are_not_judged(change: dict[str, Any]) -> None:
    grid = made_up_grid(tasks=("bit-xor",))
    results = {
        init: [made_up_result("bit-xor", seed=seed, accuracy=0.8, init=init) for seed in range(3)]
        for init in ("pretrained", "random")
    }
    assert Bench.of(grid, [*results["pretrained"], *results["random"]]).scored == 6
    last = results["random"][2]
    assert last.data is not None
    changed = last.model_copy(update={"data": last.data.model_copy(update=change)})
    with pytest.raises(ValueError, match=f"scores of bit-xor that can be compared, but .*{last.spec.run_id} has"):
        Bench.of(grid, [*results["pretrained"], *results["random"][:2], changed])


def test_a_failed_run_has_no_score_whatever_it_says() -> None:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9)
    assert result.model_copy(update={"status": "failed", "error": "killed"}).score is None
