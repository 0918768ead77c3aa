"""`run`: train and test one model on one task."""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from fpt_bench.commands.accounts import tell_accounts
from fpt_bench.commands.console import notes, out, say_json
from fpt_bench.commands.options import DataRoot, Loggers, Offline, ProfileName, Runs, make_workspace, takes_run_fields
from fpt_bench.config.command_line import spec_from_options
from fpt_bench.config.plugins import is_path
from fpt_bench.report.words import other_test_sets, percent
from fpt_bench.results.result_files import time_of_result
from fpt_bench.training.devices import Devices

if TYPE_CHECKING:
    from fpt_bench.results.result import RunResult


@takes_run_fields
def run(
    fields: dict[str, Any],
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    offline: Offline = False,
    logger: Loggers = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs per node (processes per node without a GPU)")] = 1,
    num_nodes: Annotated[int, typer.Option(min=1, help="nodes; start this command on each")] = 1,
    strategy: Annotated[str, typer.Option(help="Lightning's, for several devices: auto, ddp, ...")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="print the result alone, as JSON")] = False,
) -> None:
    """Train and test one model on one task.

    Options you leave out are taken from the profile and configs/tasks.yaml; the defaults below hold where neither says.
    """
    spec = spec_from_options(fields, profile)
    workspace = make_workspace(runs, data_root, offline, logger)
    began = time.monotonic()
    with notes.status("loading PyTorch"):
        from fpt_bench.commands.grid_view import RunBar
        from fpt_bench.training.one_run import follow, run_one
        from fpt_bench.training.resolve import resolve

    imports = time.monotonic() - began
    spec, warning = resolve(spec, workspace)
    used = Devices(devices, num_nodes, strategy)
    if used.rank > 0:
        follow(spec, workspace, used)
        return
    if warning:
        notes.print(warning, style="yellow", markup=False)
    before = time_of_result(runs / spec.run_id)
    title = f"{spec.task} · {spec.init} · seed {spec.seed}"
    with RunBar(title, spec.max_steps, notes) as bar:
        result = run_one(spec, workspace, bar.report, devices=used, imports=imports)
    if json:
        say_json(result.model_dump(mode="json"))
        return
    is_old = before is not None and before == time_of_result(runs / spec.run_id)
    out.print(show_result(result, runs / spec.run_id, is_old), soft_wrap=True, highlight=False)
    notes.print(
        f"next: {after_run(runs / spec.run_id, is_path(spec.task) or is_path(spec.body))}",
        soft_wrap=True,
        highlight=False,
    )


def how_it_ended(result: "RunResult", is_old: bool) -> list[str]:
    """Say whether anything was trained, from which step on, and why it ended before its last step."""
    lines, spec = [], result.spec
    if is_old:
        when = f" on {result.finished_at:%Y-%m-%d %H:%M} UTC" if result.finished_at else ""
        lines.append(f"done before{when}, nothing trained")
    elif result.attempts and result.attempts[-1].first_step:
        lines.append(f"resumed from step {result.attempts[-1].first_step:,}")
    last = result.curve[-1][0] if result.curve else 0
    if result.status == "ok" and last < spec.max_steps:
        why = "a perfect validation" if result.is_perfect else f"{spec.patience} validations without a new best"
        lines.append(f"stopped early, at step {last:,} of {spec.max_steps:,}: {why}")
    return lines


def after_run(folder: Path, trust: bool = False) -> str:
    """Return the commands that look into a run that is over, and at all of its folder.

    Args:
        folder: of the run.
        trust: whether its task or body is code that `examples` imports when it is told to.
    """
    examples, report = (
        shlex.join(["python", "-m", "fpt_bench", name, str(path), *more])
        for name, path, more in (("examples", folder, ["--trust"] * trust), ("report", folder.parent, []))
    )
    return f"{examples}; {report}"


def show_result(result: "RunResult", folder: Path, is_old: bool = False) -> RenderableType:
    """Say how a run ended, what it used, how well it did and where it lies, a line each.

    Args:
        result: what came out.
        folder: of the run.
        is_old: whether it was there before it was asked for.
    """
    lines = how_it_ended(result, is_old)
    lines += [f"its {len(result.attempts)} attempts differ in {'; '.join(result.mixed())}"] if result.mixed() else []
    if result.data is not None:
        lines.append(f"data: {result.data.kind}: {result.data.source}")
        lines += tell_accounts(result.data) if result.data.kind == "real" else ()
    if result.body is not None:
        lines.append(f"body: {'; '.join([result.body.source, *result.body.notes])}")
    trained = ", ".join(f"{group} {count.trained:,}" for group, count in result.parameters.items() if count.trained)
    lines.append(f"trained parameters: {result.trained_parameters():,}: {trained}")
    if result.status == "ok":
        test, floor, validation = (
            percent(score, result.is_fraction) for score in (result.test_score, result.floor, result.validation_score)
        )
        outcome = Text(
            f"test {result.metric} {test} on {result.test_examples} examples{other_test_sets(result)} "
            f"(floor {floor}), best validation {validation} at step {result.best_step}, {result.seconds:.0f} s"
        )
    else:
        outcome = Text(result.error or result.status, style="red")
    return Group(*map(Text, lines), outcome, Text(f"folder: {folder}"))
