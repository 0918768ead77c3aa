"""What a result may be: one schema, bounds on every value, and other versions' files left as they are."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from fpt_bench.analysis.benches import Bench
from fpt_bench.config.grid import GRID_SCHEMA
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.workers import keep_failure
from fpt_bench.report.tables import write_tables
from fpt_bench.results.folder import GRID_FILE, RESULT_FILE, packed_files, tables_folder
from fpt_bench.results.grids import read_grid
from fpt_bench.results.lines import line_of
from fpt_bench.results.migration import move
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result import SCHEMA, RunResult
from fpt_bench.results.result_files import collect_results, read_result, write_result
from fpt_bench.results.schema import JSON_FILE, MARK, PAGE_FILE, json_schema, tables
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from fpt_bench.training.provenance import this_attempt
from tests.made_up import made_up_result
from tests.made_up_bench import made_up_bench, write_bench
from tests.paths import KEPT_RESULTS, ROOT

RESULT = made_up_result("bit-xor", seed=0, accuracy=0.9)


def fields() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULT.model_dump_json())
    return content


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": math.nan},
        {"seconds": -1.0},
        {"seconds": 1e308},
        {"test_score": -3},
        {"test_score": 1e308},
        {"test_score": math.nan},
        {"test_score": None},
        {"train_score": 1.5},
        {"test_scores": {"test": math.inf}},
        {"curve": [[50, 0.8], [100, math.nan]]},
        {"curve": [[100, 0.8], [50, 0.9]]},
        {"best_step": 7},
        {"data": None},
        {"peak_memory_mb": math.inf},
        {"tokens_per_second": -1},
        {"test_examples": -1},
        {"parameters": {"norm": {"trained": -1, "total": 3}}},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_one_warning(tmp_path: Path, change: dict[str, Any]) -> None:
    good = made_up_result("bit-xor", seed=1, accuracy=0.9)
    write_result(good, tmp_path / good.spec.run_id)
    write_result(RESULT, tmp_path / RESULT.spec.run_id)
    (tmp_path / RESULT.spec.run_id / RESULT_FILE).write_text(json.dumps({**fields(), **change}))
    results, problems = collect_results(tmp_path)
    assert results == [good]
    assert len(problems) == 1


def put_a_later_one(workspace: Workspace) -> Path:
    path = workspace.runs / RESULT.spec.run_id / RESULT_FILE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**fields(), "schema": SCHEMA + 1, "surprise": 1}))
    return path


def test_a_result_of_a_later_version_is_shown_as_newer_and_left(workspace: Workspace) -> None:
    path = put_a_later_one(workspace)
    before = path.read_bytes()
    results, (problem,) = collect_results(workspace.runs)
    assert results == []
    assert f"got one of schema {SCHEMA + 1}. A newer fpt_bench made it: update this one." in problem
    with pytest.raises(RefusedError, match="A newer fpt_bench made it"):
        run_one(RESULT.spec, workspace)
    assert keep_failure(RESULT.spec, "killed", workspace).status == "failed"
    assert path.read_bytes() == before


def test_a_result_of_an_earlier_version_is_moved_by_the_script_and_not_trained_again(workspace: Workspace) -> None:
    attempt = this_attempt().model_dump(exclude={"flags", "first_step", "phases"})
    old = {key: value for key, value in fields().items() if key not in ("schema", "finished_at", "attempts")}
    path = workspace.runs / RESULT.spec.run_id / RESULT_FILE
    path.parent.mkdir(parents=True)
    old = {name.replace("scores", "accuracies").replace("score", "accuracy"): value for name, value in old.items()}
    path.write_text(json.dumps({**old, "provenance": attempt, "phases": {"train": 2.5}}))
    with pytest.raises(RefusedError, match=r"got one of schema 1\. .*python -m fpt_bench\.results\.migration"):
        run_one(RESULT.spec, workspace)
    (path.parent / "other").mkdir()
    (path.parent / "other" / RESULT_FILE).write_text("{")
    for count in (1, 0):
        moved, (problem,) = move(workspace.runs)
        assert moved == count
        assert f"other/{RESULT_FILE}" in problem, "what is no result is left, and stops nothing"
    result = read_result(path.parent)
    assert result is not None
    assert result.numbers() == RESULT.numbers()
    assert result.phases == {"train": 2.5}
    assert (result.finished_at, result.attempts[0].flags) == (None, None), "what was not recorded is not made up"
    assert result.attempts[0].threads == attempt["threads"]


def test_a_copy_of_a_run_counts_once(tmp_path: Path) -> None:
    write_result(RESULT, tmp_path / RESULT.spec.run_id)
    copy = RESULT.model_copy(update={"test_score": 0.1})
    write_result(copy, tmp_path / f"{RESULT.spec.run_id}.old")
    results, (problem,) = collect_results(tmp_path)
    assert results == [RESULT]
    assert f".old/{RESULT_FILE}: expected it in the folder {RESULT.spec.run_id}, as its spec says" in problem


def test_a_result_says_where_its_attempts_differ() -> None:
    first = this_attempt().model_copy(update={"threads": 1, "versions": {"torch": "2.14.1"}})
    second = first.model_copy(update={"threads": 2, "versions": {"torch": "2.15.0"}, "first_step": 50})
    assert RESULT.model_copy(update={"attempts": (first, second)}).mixed() == ["torch: 2.14.1, 2.15.0", "threads: 1, 2"]
    assert RESULT.model_copy(update={"attempts": (first, first.model_copy(update={"first_step": 50}))}).mixed() == []


class LaterSpec(RunSpec):
    """As a later version's spec will be."""

    loss: str = "cross-entropy"
    rungs: tuple[str, ...] = Field(default_factory=tuple)


