"""`inspect`: what the data of a task are, or what a body is, and what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from fpt_bench.commands.accounts import tell_accounts
from fpt_bench.commands.body_view import is_body, show_body
from fpt_bench.commands.console import FAILED, notes, out
from fpt_bench.commands.options import DataRoot, Offline, ProfileName
from fpt_bench.config.command_line import spec_from_options
from fpt_bench.config.known import known_bodies, known_tasks
from fpt_bench.config.plugins import TASKS_GROUP, comes_from_outside, in_one_line, is_path
from fpt_bench.names import require_known
from fpt_bench.report.words import percent
from fpt_bench.results.predictions import shorten, spell
from fpt_bench.results.workspace import Workspace

if TYPE_CHECKING:
    from datamodules.contract import TaskDataModule, TaskSpec
    from datamodules.survey import SplitSurvey


def inspect(
    task: Annotated[str, typer.Argument(help="a task or a body: its name, MODULE:ATTRIBUTE, or a body's folder")],
    data: Annotated[str | None, typer.Option(help="real, embedded or auto; by default what `run` takes")] = None,
    data_arguments: Annotated[
        list[str] | None, typer.Option(help="arguments of the task's class, as name=value; may be repeated")
    ] = None,
    profile: ProfileName = "embedded",
    data_root: DataRoot = None,
    offline: Offline = False,
) -> None:
    """Show what a task's data are, or a body, and every fault: exit code 1 where there is one. Nothing is trained."""
    if is_body(task):
        show_body(task, offline)
        return
    if not is_path(task):
        require_known("task or body", task, {*known_tasks(), *known_bodies()}, "MODULE:ATTRIBUTE or a body's folder")
    fields: dict[str, Any] = {"task": task}
    fields |= {"data": data} if data else {}
    fields |= {"data_arguments": data_arguments} if data_arguments else {}
    spec = spec_from_options(fields, profile)
    workspace = Workspace(Path(), data_root, offline)
    with notes.status("loading PyTorch"):
        from datamodules.checks import judge, survey
        from datamodules.remarks import remarks
        from fpt_bench.training.resolve import make_datamodule, resolve_data

    spec, warning = resolve_data(spec, workspace)
    if warning:
        notes.print(warning, style="yellow", markup=False, soft_wrap=True)
    datamodule = make_datamodule(spec, workspace)
    with notes.status(f"looking at {spec.task}"):
        surveys: dict[str, SplitSurvey] = {}
        try:
            surveys = survey(datamodule)
            faults = judge(datamodule, surveys)
        except ValueError as error:  # examples that cannot be made
            faults = [str(error)]
        except Exception as error:
            if not comes_from_outside(task, TASKS_GROUP):  # of our own tasks it is ours to mend
                raise
            faults = [f"expected examples that can be looked at, got {in_one_line(error)}"]
    for line in _describe(datamodule, spec.task):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if surveys:
        out.print(_draw(surveys))
    for line in (*(_tell(datamodule) if not faults else ()), *(_accounts(datamodule, faults) if surveys else ())):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    for remark in remarks(datamodule, surveys) if not faults else ():
        out.print(f"worth knowing: {remark}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    if not faults:
        out.print("sound: no fault was found", style="green")
        return
    for fault in faults:
        out.print(f"fault: {fault}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(FAILED)


def _describe(datamodule: "TaskDataModule", name: str) -> Iterator[str]:
    """Yield what is known of a task before its examples are, a line each."""
    task = datamodule.task
    values = _count(task.input_size, "number") if task.input_kind == "vectors" else f"one of {task.input_size} tokens"
    yield f"{name}: {datamodule.data}: {getattr(datamodule, 'source', None)}"
    answer = f"{_count(task.num_labels, 'label')}{_kind(task)}"
    yield (
        f"input: at most {_count(task.max_length, 'position')}, each {values}; answer: {answer}, read out at the last "
        f"{_count(task.read_positions, 'position')}"
    )
    measure = task.measure
    yield f"scored by {measure.name}{'' if measure.higher_is_better else ', lower is better'}; loss {task.loss_name}"


def _kind(task: "TaskSpec") -> str:
    """Say what the labels are."""
    kinds = {"classes": f" of {task.num_classes} classes", "numbers": ", a number each", "multi-label": ", 0 or 1 each"}
    return kinds[task.label_kind] + (", some missing" if task.ragged else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _draw(surveys: Mapping[str, "SplitSurvey"]) -> Table:
    """Draw what each split holds, a row each."""
    from datamodules.checks import count_shared

    has_classes = all(found.task.label_kind == "classes" for found in surveys.values())
    heads = ("classes", "commonest") if has_classes else ("labels", "best constant")
    table = Table("split", "examples", "positions", *heads, "doubled", "also in", box=None, pad_edge=False)
    names = list(surveys)
    for number, (split, found) in enumerate(surveys.items()):
        shared = {earlier: count_shared(surveys[earlier], found) for earlier in names[:number]}
        table.add_row(
            split,
            f"{found.examples:,}",
            _span(found.lengths),
            (str(found.distinct) if has_classes else f"{found.labelled:,}") if found.lengths else "0",
            percent(found.commonest, found.task.measure.is_fraction) if found.lengths else "",
            f"{found.doubled:,}" if found.doubled else "none",
            ", ".join(f"{earlier} {count:,}" for earlier, count in shared.items() if count) or "none",
        )
    return table


def _span(lengths: list[int]) -> str:
    lowest, highest = min(lengths, default=0), max(lengths, default=0)
    return str(lowest) if lowest == highest else f"{lowest} to {highest}"


def _tell(datamodule: "TaskDataModule") -> Iterator[str]:
    """Yield the floor and what it is the best of, and one example in words, a line each."""
    from datamodules.constants import known_labels

    fraction = datamodule.task.measure.is_fraction
    rules = "; ".join(f"{rule} {percent(score, fraction)}" for rule, score in datamodule.all_floors().items())
    yield f"floor {percent(datamodule.floor(), fraction)}: {rules}"

    headline = datamodule.test_splits[0]
    batch = datamodule.examples(headline).batch(np.arange(1))
    words = " ".join(datamodule.words(batch.inputs[0, batch.mask[0]]))
    yield f"first example of {headline}: {shorten(words)} -> {shorten(spell(known_labels(batch.labels[0])))}"


def _accounts(datamodule: "TaskDataModule", faults: Sequence[str]) -> Iterator[str]:
    """Yield what became of the records, a line each: as a result would have it, also where there are faults."""
    from fpt_bench.training.data_record import describe_data

    try:
        yield from tell_accounts(describe_data(datamodule, datamodule.fingerprint()))
    except Exception:
        if not faults:  # which say what is wrong
            raise
