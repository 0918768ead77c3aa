"""What a command line picks out of an experiment, or puts in place of what a profile says: a bench of its own."""

import fnmatch
import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fpt_bench.config.experiment import Experiment
from fpt_bench.config.known import body_folder, is_known_body, require_body
from fpt_bench.config.layers import ARGUMENTS, Layer, checked_fields
from fpt_bench.config.spec import make_spec
from fpt_bench.config.yaml_files import read_value
from fpt_bench.names import require_known

LANGUAGE = "language"
"""The role whose body `--body` stands in for."""
OTHERWISE = {"task": "--tasks", "seed": "--seeds", "body": "--body"}
"""Fields that `--set` leaves to an option of their own."""


@dataclass(frozen=True)
class Picks:
    """Which tasks and arms of an experiment are run, on which body, and which fields every run has.

    None, or nothing, is: as the experiment and the profile say. Seeds are no pick: more of them are the same bench.
    """

    tasks: tuple[str, ...] | None = None
    """Names, or patterns such as `cifar*`."""
    arms: tuple[str, ...] | None = None
    body: str | None = None
    """In place of the profile's body of language; arms and roles of another body keep theirs."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of RunSpec, over all that files say."""

    @property
    def changes_runs(self) -> bool:
        """Whether runs are others than the experiment's at the profile: no claim is of them."""
        return self.body is not None or bool(self.fields)

    def role_layers(self, role: str | None, said: Layer, replaced: str | None) -> list[Layer]:
        """Return what holds of a role: what was `said`, with the body that was picked where that one is `replaced`.

        What is said of language beside its body is of that body. A variant of it, a depth or an init, stays one.
        """
        if self.body is None or said.fields.get("body") != replaced:
            return [said]
        picked = Layer("the command line: --body", {"body": self.body})
        return [picked] if role == LANGUAGE else [said, picked]

    def field_layers(self) -> list[Layer]:
        """Return what holds over all files; none where nothing was set."""
        return [Layer("the command line: --set", self.fields)] if self.fields else []


WHOLE = Picks()


def picks_from_options(tasks: str | None, arms: str | None, body: str | None, settings: Sequence[str]) -> Picks:
    """Return what was typed as `--tasks`, `--arms`, `--body` and `--set`.

    Raises:
        ValueError: an empty list, a body or a field that is none, with the nearest one, or a wrong value.
    """
    if body is not None:
        require_body(body)
        body = body if is_known_body(body) or not Path(body).expanduser().is_dir() else body_folder(body)
    return Picks(_listed("--tasks", tasks), _listed("--arms", arms), body, _settings(settings))


