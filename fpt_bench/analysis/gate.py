"""The regression gate: a bench of now against a baseline that is kept in the repository.

What was asked for must be the same: specs, seeds, trained parameters, data, body. Then a run of the same spec on the
same kind of processor with the same torch must come out the same; all others may move as far as seeds move them.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fpt_bench.analysis.asked_alike import asked_alike
from fpt_bench.analysis.baseline import Baseline, KeptCell, KeptRun, keep_cell
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.seed_noise import Spread, mean, spreads

SAME = 1e-6
"""Largest move, as a share of the way from floor to perfection, of a run that is repeated."""


@dataclass(frozen=True)
class Finding:
    """What one check of one subject came to."""

    subject: str
    """`task / arm`, or `claim`."""
    check: str
    """`result`, `spec`, `parameters`, `data`, `body`, `score`, `area`, `notes`, or the claim's own words."""
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
    repeated: int = 0
    """Runs of the baseline that were compared seed by seed."""
    runs: int = 0
    """Of the baseline."""
    explanations: tuple[str, ...] = ()
    """One sentence for each reason why runs were not."""

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        return tuple(finding.sentence for finding in self.findings if finding.problem)

    @property
    def line(self) -> str:
        """One sentence for a log."""
        how = f"{self.repeated} of {self.runs} runs compared seed by seed"
        if not self.problems:
            return f"check passed: {self.checked} cells, no regression; {how}"
        return f"check failed: {len(self.problems)} problems in {self.checked} cells; {how}"


@dataclass(frozen=True)
class _Noise:
    """How far seeds move one cell of the baseline."""

    score: Spread
    area: Spread


_Key = tuple[str, str]


def check_bench(bench: Bench, baseline: Baseline) -> Verdict:
    """Compare a bench with its baseline.

    Args:
        bench: of now.
        baseline: what was kept.
    """
    noise = _noise_of(baseline)
    findings, reasons, repeated = [], Counter[str](), 0
    for kept in baseline.cells:
        subject = f"{kept.task} / {kept.arm}"
        cell = bench.cell(kept.task, kept.arm)
        if cell is None or not cell.runs:
            findings.append(Finding(subject, "result", _without_score(cell)))
            continue
        now = keep_cell(cell)
        why = {run.seed: _why_not_repeated(kept, run, now) for run in kept.runs}
        repeated += sum(reason is None for reason in why.values())
        reasons.update(reason for reason in why.values() if reason)
        problems = asked_alike(kept, now, cell) | _came_out(kept, now, noise[kept.task, kept.arm], why)
        findings += [Finding(subject, check, problem) for check, problem in problems.items()]
    findings += _new_cells(bench, baseline)
    findings += _check_claims(bench, baseline, noise)
    return Verdict(
        checked=len(baseline.cells),
        findings=tuple(findings),
        repeated=repeated,
        runs=sum(len(cell.runs) for cell in baseline.cells),
        explanations=tuple(
            f"{count} runs compared by the baseline's deviation: {why}" for why, count in reasons.items()
        ),
    )


def _noise_of(baseline: Baseline) -> dict[_Key, _Noise]:
    scores = spreads([[cell.share(run.score) for run in cell.runs] for cell in baseline.cells])
    areas = spreads([[run.area for run in cell.runs] for cell in baseline.cells])
    pairs = zip(baseline.cells, scores, areas, strict=True)
    return {(cell.task, cell.arm): _Noise(score, area) for cell, score, area in pairs}


def _new_cells(bench: Bench, baseline: Baseline) -> list[Finding]:
    known = {(cell.task, cell.arm) for cell in baseline.cells}
    return [
        Finding(
            f"{cell.task} / {cell.arm}", "result", "expected no such cell: the baseline has none to compare it with"
        )
        for cell in bench.cells
        if (cell.task, cell.arm) not in known
    ]


def _without_score(cell: Cell | None) -> str:
    failed = () if cell is None else tuple(f"seed {r.spec.seed} failed: {r.error}" for r in cell.at_rate)
    return "expected a result, got none" + "".join(f"; {each}" for each in failed)


def _why_not_repeated(kept: KeptCell, run: KeptRun, now: KeptCell) -> str | None:
    """Say why a run need not come out as it was kept; None where it must."""
    same = next((other for other in now.runs if other.seed == run.seed), None)
    if same is None:
        return "the seed is missing"
    if (run.run, kept.data, kept.body) != (same.run, now.data, now.body):
        return "made by another spec, or from other data or weights"
    if run.made == same.made != "":
        return None
    was, is_now = (made or "a GPU or a machine that was not recorded" for made in (run.made, same.made))
    return f"made with {is_now}; the baseline with {was}"


