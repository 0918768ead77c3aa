"""The command line: `python -m fpt_bench` or `fpt-bench`."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fpt_bench.config_files import listed_experiments
from fpt_bench.loggers import require_loggers
from fpt_bench.options import launcher_from_options, spec_from_options, takes_launcher, takes_run_fields
from fpt_bench.workspace import Workspace

app = typer.Typer(
    help="Does a transformer pretrained on language help on tasks with no language in them, and when?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console()
notes = Console(stderr=True)

INTERRUPTED = 130
WRONG_INPUT = 2
FAILED = 1

Runs = Annotated[Path, typer.Option(help="folder that holds the results")]
DataRoot = Annotated[
    Path | None, typer.Option(help="folder of real data and caches; else FPT_BENCH_DATA, else the user's cache")
]
Offline = Annotated[bool, typer.Option("--offline", help="never touch the network")]
Loggers = Annotated[
    list[str] | None,
    typer.Option("--logger", help="csv, tensorboard or wandb; may be repeated; default: csv and tensorboard"),
]
EXPERIMENTS_HELP = "names in configs/experiments or YAML files, separated by commas, or `all`"
ProfileName = Annotated[str, typer.Option(help="how much is spent: a name in configs/profiles or a YAML file")]


def says_what_is_wrong(command: Callable[..., None]) -> Callable[..., None]:
    """Turn wrong input into one sentence and exit code 2, and Ctrl-C into exit code 130."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, OSError) as error:
            notes.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(WRONG_INPUT) from error
        except KeyboardInterrupt as error:
            notes.print(
                "stopped; what is finished is kept, and the same command goes on where this one was", soft_wrap=True
            )
            raise typer.Exit(INTERRUPTED) from error

    return guarded


def make_workspace(runs: Path, data_root: Path | None, offline: bool, loggers: list[str] | None) -> Workspace:
    """Give the workspace of a command that trains; a ValueError where a logger is unknown or not installed."""
    usual = Workspace(runs, data_root, offline)
    return replace(usual, loggers=require_loggers(loggers)) if loggers else usual


def main() -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    # As `python -m` does it, so that `fpt-bench` too finds a task or body that lies in the working directory.
    sys.path.insert(0, str(Path.cwd()))
    # Reading a GGUF file, transformers draws a bar of its own over ours; Hugging Face's downloads still show theirs.
    os.environ.setdefault("TQDM_DISABLE", "1")
    app()


@app.command()
@says_what_is_wrong
@takes_run_fields
def run(
    fields: dict[str, Any],
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    offline: Offline = False,
    logger: Loggers = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or processes without any, of each node")] = 1,
    num_nodes: Annotated[int, typer.Option(min=1, help="nodes; start this command on each")] = 1,
    strategy: Annotated[str, typer.Option(help="Lightning's, for several devices: auto, ddp, ...")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="print the result alone, as JSON")] = False,
) -> None:
    """Train and test one model on one task. What is not said comes from configs/tasks.yaml and the profile."""
    spec = spec_from_options(fields, profile)
    from fpt_bench.display import RunBar
    from fpt_bench.harness import follow, run_one
    from fpt_bench.resolve import resolve
    from fpt_bench.resources import Devices
    from fpt_bench.show import show_result

    workspace = make_workspace(runs, data_root, offline, logger)
    spec, warning = resolve(spec, workspace)
    used = Devices(devices, num_nodes, strategy)
    if used.rank > 0:
        follow(spec, workspace, used)
        return
    if warning:
        notes.print(warning, style="yellow", markup=False)
    title = f"{spec.task} · {spec.init} · seed {spec.seed}"
    with RunBar(title, spec.max_steps, notes) as bar:
        result = run_one(spec, workspace, bar.report, devices=used)
    if json:
        out.print_json(result.model_dump_json())
        return
    out.print(show_result(result, runs / spec.run_id), soft_wrap=True, highlight=False)


