"""Results as data that travels: folders of runs and packed files in, packed files out.

A pack is NAME.jsonl, a result a line; beside it NAME.predictions.zip with what runs keep to be looked at, and in
tables/ the grids of its benches, with the times at which their claims were registered. The folder that they lie in is a
folder of runs.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpt_bench.config.grid import Grid
from fpt_bench.results.archive import write_members
from fpt_bench.results.atomic import replaced_when_whole, write_atomically
from fpt_bench.results.folder import (
    BEING_PACKED,
    GRID_FILE,
    PACKED_PREDICTIONS,
    PREDICTIONS_FILE,
    TEST_PREDICTIONS_FILE,
    folder_of,
    simple_learners_file,
    tables_folder,
)
from fpt_bench.results.grids import find_grids, grid_before, has_bench, read_grid
from fpt_bench.results.lease import Lease
from fpt_bench.results.lines import PACKED, is_packed, line_of, one_of_each
from fpt_bench.results.merge import merge_grids, registered_by_parts
from fpt_bench.results.result import RunResult, over_in
from fpt_bench.results.result_files import collect_results, read_of_run, read_places
from fpt_bench.results.simple_records import add_records, read_records

UNNAMED = "others"
"""Name of the file of runs that belong to no bench, where each experiment has a file."""
_FILES = frozenset({".csv", ".json", ".jsonl", ".md", ".txt"})
"""Endings that somebody gives to a file, and not to a folder."""


@dataclass(frozen=True)
class Gathered:
    """All that is packed."""

    results: Mapping[str, RunResult]
    """By run id, sorted."""
    grids: Mapping[str, Grid]
    """By the bench's name, sorted; those of one bench as one."""
    folders: Sequence[Path]
    """Folders of runs, where predictions and simple learners are."""


def gather(sources: Sequence[Path]) -> tuple[Gathered, list[str]]:
    """Return what is in folders of runs and packed files, and a sentence for each result that cannot be read.

    Of a packed file that is what its own benches need, runs of theirs in files beside it included.

    Raises:
        OSError, ValueError: a source is not there, or a grid cannot be read; two sources say two things of one run or
            of one bench; nothing is there.
    """
    read: list[tuple[str, RunResult]] = []
    held: list[tuple[Path, Grid]] = []
    problems: list[str] = []
    for source in sources:
        if not source.exists():
            raise FileNotFoundError(f"{source}: expected a folder of runs or a packed file, found nothing")
        own = {path: read_grid(path) for path in (find_grids(source) if has_bench(source) else ())}
        read += read_places(source, problems)
        if is_packed(source):
            wanted = {run.spec.run_id for grid in own.values() for run in grid.runs}
            wanted -= over_in(result for _, result in read).keys()
            read += [found for found in read_places(folder_of(source), []) if found[1].spec.run_id in wanted]
        held += own.items()
    if not read:
        raise ValueError(" ".join(problems) or f"expected results in {', '.join(map(str, sources))}, found none")
    found = one_of_each(read)
    grids: dict[str, tuple[Path, Grid]] = {}
    for path, grid in held:
        before = grids.get(grid.name)
        grids[grid.name] = (path, grid if before is None else merge_grids(*before, path, grid, over_in(found.values())))
    named = {name: grids[name][1] for name in sorted(grids)}
    return Gathered({run_id: found[run_id] for run_id in sorted(found)}, named, [*map(folder_of, sources)]), problems


def split(gathered: Gathered) -> dict[str, list[RunResult]]:
    """Return results by experiment, in alphabetical order; a run that several experiments share is with the first."""
    left, files = dict(gathered.results), {}
    for name in sorted({grid.experiment.name for grid in gathered.grids.values()}):
        runs = (run for grid in gathered.grids.values() if grid.experiment.name == name for run in grid.runs)
        wanted = dict.fromkeys(sorted(run.spec.run_id for run in runs))
        files[name] = [left.pop(run_id) for run_id in wanted if run_id in left]
    files[UNNAMED] = [*files.get(UNNAMED, ()), *left.values()]
    return files


