"""The commands that are worth calling from Python: `fpt_bench.run`, `fpt_bench.bench`, `fpt_bench.load_results`, ..."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fpt_bench.commands.bench import run_grid
from fpt_bench.commands.console import notes
from fpt_bench.commands.grid_plan import plan_grid
from fpt_bench.config.command_line import seeds_of, spec_from_options
from fpt_bench.config.picks import picks_from_options, written_settings
from fpt_bench.config.places import expanded
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.workers import default_workers, hire
from fpt_bench.names import require_known
from fpt_bench.results.folder import existing
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import read_results
from fpt_bench.results.simple_records import known_records
from fpt_bench.results.workspace import Workspace

if TYPE_CHECKING:
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.export import Frame


def run(
    spec: RunSpec | None = None,
    *,
    profile: str = "embedded",
    runs: str | Path = "runs",
    data_root: str | Path | None = None,
    offline: bool = False,
    **fields: Any,
) -> RunResult:
    """Train and test one model on one task, in this process, or return the result that is there.

    Args as `python -m fpt_bench run` has them: the whole `spec`, or `fields` of one, `task` at least; the rest comes
    from the profile and configs/tasks.yaml.

    Raises:
        ValueError: a name or a value is wrong.
    """
    if (spec is None) == (not fields):
        raise ValueError("expected a RunSpec or fields of one such as task='bit-xor', got both or neither")
    asked = spec or spec_from_options(fields, profile)
    from fpt_bench.training.one_run import run_one
    from fpt_bench.training.resolve import resolve

    workspace = _workspace(runs, data_root, offline)
    resolved, warning = resolve(asked, workspace)
    if warning:
        notes.print(warning, style="yellow", markup=False)
    return run_one(resolved, workspace)


def bench(
    experiment: str = "headline",
    profile: str = "embedded",
    *,
    tasks: Sequence[str] = (),
    arms: Sequence[str] = (),
    body: str | None = None,
    seeds: Sequence[int] = (),
    fields: Mapping[str, Any] | None = None,
    runs: str | Path = "runs",
    workers: int | None = None,
    data_root: str | Path | None = None,
    offline: bool = False,
    mix_releases: bool = False,
) -> "Bench":
    """Do what is missing of an experiment in worker processes, and return what came out of it.

    Args as `python -m fpt_bench bench` has them, `fields` as `--set`; tables are written into `runs`, too. What tasks,
    arms, body and fields pick is a bench of its own.

    Raises:
        ValueError: a mistake in a file or a name.
    """
    from fpt_bench.analysis.benches import Bench

    workspace = _workspace(runs, data_root, offline)
    picks = picks_from_options(",".join(tasks) or None, ",".join(arms) or None, body, written_settings(fields or {}))
    asked = seeds_of(",".join(map(str, seeds))) if seeds else None
    grid, warnings = plan_grid(experiment, profile, workspace, asked, mix_releases, picks=picks)
    for warning in warnings:
        notes.print(warning, style="yellow", markup=False)
    with hire(workers or default_workers(), workspace) as crew:
        results = run_grid(grid, workspace, crew, notes, mix_releases)
    return Bench.of(grid, results, folder=workspace.runs, simple=known_records(workspace.runs, notes))


def load_results(runs: str | Path = "runs") -> list[RunResult]:
    """Return all results in a folder of runs, by run id; a sentence on stderr says which files are none.

    Raises:
        FileNotFoundError: there is nothing at that path.
    """
    return read_results(existing(expanded(runs)), notes)


def results_frame(runs: str | Path = "runs", shape: Literal["wide", "long"] = "wide") -> "Frame":
    """Return all results in a folder of runs, or a packed file, as a frame.

    Args:
        runs: the folder or file.
        shape: `wide`, a row a run with its whole spec; or `long`, a row for each score, validations by step included.

    Raises:
        ValueError: another shape.
    """
    from fpt_bench.analysis.export import runs_frame, scores_frame

    require_known("shape", shape, ("wide", "long"))
    return (runs_frame if shape == "wide" else scores_frame)(load_results(runs))


def _workspace(runs: str | Path, data_root: str | Path | None, offline: bool) -> Workspace:
    return Workspace(expanded(runs), None if data_root is None else expanded(data_root), offline)