@app.command()
@says_what_is_wrong
@takes_launcher
def bench(
    launching: dict[str, Any],
    experiments: Annotated[str, typer.Option(help=EXPERIMENTS_HELP)] = "headline",
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    workers: Annotated[int | None, typer.Option(min=1, help="runs at once; default: one a core, or one a GPU")] = None,
    data_root: DataRoot = None,
    offline: Offline = False,
    logger: Loggers = None,
) -> None:
    """Run every task under each initialization and tabulate accuracies, differences and convergence speed."""
    from fpt_bench.bench import TABLES, plan_grid, run_grid, send_grid
    from fpt_bench.launch import default_workers

    workspace = make_workspace(runs, data_root, offline, logger)
    launcher = launcher_from_options(launching, profile)
    runs.mkdir(parents=True, exist_ok=True)
    plans = [plan_grid(name, profile, workspace) for name in listed_experiments(experiments)]
    results = []
    for grid, warnings in plans:
        for warning in warnings:
            notes.print(warning, style="yellow", markup=False)
        if launcher.kind == "slurm":
            out.print(send_grid(grid, workspace, launcher), markup=False, soft_wrap=True)
            continue
        results += run_grid(grid, workspace, workers or default_workers(), notes)
        folder = runs / TABLES / grid.name
        print((folder / "table.md").read_text())
        notes.print(f"tables: {folder}", markup=False, soft_wrap=True)
    troubled = [result for result in results if result.status != "ok"]
    for result in troubled:
        notes.print(f"{result.spec.run_id} {result.status}: {result.error}", style="red", markup=False, soft_wrap=True)
    if any(result.status == "failed" for result in troubled):
        raise typer.Exit(FAILED)


@app.command()
@says_what_is_wrong
def plan(
    experiments: Annotated[str, typer.Argument(help=EXPERIMENTS_HELP)],
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    steps_per_second: Annotated[
        float | None, typer.Option(min=1e-6, help="of one run; default: measured from finished runs")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="runs at once")] = 1,
) -> None:
    """Say what experiments cost before anything is spent: runs, steps, hours, disk, and what is done already."""
    from fpt_bench.plan import show_experiments

    names = listed_experiments(experiments)
    out.print(show_experiments(names, profile, runs, steps_per_second, workers, notes), highlight=False)


@app.command()
@says_what_is_wrong
def status(runs: Annotated[Path, typer.Argument(help="folder of a bench's results")] = Path("runs")) -> None:
    """Show how many runs are queued, running, done, failed or lost, and the ends of the logs of those in trouble."""
    from fpt_bench.status import folder_status, show_status

    out.print(show_status(folder_status(runs, notes), runs), soft_wrap=True, highlight=False)


@app.command()
@says_what_is_wrong
def table(runs: Annotated[Path, typer.Argument(help="folder of a bench's results")] = Path("runs")) -> None:
    """Render the tables of a bench again from its results, without training."""
    from fpt_bench.bench import render_again

    for folder in render_again(runs, notes):
        print((folder / "table.md").read_text())
        notes.print(f"tables: {folder}", markup=False, soft_wrap=True)


@app.command()
@says_what_is_wrong
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="folder of a bench's results; two folders are compared, before and after")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write; figures/ goes beside it")] = Path(
        "report.html"
    ),
    watch: Annotated[bool, typer.Option("--watch", help="write it again when results change, until Ctrl-C")] = False,
) -> None:
    """Turn results into one page that needs no network, and into figures as PDF and PNG."""
    from fpt_bench.report.build import build_report, watch_report
    from fpt_bench.report.compare import compare_reports

    if len(runs) > 2 or (watch and len(runs) > 1):
        raise ValueError(f"expected one folder, or two to compare without --watch, got {len(runs)}")
    if len(runs) == 2:
        compare_reports(runs[0], runs[1], output, notes)
    elif watch:
        watch_report(runs[0], output, notes)
    else:
        build_report(runs[0], output, notes)
    out.print(f"report: {output}", markup=False, soft_wrap=True)


