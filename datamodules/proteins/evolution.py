"""Protein families evolved from random ancestors: fold, superfamily, family, sequence.

Substitutions follow BLOSUM62 (Henikoff and Henikoff 1992) as Biopython has it, at rates that differ between
stretches of a chain (Yang 1994); insertions and deletions come with them.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from Bio.Align import substitution_matrices
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.examples import SequenceExamples
from datamodules.randomness import random_integers, random_uniform, random_words

_FARTHEST = 100.0
"""Changes a residue: nothing of the ancestor is left after far fewer, and their number has to fit a counter."""
AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
"""The twenty, in BLOSUM's order."""
FREQUENCIES = np.array([
    7805, 5129, 4487, 5364, 1925, 4264, 6295, 7377, 2199, 5142,
    9019, 5744, 2243, 3856, 5203, 7120, 5841, 1330, 3216, 6441,
])  # fmt: skip
"""How often each occurs in 100,000 residues (Robinson and Robinson 1991), in the order of `AMINO_ACIDS`."""
_SCORE_UNIT = 0.3176
"""Natural logarithm of odds that one point of BLOSUM62 stands for (Karlin and Altschul's lambda, no gaps)."""
_RATES = np.array([0.1369, 0.4768, 1.0, 2.3863])
"""Rates of change of equally many stretches: the gamma distribution of shape 1 and mean 1 in four parts (Yang 1994)."""
_LONGEST_STRETCH = 12
_LONGEST_INDEL = 8
_INDELS_A_CHANGE = 0.05
_STEPS = 1 << 20
"""Probabilities are compared as whole numbers of this many steps: rounding is then the same on every machine."""


@dataclass(frozen=True)
class FamilyRules:
    """What families to evolve.

    Raises:
        ValueError: rules that no family could follow.
    """

    folds: int = 20
    """C, classes."""
    superfamilies: int = 10
    """Superfamilies of a fold to train on."""
    held_superfamilies: int = 4
    """Superfamilies of a fold for validation, and as many for test."""
    families: int = 2
    """Families of each superfamily; one more of each that is trained on is for test."""
    members: int = 4
    """Sequences of each family; one more of each that is trained on is for test."""
    min_residues: int = 60
    """Length of the shortest chain."""
    max_residues: int = 400
    """Length of the longest chain."""
    superfamily_distance: float = 2.4
    """Changes a residue on the way from a fold's ancestor to each superfamily; a change may restore what was there."""

    def __post_init__(self) -> None:
        counts = {name: value for name, value in vars(self).items() if not name.endswith(("residues", "distance"))}
        if self.folds < 2 or min(counts.values()) < 1:
            raise ValueError(f"homology: expected at least 2 folds and 1 of everything else, got {counts}")
        if not 20 <= self.min_residues <= self.max_residues:
            raise ValueError(
                "homology: expected 20 <= min_residues <= max_residues, "
                f"got min_residues={self.min_residues} and max_residues={self.max_residues}"
            )
        if not 0 < self.superfamily_distance <= _FARTHEST:
            raise ValueError(
                f"homology: expected a superfamily_distance above 0 and up to {_FARTHEST}, "
                f"got superfamily_distance={self.superfamily_distance}"
            )


NEAR = 1.0
"""Changes a residue on the way from a superfamily to each of its families, and from a family to each sequence."""


@dataclass(frozen=True)
class Chain:
    """A protein of T residues as it evolves."""

    residues: NDArray[np.int64]
    """(T,) indices in `AMINO_ACIDS`."""
    rates: NDArray[np.int64]
    """(T,) indices in `_RATES`: how fast each residue changes, handed down with it."""


