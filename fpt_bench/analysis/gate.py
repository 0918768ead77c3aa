"""The regression gate: a bench of now against a table that is kept in the repository."""

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from fpt_bench.analysis.cells import Bench, Cell
from fpt_bench.analysis.docket import claimed_differences
from fpt_bench.analysis.export import as_csv, without_guard
from fpt_bench.analysis.statistics import CONFIDENCE
from fpt_bench.config.claims import Claim
from fpt_bench.results.regular_files import read_regular

MARGIN = 0.02
"""Fall of an accuracy that is passed over however small the noise is, unless the baseline file says otherwise."""
SLOWER = 1.5
"""Times more steps to the target than before that count as slower, if they are more than one validation later."""


@dataclass(frozen=True)
class KeptCell:
    """A row of a baseline file. NaN: not known."""

    task: str
    arm: str
    n: float
    accuracy_mean: float
    accuracy_deviation: float
    steps_to_target: float
    max_steps: float
    floor: float
    data_fingerprint: str
    body_fingerprint: str
    margin: float


_TEXTS = ("task", "arm", "data_fingerprint", "body_fingerprint")
COLUMNS = tuple(field.name for field in fields(KeptCell))
"""Of a baseline file."""


@dataclass(frozen=True)
class Finding:
    """What one check of one subject came to."""

    subject: str
    """`task / arm`, or `effect`."""
    check: str
    """`result`, `data`, `body`, `accuracy`, `convergence`, or the effect's own words."""
    problem: str | None = None
    """What is wrong; None where the check passed."""

    @property
    def sentence(self) -> str:
        return f"{self.subject}: {self.problem or 'no problem'}"


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


def read_baseline(path: Path) -> list[KeptCell]:
    """Read a baseline file.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: the file is no baseline.
    """
    if not path.is_file():
        raise FileNotFoundError(f"baseline {path} does not exist; `make baseline` writes one from the smoke profile")
    content = io.BytesIO(read_regular(path))
    try:
        frame = pd.read_csv(content, dtype=dict.fromkeys(_TEXTS, str))
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"expected a baseline in CSV, but {path} is not one ({error})") from error
    missing = sorted(set(COLUMNS) - set(frame.columns))
    if missing:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}")
    numbers = [name for name in COLUMNS if name not in _TEXTS]
    words = [name for name in numbers if not pd.api.types.is_numeric_dtype(frame[name])]
    if words or frame.empty:
        raise ValueError(f"{path}: expected a row for each cell, with numbers in {', '.join(words or numbers)}")
    rows: list[dict[Any, Any]] = frame[list(COLUMNS)].fillna(dict.fromkeys(_TEXTS, "")).to_dict("records")
    return [KeptCell(**row | {name: without_guard(row[name]) for name in _TEXTS}) for row in rows]


def write_baseline(kept: Sequence[KeptCell]) -> str:
    """Return a baseline file's content."""
    frame = pd.DataFrame([asdict(cell) for cell in kept], columns=list(COLUMNS))
    return as_csv(frame)


def make_baseline(bench: Bench, previous: Sequence[KeptCell] = ()) -> list[KeptCell]:
    """Return what is kept of a bench as a baseline; margins stay as the previous one has them."""
    margins = {(cell.task, cell.arm): cell.margin for cell in previous}
    return [_kept(cell, margins.get((cell.task, cell.arm), MARGIN)) for cell in bench.cells]


def _kept(cell: Cell, margin: float) -> KeptCell:
    body = cell.first.body if cell.runs else None
    return KeptCell(
        task=cell.task,
        arm=cell.arm,
        n=cell.n,
        accuracy_mean=cell.accuracy.mean if cell.accuracy else math.nan,
        accuracy_deviation=cell.accuracy.deviation if cell.accuracy else math.nan,
        steps_to_target=cell.convergence.steps if cell.convergence else math.nan,
        max_steps=cell.first.spec.max_steps if cell.runs else math.nan,
        floor=cell.data.floor if cell.runs else math.nan,
        data_fingerprint=cell.data.fingerprint[:16] if cell.runs else "",
        body_fingerprint=body.fingerprint[:16] if body else "",
        margin=margin,
    )