def test_a_field_that_comes_later_changes_no_id_at_its_default() -> None:
    spec = RunSpec(task="bit-xor")
    assert LaterSpec(task="bit-xor").run_id == spec.run_id
    others = [LaterSpec(task="bit-xor", loss="squares"), LaterSpec(task="bit-xor", rungs=("a",))]
    assert len({spec.run_id, *(other.run_id for other in others)}) == 3


def test_kept_results_lie_on_lines_in_the_order_of_their_ids() -> None:
    results, problems = collect_results(KEPT_RESULTS)
    assert problems == []
    assert len(results) > 600
    by_id = {result.spec.run_id: result for result in results}
    for path in packed_files(KEPT_RESULTS):
        lines = path.read_bytes().splitlines(keepends=True)
        ids = [RunResult.model_validate_json(line).spec.run_id for line in lines]
        assert ids == sorted(ids), path.name
        assert [line_of(by_id.pop(run_id)) for run_id in ids] == lines, path.name
    assert by_id == {}


def test_a_result_that_is_read_and_written_is_the_same_text(tmp_path: Path) -> None:
    result = collect_results(KEPT_RESULTS)[0][0]
    write_result(result, tmp_path / "once" / result.spec.run_id)
    read = read_result(tmp_path / "once" / result.spec.run_id)
    assert read == result
    write_result(read, tmp_path)
    assert (tmp_path / RESULT_FILE).read_text() == (tmp_path / "once" / result.spec.run_id / RESULT_FILE).read_text()


def test_the_documented_schema_is_the_one_that_is_checked() -> None:
    docs = ROOT / "docs"
    assert (docs / JSON_FILE).read_text() == json_schema(), "run `python -m fpt_bench.results.schema docs`"
    assert (docs / PAGE_FILE).read_text().partition(MARK)[2].strip() == tables().strip()


def test_every_field_is_described() -> None:
    schema = RunResult.model_json_schema(mode="serialization")
    parts = [schema, *schema["$defs"].values()]
    assert [
        f"{part['title']}.{name}"
        for part in parts
        for name, f in part["properties"].items()
        if not f.get("description")
    ] == []


def test_a_grid_of_an_earlier_version_is_moved_by_the_script(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("mnist",), seeds=(0,))
    path = tables_folder(write_bench(tmp_path, grid, results), grid) / GRID_FILE
    earlier = json.loads(path.read_text())
    experiment = {**earlier["experiment"], "claim": earlier["experiment"].pop("question"), "effects": []}
    del experiment["question"], experiment["claims"]
    path.write_text(json.dumps({**earlier, "schema": 1, "experiment": experiment}))
    with pytest.raises(ValueError, match=r"earlier version wrote: python -m fpt_bench\.results\.migration"):
        read_grid(path)
    assert move(tmp_path) == (0, [])
    found = read_grid(path)
    assert (found.experiment.question, found.experiment.claims) == (grid.experiment.question, ())
    assert found.runs == grid.runs


def test_tables_of_a_later_version_are_not_written_over(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("mnist",), seeds=(0,))
    folder = tables_folder(write_bench(tmp_path, grid, results), grid)
    write_tables(Bench.of(grid, results), folder)
    later = {**json.loads(grid.model_dump_json()), "schema": GRID_SCHEMA + 1, "surprise": 1}
    (folder / GRID_FILE).write_text(json.dumps(later))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RefusedError, match="A newer fpt_bench made it: update this one, or take another --runs folder"):
        write_tables(Bench.of(grid, results), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "text", ['{"schema": [], "spec": 1, "status": 1}', '{"schema": 1, "spec": 1, "status": 1, "provenance": "x"}']
)
def test_a_garbled_file_stops_no_migration(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / RESULT_FILE).write_text(text)
    count, problems = move(tmp_path)
    assert (count, len(problems)) == (0, 1)
