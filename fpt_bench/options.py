"""Command-line options made from the fields of RunSpec and Launcher, so that the two cannot drift apart."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel, ValidationError

from fpt_bench.config_files import find_config, load
from fpt_bench.experiment import Profile
from fpt_bench.grid import run_fields
from fpt_bench.resources import Launcher
from fpt_bench.spec import RunSpec, explain, make_spec

_TYPES = {int: int, float: float, int | None: int, float | None: float}
_NAMES = {"kind": "launcher"}
"""Fields whose option has another name."""


def takes_run_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` an option for every field of RunSpec; it gets those that were typed as the dict `fields`."""
    return _takes(RunSpec, "fields", command)


def takes_launcher(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` an option for every field of Launcher; it gets those that were typed as the dict `launching`."""
    return _takes(Launcher, "launching", command)


def _takes(model: type[BaseModel], argument: str, command: Callable[..., None]) -> Callable[..., None]:
    own = [p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(command).parameters.values() if p.name != argument]
    added = [_option(model, name) for name in model.model_fields]

    def with_options(**given: Any) -> None:
        fields = {name: given.pop(name) for name in model.model_fields}
        command(**given, **{argument: {name: value for name, value in fields.items() if value is not None}})

    parameters = [*added, *own]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    with_options.__name__ = command.__name__
    with_options.__doc__ = command.__doc__
    return with_options


def _option(model: type[BaseModel], name: str) -> inspect.Parameter:
    field = model.model_fields[name]
    kind: Any = _TYPES.get(field.annotation, str)  # type: ignore[arg-type]
    kind = list[str] if name == "data_arguments" else kind
    default = ... if field.is_required() else None
    option = typer.Option(f"--{_NAMES.get(name, name).replace('_', '-')}", help=field.description, show_default=False)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is ... else None,
        annotation=Annotated[kind if default is ... else kind | None, option],
    )


def launcher_from_options(fields: dict[str, Any], profile: str) -> Launcher:
    """Give the launcher: what was typed, over the profile's.

    Raises:
        ValueError: a name or a value is wrong.
    """
    said = load(Profile, find_config("profiles", profile)).launcher
    try:
        return Launcher(**{**said.model_dump(), **fields})
    except ValidationError as error:
        raise ValueError(f"launcher: {explain(error, tuple(Launcher.model_fields))}") from error


def spec_from_options(fields: dict[str, Any], profile: str) -> RunSpec:
    """Give the spec of a single run: what was typed, over the task's fields under the profile.

    Raises:
        ValueError: a name or a value is wrong.
    """
    defaults = run_fields(load(Profile, find_config("profiles", profile)), fields["task"])
    typed = dict(fields)
    if "data_arguments" in typed:
        typed["data_arguments"] = {**defaults.get("data_arguments", {}), **_parse_arguments(typed["data_arguments"])}
    return make_spec({**defaults, **typed})


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
        parsed[name.strip().replace("-", "_")] = yaml.safe_load(value)
    return parsed
