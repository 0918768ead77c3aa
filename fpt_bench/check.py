"""The regression gate: a table of now against a table that is kept in the repository."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
NUMBERS = ("n", "accuracy_mean", "accuracy_deviation", "steps_to_target", "max_steps", "floor", "margin")
MARGIN = 0.02
"""Fall of an accuracy that is passed over however small the noise is, unless the baseline file says otherwise."""
SLOWER = 1.5
"""Times more steps to the target than before that count as slower, if they are more than one validation later."""


@dataclass(frozen=True)
class Finding:
    """What one check of one place came to."""

    place: str
    """`task / arm`, or `effect`."""
    check: str
    """`result`, `data`, `body`, `accuracy`, `convergence`, or the effect's own words."""
    problem: str | None = None
    """What is wrong; None where the check passed."""

    @property
    def sentence(self) -> str:
        return f"{self.place}: {self.problem or 'no problem'}"


@dataclass(frozen=True)
class Verdict:
    """What the gate found."""

    checked: int
    """Cells of the baseline."""
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        return tuple(finding.sentence for finding in self.findings if finding.problem)

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
        ValueError: the file is no baseline.
    """
    if not path.is_file():
        raise FileNotFoundError(f"baseline {path} does not exist; `make baseline` writes one from the smoke profile")
    try:
        frame = pd.read_csv(path, dtype={"data_fingerprint": str, "body_fingerprint": str})
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path}: expected a baseline in CSV, got a file that is none ({error})") from error
    missing = sorted(set(KEPT) - set(frame.columns))
    if missing:
        raise ValueError(f"{path}: expected the columns {', '.join(KEPT)}; missing: {', '.join(missing)}")
    words = [name for name in NUMBERS if not pd.api.types.is_numeric_dtype(frame[name])]
    if words or frame.empty:
        raise ValueError(f"{path}: expected a row for each cell, with numbers in {', '.join(words or NUMBERS)}")
    return frame


def check_table(now: pd.DataFrame, baseline: pd.DataFrame, effects: tuple[str, ...] = ()) -> Verdict:
    """Compare a table with its baseline.

    A cell fails where it or a seed of it is missing; where its data or weights are other ones; where its accuracy has
    fallen by more than the larger of the margin and the noise of both; and where it reaches its target no more, or
    SLOWER times later and more than one validation later.

    Args:
        now: frame of `build_frame`.
        baseline: frame of `read_baseline`.
        effects: claims that must hold now, as `arm > arm on task`: on accuracy or, where both are equal, on area.
    """
    findings = []
    cells = {(row["task"], row["arm"]): row for _, row in now.iterrows()}
    for _, before in baseline.iterrows():
        place = f"{before['task']} / {before['arm']}"
        after = cells.get((before["task"], before["arm"]))
        if after is None or not after["n"]:
            findings.append(Finding(place, "result", "expected a result, got none"))
            continue
        findings += [Finding(place, check, problem) for check, problem in _compare(before, after).items()]
    findings += [Finding("effect", effect, _check_effect(effect, cells)) for effect in effects]
    return Verdict(len(baseline), tuple(findings))


def _compare(before: "pd.Series[float]", after: "pd.Series[float]") -> dict[str, str | None]:
    """Give what each check of a cell that is there came to."""
    return {
        "result": None
        if after["n"] >= before["n"]
        else f"expected {before['n']:.0f} runs with a score, got {after['n']:.0f}",
        "data": _check_fingerprint("data", before, after),
        "body": _check_fingerprint("body", before, after),
        "accuracy": _check_accuracy(before, after),
        "convergence": _check_convergence(before, after),
    }


def _check_fingerprint(kind: str, before: "pd.Series[float]", after: "pd.Series[float]") -> str | None:
    was, now = str(before[f"{kind}_fingerprint"]), str(after[f"{kind}_fingerprint"])
    return None if was == now else f"{kind} fingerprint was {was}, is {now}: the numbers are not comparable"


def _check_accuracy(before: "pd.Series[float]", after: "pd.Series[float]") -> str | None:
    fall = before["accuracy_mean"] - after["accuracy_mean"]
    allowed = max(before["margin"], _noise(before, after))
    if fall <= allowed:
        return None
    return (
        f"accuracy fell from {100 * before['accuracy_mean']:.1f} to {100 * after['accuracy_mean']:.1f} %, "
        f"by more than the {100 * allowed:.1f} pp that are allowed"
    )


def _check_convergence(before: "pd.Series[float]", after: "pd.Series[float]") -> str | None:
    """Compare steps to target; a difference of one validation is within the resolution and no finding."""
    was, now = before["steps_to_target"], after.get("steps_to_target", math.nan)
    if not math.isfinite(was) or now <= max(SLOWER * was, was + after["eval_every"]):
        return None
    return f"steps to target rose from {was:.0f} to {now:.0f}, more than {SLOWER} times and more than one validation"


def _noise(before: "pd.Series[float]", after: "pd.Series[float]") -> float:
    """Give half of the 95 % interval of the difference of two means; 0 where a cell has one run.

    The degrees of freedom are those of both cells together: with two seeds a cell, Welch's would allow any fall.
    """
    if min(before["n"], after["n"]) < 2:
        return 0.0
    variance = before["accuracy_deviation"] ** 2 / before["n"] + after["accuracy_deviation"] ** 2 / after["n"]
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, before["n"] + after["n"] - 2)) * math.sqrt(variance)


def _check_effect(effect: str, cells: Mapping[tuple[str, str], "pd.Series[float]"]) -> str | None:
    comparison, _, task = effect.partition(" on ")
    better, _, worse = comparison.partition(" > ")
    first, second = cells.get((task, better)), cells.get((task, worse))
    if first is None or second is None or not (first["n"] and second["n"]):
        return f"'{effect}': expected results of both arms"
    key = "area" if first["accuracy_mean"] == second["accuracy_mean"] else "accuracy_mean"
    if first[key] > second[key]:
        return None
    name = key.partition("_")[0]
    return f"'{effect}' has changed its sign: {name} {first[key]:.3f} against {second[key]:.3f}"


def make_baseline(frame: pd.DataFrame, previous: pd.DataFrame | None = None) -> pd.DataFrame:
    """Give the part of a table that is kept as a baseline; margins stay as the previous one has them."""
    kept = {} if previous is None else {(row["task"], row["arm"]): row["margin"] for _, row in previous.iterrows()}
    margins = [kept.get(place, MARGIN) for place in zip(frame["task"], frame["arm"], strict=True)]
    return frame.reindex(columns=list(KEPT)).assign(margin=margins)
