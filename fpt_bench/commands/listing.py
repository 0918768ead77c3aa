"""`list`: tasks, bodies, inits, experiments, claims, profiles, floors, codes and runs, as rows of words."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import typer

from fpt_bench.analysis.codes import CODES
from fpt_bench.commands.console import notes, say_json, say_rows
from fpt_bench.commands.options import Runs
from fpt_bench.config.claim_files import FiledClaim, filed_claims
from fpt_bench.config.inits import INITS, PARTS, PARTS_SOURCE, TASK_INIT, example_of
from fpt_bench.config.known import known_bodies, known_tasks
from fpt_bench.config.plugins import import_attribute
from fpt_bench.config.spec import make_spec
from fpt_bench.config.yaml_files import config_names, find_config, read_yaml
from fpt_bench.names import require_known
from fpt_bench.report.words import percent
from fpt_bench.results.folder import existing
from fpt_bench.results.grids import where_results_lie
from fpt_bench.results.result_files import read_results
from fpt_bench.results.simple_records import known_records

PARTS_ON = "random-fanin"
"""What parts are put on to count them: it keeps nothing itself."""

Thing = TypeVar("Thing")
Listing = tuple[tuple[str, ...], list[tuple[str | int | None, ...]]]


class Asked(NamedTuple):
    """What a listing can depend on."""

    runs: Path
    body: str


def list_(
    what: Annotated[
        str, typer.Argument(help="tasks, bodies, inits, experiments, claims, profiles, floors, codes or runs")
    ],
    runs: Runs = Path("runs"),
    body: Annotated[str, typer.Option(help="body that bytes kept are of, in `list inits`")] = "minilm",
    as_json: Annotated[bool, typer.Option("--json", help="print the rows as JSON, each by its columns")] = False,
) -> None:
    """List tasks, bodies, inits, experiments, claims, profiles, floors and simple learners, codes of notes, or runs."""
    require_known("list", what, LISTS)
    columns, rows = LISTS[what](Asked(runs, body))
    if as_json:
        say_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    say_rows(columns, [tuple(map(_worded, row)) for row in rows])


def _or_why_not(find: Callable[[str], Thing], name: str, describe: Callable[[Thing], str]) -> str:
    """Return what a name stands for; of a package whose module is broken why not, so that the others are seen."""
    try:
        return describe(find(name))
    except ValueError as error:
        return f"not there: {error}"


def _list_tasks(_: Asked) -> Listing:
    from fpt_bench.training.tasks import find_task

    return ("task", "what it is"), [
        *((name, _or_why_not(find_task, name, _first_line)) for name in sorted(set(known_tasks()))),
        ("MODULE:CLASS", "a datamodule of your own; see docs/extending.md"),
    ]


def _list_bodies(_: Asked) -> Listing:
    from fpt_bench.bodies.catalog import find_body_entry

    others = [
        ("FOLDER or OWNER/MODEL", "any Hugging Face model of a known family that takes inputs_embeds"),
        ("MODULE:ENTRY", "a BodyEntry of your own; see docs/extending.md"),
    ]
    named = [(name, _or_why_not(find_body_entry, name, lambda entry: entry.description)) for name in known_bodies()]
    return ("body", "what it is"), [*named, *others]


def _list_inits(asked: Asked) -> Listing:
    """List what each init keeps, and how many bytes that is of a body: counted from its shapes, nothing is built."""
    words = "On top of an init that draws the rest: {} of the pretrained body; + joins several."
    described = [
        *(
            (name, _first_line(import_attribute("init", k.path)), example_of(name), k.source)
            for name, k in INITS.items()
        ),
        *((f"INIT+{part}", words.format(part), f"{PARTS_ON}+{part}", PARTS_SOURCE) for part in PARTS),
    ]
    kept = _bytes_kept(asked.body, [said for _, _, said, _ in described])
    columns = ("init", "what it keeps", "body", "for instance", "bytes kept", "source")
    return columns, [(name, what, asked.body, said, kept[said], source) for name, what, said, source in described]


def _bytes_kept(body: str, inits: Sequence[str]) -> dict[str, int | None]:
    """Return the bytes that each init keeps of a body; None where it has not the shape, weights or files for it."""
    from fpt_bench.bodies.build import plan_body
    from fpt_bench.bodies.find import find_body
    from fpt_bench.bodies.inits.numbers_kept import planned_numbers

    found: dict[str, int | None] = dict.fromkeys(inits)
    found[TASK_INIT] = 0  # trained here, from random weights
    try:
        width = find_body(body).bytes_a_number()
    except FileNotFoundError as error:
        notes.print(f"bytes kept are not known: {error}")
        return found
    for init in found.keys() - {TASK_INIT}:
        with contextlib.suppress(ValueError):
            plan = plan_body(make_spec({"task": "bit-xor", "body": body, "init": init}), max_length=1)
            found[init] = round(planned_numbers(plan) * width)
    return found


def _list_configs(kind: str, words: str, _: Asked) -> Listing:
    names = config_names(kind)
    return (kind.removesuffix("s"), words), [
        (n, str(read_yaml(find_config(kind, n)).get(words, "")).strip()) for n in names
    ]


def _list_floors(asked: Asked) -> Listing:
    """List what is on record, here and in a folder of runs: nothing is set up, and nothing learns."""
    columns = ("task", "name", "kind", "score", "test examples", "learned from", "data")
    rows = {}
    for record in known_records(asked.runs, notes):
        sizes = " ".join(f"{name}={value}" for name, value in record.data_arguments.items())
        data, test = f"{record.data} {sizes}".strip(), f"{record.test_examples:,}"
        for kind, scores, seen in (("floor", record.floors, ""), ("simple learner", record.learners, record.examples)):
            for name, score in scores.items():
                shown = percent(score, record.is_fraction)
                row = record.task, name, kind, shown, test, f"{seen:,}" if seen else "", data
                rows[record.fingerprint, row] = row
    return columns, list(rows.values())


def _list_runs(asked: Asked) -> Listing:
    results = read_results(where_results_lie(existing(asked.runs)), notes)
    rows = [
        (r.spec.run_id, str(r.status), r.metric, percent(r.test_score, r.is_fraction), percent(r.floor, r.is_fraction))
        for r in results
    ]
    return ("run", "status", "metric", "test", "floor"), [*rows]


def _worded(cell: str | int | None) -> str:
    return "-" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _list_claims(_: Asked) -> Listing:
    rows = [
        (
            filed.name,
            _judges_of(filed),
            filed.claim.hash[:12],
            filed.sentence,
            filed.said_by,
            filed.refuted_by,
        )
        for filed in filed_claims()
    ]
    return ("claim", "judged by", "hash", "what is claimed", "source", "refuted by"), [*rows]


def _judges_of(filed: FiledClaim) -> str:
    at = f" at {filed.profile}" if filed.profile else ""
    return f"{', '.join(filed.experiments)}{at}" if filed.experiments else "none here"


def _list_codes(_: Asked) -> Listing:
    return ("code", "what", "why", "to do"), [(code, c.name, c.why, c.to_do) for code, c in CODES.items()]


LISTS: dict[str, Callable[[Asked], Listing]] = {
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
