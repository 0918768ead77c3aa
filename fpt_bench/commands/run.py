"""`run`: train and test one model on one task."""

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
from fpt_bench.report.words import other_test_sets, percent
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
    """Train and test one model on one task. Options you leave out are taken from the profile and configs/tasks.yaml."""
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
    title = f"{spec.task} · {spec.init} · seed {spec.seed}"
    with RunBar(title, spec.max_steps, notes) as bar:
        result = run_one(spec, workspace, bar.report, devices=used, imports=imports)
    if json:
        say_json(result.model_dump(mode="json"))
        return
    out.print(show_result(result, runs / spec.run_id), soft_wrap=True, highlight=False)


def show_result(result: "RunResult", folder: Path) -> RenderableType:
    """Say what a run used, how well it did and where it lies, a line each."""
    lines = [f"its {len(result.attempts)} attempts differ in {'; '.join(result.mixed())}"] if result.mixed() else []
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