@app.command()
@says_what_is_wrong
def attention(
    run: Annotated[Path, typer.Argument(help="folder of a run that is over")],
    example: Annotated[int, typer.Option(min=0, help="which test example, counted from 0")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="PNG, SVG or PDF to write; by default in the run's folder")
    ] = None,
    data_root: DataRoot = None,
    offline: Offline = False,
) -> None:
    """Draw who attends to whom, layer by head, in a run's model and in the same body at random."""
    from fpt_bench.attention_maps import maps_of_run
    from fpt_bench.report.attention import save_attention

    path = output or run / f"attention-{example}.png"
    maps = maps_of_run(run, example, data_root, offline)
    save_attention(maps, f"{run.resolve().name}, test example {example}", path)
    for shown in maps:
        out.print(shown.title, markup=False, soft_wrap=True)
    out.print(f"attention: {path}", markup=False, soft_wrap=True)


@app.command()
@says_what_is_wrong
def examples(
    run: Annotated[Path, typer.Argument(help="folder of a run that is over")],
    data_root: DataRoot = None,
    offline: Offline = False,
) -> None:
    """Show what a run's model says to the first test examples, and keep it for the report."""
    from fpt_bench.harness import run_one
    from fpt_bench.predict import predict
    from fpt_bench.predictions import write_predictions
    from fpt_bench.restore import read_run, restore
    from fpt_bench.show import show_predictions

    module, datamodule = restore(read_run(run), Workspace(run.resolve().parent, data_root, offline), run_one)
    predictions = predict(module, datamodule, datamodule)
    write_predictions(predictions, run)
    out.print(show_predictions(predictions))


@app.command()
@says_what_is_wrong
def check(
    runs: Annotated[Path, typer.Argument(help="folder of a bench's results or, of several, of one's tables")],
    baseline: Annotated[Path, typer.Option(help="CSV file to compare with")],
    renew: Annotated[bool, typer.Option("--renew", help="write the baseline instead of comparing with it")] = False,
    markdown: Annotated[Path | None, typer.Option(help="file to write a summary to, in Markdown")] = None,
    junit: Annotated[Path | None, typer.Option(help="file to write all checks to, as JUnit XML")] = None,
) -> None:
    """Compare a bench's table with a kept one. Exit code 0: no regression; 1: a regression; 2: wrong input."""
    from fpt_bench.gate import check_bench, renew_baseline
    from fpt_bench.results import write_atomically
    from fpt_bench.verdict import render_junit, render_summary

    if renew:
        renew_baseline(runs, baseline, notes)
        print(f"baseline written: {baseline}")
        return
    verdict = check_bench(runs, baseline, notes)
    for path, text in ((markdown, render_summary(verdict, runs, baseline)), (junit, render_junit(verdict))):
        if path is not None:
            write_atomically(path, text)
    for problem in verdict.problems:
        print(problem)
    print(verdict.line)
    if verdict.problems:
        raise typer.Exit(FAILED)


@app.command()
@says_what_is_wrong
def fetch(
    tasks: Annotated[list[str], typer.Argument(help="tasks whose real data to download; see `list tasks`")],
    data_root: DataRoot = None,
) -> None:
    """Download the real data of tasks, unless they are there; what stopped goes on where it was."""
    from fpt_bench.extensions import find_task

    modules = {task: find_task(task) for task in tasks}
    for task, module in modules.items():
        where = module.real_data(data_root, offline=False) if module.remote_files else module().source
        print(f"{task}: {where}")


@app.command(name="list")
@says_what_is_wrong
def list_(
    what: Annotated[str, typer.Argument(help="tasks, bodies, inits, experiments, profiles or runs")],
    runs: Runs = Path("runs"),
) -> None:
    """Show what there is."""
    from fpt_bench.listing import LISTS
    from fpt_bench.names import require_known

    require_known("list", what, LISTS)
    columns, rows = LISTS[what](runs)
    shown = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*row)
    out.print(shown)