def check_bench(bench: Bench, baseline: Sequence[KeptCell]) -> Verdict:
    """Compare a bench with its baseline.

    A cell fails where it or a seed of it is missing; where its data or weights are other ones; where its accuracy has
    fallen by more than the larger of the margin and the noise of both; and where it reaches its target no more, or
    SLOWER times later and more than one validation later. The experiment's effects must hold, on accuracy or, where
    both arms are equal, on area.

    Args:
        bench: of now.
        baseline: what was kept.
    """
    findings = []
    for before in baseline:
        subject = f"{before.task} / {before.arm}"
        cell = bench.cell(before.task, before.arm)
        if cell is None or not cell.runs:
            findings.append(Finding(subject, "result", "expected a result, got none"))
            continue
        after = _kept(cell, before.margin)
        problems = _compare(before, after, cell.first.spec.eval_every)
        findings += [Finding(subject, check, problem) for check, problem in problems.items()]
    claims = [claim for claim in bench.grid.experiment.claims if claim.verdict == "better"]
    findings += [Finding("claim", claim.sentence, _check_claim(claim, bench)) for claim in claims]
    return Verdict(len(baseline), tuple(findings))


def _compare(before: KeptCell, after: KeptCell, eval_every: int) -> dict[str, str | None]:
    """Return what each check of a cell that is there came to."""
    fewer = f"expected {before.n:.0f} runs with a score, got {after.n:.0f}"
    return {
        "result": None if after.n >= before.n else fewer,
        "data": _check_fingerprint("data", before.data_fingerprint, after.data_fingerprint),
        "body": _check_fingerprint("body", before.body_fingerprint, after.body_fingerprint),
        "accuracy": _check_accuracy(before, after),
        "convergence": _check_convergence(before.steps_to_target, after.steps_to_target, eval_every),
    }


def _check_fingerprint(kind: str, was: str, now: str) -> str | None:
    return None if was == now else f"{kind} fingerprint was {was}, is {now}: the numbers are not comparable"


def _check_accuracy(before: KeptCell, after: KeptCell) -> str | None:
    fall = before.accuracy_mean - after.accuracy_mean
    allowed = max(before.margin, _noise(before, after))
    if fall <= allowed:
        return None
    return (
        f"accuracy fell from {100 * before.accuracy_mean:.1f} to {100 * after.accuracy_mean:.1f} %, "
        f"by more than the {100 * allowed:.1f} pp that are allowed"
    )


def _check_convergence(was: float, now: float, eval_every: int) -> str | None:
    """Compare steps to target; a difference of one validation is within the resolution and no finding."""
    if not math.isfinite(was) or now <= max(SLOWER * was, was + eval_every):
        return None
    return f"steps to target rose from {was:.0f} to {now:.0f}, more than {SLOWER} times and more than one validation"


def _noise(before: KeptCell, after: KeptCell) -> float:
    """Return half of the 95 % interval of the difference of two means; 0 where a cell has one run.

    The degrees of freedom are those of both cells together: with two seeds a cell, Welch's would allow any fall.
    """
    if min(before.n, after.n) < 2:
        return 0.0
    variance = before.accuracy_deviation**2 / before.n + after.accuracy_deviation**2 / after.n
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, before.n + after.n - 2)) * math.sqrt(variance)


def _check_claim(claim: Claim, bench: Bench) -> str | None:
    behind = [f"{task} {ahead:+.3f}" for task, ahead in claimed_differences(claim, bench).items() if ahead <= 0]
    return f"{claim.better} is no longer ahead of {claim.worse}: {', '.join(behind)}" if behind else None
