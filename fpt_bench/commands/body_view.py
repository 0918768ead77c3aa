"""The part of `inspect` that shows a body: what it is, what became of its file's tensors, what is wrong with it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from fpt_bench.bodies.catalog import BodyEntry
from fpt_bench.commands.console import FAILED, notes, out
from fpt_bench.config.known import is_hub_name, known_bodies, known_tasks
from fpt_bench.config.plugins import import_attribute, is_path

if TYPE_CHECKING:
    from fpt_bench.bodies.description import BodyDescription

SHOWN = 5
"""Names of tensors that are written out of each kind."""


def is_body(name: str) -> bool:
    """Return whether what `inspect` is asked for is a body and no task: a name, a folder, OWNER/MODEL or an entry."""
    if name in known_tasks():
        return False
    if name in known_bodies() or Path(name).expanduser().is_dir() or is_hub_name(name):
        return True
    return is_path(name) and isinstance(import_attribute("task", name), BodyEntry)


def show_body(name: str, offline: bool) -> None:
    """Print what a body is; exit code 1 where it has a fault."""
    with notes.status("loading PyTorch"):
        from transformers.utils import logging

        from fpt_bench.bodies.description import describe
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with notes.status(f"looking at {name}"):
        found = describe(name, offline)
    for line in _tell(found):
        out.print(line, highlight=False, soft_wrap=True)
    if found.groups:
        out.print(_draw(found))
    for remark in found.remarks:
        out.print(remark, style="yellow", highlight=False, soft_wrap=True)
    if not found.faults:
        out.print("sound: no fault was found", style="green")
        return
    for fault in found.faults:
        out.print(f"fault: {fault}", style="red", highlight=False, soft_wrap=True)
    raise typer.Exit(FAILED)


def _tell(found: "BodyDescription") -> Iterator[str]:
    yield found.source
    yield f"family: {found.family}; {found.shape}"
    yield f"execution: {found.execution}; native equals the model's own forward: {found.native}"
    if found.read:
        yield f"read: {', '.join(found.read)}"
    if found.beside:
        yield f"not read: {', '.join(found.beside)}"
    if (report := found.report) is not None:
        yield f"tensors: {report.total:,}, of which {len(report.placed):,} placed{_let_through(report.let_through)}" + (
            f", {len(report.refused):,} refused" if report.refused else ""
        )
    yield f"positions: {found.positions}"
    yield f"attention: {found.sight}"
    yield f"norms: {found.norms}"
    yield f"--dropout reaches: {found.dropout}"


def _let_through(names: Mapping[str, str]) -> str:
    """Say what was let through, by what it is, with the first names of each."""
    parts = []
    for kind, count in Counter(names.values()).items():
        some = [name for name, what in names.items() if what == kind][:SHOWN]
        more = ", ..." if count > len(some) else ""
        parts.append(f"{count:,} let through as {kind} ({', '.join(some)}{more})")
    return "".join(f", {part}" for part in parts)


def _draw(found: "BodyDescription") -> Table:
    table = Table("group", "parameters", box=None, pad_edge=False)
    for group, count in found.groups.items():
        table.add_row(group, f"{count.total:,}")
    return table
