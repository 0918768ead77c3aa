"""How many seeds an arm resolve a difference: for a number fixed beforehand, and where seeds are added and judged.

Both take seeds as normal, of one deviation in both arms. The deviation is itself an estimate from few seeds: what it
may well be is `Spread.upper`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from fpt_bench.analysis.e_values import normal_log_evidence

LEVEL = 0.05
"""Share of families in which a wrong word may fall, and of t-tests that may be wrong."""
POWER = 0.8
"""Chance that a difference which is there is found, for a number of seeds fixed beforehand."""
MOST_SEEDS = 1000
_SIMULATED = 400


@dataclass(frozen=True)
class Spread:
    """The deviation of single seeds, pooled over arms, in units of the score."""

    deviation: float
    degrees: int
    """Of freedom: seeds over all arms, less one for each arm."""
    upper: float
    """95 % upper confidence bound of the deviation."""


def pooled_spread(arms: Sequence[Sequence[float]]) -> Spread | None:
    """Pool the deviations of arms; None where no arm has two seeds.

    Example:
        >>> found = pooled_spread([[0.70, 0.74], [0.50, 0.52, 0.54], [0.9]])
        >>> found.degrees, round(found.deviation, 4), round(found.upper, 4)
        (3, 0.0231, 0.0674)
    """
    known = [np.asarray(scores, dtype=float) for scores in arms if len(scores) > 1]
    degrees = sum(len(scores) - 1 for scores in known)
    if not degrees:
        return None
    deviation = math.sqrt(sum(float(((scores - scores.mean()) ** 2).sum()) for scores in known) / degrees)
    return Spread(deviation, degrees, deviation * math.sqrt(degrees / float(stats.chi2.ppf(0.05, degrees))))


def fixed_seeds(effect: float, level: float = LEVEL) -> float:
    """Return the seeds an arm with which Student's two-sample t finds an effect with a chance of POWER.

    Args:
        effect: the difference in deviations of a seed; above 0.
        level: of the test, two-sided; over K tasks that Holm corrects, at worst a K-th of it.

    Returns:
        At least 2; infinity beyond MOST_SEEDS.

    Example:
        >>> fixed_seeds(1.0), fixed_seeds(3.0), fixed_seeds(0.01)
        (17.0, 4.0, inf)
    """
    n = np.arange(2, MOST_SEEDS + 1)
    critical = stats.t.ppf(1 - level / 2, 2 * n - 2)
    # The other tail has no chance to speak of.
    enough = np.flatnonzero(stats.nct.sf(critical, 2 * n - 2, effect * np.sqrt(n / 2)) >= POWER)
    return float(n[enough[0]]) if len(enough) else math.inf


def judged_seeds(effect: float, evidence: Sequence[float], word: Literal["better", "same"] = "better") -> list[float]:
    """Return the seeds an arm after which the judge's e-value for a word reaches each evidence, if added one by one.

    Args:
        effect: in deviations of a seed, above 0; the difference that there is, or the margin of arms that are alike.
        evidence: e-values, as 20 at a level of 5 % for a task alone, or 20 K for one that stands alone among K.
        word: `better` of a difference as large as `effect`, or `same`, within it, of none.

    Returns:
        Medians of simulated benches, from one generator: the same every time; infinity beyond MOST_SEEDS.

    Example:
        >>> judged_seeds(2.0, [20, 140]), judged_seeds(2.0, [20], "same")
        ([7.0, 10.0], [8.0])
    """
    rng = np.random.default_rng(0)
    n = np.arange(2, _looks(effect) + 1)
    first, second = (_moments(rng.standard_normal((_SIMULATED, n[-1]))) for _ in range(2))
    differences, variances = first[0] - second[0], (first[1], second[1])
    logs = normal_log_evidence(differences + effect, variances, (n, n))
    if word == "same":
        logs = np.minimum(logs, normal_log_evidence(effect - differences, variances, (n, n)))
    return [_median_look(logs >= math.log(wanted), n) for wanted in evidence]


def _looks(effect: float) -> int:
    """Return how many seeds are worth a simulation: four times those of a fixed number are ample."""
    fixed = fixed_seeds(effect)
    return int(min(MOST_SEEDS, 4 * fixed + 20)) if math.isfinite(fixed) else MOST_SEEDS


def _moments(seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances of the first 2, 3, ... seeds along the last axis."""
    n = np.arange(1, seeds.shape[-1] + 1)
    means = seeds.cumsum(-1) / n
    variances = ((seeds**2).cumsum(-1) - n * means**2) / np.maximum(n - 1, 1)
    return means[:, 1:], variances[:, 1:].clip(min=0)


def _median_look(reached: np.ndarray, n: np.ndarray) -> float:
    looks = np.where(reached.any(-1), n[reached.argmax(-1)], math.inf)
    return float(np.quantile(looks, 0.5, method="inverted_cdf"))