def _in_steps(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(probabilities * _STEPS).astype(np.int64)


@cache
def _replacements() -> NDArray[np.int64]:
    """Return, for each amino acid, the cumulative probabilities of what a change makes of it: (20, 20), in `_STEPS`.

    A pair's score is the logarithm of how much more often the two stand in one position of related proteins than by
    chance; the odds times the frequency of the second, scaled to sum to 1, are the chance of it given the first.
    """
    matrix = substitution_matrices.load("BLOSUM62")  # type: ignore[no-untyped-call]
    scores = np.array([[matrix[first, second] for second in AMINO_ACIDS] for first in AMINO_ACIDS])
    joint = FREQUENCIES * np.exp(_SCORE_UNIT * scores)
    cumulative = np.cumsum(joint / joint.sum(axis=1, keepdims=True), axis=1)
    return _in_steps(cumulative)


def _draw_residues(count: int, seed: int, *address: int | str) -> NDArray[np.int64]:
    """Return `count` residues, each as frequent as in proteins."""
    bounds = _in_steps(np.cumsum(FREQUENCIES) / FREQUENCIES.sum())
    return np.searchsorted(bounds, random_integers(count, _STEPS, seed, *address), side="right")


def draw_ancestor(rules: FamilyRules, seed: int, *address: int | str) -> Chain:
    """Draw a chain by chance, more often short than long; its stretches of 1 to 12 residues get rates by chance."""
    share = random_uniform(1, seed, *address, "length")[0] ** 2
    count = rules.min_residues + int(share * (rules.max_residues - rules.min_residues + 1))
    stretches = 1 + random_integers(count, _LONGEST_STRETCH, seed, *address, "stretches")
    rates = random_integers(count, len(_RATES), seed, *address, "rates")
    return Chain(_draw_residues(count, seed, *address, "residues"), np.repeat(rates, stretches)[:count])


def evolve(parent: Chain, distance: float, rules: FamilyRules, seed: int, *address: int | str) -> Chain:
    """Draw a descendant at a distance: so many changes a residue, on average over the four rates.

    An insertion or deletion that would break the rules' bounds on its length does not happen.
    """
    count = len(parent.residues)
    hit, choice, indel = (random_words(3 * count, seed, *address) >> np.uint64(44)).astype(np.int64).reshape(3, count)
    changing = hit < _in_steps(-np.expm1(-distance * _RATES))[parent.rates]
    changed = np.argmax(choice[:, None] < _replacements()[parent.residues], axis=1)
    child = replace(parent, residues=np.where(changing, changed, parent.residues))
    events = np.flatnonzero(indel < _in_steps(distance * _RATES * _INDELS_A_CHANGE)[parent.rates])
    return _with_indels(child, events, rules, seed, *address)


def _with_indels(
    chain: Chain, positions: NDArray[np.int64], rules: FamilyRules, seed: int, *address: int | str
) -> Chain:
    """Delete or insert, as likely, 1 to 8 residues behind each of the positions."""
    sizes = 1 + random_integers(len(positions), _LONGEST_INDEL, seed, *address, "sizes")
    inserts = random_integers(len(positions), 2, seed, *address, "inserts")
    fresh = _draw_residues(int(sizes.sum()), seed, *address, "inserted")
    residues, rates = chain.residues, chain.rates
    # From the end, so that the positions before stay valid.
    for position, size, is_insert in zip(positions[::-1], sizes[::-1], inserts[::-1], strict=True):
        if is_insert and len(residues) + size <= rules.max_residues:
            residues = np.insert(residues, position, fresh[:size])
            rates = np.insert(rates, position, np.full(size, rates[position]))
            fresh = fresh[size:]
        elif not is_insert and position + size <= len(residues) and len(residues) - size >= rules.min_residues:
            gone = np.arange(position, position + size)
            residues, rates = np.delete(residues, gone), np.delete(rates, gone)
    return Chain(residues, rates)


def evolve_families(rules: FamilyRules, seed: int) -> dict[str, SequenceExamples]:
    """Evolve all folds; return their sequences, as indices in `AMINO_ACIDS`, by split.

    Returns:
        `train`, `validation` and `test` (superfamilies of their own), `test-superfamily` (families of their own, of
        superfamilies that are trained on) and `test-family` (more sequences of families that are trained on). Each fold
        has as many sequences as every other in every split.
    """
    found: dict[str, list[tuple[NDArray[np.int64], int]]] = {
        split: [] for split in (TRAIN, VALIDATION, TEST, "test-superfamily", "test-family")
    }
    for fold in range(rules.folds):
        ancestor = draw_ancestor(rules, seed, "fold", fold)
        for superfamily in range(rules.superfamilies + 2 * rules.held_superfamilies):
            address = (fold, superfamily)
            founder = evolve(ancestor, rules.superfamily_distance, rules, seed, "superfamily", *address)
            for split, sequence in _superfamily(founder, rules, superfamily, seed, *address):
                found[split].append((sequence, fold))
    return {
        split: SequenceExamples(tuple(sequence for sequence, _ in rows), np.array([[fold] for _, fold in rows]))
        for split, rows in found.items()
    }


def _superfamily(
    founder: Chain, rules: FamilyRules, number: int, seed: int, *address: int
) -> list[tuple[str, NDArray[np.int64]]]:
    """Return the sequences of the superfamily `number` of a fold, each with its split."""
    held = number - rules.superfamilies
    trained = held < 0
    own_split = TRAIN if trained else VALIDATION if held < rules.held_superfamilies else TEST
    sequences = []
    for family in range(rules.families + trained):
        head = evolve(founder, NEAR, rules, seed, "family", *address, family)
        for member in range(rules.members + (trained and family < rules.families)):
            chain = evolve(head, NEAR, rules, seed, "sequence", *address, family, member)
            split = own_split
            if family == rules.families:
                split = "test-superfamily"
            elif member == rules.members:
                split = "test-family"
            sequences.append((split, chain.residues))
    return sequences