def _came_out(kept: KeptCell, now: KeptCell, noise: _Noise, why: Mapping[int, str | None]) -> dict[str, str | None]:
    """Compare scores and areas: of runs that are repeated seed by seed, else by how far seeds move them."""
    repeated = {run.seed: run for run in kept.runs if why[run.seed] is None}
    pairs = [(repeated[run.seed], run) for run in now.runs if run.seed in repeated]
    score = [f"seed {b.seed} {b.score:.4g} -> {a.score:.4g}" for b, a in pairs if _moved(kept, b.score, a.score)]
    area = [f"seed {b.seed} {b.area:.4g} -> {a.area:.4g}" for b, a in pairs if abs(b.area - a.area) > SAME]
    same = "{} moved though spec, data, processor and torch are the same: {}"
    more = len(now.runs) > len(repeated)  # seeds that the baseline has not, which can be compared with its spread alone
    all_repeated = 0 < len(kept.runs) == len(repeated)
    if score or area or (all_repeated and not (more and math.isfinite(noise.score.deviation))):
        return {
            "score": same.format("score", ", ".join(score)) if score else None,
            # A run whose score has moved has, mostly, another curve: it is said once.
            "area": same.format("area under the validation curve", ", ".join(area)) if area and not score else None,
        }
    if math.isinf(noise.score.deviation):
        return {
            "score": "nothing to compare by: the runs could not be compared seed by seed, and no cell of the baseline "
            "has the second seed that says how far seeds move it. Keep a bench of two seeds, or check on the same "
            "kind of machine",
            "area": None,
        }
    return {
        "score": _check_scores(kept, now, noise.score),
        # Areas are normalised by floor and perfection: with others they are not comparable.
        "area": _check_area(now, noise.area) if (kept.floor, kept.perfect) == (now.floor, now.perfect) else None,
    }


def _moved(kept: KeptCell, was: float, now: float) -> bool:
    return abs(kept.share(now) - kept.share(was)) > SAME


def _check_scores(kept: KeptCell, now: KeptCell, spread: Spread) -> str | None:
    """Compare the mean, then single seeds: one of several that is at an end of the scale moves a mean too little."""
    shares = {run.seed: kept.share(run.score) for run in now.runs}
    was = mean([run.score for run in kept.runs])
    unit = abs(kept.perfect - kept.floor) or 1.0
    if spread.has_moved(list(shares.values())):
        is_now = mean([run.score for run in now.runs])
        how = "better" if mean(list(shares.values())) > spread.mean else "worse"
        allowed = unit * spread.allowed(len(shares))
        return f"score went from {was:.4g} to {is_now:.4g}, {how} by more than the {allowed:.4g} that seeds explain"
    for run in now.runs:
        for end, name in ((0.0, f"its floor, {kept.floor:.4g}"), (1.0, f"perfection, {kept.perfect:.4g}")):
            if spread.has_gone_to(end, shares[run.seed]):
                return f"seed {run.seed} scored {run.score:.4g}, near {name}; the baseline's mean was {was:.4g}"
    return None


def _check_area(now: KeptCell, spread: Spread) -> str | None:
    areas = [run.area for run in now.runs]
    if not spread.has_moved(areas):
        return None
    is_now, allowed = mean(areas), spread.allowed(len(areas))
    return (
        f"area under the validation curve went from {spread.mean:.4g} to {is_now:.4g}, "
        f"by more than the {allowed:.4g} that seeds explain"
    )


def _check_claims(bench: Bench, baseline: Baseline, noise: Mapping[_Key, _Noise]) -> list[Finding]:
    """Check that what the baseline bore out by more than seeds explain still has its sign, task by task."""
    kept = {(cell.task, cell.arm): cell for cell in baseline.cells}
    findings = []
    for claim in bench.grid.experiment.claims:
        for task in claim.tasks if claim.verdict == "better" and claim.measure in ("score", "area") else ():
            keys = (task, claim.better), (task, claim.worse)
            cells = [bench.cell(*key) for key in keys]
            if not all(key in kept for key in keys) or not all(cell and cell.runs for cell in cells):
                continue  # what is missing is a finding of its own
            now = [keep_cell(cell) for cell in cells if cell]
            words = f"{claim.better} better than {claim.worse} in {claim.measure} on {task}"
            if claim.measure == "area" and len({kept[key].floor for key in keys}) > 1:
                continue  # each is kept above its own floor
            was = [(kept[key], noise[key]) for key in keys]
            problem = _check_sign(words, claim.measure, kept[keys[0]], now, was)
            findings.append(Finding("claim", words, problem))
    return findings


def _check_sign(
    words: str, measure: str, scale: KeptCell, now: Sequence[KeptCell], noise: Sequence[tuple[KeptCell, _Noise]]
) -> str | None:
    was = [each.area if measure == "area" else _rescaled(each.score, cell, scale) for cell, each in noise]
    ours, theirs = (
        mean([run.area if measure == "area" else scale.share(run.score) for run in cell.runs]) for cell in now
    )
    if not was[0].is_above(was[1]) or ours > theirs:
        return None
    return f"{words} has changed its sign: {ours:.3f} against {theirs:.3f}, floor 0, perfection 1"


def _rescaled(spread: Spread, own: KeptCell, scale: KeptCell) -> Spread:
    """Return a spread of shares of a cell's own way from floor to perfection as one of shares of another cell's."""
    start, end = scale.share(own.floor), scale.share(own.perfect)
    return replace(spread, mean=start + spread.mean * (end - start), deviation=spread.deviation * abs(end - start))
