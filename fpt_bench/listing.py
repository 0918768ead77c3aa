"""What there is: tasks, bodies, inits, experiments, profiles and runs, as rows of words."""

import functools
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from fpt_bench.config_files import config_names, find_config, read_yaml
from fpt_bench.extensions import BODIES_GROUP, TASKS_GROUP, find_body_entry, find_task, offered

Listing = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _list_tasks(_: Path) -> Listing:
    from datamodules import TASKS

    names = sorted({*TASKS, *offered(TASKS_GROUP)})
    return ("task", "what it is"), [
        *((name, _first_line(find_task(name))) for name in names),
        ("MODULE:CLASS", "a datamodule of your own; see docs/extending.md"),
    ]


def _list_bodies(_: Path) -> Listing:
    from fpt_bench.bodies.catalog import BODIES

    others = [
        ("FOLDER or OWNER/MODEL", "any Hugging Face model of a known family that takes inputs_embeds"),
        ("MODULE:ENTRY", "a BodyEntry of your own; see docs/extending.md"),
    ]
    names = dict.fromkeys([*BODIES, *offered(BODIES_GROUP)])
    return ("body", "what it is"), [*((name, find_body_entry(name).description) for name in names), *others]


def _list_inits(_: Path) -> Listing:
    from fpt_bench.bodies.build import INITS

    return ("init", "where weights come from"), [(name, _first_line(function)) for name, function in INITS.items()]


def _list_configs(kind: str, words: str, _: Path) -> Listing:
    names = config_names(kind)
    return (kind.removesuffix("s"), words), [
        (n, str(read_yaml(find_config(kind, n)).get(words, "")).strip()) for n in names
    ]


def _list_runs(runs: Path) -> Listing:
    from fpt_bench.bench import read_results
    from fpt_bench.display import percent

    results = read_results(runs, Console(stderr=True))
    rows = [(r.spec.run_id, str(r.status), percent(r.test_accuracy), percent(r.floor)) for r in results]
    return ("run", "status", "test accuracy", "floor"), [*rows]


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


LISTS: dict[str, Callable[[Path], Listing]] = {
    "tasks": _list_tasks,
    "bodies": _list_bodies,
    "inits": _list_inits,
    "experiments": functools.partial(_list_configs, "experiments", "claim"),
    "profiles": functools.partial(_list_configs, "profiles", "summary"),
    "runs": _list_runs,
}
