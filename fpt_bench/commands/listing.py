"""`list`: tasks, bodies, inits, experiments, claims, profiles, floors, codes and runs, as rows of words."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from fpt_bench.analysis.codes import CODES
from fpt_bench.commands.console import notes, say_rows
from fpt_bench.commands.options import Runs
from fpt_bench.config.inits import INITS, PARTS
from fpt_bench.config.known import known_bodies, known_tasks
from fpt_bench.config.named import named_experiment
from fpt_bench.config.plugins import import_attribute
from fpt_bench.config.yaml_files import config_names, find_config, read_yaml
from fpt_bench.names import require_known
from fpt_bench.report.words import percent
from fpt_bench.results.folder import read_results
from fpt_bench.results.simple_records import known_records

Listing = tuple[tuple[str, ...], list[tuple[str, ...]]]


def list_(
    what: Annotated[
        str, typer.Argument(help="tasks, bodies, inits, experiments, claims, profiles, floors, codes or runs")
    ],
    runs: Runs = Path("runs"),
) -> None:
    """List tasks, bodies, inits, experiments, claims, profiles, floors and simple learners, codes of notes, or runs."""
    require_known("list", what, LISTS)
    columns, rows = LISTS[what](runs)
    say_rows(columns, rows)


def _list_tasks(_: Path) -> Listing:
    from fpt_bench.training.tasks import find_task

    return ("task", "what it is"), [
        *((name, _first_line(find_task(name))) for name in sorted(set(known_tasks()))),
        ("MODULE:CLASS", "a datamodule of your own; see docs/extending.md"),
    ]


def _list_bodies(_: Path) -> Listing:
    from fpt_bench.bodies.catalog import find_body_entry

    others = [
        ("FOLDER or OWNER/MODEL", "any Hugging Face model of a known family that takes inputs_embeds"),
        ("MODULE:ENTRY", "a BodyEntry of your own; see docs/extending.md"),
    ]
    return ("body", "what it is"), [*((name, find_body_entry(name).description) for name in known_bodies()), *others]


def _list_inits(_: Path) -> Listing:
    rows = [(name, _first_line(import_attribute("init", kind.path))) for name, kind in INITS.items()]
    return ("init", "what it keeps"), [
        *rows,
        (f"INIT+{'+'.join(PARTS[:2])}...", f"on top of it, of the pretrained body: {', '.join(PARTS)}"),
    ]


def _list_configs(kind: str, words: str, _: Path) -> Listing:
    names = config_names(kind)
    return (kind.removesuffix("s"), words), [
        (n, str(read_yaml(find_config(kind, n)).get(words, "")).strip()) for n in names
    ]


def _list_floors(runs: Path) -> Listing:
    """List what is on record, here and in a folder of runs: nothing is set up, and nothing learns."""
    columns = ("task", "name", "kind", "accuracy", "test examples", "learned from", "data")
    rows = {}
    for record in known_records(runs, notes):
        sizes = " ".join(f"{name}={value}" for name, value in record.data_arguments.items())
        data, test = f"{record.data} {sizes}".strip(), f"{record.test_examples:,}"
        for kind, scores, seen in (("floor", record.floors, ""), ("simple learner", record.learners, record.examples)):
            for name, score in scores.items():
                row = record.task, name, kind, percent(score), test, f"{seen:,}" if seen else "", data
                rows[record.fingerprint, row] = row
    return columns, list(rows.values())


def _list_runs(runs: Path) -> Listing:

    results = read_results(runs, notes)
    rows = [
        (r.spec.run_id, str(r.status), r.metric, percent(r.test_score, r.is_fraction), percent(r.floor, r.is_fraction))
        for r in results
    ]
    return ("run", "status", "metric", "test", "floor"), [*rows]


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _list_claims(_: Path) -> Listing:
    claims = [(name, claim) for name in config_names("experiments") for claim in named_experiment(name).claims]
    rows = [(name, claim.hash[:12], claim.sentence, claim.source, claim.refuted_by) for name, claim in claims]
    return ("experiment", "hash", "claim", "source", "refuted by"), [*rows]


def _list_codes(_: Path) -> Listing:
    return ("code", "what", "why", "to do"), [(code, c.name, c.why, c.to_do) for code, c in CODES.items()]


LISTS: dict[str, Callable[[Path], Listing]] = {
    "tasks": _list_tasks,
    "bodies": _list_bodies,
    "inits": _list_inits,
    "experiments": functools.partial(_list_configs, "experiments", "question"),
    "claims": _list_claims,
    "profiles": functools.partial(_list_configs, "profiles", "summary"),
    "floors": _list_floors,
    "codes": _list_codes,
    "runs": _list_runs,
}
