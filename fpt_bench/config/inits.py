"""What an init can be called, and where the function is that makes it: `random`, `rank:4`, `random-fanin+norms`, ..."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fpt_bench.config.spec import RunSpec, make_spec
from fpt_bench.config.yaml_files import CONFIGS, read_yaml
from fpt_bench.names import require_known

TASK_PREFIX = "task:"
"""What an init starts with that names a body which one of our tasks trained."""
TASK_INIT = f"{TASK_PREFIX}NAME"
PARTS = ("query-key", "value-output", "feedforward", "norms", "positions", "rest")
"""Of the pretrained body, what `+PART` puts on top of an init that draws the others; all of them together are the body.

`rest` is what belongs to no other: the biases of attention, which go with two of them, and BERT's segment row."""

PARTS_SOURCE = "after Li et al., arXiv 2411.09702"


@dataclass(frozen=True)
class Number:
    """A number that stands in an init's name, after a colon."""

    name: str
    low: float
    high: float
    default: float | None = None
    """None: it has to be said."""
    whole: bool = False

    def read(self, word: str, init: str) -> float:
        """Return the number that a word says.

        Raises:
            ValueError: it is none, or outside of the range.
        """
        kind = "a whole number" if self.whole else "a number"
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            range_ = f"from {self.low:g} to {self.high:g}"
            raise ValueError(f"init '{init}': expected {self.name} to be {kind} {range_}, got {word or '-'}")
        return value + 0.0  # -0 is 0


@dataclass(frozen=True)
class InitKind:
    """One way to make a body's weights."""

    path: str
    """Of the function, as `module:attribute`."""
    numbers: tuple[Number, ...] = ()
    takes: Literal["nothing", "weights", "a task"] = "nothing"
    """What it reads besides the architecture."""
    source: str = "here"
    """Who described it."""
    draws_as_published: bool = False
    """Whether all of it is of the architecture's own initializer."""


_ROOM = "fpt_bench.bodies.inits"
_GAIN = Number("G", 0.0, 100.0)
_MIMETIC = (Number("NOISE", 0.0, 10.0, 0.7), Number("DIAGONAL", -10.0, 10.0, 0.7))
_LU, _WU, _STAATS = "Lu et al. 2021", "Wu, Li, Liang 2022, arXiv 2206.10139", "after Staats et al., arXiv 2410.17770"
_TROCKMAN = "Trockman, Kolter 2023, arXiv 2305.09828"
_MIMETIC_VALUES = (Number("NOISE", 0.0, 10.0, 0.4), Number("DIAGONAL", -10.0, 10.0, -0.4))
INITS: Mapping[str, InitKind] = {
    "pretrained": InitKind(f"{_ROOM}.pretrained:pretrained", takes="weights", source=_LU),
    "layers-shuffled": InitKind(f"{_ROOM}.pretrained:layers_shuffled", takes="weights"),
    "position-gain:G": InitKind(f"{_ROOM}.pretrained:position_gain", (_GAIN,), "weights"),
    "permuted": InitKind(f"{_ROOM}.matched:permuted", takes="weights"),
    "rank:K": InitKind(f"{_ROOM}.spectral:rank", (Number("K", 1, 100_000, whole=True),), "weights", _STAATS),
    "spectrum": InitKind(f"{_ROOM}.spectral:spectrum", takes="weights", source=_STAATS),
    "statistics": InitKind(f"{_ROOM}.matched:statistics", takes="weights", source=f"{_LU}, Table 9"),
    "diagonals": InitKind(f"{_ROOM}.mimetic:diagonals", takes="weights", source=f"after {_TROCKMAN}"),
    "random-scaled": InitKind(f"{_ROOM}.matched:random_scaled", takes="weights", source=_WU),
    "mimetic:NOISE:DIAGONAL:NOISE:DIAGONAL": InitKind(
        f"{_ROOM}.mimetic:mimetic", (*_MIMETIC, *_MIMETIC_VALUES), source=_TROCKMAN
    ),
    "mimetic-qk:NOISE:DIAGONAL": InitKind(f"{_ROOM}.mimetic:mimetic_qk", _MIMETIC, source=_TROCKMAN),
    "random-fanin": InitKind(f"{_ROOM}.random:random_fanin", source="LeCun et al. 1998"),
    "random-gain:G": InitKind(f"{_ROOM}.random:random_gain", (_GAIN,)),
    "random-gain-qk:G": InitKind(f"{_ROOM}.random:random_gain_qk", (_GAIN,)),
    "random": InitKind(f"{_ROOM}.random:random", source=_LU, draws_as_published=True),
    TASK_INIT: InitKind(f"{_ROOM}.trained:trained", takes="a task", source=f"{_LU}, Table 2"),
}
"""Every kind of init as its users write it, from what keeps most of the pretrained body to what keeps nothing."""
_WHOLE_BODIES = ("pretrained", "layers-shuffled", "position-gain")
"""Inits that have nothing to put a part on top of."""
PRETRAINING = CONFIGS / "pretraining.yaml"
PRETRAINING_SEED = 0
"""Of every run that trains a body."""


