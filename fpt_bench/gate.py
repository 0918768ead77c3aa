"""The regression gate over a folder: the table of its bench compared with a kept one, or kept in its place."""

from pathlib import Path

from rich.console import Console

from fpt_bench.bench import PUBLISHED, find_grids, read_grid, read_results
from fpt_bench.check import Verdict, check_table, make_baseline, read_baseline
from fpt_bench.render import write_tables
from fpt_bench.results import write_atomically


def check_bench(runs: Path, baseline: Path, console: Console) -> Verdict:
    """Render a bench's table again from its results and compare it with a kept one.

    Args:
        runs: folder of the results of one bench or, of several, of one's tables.
        baseline: CSV file that `renew_baseline` wrote.
        console: told of results that cannot be read.

    Raises:
        FileNotFoundError: no bench or no baseline is there.
        ValueError: several benches, or a file that is no baseline.
    """
    grid_file = _one_bench(runs)
    kept = read_baseline(baseline)
    grid = read_grid(grid_file)
    frame = write_tables(grid, read_results(grid_file.parents[2], console), grid_file.parent, PUBLISHED)
    return check_table(frame, kept, grid.experiment.effects)


def renew_baseline(runs: Path, baseline: Path, console: Console) -> None:
    """Keep a bench's table for later comparisons; margins that people wrote into the old one stay.

    Raises:
        FileNotFoundError: no bench is there.
        ValueError: several benches, or an old file that is no baseline.
    """
    grid_file = _one_bench(runs)
    before = read_baseline(baseline) if baseline.is_file() else None
    results = read_results(grid_file.parents[2], console)
    frame = write_tables(read_grid(grid_file), results, grid_file.parent, PUBLISHED)
    write_atomically(baseline, make_baseline(frame, before).to_csv(index=False, float_format="%.6g"))


def _one_bench(runs: Path) -> Path:
    grids = find_grids(runs)
    if len(grids) > 1:
        known = ", ".join(path.parent.name for path in grids)
        raise ValueError(f"{runs}: expected one bench, got {len(grids)}; name the folder of one's tables: {known}")
    return grids[0]