def _listed(option: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise ValueError(f"{option}: expected names separated by commas, got '{text}'")
    return names


def _settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Read `field=value` pairs, values as YAML has them.

    Example:
        >>> _settings(["learning-rate=3e-4", "train=readout", "data_arguments.length=9"])
        {'learning_rate': 0.0003, 'train': ('readout',), 'data_arguments': {'length': 9}}
    """
    said: dict[str, Any] = {}
    for pair in pairs:
        path, equals, value = pair.partition("=")
        name, _, argument = path.strip().replace("-", "_").partition(".")
        if not equals or not name:
            raise ValueError(f"--set: expected field=value, got '{pair}'")
        if name in OTHERWISE:
            raise ValueError(f"--set: expected no {name} here, got '{pair}': say {OTHERWISE[name]}")
        try:
            read = read_value(value)
        except ValueError as error:
            raise ValueError(f"--set: expected a number, true, false or a word, got '{pair}': {error}") from error
        if argument and read is None:
            raise ValueError(f"--set: expected a value, got '{pair}'; only a file takes a data argument back by null")
        into, key = (said.setdefault(ARGUMENTS, {}), argument) if name == ARGUMENTS and argument else (said, name)
        if key in into:
            raise ValueError(f"--set: expected each field once, got {path} again in '{pair}'")
        into[key] = read
    try:
        checked_fields(said)
    except ValueError as error:
        raise ValueError(f"--set: {error}") from error
    # As RunSpec has them, so that 3e-4 and 0.0003 are one bench; steps are checked against each other in a whole run.
    alone = {name: value for name, value in said.items() if name not in ("max_steps", "eval_every")}
    spec = make_spec({"task": "any", **alone})
    return {name: getattr(spec, name) if name in alone else int(value) for name, value in said.items()}


def picked(picks: Picks, experiment: Experiment) -> Experiment:
    """Return an experiment with nothing but the tasks and arms that were picked, and the claims that are of them.

    Where the baseline arm is not among them, the first that is picked takes its place.

    Raises:
        ValueError: a name or pattern that is of no task or arm of the experiment, with the nearest one; a learning rate
            for an arm that sweeps its own; a body for arms that all name their own.
    """
    if picks == WHOLE:
        return experiment
    tasks = _chosen(f"task of experiment {experiment.name}", picks.tasks, experiment.tasks)
    arms = _chosen(f"arm of experiment {experiment.name}", picks.arms, experiment.arms)
    for name in arms:
        if "learning_rate" in picks.fields and experiment.rates_of(experiment.arms[name]) != "fixed":
            raise ValueError(
                f"--set learning_rate: expected arms with one rate, but arm {name} of experiment {experiment.name} "
                "sweeps its own; pick others with --arms"
            )
    if picks.body is not None and all("body" in experiment.arms[name].run for name in arms):
        raise ValueError(
            f"--body {picks.body}: expected an arm whose body the profile says, but {', '.join(arms)} of experiment "
            f"{experiment.name} name their own"
        )
    if experiment.baseline not in arms and any(arm.against for arm in experiment.arms.values()):
        raise ValueError(
            f"--arms: expected {experiment.baseline} among them, got {', '.join(arms)}: in {experiment.name} arms "
            "stand against others of their own body, and it is the one of several bodies"
        )
    claims = () if picks.changes_runs else experiment.claims
    return experiment.model_copy(
        update={
            "tasks": tasks,
            "arms": {name: experiment.arms[name] for name in arms},
            "baseline": experiment.baseline if experiment.baseline in arms else arms[0],
            "claims": tuple(c for c in claims if {c.better, c.worse} <= set(arms) and set(c.tasks) <= set(tasks)),
        }
    )


def _chosen(kind: str, wanted: Sequence[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    """Return what is wanted of what is known, in its order; a pattern is all that it matches."""
    names = tuple(known)
    found: set[str] = set()
    for name in names if wanted is None else wanted:
        matched = fnmatch.filter(names, name) if name not in names else [name]
        if not matched:
            require_known(kind, name, names)
        found.update(matched)
    return tuple(name for name in names if name in found)


def written_picks(picks: Picks, whole: Experiment, part: Experiment) -> str:
    """Return the options that pick a part of an experiment, always in one way; nothing where all of it is picked."""
    words = []
    for option, chosen, known in (("--tasks", part.tasks, whole.tasks), ("--arms", part.arms, whole.arms)):
        words += [option, ",".join(chosen)] if len(chosen) < len(known) else []
    words += ["--body", picks.body] if picks.body is not None else []
    return shlex.join([*words, *(word for text in written_settings(picks.fields) for word in ("--set", text))])


def written_settings(fields: Mapping[str, Any]) -> list[str]:
    """Return what `--set` is told to set these fields, in one order.

    Example:
        >>> written_settings({"layers": 2, "data_arguments": {"length": 9}})
        ['data_arguments.length=9', 'layers=2']
    """
    return [f"{name}={_written(value)}" for name, value in sorted(_flat(fields))]


def _flat(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    own = [(name, value) for name, value in fields.items() if name != ARGUMENTS]
    return own + [(f"{ARGUMENTS}.{name}", value) for name, value in fields.get(ARGUMENTS, {}).items()]


def _written(value: object) -> str:
    """Write a value as `--set` reads it.

    Example:
        >>> _written(("input", "readout")), _written(None), _written(0.0003)
        ('input,readout', 'null', '0.0003')
    """
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value!r}"
    text: str = yaml.safe_dump(value, default_flow_style=True)
    return text.removesuffix("\n").removesuffix("\n...")


def pick_name(written: str) -> str:
    """Return what a picked bench is called behind the name of the whole one; nothing where all is picked.

    Example:
        >>> pick_name(""), pick_name("--tasks bit-xor")
        ('', '-pick-5ac5b7a0')
    """
    return f"-pick-{hashlib.sha256(written.encode()).hexdigest()[:8]}" if written else ""
