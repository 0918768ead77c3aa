"""Expressions of list operations as ids: what they evaluate to, and what rules that read no nesting make of them.

Operators: google-research/long-range-arena, `lra_benchmarks/data/listops.py` (Tay et al. 2021, after Nangia and Bowman
2018).
"""

from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from datamodules.sources.quotes import quote

SYMBOLS = ("<pad>", *"0123456789", "[MIN", "[MAX", "[MED", "[SM", "]")
"""The vocabulary: a symbol's index is its id. Padding is 0, digit d is d + 1."""
OPERATORS = {symbol: SYMBOLS.index(symbol) for symbol in ("[MIN", "[MAX", "[MED", "[SM")}
END = SYMBOLS.index("]")
_IDS = {symbol: number for number, symbol in enumerate(SYMBOLS) if number}
FIRST_OPERATOR = OPERATORS["[MIN"]


def encode(expression: str) -> NDArray[np.uint8]:
    """Return the ids of an expression whose symbols are separated by spaces; parentheses are skipped.

    Raises:
        ValueError: a symbol that is none of the fifteen.

    Example:
        >>> encode("( ( ( [MAX 2 ) 9 ) ] )").tolist()
        [12, 3, 10, 15]
    """
    symbols = expression.replace("(", " ").replace(")", " ").split()
    try:
        return np.array([_IDS[symbol] for symbol in symbols], dtype=np.uint8)
    except KeyError as error:
        raise ValueError(f"expected symbols of {' '.join(_IDS)}, got {quote(error.args[0])}") from None


def evaluate(tokens: Sequence[int]) -> int:
    """Return the digit that an expression, as ids, evaluates to.

    The median of an even number of digits is the mean of the middle two, cut to an integer; sums are modulo 10.

    Raises:
        ValueError: the ids are not one whole expression.

    Example:
        >>> evaluate(encode("[MED 1 8 [SM 7 8 ] 2 ]").tolist())
        3
    """
    operators: list[int] = []
    arguments: list[list[int]] = [[]]
    for token in tokens:
        if 0 < token < FIRST_OPERATOR:
            arguments[-1].append(token - 1)
        elif token in _APPLY:
            operators.append(token)
            arguments.append([])
        elif token == END and operators and arguments[-1]:
            value = _APPLY[operators.pop()](arguments.pop())
            arguments[-1].append(value)
        else:
            raise ValueError(f"expected an expression, got {SYMBOLS[token]!r} where it cannot stand")
    if operators or len(arguments[0]) != 1:
        raise ValueError(
            f"expected one whole expression, got {len(arguments[0])} with {len(operators)} brackets left open"
        )
    return arguments[0][0]


_APPLY: dict[int, Callable[[list[int]], int]] = {
    OPERATORS["[MIN"]: min,
    OPERATORS["[MAX"]: max,
    OPERATORS["[MED"]: lambda values: int(median(values)),
    OPERATORS["[SM"]: lambda values: sum(values) % 10,
}


def answer_flat(tree: Sequence[int]) -> int:
    """Return the root operator of all digits of a tree, as if there were no nesting.

    Example:
        >>> answer_flat(encode("[MAX 2 [MIN 9 3 ] ]").tolist())
        9
    """
    return evaluate([tree[0], *(token for token in tree if token < FIRST_OPERATOR), END])


def answer_by_own_digits(tree: Sequence[int]) -> int | None:
    """Return the root operator of the digits that are its own arguments, nested ones skipped; None where it has none.

    Example:
        >>> answer_by_own_digits(encode("[MAX 2 [MIN 9 3 ] ]").tolist())
        2
    """
    own, depth = [], 0
    for token in tree:
        if token == END:
            depth -= 1
        elif token >= FIRST_OPERATOR:
            depth += 1
        elif depth == 1:
            own.append(token)
    return evaluate([tree[0], *own, END]) if own else None


def is_shallow(tree: Sequence[int], value: int) -> bool:
    """Return whether a rule that evaluates nothing nested is right: all digits, or the root's own ones.

    Example:
        >>> is_shallow(encode("[MAX 2 [MIN 9 3 ] ]").tolist(), 3)
        False
    """
    return value in (answer_flat(tree), answer_by_own_digits(tree))


def depth_of(tree: Sequence[int]) -> int:
    """Return the nodes on the longest way from the root down.

    Example:
        >>> depth_of(encode("[MAX 2 [MIN 9 3 ] ]").tolist())
        3
    """
    depth = deepest = 0
    for token in tree:
        depth += 1 if token >= FIRST_OPERATOR and token != END else -1 if token == END else 0
        deepest = max(deepest, depth)
    return deepest + 1
