"""The one rule by which fields of a run are put together: layers, of which the later wins, field by field.

`data_arguments` are merged in the same way, name by name; `null` takes one back, so that the task's own default holds.
Who says what, earliest first: RunSpec's own default; tasks.yaml; the profile for all tasks, and for one; the profile
for an experiment's tasks, and for one; the role's body; the rate that the profile says for the arm; the arm; the
command line.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fpt_bench.config.known import require_names
from fpt_bench.config.spec import RunSpec, explain, make_spec
from fpt_bench.names import require_known

ARGUMENTS = "data_arguments"
NOT_OF_LAYERS = {"task": "an experiment lists its tasks", "seed": "a profile lists the seeds"}
"""Fields of RunSpec that no layer of a file sets, and who says them."""


@dataclass(frozen=True)
class Layer:
    """Fields of RunSpec, and who says them."""

    name: str
    fields: Mapping[str, Any]


def origins(layers: Iterable[Layer]) -> dict[str, tuple[Any, str]]:
    """Return the value of each field and the name of the layer that it came from.

    Raises:
        ValueError: a null takes back what no earlier layer says.

    Example:
        >>> profile = Layer("profile", {"layers": 2, "data_arguments": {"length": 9, "folds": 5}})
        >>> origins([profile, Layer("arm", {"data_arguments": {"length": 7}})])
        {'layers': (2, 'profile'), 'data_arguments.length': (7, 'arm'), 'data_arguments.folds': (5, 'profile')}
    """
    said: dict[str, tuple[Any, str]] = {}
    for layer in layers:
        for field, value in _flat(layer.fields):
            if value is None and field.startswith(f"{ARGUMENTS}."):
                require_known(f"data argument that {layer.name} takes back by null", field, said)
            said[field] = value, layer.name
    return said


def merge(layers: Iterable[Layer]) -> dict[str, Any]:
    """Return the fields of RunSpec that layers say together, as `origins` finds them.

    Example:
        >>> merge([Layer("profile", {"data_arguments": {"length": 9}}), Layer("arm", {"data_arguments": {"folds": 5}})])
        {'data_arguments': {'length': 9, 'folds': 5}}
        >>> merge([Layer(name, {"data_arguments": {"folds": folds}}) for name, folds in (("task", 5), ("arm", None))])
        {}
    """
    fields: dict[str, Any] = {}
    for path, (value, _) in origins(layers).items():
        field, _, argument = path.partition(".")
        if argument:
            if value is not None:
                fields.setdefault(field, {})[argument] = value
        else:
            fields[field] = value
    return fields


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, value in fields.items():
        if field == ARGUMENTS and isinstance(value, Mapping):
            yield from ((f"{field}.{name}", argument) for name, argument in value.items())
        else:
            yield field, value


def checked_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what a file says of a run, if each field of it is one of RunSpec and has a value that it can have.

    Raises:
        ValueError: a key that is no field, with the nearest one; a wrong value; a field that a layer does not set.
    """
    for field, where in NOT_OF_LAYERS.items():
        if field in fields:
            raise ValueError(f"expected no `{field}` here: {where}")
    if words := [f"{field}: {value}" for field, value in fields.items() if isinstance(value, bool)]:
        raise ValueError(f"expected numbers and names, got {', '.join(words)}")
    said = dict(fields)
    if isinstance(said.get(ARGUMENTS), Mapping):
        said[ARGUMENTS] = {name: value for name, value in said[ARGUMENTS].items() if value is not None}
    try:
        RunSpec.model_validate({"task": "any", **said})
    except ValidationError as error:
        # How fields fit together is said of a run, when all layers have spoken.
        if wrong := [finding for finding in error.errors() if finding["loc"]]:
            raise ValueError(explain(wrong, RunSpec)) from error
    return fields


def spec_of(layers: Sequence[Layer]) -> RunSpec:
    """Return the checked run that layers say together.

    Raises:
        ValueError: a value or a name is wrong; the message says which layers the fields in it came from.
    """
    found = origins(layers)
    try:
        spec = make_spec(merge(layers))
        require_names(spec)
    except ValueError as error:
        said = {field.partition(".")[0]: f"{field} of {name}" for field, (_, name) in found.items()}
        named = [where for field, where in said.items() if re.search(rf"\b{field}\b", str(error))]
        raise ValueError(f"{error} ({', '.join(named)})" if named else str(error)) from error
    return spec