def pack(sources: Sequence[Path], output: Path) -> tuple[dict[Path, int], list[str]]:
    """Pack results into a file, or into a file an experiment in a folder.

    Args:
        sources: folders of runs, and packed files.
        output: NAME.jsonl, or a folder.

    Returns:
        How many runs each file has, and a sentence for each result that could not be read and is left out.

    Raises:
        OSError: something cannot be read or written.
        ValueError: as `gather`; or what is there already would be lost.
    """
    if output.suffix.lower() in _FILES and output.suffix != PACKED and not output.is_dir():
        raise ValueError(f"expected NAME{PACKED} or a folder to pack into, got {output}")
    gathered, problems = gather(sources)
    if output.suffix == PACKED:
        folder, files = output.parent, {output.stem: list(gathered.results.values())}
    else:
        folder, files = output, split(gathered)
    paths = {folder / f"{name}{PACKED}": results for name, results in files.items()}
    packed = [("what is packed", result) for result in gathered.results.values()]
    folder.mkdir(parents=True, exist_ok=True)
    # From what is read there to what is written: of two at once none loses anything.
    with Lease(folder / BEING_PACKED):
        over = over_in(one_of_each([*_staying(folder, paths), *packed]).values())
        merged = {grid.name: _beside_kept(grid, folder, over) for grid in gathered.grids.values()}
        there = _benches_in(folder)
        benches = {**there, **merged}
        dated = [registered_by_parts(grid, benches.values()) for grid in benches.values()]
        for path in paths:
            _require_kept(path, gathered)
        # All of it before any is written: what is read may lie in the files that are.
        said = {path: list(_files_of(results, (*gathered.folders, folder))) for path, results in paths.items()}
        for path, results in paths.items():
            _write(path, results, said[path])
        for grid in (grid for grid in dated if grid != there.get(grid.name)):
            write_atomically(tables_folder(folder, grid) / GRID_FILE, grid.model_dump_json(indent=1) + "\n")
        # Records on file give way, wherever the output stands among what is packed.
        new = [each for each in gathered.folders if each.resolve() != folder.resolve()]
        if records := [record for each in new for record in read_records(simple_learners_file(each))]:
            add_records(simple_learners_file(folder), records)
    return {path: len(results) for path, results in paths.items() if results}, problems


def _staying(folder: Path, written: Collection[Path]) -> list[tuple[str, RunResult]]:
    """Return what lies in a folder in other files than those that will be written, each with its place."""
    return [
        (place, result) for place, result in read_places(folder, []) if Path(place.rpartition(":")[0]) not in written
    ]


def _benches_in(folder: Path) -> dict[str, Grid]:
    read = [(path, grid_before(path.parent)) for path in (find_grids(folder) if has_bench(folder) else ())]
    return {grid.name: grid for path, grid in read if grid is not None and path.parent.name == grid.name}


def _beside_kept(grid: Grid, folder: Path, done: Collection[str]) -> Grid:
    """Return a bench's grid with what the one of the same bench holds that is there already."""
    path = tables_folder(folder, grid) / GRID_FILE
    try:
        kept = read_grid(path)
    except FileNotFoundError:
        return grid
    return merge_grids(path, kept, Path("what is packed"), grid, done)


def _require_kept(path: Path, gathered: Gathered) -> None:
    """Raise a ValueError where a file is there with a line that is not packed, too: it would be lost."""
    try:
        results, problems = collect_results(path) if path.exists() else ([], [])
        lost = [r.spec.run_id for r in results if gathered.results.get(r.spec.run_id) != r and r.is_over]
    except ValueError as error:
        raise ValueError(f"{error} The file is left as it is.") from error
    if problems or lost:
        why = problems[0] if problems else f"it has {len(lost)} runs that are not, such as {lost[0]}"
        raise ValueError(
            f"{path}: expected a file of which everything is packed again, got another: {why}. Name it among what is "
            "packed, or take another output."
        )


def _write(path: Path, results: Sequence[RunResult], said: Sequence[tuple[str, bytes]]) -> None:
    archive = path.with_name(f"{path.stem}{PACKED_PREDICTIONS}")
    if not results:
        path.unlink(missing_ok=True)
        archive.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if said:
        with replaced_when_whole(archive) as stream:
            write_members(stream, said)
    else:
        archive.unlink(missing_ok=True)
    write_atomically(path, b"".join(map(line_of, results)))


def _files_of(results: Iterable[RunResult], folders: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield what runs keep beside their results, each file under the name that it has in an archive."""
    for result in results:
        for name in (PREDICTIONS_FILE, TEST_PREDICTIONS_FILE):
            content = next(_found(folders, result.spec.run_id, name), None)
            if content is not None:
                yield f"{result.spec.run_id}/{name}", content


def _found(folders: Sequence[Path], run_id: str, name: str) -> Iterator[bytes]:
    for folder in folders:
        try:
            yield read_of_run(folder / run_id, name)
        except FileNotFoundError:
            continue
