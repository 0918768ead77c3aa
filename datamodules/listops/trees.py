"""Trees of list operations: Long Range Arena's rules to draw them, and which of them to keep.

Rules: google-research/long-range-arena, `lra_benchmarks/data/listops.py` (Tay et al. 2021, after Nangia and Bowman
2018).
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datamodules.listops.expressions import END, FIRST_OPERATOR, depth_of, is_shallow
from datamodules.randomness import random_words

_ROOTS = 20_000
"""Trees begun at a time; some 8 % of them get a length over 500 and under 2,000."""
_LARGEST = 1000
"""Of depths and of arguments: a hundred times Long Range Arena's."""
_BARREN_BLOCKS = 20
"""Blocks in a row without one new tree after which there are taken to be no more."""


@dataclass(frozen=True)
class TreeRules:
    """What trees to draw; the defaults are Long Range Arena's.

    Raises:
        ValueError: rules that no tree could follow.
    """

    min_length: int = 500
    """Trees have more tokens than this: operators, digits and closing brackets count."""
    max_length: int = 2000
    """Trees have fewer tokens than this."""
    max_depth: int = 10
    """Nodes on the longest way from the root down; at this depth there are only digits."""
    max_arguments: int = 10
    """An operator has 2 to this many arguments, each number as likely."""
    min_depth: int = 2
    """Trees have at least this many nodes on the longest way from the root down."""
    shallow_share: float = 1.0
    """Of any number of trees, from the first on, a rule that evaluates nothing nested answers at most this share."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_length < self.max_length - 1:
            raise ValueError(
                "listops: expected min_length of at least 1 and room for a length between min_length and max_length "
                f"(both exclusive), got min_length={self.min_length} and max_length={self.max_length}"
            )
        if not (2 <= self.max_depth <= _LARGEST and 2 <= self.max_arguments <= _LARGEST):
            raise ValueError(
                f"listops: expected max_depth and max_arguments from 2 to {_LARGEST:,}, "
                f"got max_depth={self.max_depth} and max_arguments={self.max_arguments}"
            )
        if not 2 <= self.min_depth <= self.max_depth:
            raise ValueError(
                f"listops: expected min_depth from 2 to max_depth={self.max_depth}, got min_depth={self.min_depth}"
            )
        if not 0 <= self.shallow_share <= 1:
            raise ValueError(f"listops: expected shallow_share from 0 to 1, got {self.shallow_share}")

    @property
    def need_nesting(self) -> bool:
        """Whether trees are passed over that a shallow rule answers."""
        return self.shallow_share < 1


class _Choice:
    """Says of trees, one after the other, which are kept: deep ones, and shallow ones only up to their share."""

    def __init__(self, rules: TreeRules) -> None:
        self.rules, self.kept, self.shallow = rules, 0, 0

    def keeps(self, tree: list[int], value: int) -> bool:
        shallow = self.rules.need_nesting and is_shallow(tree, value)
        if shallow and self.shallow + 1 > self.rules.shallow_share * (self.kept + 1):
            return False
        if self.rules.min_depth > 2 and depth_of(tree) < self.rules.min_depth:
            return False
        self.kept, self.shallow = self.kept + 1, self.shallow + shallow
        return True


def generate(
    rules: TreeRules, count: int, seed: int, distinct: bool = True
) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    """Draw `count` trees, each at most once where `distinct`; a longer draw starts with the shorter one.

    Where shallow trees are to be few, they are passed over as soon as another would be too many.

    Returns:
        The trees as ids, each (T,) uint8, and what they evaluate to, (count,) int64 in [0, 10).

    Raises:
        ValueError: there are not that many trees by the rules.
    """
    trees: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    seen: set[bytes] = set()
    choice = _Choice(rules)
    block = barren = 0
    while len(trees) < count:
        before = len(trees)
        tokens, lengths, values = _draw_block(rules, seed, block)
        for tree, value in zip(np.split(tokens, np.cumsum(lengths))[:-1], values.tolist(), strict=True):
            digest = hashlib.blake2b(tree.tobytes(), digest_size=16).digest()
            if (digest not in seen or not distinct) and choice.keeps(tree.tolist(), value):
                seen.add(digest)
                trees.append(tree)
                labels.append(value)
        block += 1
        barren = barren + 1 if len(trees) == before else 0
        if barren == _BARREN_BLOCKS:
            raise ValueError(
                f"listops: expected {count} different trees by {rules}, found only {len(trees)}. "
                "Ask for fewer, or allow more lengths, depth, arguments or shallow trees."
            )
    return trees[:count], np.array(labels[:count], dtype=np.int64)


@dataclass(frozen=True)
class _Level:
    """The N nodes of one depth, in the order of their parents."""

    symbols: NDArray[np.uint8]
    """(N,) ids."""
    counts: NDArray[np.int64]
    """(number of operators,) arguments of each operator."""
    roots: NDArray[np.int64]
    """(N,) the tree each node is in."""

    @property
    def is_operator(self) -> NDArray[np.bool_]:
        return self.symbols >= FIRST_OPERATOR

    def within(self, chosen: NDArray[np.bool_]) -> "_Level":
        """Return the nodes of the chosen trees alone."""
        keep = chosen[self.roots]
        return _Level(self.symbols[keep], self.counts[keep[self.is_operator]], self.roots[keep])


def _draw_block(
    rules: TreeRules, seed: int, block: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Draw `_ROOTS` trees level by level; return those of a right length: all tokens, lengths, values."""
    levels = []
    lengths = np.zeros(_ROOTS, dtype=np.int64)
    roots = np.arange(_ROOTS)
    for depth in range(1, rules.max_depth + 1):
        level = _draw_level(roots, rules, depth, random_words(len(roots), seed, "listops", block, depth))
        levels.append(level)
        parents = roots[level.is_operator]
        lengths += np.bincount(roots, minlength=_ROOTS) + np.bincount(parents, minlength=_ROOTS)
        # Every argument still to come adds a token or more, so a tree that is sure to be too long ends here.
        sure = lengths + np.bincount(parents, level.counts, minlength=_ROOTS).astype(np.int64)
        lengths[sure >= rules.max_length] = rules.max_length
        growing = lengths[parents] < rules.max_length
        roots = np.repeat(parents[growing], level.counts[growing])
    chosen = (lengths > rules.min_length) & (lengths < rules.max_length)
    levels = [level.within(chosen) for level in levels]
    return _write(levels, lengths[chosen]), lengths[chosen], _values(levels)


