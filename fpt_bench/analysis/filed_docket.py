"""All claims on file, each with what the runs of its experiments say of it so far."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.docket import JudgedClaim, Outcome, judge_claim, seeds_by_task
from fpt_bench.analysis.power import LEVEL, judged_seeds, pooled_spread
from fpt_bench.config.claim_files import FiledClaim, filed_claims
from fpt_bench.config.claims import Claim
from fpt_bench.config.grid import Grid
from fpt_bench.config.named import named_experiment
from fpt_bench.config.yaml_files import config_names


@dataclass(frozen=True)
class Entry:
    """A claim on file, the bench whose runs judge it, and their word."""

    filed: FiledClaim
    grid: Grid | None = None
    """That of the bench; None where no bench has a run of it."""
    judged: JudgedClaim | None = None
    seeds: float = math.nan
    """An arm, by which the judge's word would fall on its noisiest task, at the deviations seen; NaN: unknown."""
    held: tuple[str, ...] = ()
    """Tasks that more seeds will hardly settle: an arm hardly varies beside the other, or falls into two groups."""
    seeds_now: int = 0
    """Of the arm and task that has fewest."""
    reported: tuple[int, ...] = ()
    """The seeds themselves, of all of its cells, ascending."""

    @property
    def bench(self) -> str | None:
        return None if self.grid is None else self.grid.name

    @property
    def outcome(self) -> Outcome:
        return "open" if self.judged is None else self.judged.outcome


def judge_filed(claims: Iterable[FiledClaim], benches: Sequence[Bench]) -> list[Entry]:
    """Judge claims on file by whole benches, a claim by the first of its experiments that has runs of it.

    Returns:
        An entry a claim; several where that experiment was run at several profiles.

    Raises:
        ValueError: a claim was registered for runs that are there, and is neither one of these nor of those on file.
    """
    claims = list(claims)
    for bench in benches:
        held = [filed.claim for filed in (*claims, *filed_claims())]
        require_registered_claims(bench.grid, [*held, *_claims_of_its_own(bench.grid)])
    judging = [bench for bench in benches if not bench.grid.picked and _answers(bench.grid)]
    return [entry for filed in claims for entry in (_entries(filed, judging) or [Entry(filed)])]


def require_registered_claims(grid: Grid, claims: Iterable[Claim]) -> None:
    """Raise a ValueError if a claim that was registered with a bench's runs has been changed or taken back."""
    known, said = {claim.hash for claim in claims}, {claim.hash: claim.sentence for claim in grid.experiment.claims}
    for hash_, when in grid.registered.items():
        if hash_ not in known:
            words = f"the claim '{said[hash_]}'" if hash_ in said else "a claim of the whole bench"
            raise ValueError(
                f"{grid.name}: {words} (hash {hash_[:12]}) was registered on {when:%Y-%m-%d %H:%M} and no claim on "
                "file has that hash: it was changed, or taken back, after its runs. Put it back, and file what is new "
                "beside it"
            )


def _claims_of_its_own(grid: Grid) -> list[Claim]:
    """Return the claims that an experiment says of arms that are not on file: nobody else holds them."""
    claims = grid.experiment.claims
    if not _on_file(grid.experiment.name):
        return list(claims)
    return [claim for claim in claims if not _arms_on_file(grid, (claim.better, claim.worse))]


def _on_file(experiment: str) -> bool:
    return experiment in config_names("experiments")


def _arms_on_file(grid: Grid, arms: Iterable[str]) -> bool:
    """Return whether these arms of a grid are those that the experiment of its name has on file, as far as it has."""
    ours, filed = grid.experiment.arms, named_experiment(grid.experiment.name).arms
    return all(filed.get(arm, ours[arm]) == ours[arm] for arm in arms if arm in ours)


def _entries(filed: FiledClaim, benches: Sequence[Bench]) -> list[Entry]:
    for experiment in filed.experiments:
        own = [bench for bench in benches if bench.grid.experiment.name == experiment]
        if filed.profile is not None:
            own = [bench for bench in own if filed.profile == bench.grid.profile]
            hash_ = filed.claim.hash
            if hash_ in _hashes_on_file():  # then a bench registers it, as one of another profile of that name does not
                own = [bench for bench in own if hash_ in bench.grid.registered]
        if _on_file(experiment):  # else somebody's own arms of the same names would be judged
            own = [bench for bench in own if _arms_on_file(bench.grid, (filed.better, filed.worse))]
        found = [_entry(filed, bench) for bench in own if any(cell.runs for cell in _cells(filed, bench))]
        if found:
            return found
    return []


def _hashes_on_file() -> set[str]:
    return {filed.claim.hash for filed in filed_claims()}


def _cells(claim: Claim, bench: Bench) -> list[Cell]:
    found = [bench.cell(task, arm) for task in claim.tasks for arm in (claim.better, claim.worse)]
    return [cell for cell in found if cell is not None]


def _answers(grid: Grid) -> bool:
    """Return whether a grid's profile answers its experiment, as that is on file now, if it is."""
    name = grid.experiment.name
    experiment = named_experiment(name) if _on_file(name) else grid.experiment
    return experiment.is_answered_at(grid.profile)


def _entry(filed: FiledClaim, bench: Bench) -> Entry:
    for cell in _cells(filed, bench):
        if filed.reached is not None and cell.runs and cell.is_fraction and not 0 <= filed.reached <= 1:
            raise ValueError(
                f"claim {filed.name}: expected `reached` from 0 to 1, since scores of {cell.task} are fractions, got "
                f"{filed.reached:g}"
            )
    judged, by_task = judge_claim(filed.claim, bench), seeds_by_task(filed.claim, bench)
    now = min((len(arm) for pair in by_task.values() for arm in pair), default=0)
    held = tuple(verdict.task for verdict in judged.verdicts if verdict.stuck)
    more_help = judged.outcome == "open" and not held
    seeds = _seeds_to_resolve(by_task, filed.claim) if more_help else math.nan
    reported = {run.spec.seed for cell in _cells(filed, bench) for run in cell.runs}
    return Entry(filed, bench.grid, judged, seeds, held, now, tuple(sorted(reported)))


def _seeds_to_resolve(by_task: Mapping[str, tuple[list[float], list[float]]], claim: Claim) -> float:
    """Return the seeds an arm after which the claimed word would fall on the noisiest of these tasks: *better* of a
    difference of the margin, *same* of none; NaN of who learned, of which no spread tells it."""
    if claim.measure == "learned":
        return math.nan
    spreads = [spread for pair in by_task.values() if (spread := pooled_spread(pair)) is not None]
    deviation = max((spread.deviation for spread in spreads), default=0.0)
    if not deviation:
        return math.nan
    return judged_seeds(claim.margin / deviation, [len(claim.tasks) / LEVEL], claim.verdict)[0]
