"""Evidence that may be looked at after every seed: e-values for the difference of two arms, and e-BH over a family.

An e-value of 20 against a statement is a bet on its being false that multiplied the stake by 20. However often it was
looked at, and whenever it was stopped, such a bet reaches 1 / level with a probability of at most `level` where the
statement is true (Ville's inequality). Logarithms throughout: evidence multiplies. numpy and scipy alone.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]

EFFECT_VARIANCE = 1.0
"""Of the normal prior on the size of a difference in standard deviations of a seed; 4 decides a seed earlier at large
differences, and twice as often wrongly where one arm is flat and the other has two modes."""
STAKES = np.linspace(0.02, 0.98, 49)
"""Shares of the largest bet that cannot lose everything; each starts with one part of the capital."""
LEARNED_PRIOR = 0.18
"""Both parameters of the beta prior on the chance to learn: mostly near 0 and 1. Any other would be as valid."""
_LARGEST_LOG = 700.0


def normal_log_evidence(difference: ArrayLike, variances: tuple[Any, Any], counts: tuple[Any, Any]) -> Floats:
    """Return the log e-value against `difference` <= 0 in truth, from means and variances of normal seeds.

    The one-sided, scale-free mixture of t likelihood ratios: with m = nA nB / (nA + nB), g the prior variance,
    r = 1 + m g, t Welch's statistic and v its degrees of freedom, it is the two-sided mixture of Wang and Ramdas (2024)

        ln e2 = -1/2 ln r + (v + 1)/2 [ln(1 + t²/v) - ln(1 + t²/(v r))]

    times 2 T(t sqrt(m g (v + 1) / (v r + t²)); v + 1), T Student's distribution function: twice the posterior
    probability of a positive difference. It grows in t, so that it holds for every difference below zero too.

    Args:
        difference: (...) mean of the first arm minus mean of the second, minus the difference that is to be exceeded.
        variances: (...) each, of single seeds, with n - 1; both zero counts as a spread too small to see.
        counts: (...) each, seeds of the two arms; at least 2.

    Example:
        >>> float(np.exp(normal_log_evidence(0.3, (0.01, 0.01), (6, 6))).round(1))
        78.0
    """
    difference = np.asarray(difference, dtype=float)
    parts = [np.asarray(v, dtype=float) / n for v, n in zip(variances, counts, strict=True)]
    squared_error = np.maximum(parts[0] + parts[1], np.finfo(float).tiny ** 0.5)
    df = welch_degrees(variances, counts)
    return t_log_evidence(difference / np.sqrt(squared_error), df, counts[0] * counts[1] / (counts[0] + counts[1]))


def t_log_evidence(t: ArrayLike, df: ArrayLike, pairs: ArrayLike) -> Floats:
    """Return the log e-value of a t statistic; `pairs` is nA nB / (nA + nB)."""
    t, df, pairs = (np.asarray(value, dtype=float) for value in (t, df, pairs))
    ratio = 1 + pairs * EFFECT_VARIANCE
    square = t * t
    both: Floats = -np.log(ratio) / 2 + (df + 1) / 2 * (np.log1p(square / df) - np.log1p(square / (df * ratio)))
    shrunken = t * np.sqrt((ratio - 1) * (df + 1) / (ratio * df + square))
    return np.asarray(both + np.log(2 * np.maximum(special.stdtr(df + 1, shrunken), np.finfo(float).tiny)))


def welch_degrees(variances: tuple[Any, Any], counts: tuple[Any, Any]) -> Floats:
    """Return Welch's degrees of freedom; those of the smaller arm where neither has a spread."""
    first, second = (np.asarray(v, dtype=float) / n for v, n in zip(variances, counts, strict=True))
    below = first**2 / (np.asarray(counts[0]) - 1) + second**2 / (np.asarray(counts[1]) - 1)
    flat = below == 0
    degrees = (first + second) ** 2 / np.where(flat, 1.0, below)
    return np.asarray(np.where(flat, np.minimum(counts[0], counts[1]) - 1.0, degrees))