def _draw_level(roots: NDArray[np.int64], rules: TreeRules, depth: int, words: NDArray[np.uint64]) -> _Level:
    """Make one node of each random word: an operator with probability 1/4, else a digit.

    The two highest bits choose between them, the next two the operator, the low 32 the digit or number of arguments.
    """
    low = words & np.uint64(0xFFFFFFFF)
    symbols = ((low * np.uint64(10)) >> np.uint64(32)).astype(np.uint8) + np.uint8(1)
    if depth == rules.max_depth:
        return _Level(symbols, np.empty(0, dtype=np.int64), roots)
    chosen = words >> np.uint64(62) == 0
    symbols[chosen] = FIRST_OPERATOR + ((words[chosen] >> np.uint64(60)) & np.uint64(3)).astype(np.uint8)
    counts = 2 + ((low[chosen] * np.uint64(rules.max_arguments - 1)) >> np.uint64(32)).astype(np.int64)
    return _Level(symbols, counts, roots)


def _firsts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each group begins when groups of these sizes stand in a row."""
    return np.cumsum(counts) - counts


def _write(levels: list[_Level], lengths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return all tokens of all trees in a row: each operator, its arguments, its closing bracket."""
    sizes = [np.empty(0, dtype=np.int64)]  # tokens under each node, lowest level first
    for level in reversed(levels):
        size = np.ones(len(level.symbols), dtype=np.int64)
        if len(level.counts):
            size[level.is_operator] = 2 + np.add.reduceat(sizes[-1], _firsts(level.counts))
        sizes.append(size)
    tokens = np.empty(int(lengths.sum()), dtype=np.uint8)
    positions = _firsts(lengths)
    for level in levels:
        size, below = sizes.pop(), sizes[-1]
        tokens[positions] = level.symbols
        parents = positions[level.is_operator]
        tokens[parents + size[level.is_operator] - 1] = END
        if not len(level.counts):
            break
        passed = _firsts(below)  # tokens of all nodes before this one on its level
        positions = np.repeat(parents + 1 - passed[_firsts(level.counts)], level.counts) + passed
    return tokens


def _values(levels: list[_Level]) -> NDArray[np.int64]:
    """Return what each tree evaluates to, from the lowest level up."""
    below = np.empty(0, dtype=np.int64)
    for level in reversed(levels):
        values = level.symbols.astype(np.int64) - 1
        if len(level.counts):
            values[level.is_operator] = _apply_all(level.symbols[level.is_operator], level.counts, below)
        below = values
    return below


def _apply_all(
    operators: NDArray[np.uint8], counts: NDArray[np.int64], arguments: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the value of each operator; its `counts` arguments stand in a row behind those of the one before."""
    firsts = _firsts(counts)
    groups = np.repeat(np.arange(len(counts)), counts)
    ordered = np.sort(groups * 10 + arguments) - groups * 10
    middle = (ordered[firsts + (counts - 1) // 2] + ordered[firsts + counts // 2]) // 2
    smallest, largest = ordered[firsts], ordered[firsts + counts - 1]
    total = np.add.reduceat(arguments, firsts) % 10
    return np.choose(operators - FIRST_OPERATOR, [smallest, largest, middle, total])
