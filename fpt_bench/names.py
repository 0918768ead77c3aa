"""Errors about names that tell the reader which name was probably meant."""

import difflib
from collections.abc import Iterable


def require_known(kind: str, name: str, known: Iterable[str], other: str = "") -> None:
    """Raise a ValueError that lists the known names, nearest first, unless `name` is one of them.

    `other` says what may be given in place of a name.

    Example:
        >>> require_known("task", "cifr", ["bit-xor", "cifar"])
        Traceback (most recent call last):
        ValueError: unknown task 'cifr'. Did you mean 'cifar'? Known: bit-xor, cifar
    """
    names = sorted(set(known))
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"unknown {kind} '{name}'.{hint} Known: {', '.join(names)}{other and f'; or {other}'}")
