"""Options that several commands have; those of RunSpec and Launcher are made from their fields, so that they agree."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fpt_bench.config.inits import INITS
from fpt_bench.config.known import known_bodies, known_tasks
from fpt_bench.config.launcher import Launcher
from fpt_bench.config.spec import GROUPS, LAST_ATTENTION, RunSpec
from fpt_bench.config.yaml_files import config_names
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.loggers import require_loggers

Runs = Annotated[Path, typer.Option(help="folder that holds the results, or a packed file of them")]
BenchRuns = Annotated[Path, typer.Argument(help="folder of a bench's results, or a packed file of them")]
Kept = Annotated[
    Path | None,
    typer.Option(help="folder of kept results, or a packed file: what is over there counts as done, and is shown"),
]
FinishedRun = Annotated[Path, typer.Argument(help="folder of a run that is over")]
DataRoot = Annotated[
    Path | None, typer.Option(help="folder of real data and caches; else FPT_BENCH_DATA, else the user's cache")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="import the task and body that the run's result names as module:attribute")
]
Offline = Annotated[bool, typer.Option("--offline", help="never touch the network")]
Loggers = Annotated[
    list[str] | None,
    typer.Option("--logger", help="csv, tensorboard, wandb or trackio; may be repeated; default: csv and tensorboard"),
]
MixReleases = Annotated[
    bool, typer.Option("--mix-releases", help="runs of one task of several releases of torch in a table, with a note")
]
ProfileName = Annotated[
    str,
    typer.Option(
        help="how much is spent: a name in configs/profiles or a YAML file",
        autocompletion=lambda incomplete: completing(lambda: config_names("profiles"))(incomplete),
    ),
]
Seeds = Annotated[
    str | None, typer.Option(metavar="SEEDS", help="seeds to report, as 0-7 or 0,1,2; default: the profile's")
]
PickedTasks = Annotated[
    str | None,
    typer.Option("--tasks", metavar="TASKS", help="only these of the experiment, by commas; cifar* is all so called"),
]
PickedArms = Annotated[
    str | None,
    typer.Option("--arms", metavar="ARMS", help="only these of the experiment; without its baseline, the first is it"),
]
PickedBody = Annotated[
    str | None,
    typer.Option("--body", metavar="BODY", help="in place of the profile's: a name, or a folder; see `list bodies`"),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="of every run, such as learning_rate=3e-4; may be repeated"),
]
_NAMES_OF: Mapping[str, Callable[[], Iterable[str]]] = {
    "task": known_tasks,
    "body": known_bodies,
    "init": lambda: INITS,
    "train": lambda: (*GROUPS, LAST_ATTENTION, "all"),
}
"""What values of a field can be called, where a shell can complete them."""
EXPERIMENTS_HELP = "names in configs/experiments or YAML files, separated by commas, or `all`"
_TYPES = {int: int, float: float, int | None: int, float | None: float}
_NAMES = {"kind": "launcher"}
"""Fields whose option has another name."""


def is_typed(context: typer.Context, name: str) -> bool:
    """Return whether a parameter was said on the command line."""
    source = context.get_parameter_source(name)
    # By its name: which module has this enumeration differs between versions of typer.
    return source is not None and source.name == "COMMANDLINE"


def refuse_given(context: typer.Context, names: Iterable[str], why: str) -> None:
    """Raise a ValueError that names the options among these that were typed: here they would say nothing.

    Args:
        context: of the command that runs.
        names: of its parameters.
        why: what they do not go with.
    """
    options = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    if typed := [name for name in names if is_typed(context, name)]:
        raise ValueError(f"expected no {', '.join(options[name] for name in typed)} {why}")


def make_workspace(runs: Path, data_root: Path | None, offline: bool, loggers: list[str] | None) -> Workspace:
    """Return the workspace of a command that trains; a ValueError where a logger is unknown or not installed."""
    usual = Workspace(runs, data_root, offline)
    return replace(usual, loggers=require_loggers(loggers)) if loggers else usual


def takes_run_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Add to `command` an option for every field of RunSpec; it gets those that were typed as the dict `fields`."""
    return _takes(RunSpec, "fields", command)


def takes_launcher(command: Callable[..., None]) -> Callable[..., None]:
    """Add to `command` an option for every field of Launcher; it gets those that were typed as the dict `launching`."""
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
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    names = (lambda: choices) if choices else _NAMES_OF.get(name)
    option = typer.Option(
        f"--{_NAMES.get(name, name).replace('_', '-')}",
        help=_help_of(name, field),
        # Shown, not checked here: the model refuses the rest, with the nearest name.
        metavar=f"<{'|'.join(map(str, choices))}>" if choices else None,
        show_default=_shown(field),
        autocompletion=completing(names, name == "train") if names else None,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is ... else None,
        annotation=Annotated[kind if default is ... else kind | None, option],
    )


def _help_of(name: str, field: FieldInfo) -> str:
    known = f" ({', '.join(_NAMES_OF[name]())})" if name in ("task", "init") else ""
    return f"{field.description}{known}"


def _shown(field: FieldInfo) -> str | bool:
    """Return a field's own default as it is typed; False where it has none."""
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if value is None or value == {}:
        return False
    return ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def completing(names: Callable[[], Iterable[str]], by_commas: bool = False) -> Callable[[str], list[str]]:
    """Return what a shell asks for the ends of a word that is begun.

    Args:
        names: what it may be.
        by_commas: whether it may be several.
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",") if by_commas else ("", "", incomplete)
        return [f"{before}{comma}{name}" for name in names() if name.startswith(last)]

    return complete
