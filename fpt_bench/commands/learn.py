"""`learn`: floors and simple learners, which every arm is to beat, measured and kept."""

from pathlib import Path
from typing import Annotated, Any

import typer

from datamodules.sources.downloads import MissingDataError
from fpt_bench.commands.console import notes, out
from fpt_bench.commands.options import EXPERIMENTS_HELP, DataRoot, Offline, ProfileName, Runs
from fpt_bench.config.command_line import spec_from_options
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.spec import RunSpec
from fpt_bench.config.yaml_files import ALL_EXPERIMENTS, listed_experiments
from fpt_bench.report.words import percent
from fpt_bench.results.folder import simple_learners_file
from fpt_bench.results.simple_records import KEPT_FILE, add_records, examples_shown, read_records
from fpt_bench.results.workspace import Workspace


def learn(
    task: Annotated[str | None, typer.Option(help="one task, as `run` has it; else all of the experiments")] = None,
    data: Annotated[str | None, typer.Option(help="real, embedded or auto; with --task")] = None,
    data_arguments: Annotated[
        list[str] | None, typer.Option(help="arguments of the task's class, as name=value; may be repeated")
    ] = None,
    experiments: Annotated[str, typer.Option(help=EXPERIMENTS_HELP)] = ALL_EXPERIMENTS,
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    keep: Annotated[bool, typer.Option("--keep", help="write into configs/reference, not into the folder")] = False,
    data_root: DataRoot = None,
    offline: Offline = False,
) -> None:
    """Measure floors and fit simple learners on as many examples as runs see, unless that is on record already."""
    if task is None and (data or data_arguments):
        raise ValueError("expected --task beside --data and --data-arguments, got none. Say which task's data they are")
    fields: dict[str, Any] = {"task": task}
    fields |= {"data": data} if data else {}
    fields |= {"data_arguments": data_arguments} if data_arguments else {}
    specs = _shown(experiments, profile) if task is None else [spec_from_options(fields, profile)]
    path = KEPT_FILE if keep else simple_learners_file(runs)
    for spec in specs:
        try:
            _learn(spec, Workspace(runs, data_root, offline), path, is_asked_for=task is not None)
        except MissingDataError as error:
            if task is not None or experiments != ALL_EXPERIMENTS:
                raise
            notes.print(f"left out: {spec.task}, {spec.data}; {error}", style="yellow", markup=False, soft_wrap=True)
    out.print(f"records: {path}", soft_wrap=True)


def _shown(experiments: str, profile: str) -> list[RunSpec]:
    """Return a run for each task, data and number of examples in the experiments."""
    grids = [named_grid(name, profile) for name in listed_experiments(experiments)]
    specs = [run.spec for grid in grids for run in grid.runs]
    return list({(s.task, s.data, str(s.data_arguments), examples_shown(s)): s for s in reversed(specs)}.values())[::-1]


def _learn(spec: RunSpec, workspace: Workspace, path: Path, is_asked_for: bool) -> None:
    """Add a run's record to a file, unless it is there."""
    with notes.status("loading PyTorch"):
        from fpt_bench.training.resolve import make_datamodule, resolve_data
        from fpt_bench.training.simple_measure import measure_simple, require_learners

    spec, warning = resolve_data(spec, workspace)
    if warning:
        notes.print(warning, style="yellow", markup=False, soft_wrap=True)
    datamodule = make_datamodule(spec, workspace)
    if is_asked_for:
        require_learners(spec, datamodule)
    with notes.status(f"learning {spec.task}"):
        fingerprint = datamodule.fingerprint()
        if (spec.task, fingerprint, examples_shown(spec)) in {record.key for record in read_records(path)}:
            return
        where = f"{spec.task}, {datamodule.data}, {examples_shown(spec):,} examples"

        def report(name: str, score: float) -> None:
            said = percent(score, datamodule.task.measure.is_fraction)
            out.print(f"{where}: {name} {said}", markup=False, highlight=False, soft_wrap=True)

        found = measure_simple(spec, datamodule, fingerprint, report)
    add_records(path, [found])