def bounded_log_evidence(differences: ArrayLike, exceeded: float, width: float) -> Floats:
    """Return the log e-value against a mean difference <= `exceeded`, from paired seeds of any distribution.

    Capital that bets a share of itself on every pair, averaged over the shares (Waudby-Smith and Ramdas 2024):
    mean over s of prod (1 + s (d - exceeded) / (width + exceeded)). It assumes that scores lie in a range of `width`,
    and nothing else.

    Args:
        differences: (..., n) first arm minus second, pair by pair, in [-width, width].
        exceeded: the difference that is to be exceeded; above -width.

    Example:
        >>> float(np.exp(bounded_log_evidence([0.5] * 10, 0.0, 1.0)).round(1))
        15.3
    """
    if exceeded <= -width:
        return np.full(np.shape(differences)[:-1], np.inf)
    gains = (np.asarray(differences, dtype=float) - exceeded) / (width + exceeded)
    logs = np.log1p(STAKES[:, None] * gains[..., None, :]).sum(-1)
    return np.asarray(special.logsumexp(logs, axis=-1) - np.log(len(STAKES)))


def learned_log_evidence(first: tuple[int, int], second: tuple[int, int], exceeded: float = 0.0) -> float:
    """Return the log e-value against P(first learns) - P(second learns) <= `exceeded`, from counts (k learned, of n).

    The probability of the counts in their order under a beta prior on each chance, over the largest that the
    statement allows them: universal inference (Wasserman, Ramdas and Balakrishnan 2020).

    Example:
        >>> round(float(np.exp(learned_log_evidence((4, 4), (0, 4)))), 1)
        36.8
    """
    if exceeded <= -1:
        return float(np.inf)
    a = LEARNED_PRIOR
    prior = sum(special.betaln(k + a, n - k + a) - special.betaln(a, a) for k, n in (first, second))
    return float(prior - _largest_log_likelihood(first, second, exceeded))


def _largest_log_likelihood(first: tuple[int, int], second: tuple[int, int], exceeded: float) -> float:
    """Return the largest log likelihood of two counts over chances p, q with p - q <= `exceeded`."""

    def log_likelihood(p: float, q: float) -> float:
        terms = [(first[0], p), (first[1] - first[0], 1 - p), (second[0], q), (second[1] - second[0], 1 - q)]
        return float(sum(special.xlogy(k, max(chance, 0.0)) for k, chance in terms))

    p, q = first[0] / first[1], second[0] / second[1]
    if p - q <= exceeded:
        return log_likelihood(p, q)
    # The log likelihood is concave: outside of what is allowed its best place is on the border, one line.
    low, high = max(0.0, exceeded), min(1.0, 1.0 + exceeded)
    found = optimize.minimize_scalar(
        lambda at: -log_likelihood(at, at - exceeded), bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    return max(-float(found.fun), log_likelihood(low, low - exceeded), log_likelihood(high, high - exceeded))


def e_bh(log_evidence: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Return which statements of a family are refuted, by e-BH.

    They are the k largest e-values, for the largest k of which all are at least K / (k level), K in the family. The
    expected share of wrong ones among them is at most `level`, however the e-values depend on each other (Wang and
    Ramdas 2022); where none is right to refute, that is the chance of a single wrong one.

    Args:
        log_evidence: (..., K) log e-values.
        level: between 0 and 1.

    Example:
        >>> e_bh(np.log([50.0, 45.0, 3.0]), 0.05).tolist(), e_bh(np.log([50.0, 3.0, 3.0]), 0.05).tolist()
        ([True, True, False], [False, False, False])
    """
    logs = np.asarray(log_evidence, dtype=float)
    order = np.argsort(-logs, axis=-1, kind="stable")
    ranks = np.arange(1, logs.shape[-1] + 1)
    passing = np.take_along_axis(logs, order, -1) >= np.log(len(ranks)) - np.log(ranks * level)
    largest = np.where(passing, ranks, 0).max(axis=-1, keepdims=True)
    refuted = np.zeros(logs.shape, dtype=bool)
    np.put_along_axis(refuted, order, ranks <= largest, -1)
    return refuted


def as_evidence(log_evidence: float) -> float:
    """Return an e-value of its logarithm, cut where floats end."""
    return float(np.exp(min(log_evidence, _LARGEST_LOG)))