@dataclass(frozen=True)
class Init:
    """What an init's name says."""

    kind: InitKind
    numbers: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()
    """Of PARTS, put on top."""

    @property
    def reads_weights(self) -> bool:
        """Whether it needs a body that somebody pretrained."""
        return self.kind.takes == "weights" or bool(self.parts)


def example_of(name: str) -> str:
    """Return a name that can be built for one as INITS writes it: numbers without a default are said, and small.

    Example:
        >>> example_of("rank:K"), example_of("mimetic-qk:NOISE:DIAGONAL"), example_of("spectrum")
        ('rank:1', 'mimetic-qk', 'spectrum')
    """
    if name == TASK_INIT:
        return name  # which tasks there are, configs/pretraining.yaml says
    said = [f":{max(number.low, 1):g}" for number in INITS[name].numbers if number.default is None]
    return "".join([name.partition(":")[0], *said])


def read_init(init: str) -> Init:
    """Return what the name of an init says.

    Raises:
        ValueError: there is no such init, with the nearest; a number that it has not or that is out of range; a part
            that is none, or on top of an init that keeps all; another way to write what has a name already.

    Example:
        >>> read_init("mimetic-qk:0.7:-0.7+norms").numbers, read_init("mimetic-qk:0.7:-0.7+norms").parts
        ((0.7, -0.7), ('norms',))
    """
    if init.startswith(TASK_PREFIX):
        _pretraining_row(init)
        return Init(INITS[TASK_INIT])
    name, *parts = init.split("+")
    word, *said = name.split(":")
    by_word = {known.partition(":")[0]: known for known in INITS}
    require_known("init", word, [known for known in by_word if f"{known}:" != TASK_PREFIX])
    kind = INITS[by_word[word]]
    if said and len(said) != len(kind.numbers):
        bare = f" or {word}" if kind.numbers and kind.numbers[0].default is not None else ""
        got = f"{len(said)} number{'s' if len(said) > 1 else ''}"
        raise ValueError(f"init '{init}': expected it as {by_word[word]}{bare}, got {got}")
    numbers = tuple(_number(number, said[i : i + 1], init) for i, number in enumerate(kind.numbers))
    for part in parts:
        require_known(f"part of init '{init}'", part, PARTS)
    if len(set(parts)) < len(parts) or (parts and word in _WHOLE_BODIES):
        raise ValueError(f"init '{init}': expected each part once, on top of an init that does not keep it already")
    if init != (plain := _as_written(word, kind, numbers, parts)):
        raise ValueError(f"init '{init}': expected it to be written as '{plain}', so that equal runs have one name")
    return Init(kind, numbers, tuple(parts))


def _as_written(word: str, kind: InitKind, numbers: tuple[float, ...], parts: list[str]) -> str:
    """Return the name without numbers that are the defaults, and with parts in the order of PARTS."""
    said = numbers != tuple(number.default for number in kind.numbers)
    name = word + "".join(f":{number:.12g}" for number in numbers if said)
    return "+".join([name, *sorted(parts, key=PARTS.index)])


def _number(number: Number, said: list[str], init: str) -> float:
    if said:
        return number.read(said[0], init)
    if number.default is None:
        raise ValueError(f"init '{init}': expected {number.name}, as in '{init}:{max(number.low, 1):g}'")
    return number.default


def require_init(init: str) -> None:
    """Raise a ValueError with the nearest init, or row of configs/pretraining.yaml, unless this is one."""
    read_init(init)


def pretraining_spec(spec: RunSpec) -> RunSpec:
    """Return the run that trains the body which a spec's init names, in full and from random weights.

    Budget, rate and data are those of configs/pretraining.yaml; body, depth, precision and execution are the spec's.

    Raises:
        ValueError: the file has no such row, or a wrong one.
    """
    shared = ("body", "body_path", "layers", "precision", "body_execution")
    own = {field: getattr(spec, field) for field in shared}
    task = {"task": spec.init.removeprefix(TASK_PREFIX)}
    return make_spec(
        {**task, **_pretraining_row(spec.init), **own, "init": "random", "train": "all", "seed": PRETRAINING_SEED}
    )


def _pretraining_row(init: str) -> dict[str, object]:
    rows = read_yaml(PRETRAINING)
    name = init.removeprefix(TASK_PREFIX)
    try:
        require_known("pretraining", name, rows)
    except ValueError as error:
        raise ValueError(f"init '{init}': {error} (in {PRETRAINING})") from error
    row: dict[str, object] = rows[name]
    return row
