"""From the words of a command line to a run, and back: the exact command that makes a run again."""

import itertools
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from pydantic import ValidationError

from fpt_bench.config.cell_layers import task_layers
from fpt_bench.config.launcher import Launcher
from fpt_bench.config.layers import ARGUMENTS, Layer, merge, spec_of
from fpt_bench.config.named import named_profile
from fpt_bench.config.spec import RunSpec, explain
from fpt_bench.config.yaml_files import config_names, read_value

MOST_SEEDS = 1000
"""That a command line asks for: more is a slip of the hand."""
_SEED = r"0|[1-9]\d{0,8}"


def seeds_of(text: str) -> tuple[int, ...]:
    """Return the seeds that are meant by numbers and ranges, separated by commas.

    Raises:
        ValueError: anything else, a seed twice, or very many.

    Example:
        >>> seeds_of("0-2,7")
        (0, 1, 2, 7)
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(rf"\s*({_SEED})(?:\s*-\s*({_SEED}))?\s*", part, re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
        if last < first:
            raise ValueError(f"--seeds: expected seeds as 0-7 or 0,1,2, got '{text}'")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise ValueError(f"--seeds: expected at most {MOST_SEEDS:,} seeds, got '{text}'")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds: expected each seed once, got '{text}'")
    return tuple(seeds)


def written_seeds(seeds: Sequence[int]) -> str:
    """Write seeds as `seeds_of` reads them.

    Example:
        >>> written_seeds([0, 1, 2, 7])
        '0-2,7'
    """
    groups = itertools.groupby(enumerate(sorted(seeds)), key=lambda pair: pair[1] - pair[0])
    runs = [[seed for _, seed in group] for _, group in groups]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def with_more_seeds(now: Sequence[int], count: int, chose: Collection[int] = ()) -> list[int]:
    """Return so many seeds: those that there are, and those after them.

    Smaller ones may have chosen a rate, in this experiment or in another.

    Args:
        now: seeds that there are.
        count: of all; fewer than there are takes none away.
        chose: seeds that are taken, by choosing a rate.

    Example:
        >>> with_more_seeds([3, 4], 4, chose=[0, 1, 5])
        [3, 4, 6, 7]
    """
    new = (seed for seed in itertools.count(max(now, default=-1) + 1) if seed not in chose)
    return [*now, *itertools.islice(new, max(0, count - len(now)))]


def launcher_from_options(fields: dict[str, Any], profile: str) -> Launcher:
    """Return the launcher: what was typed, over the profile's.

    Raises:
        ValueError: a name or a value is wrong.
    """
    said = named_profile(profile).launcher
    try:
        return Launcher(**{**said.model_dump(), **fields})
    except ValidationError as error:
        raise ValueError(f"launcher: {explain(error.errors(), Launcher)}") from error


def spec_from_options(fields: dict[str, Any], profile: str) -> RunSpec:
    """Return the spec of a single run: what was typed, over the task's fields under the profile.

    Raises:
        ValueError: a name or a value is wrong.
    """
    typed = dict(fields)
    if ARGUMENTS in typed and not isinstance(typed[ARGUMENTS], Mapping):
        typed[ARGUMENTS] = _parse_arguments(typed[ARGUMENTS])
    return spec_of([*task_layers(named_profile(profile), fields["task"]), Layer("the command line", typed)])


def _parse_arguments(pairs: list[str]) -> dict[str, Any]:
    """Read `name=value` pairs; values are YAML scalars.

    Example:
        >>> _parse_arguments(["pattern_bits=200", "mask_rate=0.25"])
        {'pattern_bits': 200, 'mask_rate': 0.25}
    """
    parsed = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"--data-arguments: expected name=value, got '{pair}'")
        name = name.strip().replace("-", "_")
        if name in parsed:
            raise ValueError(f"--data-arguments: expected each name once, got {name} again in '{pair}'")
        try:
            parsed[name] = read_value(value)
        except ValueError as error:
            raise ValueError(
                f"--data-arguments: expected a number, true, false or a word, got '{pair}': {error}"
            ) from error
    return parsed


def make_command(spec: RunSpec, profile: str) -> str | None:
    """Return the command line that asks for exactly this run, or None where no profile in `configs` can express it.

    Every field that a profile or the task's defaults could set is spelled out, so that the command keeps its meaning
    when they change. What a run cannot unset (a profile's `layers`, say) decides which profile the command names.

    Args:
        spec: the run, its data resolved.
        profile: name of the profile to try first.
    """
    for name in dict.fromkeys((profile, *config_names("profiles"))):
        try:
            options = _options(spec, _defaults(name, spec.task))
            found = spec_from_options({"task": spec.task, **options}, name)
        except (ValueError, FileNotFoundError):
            continue
        if found.run_id == spec.run_id:
            return shlex.join(
                [*["python", "-m", "fpt_bench", "run", "--task"], spec.task, "--profile", name, *_typed(options)]
            )
    return None


@cache
def _defaults(profile: str, task: str) -> dict[str, Any]:
    return merge(task_layers(named_profile(profile), task))


def _options(spec: RunSpec, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return what must be typed, as texts: fields that are not RunSpec's own default or that a default could change."""
    options: dict[str, Any] = {}
    for name, field in RunSpec.model_fields.items():
        value = getattr(spec, name)
        is_default = value == field.get_default(call_default_factory=True) and name not in defaults
        if name == "task" or value is None or is_default:
            continue
        options[name] = [f"{k}={_text(v)}" for k, v in value.items()] if isinstance(value, dict) else _text(value)
    return options


def _text(value: object) -> str:
    """Write a value as an option takes it.

    Example:
        >>> _text(("input", "readout")), _text(1e-05), _text(True)
        ('input,readout', '1.0e-05', 'true')
    """
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    written = yaml.safe_dump(value, default_flow_style=True, width=10**9)
    return written.removesuffix("\n").removesuffix("\n...")


def _typed(options: dict[str, Any]) -> list[str]:
    words = []
    for name, value in options.items():
        for text in value if isinstance(value, list) else [value]:
            words += [f"--{name.replace('_', '-')}", text]
    return words
