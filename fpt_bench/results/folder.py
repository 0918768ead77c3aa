"""The layout of a folder of runs: only this file, and `grids.py` of benches, know what lies where, under which name.

RUNS/
  RUN_ID/                      a run
    result.json                appears when the run is over, and is the one truth about what is done
    run.claim                  while a process works on it
    checkpoints/{best,last}.ckpt
    logs/
    predictions.json           what the model says to a few test examples, to be looked at
    test_predictions.npz       what it says to every test example, and how sure it is
    attention-0.png            drawn by `attention`
  tables/EXPERIMENT-PROFILE/   a bench: grid.json, table.md, table.tex, table.csv, table.json, ...
  bodies/                      a folder of runs that trained bodies for others, each kept in RUN_ID/body/
  features/                    features of frozen bodies, computed once
  NAME.jsonl                   packed runs, a result a line, in place of their folders
  NAME.predictions.zip         what packed runs keep beside their results, as RUN_ID/predictions.json
  simple-learners.json         floors and simple learners, measured by `learn`
  slurm/                       which job does which run, and the jobs' logs
"""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from fpt_bench.config.grid import Grid
from fpt_bench.results.lines import is_packed
from fpt_bench.results.result import RunResult

# In the folder of a run, which its spec names: `runs / spec.run_id`.
RESULT_FILE, LEASE_FILE, WEIGHTS_FILE = "result.json", "run.claim", "body.safetensors"
PREDICTIONS_FILE, TEST_PREDICTIONS_FILE = "predictions.json", "test_predictions.npz"
CHECKPOINTS, LOGS, KEPT_BODY = "checkpoints", "logs", "body"
BEST, LAST = "best", "last"
# Beside runs.
TABLES, BODIES, FEATURES, SLURM = "tables", "bodies", "features", "slurm"
GRID_FILE, SIMPLE_LEARNERS_FILE = "grid.json", "simple-learners.json"
PACKED_PREDICTIONS = ".predictions.zip"
BEING_PACKED = ".being-packed"
"""Lease of a folder that is packed into."""
CHECKED = ("check.md", "check.xml")
"""What `make check` writes there."""
_HASH = re.compile(r"[_-][0-9a-f]{12,}")
"""In the name of what a spec names."""


def is_of_a_bench(entry: Path) -> bool:
    """Return whether something in a folder of runs is what a bench, or `make check`, puts there."""
    if entry.is_symlink() or not entry.is_dir():
        # What a killed process left, too: leases, and half of a file.
        ours = entry.name.startswith(f".{SIMPLE_LEARNERS_FILE}.")
        return not entry.is_symlink() and (ours or entry.name in (SIMPLE_LEARNERS_FILE, BEING_PACKED, *CHECKED))
    if entry.name == TABLES:
        return all((folder / GRID_FILE).is_file() for folder in entries_in(entry))
    if entry.name == SLURM:
        return True
    if entry.name == BODIES:
        return all(map(_is_a_run, entries_in(entry)))
    if entry.name == FEATURES:
        return all(_HASH.search(folder.name) for folder in entries_in(entry))
    return _is_a_run(entry)


def _is_a_run(folder: Path) -> bool:
    left = (RESULT_FILE, LEASE_FILE, CHECKPOINTS, LOGS)
    return bool(_HASH.search(folder.name)) and any((folder / name).exists() for name in left)


def runs_with(run: Path) -> Path:
    """Return the folder of runs that a run's folder is in."""
    return real_path(run).parent


def real_path(path: Path) -> Path:
    """Return a path without links, as `Path.resolve`, which raises RuntimeError where links lead round in a circle."""
    return Path(os.path.realpath(path))


def checkpoint_file(run: Path, name: str) -> Path:
    """Return a run's checkpoint called BEST or LAST."""
    return run / CHECKPOINTS / f"{name}.ckpt"


def attention_picture(run: Path, example: int) -> Path:
    """Return where the attention of a run's model on one test example is drawn, unless another file is named."""
    return run / f"attention-{example}.png"


def attention_pictures(run: Path) -> dict[str, Path]:
    """Return the pictures of attention in a run's folder, by the test example that they show."""
    return {path.stem.partition("-")[2]: path for path in entries_in(run) if path.match("attention-*.png")}


def tables_folder(runs: Path, grid: Grid) -> Path:
    """Return the folder of a bench's tables."""
    return runs / TABLES / grid.name


def table_file(tables: Path, ending: str, name: str = "table") -> Path:
    """Return a file in a bench's folder of tables, such as `table.md` or `rates.csv`."""
    return tables / f"{name}.{ending}"


def runs_of(grid_path: Path) -> Path:
    """Return the folder of runs that a grid's file is in."""
    return grid_path.parent.parent.parent


def existing(runs: Path) -> Path:
    """Return a place of results; a FileNotFoundError where nothing is there."""
    if not runs.exists():
        raise FileNotFoundError(f"{runs}: expected a folder of runs or a packed file, found nothing")
    if runs.is_file() and not is_packed(runs):
        raise FileNotFoundError(f"{runs}: expected a folder of runs or a packed file (.jsonl), found another file")
    return runs


def begun_runs(runs: Path) -> list[str]:
    """Return the ids of the runs in a folder that are over or that somebody has begun, by name."""
    begun = (RESULT_FILE, LEASE_FILE)
    return [entry.name for entry in entries_in(runs) if any(os.path.lexists(entry / name) for name in begun)]


def simple_learners_file(runs: Path) -> Path:
    """Return the file of floors and simple learners that somebody measured beside these runs."""
    return runs / SIMPLE_LEARNERS_FILE


def folder_of(runs: Path) -> Path:
    """Return the folder of runs that a place is: of a packed file, the one that it lies in."""
    return runs.parent if is_packed(runs) else runs


def packed_files(runs: Path) -> list[Path]:
    """Return the packed files in a folder of runs, or the one that it is."""
    return [path for path in ([runs] if is_packed(runs) else entries_in(runs)) if is_packed(path)]


def entries_in(folder: Path) -> list[Path]:
    """Return what is in a folder, whatever it is, by name; nothing where there is no folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def sizes_of_runs(runs: Path, results: Iterable[RunResult]) -> list[int]:
    """Return the bytes on disk of each result's run folder, if it has one; what cannot be looked at counts nothing."""
    folders = (runs / result.spec.run_id for result in results)
    return [_size(folder) for folder in folders if folder.is_dir()]


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(parent) / name).lstat().st_blocks * 512
    return size
