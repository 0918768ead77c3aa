"""The regression gate: a table of now against a table that is kept in the repository."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from scipy import stats

from fpt_bench.statistics import CONFIDENCE

KEPT = (
    "task",
    "arm",
    "n",
    "accuracy_mean",
    "accuracy_deviation",
    "steps_to_target",
    "max_steps",
    "floor",
    "data_fingerprint",
    "body_fingerprint",
    "margin",
)
"""Columns of a baseline file."""
MARGIN = 0.02
"""Fall of an accuracy that is passed over however small the noise is, unless the baseline file says otherwise."""
SLOWER = 1.5
"""Times more steps to the target than before that count as slower."""


@dataclass(frozen=True)
class Verdict:
    """What the gate found."""

    checked: int
    problems: tuple[str, ...] = field(default_factory=tuple)

    @property
    def line(self) -> str:
        """One sentence for a log."""
        if not self.problems:
            return f"check passed: {self.checked} cells, no regression"
        return f"check failed: {len(self.problems)} problems in {self.checked} cells"


def read_baseline(path: Path) -> pd.DataFrame:
    """Read a baseline file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: columns are missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"baseline {path} does not exist; `make baseline` writes one from the smoke profile")
    frame = pd.read_csv(path)
    missing = sorted(set(KEPT) - set(frame.columns))
    if missing:
        raise ValueError(f"{path}: expected the columns {', '.join(KEPT)}; missing: {', '.join(missing)}")
    return frame


def check_table(now: pd.DataFrame, baseline: pd.DataFrame, effects: tuple[str, ...] = ()) -> Verdict:
    """Compare a table with its baseline.

    A cell fails where it is missing; where its data or weights are other ones; where its accuracy has fallen by more
    than the larger of the margin and the noise of both, and where it reaches its target SLOWER times later or no more.

    Args:
        now: frame of `build_frame`.
        baseline: frame of `read_baseline`.
        effects: claims that must hold now, as `arm > arm on task`: on accuracy or, where both are equal, on area.
    """
    problems = []
    cells = {(row["task"], row["arm"]): row for _, row in now.iterrows()}
    for _, before in baseline.iterrows():
        place = f"{before['task']} / {before['arm']}"
        after = cells.get((before["task"], before["arm"]))
        if after is None or not after["n"]:
            problems.append(f"{place}: expected a result, got none")
            continue
        problems += [f"{place}: {problem}" for problem in _compare(before, after)]
    problems += [problem for effect in effects for problem in _check_effect(effect, cells)]
    return Verdict(len(baseline), tuple(problems))


def _compare(before: "pd.Series[float]", after: "pd.Series[float]") -> list[str]:
    problems = [
        f"{name.partition('_')[0]} fingerprint was {before[name]}, is {after[name]}: the numbers are not comparable"
        for name in ("data_fingerprint", "body_fingerprint")
        if str(before[name]) != str(after[name])
    ]
    fall = before["accuracy_mean"] - after["accuracy_mean"]
    allowed = max(before["margin"], _noise(before, after))
    if fall > allowed:
        problems.append(
            f"accuracy fell from {100 * before['accuracy_mean']:.1f} to {100 * after['accuracy_mean']:.1f} %, "
            f"by more than the {100 * allowed:.1f} pp that are allowed"
        )
    was, now = before["steps_to_target"], after["steps_to_target"]
    if math.isfinite(was) and not now <= SLOWER * was:
        problems.append(f"steps to target rose from {was:.0f} to {now:.0f}, more than {SLOWER} times")
    return problems


def _noise(before: "pd.Series[float]", after: "pd.Series[float]") -> float:
    """Give half of the 95 % interval of the difference of two means; 0 where a cell has one run.

    The degrees of freedom are those of both cells together: with two seeds a cell, Welch's would allow any fall.
    """
    if min(before["n"], after["n"]) < 2:
        return 0.0
    variance = before["accuracy_deviation"] ** 2 / before["n"] + after["accuracy_deviation"] ** 2 / after["n"]
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, before["n"] + after["n"] - 2)) * math.sqrt(variance)


def _check_effect(effect: str, cells: "dict[tuple[str, str], pd.Series[float]]") -> list[str]:
    comparison, _, task = effect.partition(" on ")
    better, _, worse = comparison.partition(" > ")
    first, second = cells.get((task, better)), cells.get((task, worse))
    if first is None or second is None:
        return [f"effect '{effect}': expected results of both arms"]
    key = "area" if first["accuracy_mean"] == second["accuracy_mean"] else "accuracy_mean"
    if first[key] > second[key]:
        return []
    name = key.partition("_")[0]
    return [f"effect '{effect}' has changed its sign: {name} {first[key]:.3f} against {second[key]:.3f}"]


def make_baseline(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the part of a table that is kept as the baseline of later ones."""
    return frame.assign(margin=MARGIN)[list(KEPT)]
