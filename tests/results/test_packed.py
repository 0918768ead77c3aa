"""Results as data that travels: what goes into a packed file comes out of it, and nothing else does."""

import codecs
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from fpt_bench.analysis.benches import Bench
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.workers import failure
from fpt_bench.report.tables import markdown
from fpt_bench.results import lines
from fpt_bench.results.folder import (
    GRID_FILE,
    TEST_PREDICTIONS_FILE,
    simple_learners_file,
    sizes_of_runs,
    tables_folder,
)
from fpt_bench.results.grids import find_grids, read_grid, state_of_results
from fpt_bench.results.lease import Lease
from fpt_bench.results.lines import line_of
from fpt_bench.results.migration import move
from fpt_bench.results.packed import gather, pack
from fpt_bench.results.predictions import (
    Prediction,
    read_predictions,
    write_predictions,
)
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import collect_results, read_of_run, write_result
from fpt_bench.results.simple_records import known_records, read_records, write_records
from tests.made_up import made_up_record, made_up_result
from tests.made_up_bench import write_bench
from tests.results.made_up_packs import bench_of, longer, page_of

SAID = (Prediction(example=0, input="0 1", labels=(1, 0), predicted=(1, 1)),)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "runs", *bench_of("one", tasks=("bit-memory", "mnist")))


def test_a_packed_file_says_what_the_folder_says(runs: Path, tmp_path: Path) -> None:
    records = [r.model_copy(update={"fingerprint": "d" * 64}) for r in read_records() if r.task == "mnist"]
    write_records(simple_learners_file(runs), records)
    file = tmp_path / "sent" / "all.jsonl"
    assert pack([runs], file) == ({file: 12}, [])
    assert collect_results(file) == collect_results(file.parent) == collect_results(runs)
    assert page_of(file) == page_of(file.parent) == page_of(runs), "hashes and times of claims, simple learners, too"
    assert "2026-01-02 03:04" in page_of(file)[0]
    assert read_records(simple_learners_file(file.parent)) == read_records(simple_learners_file(runs))


def test_a_line_is_canonical_and_lines_are_sorted(runs: Path, tmp_path: Path) -> None:
    named = made_up_result("bit-xor", seed=0, accuracy=0.5).model_copy(update={"error": "größer"})
    assert "größer".encode() in line_of(named)
    pack([runs], tmp_path / "all.jsonl")
    content = (tmp_path / "all.jsonl").read_bytes()
    written = content.decode().splitlines(keepends=True)
    fields = [json.loads(line) for line in written]
    assert written == [
        json.dumps(each, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" for each in fields
    ]
    ids = [RunResult.model_validate_json(line).spec.run_id for line in written]
    assert ids == sorted(ids)
    pack([tmp_path / "all.jsonl"], tmp_path / "again" / "all.jsonl")
    assert (tmp_path / "again" / "all.jsonl").read_bytes() == content


def test_the_order_of_keys_moves_no_table() -> None:
    grid, results = bench_of("one")
    spec = results[0].spec.model_copy(update={"data_arguments": {"width": 3, "height": 2}})
    asked = grid.runs[0].model_copy(update={"spec": spec})
    scores = {"test": 0.5, "test-z": 0.2, "test-a": 0.1}
    rules = {"z": 0.1, "a": 0.1}
    data = results[0].data
    assert data is not None
    result = results[0].model_copy(
        update={"spec": spec, "test_scores": scores, "data": data.model_copy(update={"trivial": rules})}
    )
    grid = grid.model_copy(update={"runs": (asked,)})
    packed = RunResult.model_validate_json(line_of(result))
    assert list(packed.test_scores) == sorted(scores)
    page = markdown(Bench.of(grid, [packed]))
    assert page == markdown(Bench.of(grid, [result]))
    assert "width=3, height=2" in page
    assert "Accuracy on test-z" in page
    assert "Accuracy on test of" not in page, "the headline's is in the table"


def test_predictions_travel_beside(runs: Path, tmp_path: Path) -> None:
    (path,) = find_grids(runs)
    first, second = (run.spec.run_id for run in read_grid(path).runs[:2])
    write_predictions(SAID, runs / first)
    (runs / first / TEST_PREDICTIONS_FILE).write_bytes(b"numbers")
    file = tmp_path / "sent" / "all.jsonl"
    pack([runs], file)
    assert sorted(each.name for each in file.parent.iterdir()) == ["all.jsonl", "all.predictions.zip", "tables"]
    assert read_predictions(file.parent / first) == SAID
    assert read_predictions(file.parent / second) == ()
    once = (file.parent / "all.predictions.zip").read_bytes()
    pack([file], file)
    assert (file.parent / "all.predictions.zip").read_bytes() == once, "packed again from itself"
    pack([file], tmp_path / "kept")
    assert read_of_run(tmp_path / "kept" / first, TEST_PREDICTIONS_FILE) == b"numbers"
    (file.parent / "all.predictions.zip").unlink()
    pack([file], tmp_path / "kept")
    assert read_predictions(tmp_path / "kept" / first) == SAID, "sent without them they are still here"


def test_each_experiment_has_a_file_and_a_shared_run_is_with_the_first(tmp_path: Path) -> None:
    runs = write_bench(tmp_path / "runs", *bench_of("b-many", seeds=(0, 1)))
    write_bench(runs, *bench_of("a-few", seeds=(0,)))
    write_bench(runs, *bench_of("c-none", seeds=(1,)))
    single = made_up_result("bit-xor", seed=7, accuracy=0.9)
    write_result(single, runs / single.spec.run_id)
    kept = tmp_path / "kept"
    files, _ = pack([runs], kept)
    assert {path.name: number for path, number in files.items()} == {
        "a-few.jsonl": 3,
        "b-many.jsonl": 3,
        "others.jsonl": 1,
    }
    assert page_of(kept) == page_of(runs)
    assert page_of(kept / "b-many.jsonl") == [page_of(runs)[1]], "shared runs are read beside"
    assert [len(page_of(kept / name)) for name in ("a-few.jsonl", "b-many.jsonl")] == [1, 1]
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    pack([kept], kept)
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before
    pack([kept / "b-many.jsonl"], tmp_path / "sent" / "mine.jsonl")
    assert page_of(tmp_path / "sent" / "mine.jsonl") == [page_of(runs)[1]]


def test_two_lines_of_one_run_that_differ_are_an_error_that_names_both(tmp_path: Path) -> None:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9)
    here, there = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    here.write_bytes(line_of(made_up_result("bit-xor", seed=1, accuracy=0.9)) + line_of(result) * 2)
    there.write_bytes(line_of(result))
    assert len(collect_results(tmp_path)[0]) == 2, "equal ones are one"
    there.write_bytes(b"\n" + line_of(longer(result)))
    with pytest.raises(ValueError, match=f"^{here}:2 and {there}:2: expected one result .* that differ in seconds"):
        collect_results(tmp_path)
    with pytest.raises(ValueError, match=f"^{here}:2 and {there}:2: "):
        pack([here, there], tmp_path / "c.jsonl")
    failed = result.model_copy(update={"status": "failed", "error": "it failed"})
    there.write_bytes(line_of(failed))
    assert not any(found.status == "failed" for found in collect_results(tmp_path)[0]), "it gives way"


GARBLED: dict[str, tuple[bytes, str]] = {
    "truncated": (b'{"schema": 3, "spec": {', "truncated or garbled"),
    "no JSON": (b"hello", "truncated or garbled"),
    "a key too few": (b'{"schema": 6, "spec": {"task": "bit-xor"}}', "status: Field required). Correct it there"),
    "another thing": (b"[1, 2]", "truncated or garbled"),
    "bytes": (b"\xff\xfe\x00", "bytes that are not text"),
    "deep": (b"[" * 100_000, "truncated or garbled"),
    "newer": (b'{"schema": 99, "spec": {}, "status": "ok"}', "A newer fpt_bench made it"),
    "older": (b'{"schema": 2, "spec": {}, "status": "ok"}', "An older fpt_bench made it"),
    "too long": (b"x" * 5000, "got a longer line"),
}


def test_a_file_that_begins_with_a_byte_order_mark_loses_no_line(tmp_path: Path) -> None:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9)
    (tmp_path / "a.jsonl").write_bytes(codecs.BOM_UTF8 + line_of(result))
    assert collect_results(tmp_path) == ([result], [])


@pytest.mark.parametrize("kind", GARBLED)
def test_a_garbled_line_is_one_warning_and_the_rest_is_read(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, message = GARBLED[kind]
    if kind == "too long":
        monkeypatch.setattr(lines, "LIMIT", 4000)
    first, last = (made_up_result("bit-xor", seed=seed, accuracy=0.9) for seed in (0, 1))
    path = tmp_path / "a.jsonl"
    path.write_bytes(line_of(first) + content + b"\n" + line_of(last).rstrip())
    results, (problem,) = collect_results(tmp_path)
    assert results == sorted([first, last], key=lambda result: result.spec.run_id)
    assert problem.startswith(f"{path}:2: expected ")
    assert message in problem


def test_of_many_garbled_lines_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"hello\n" * 1000)
    results, problems = collect_results(tmp_path)
    assert (results, len(problems)) == ([], 11)
    assert problems[-1] == f"{tmp_path / 'a.jsonl'}: 990 more lines are no results that can be read here."


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to itself": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "a pipe": (os.mkfifo, "expected a regular file, got a pipe or a device"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "expected a regular file, got a pipe or a device"),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.usefixtures("nothing_is_waited_for")
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, odd: str) -> None:
    make, message = ODD[odd]
    make(tmp_path / "a.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    results, (problem,) = collect_results(tmp_path)
    assert results == []
    assert message in problem
    state_of_results(tmp_path)


def test_lines_of_an_earlier_schema_are_moved_by_the_script(tmp_path: Path) -> None:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9)
    other = line_of(made_up_result("bit-xor", seed=1, accuracy=0.9))
    fields = json.loads(line_of(result))
    earlier = {name.replace("_score", "_accuracy"): value for name, value in fields.items() if name != "test_scores"}
    path = tmp_path / "a.jsonl"
    path.write_bytes(other + json.dumps({**earlier, "schema": 2}).encode() + b"\nhello\n")
    _, problems = collect_results(path)
    assert f"python -m fpt_bench.results.migration {path}` moves it" in problems[0]
    count, (problem,) = move(path)
    assert (count, problem[: len(f"{path}:3: ")]) == (1, f"{path}:3: ")
    assert path.read_bytes() == other + line_of(result) + b"hello\n", "what is no result stays as it is"


def test_what_is_packed_over_another_file_loses_nothing_of_it(runs: Path, tmp_path: Path) -> None:
    other = made_up_result("bit-xor", seed=5, accuracy=0.9)
    kept = tmp_path / "kept.jsonl"
    for content, why in (
        (line_of(other), f"it has 1 runs that are not, such as {other.spec.run_id}"),
        (b"hello\n", ":1: "),
    ):
        kept.write_bytes(content)
        with pytest.raises(ValueError, match="expected a file of which everything is packed again") as refused:
            pack([runs], kept)
        assert why in str(refused.value)
        assert kept.read_bytes() == content
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"expected results in .*empty, found none"):
        pack([tmp_path / "empty"], tmp_path / "new.jsonl")
    for missing in ("nowhere", "nowhere.jsonl"):  # of several sources one with a typing error would not be missed
        with pytest.raises(FileNotFoundError, match="expected a folder of runs or a packed file, found nothing"):
            pack([runs, tmp_path / missing], tmp_path / "new.jsonl")


def test_a_report_that_watches_sees_a_packed_file_change_and_a_plan_no_folder(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "sent" / "all.jsonl"
    pack([runs], file)
    before = state_of_results(file.parent)
    os.utime(file, ns=(1, 1))
    assert state_of_results(file.parent) != before
    assert sizes_of_runs(file.parent, collect_results(file)[0]) == [], "unknown, not nothing"


def test_the_benches_of_a_packed_file_are_its_own(runs: Path, tmp_path: Path) -> None:
    pack([runs], tmp_path / "sent" / "all.jsonl")
    pack([write_bench(tmp_path / "other", *bench_of("two", seeds=(8, 9)))], tmp_path / "sent" / "two.jsonl")
    names = [[path.parent.name for path in find_grids(tmp_path / "sent" / name)] for name in ("all.jsonl", "two.jsonl")]
    assert names == [["one-embedded"], ["two-embedded"]]
    grid, _ = bench_of("one", tasks=("bit-memory", "mnist"))
    assert read_grid(tables_folder(tmp_path / "sent", grid) / GRID_FILE) == grid


def test_kept_results_take_nothing_from_what_is_there(tmp_path: Path) -> None:
    """A run that failed here is no result, and still is what came of it."""
    failed = failure(RunSpec(task="bit-xor"), "boom")
    other = failure(RunSpec(task="bit-xor", seed=1), "boom, too")
    write_result(failed, tmp_path / "runs" / failed.spec.run_id)
    write_result(other, tmp_path / "kept" / other.spec.run_id)
    found, _ = collect_results(tmp_path / "runs", tmp_path / "kept")
    assert {result.spec.seed for result in found} == {0, 1}


def test_of_records_of_simple_learners_what_is_packed_now_wins(tmp_path: Path) -> None:
    runs, kept = write_bench(tmp_path / "runs", *bench_of("one")), tmp_path / "kept"
    for score in (0.3, 0.4):
        write_records(simple_learners_file(runs), [made_up_record("mnist", {"linear": score})])
        pack([runs], kept)
    for score, order in ((0.8, (runs, kept)), (0.9, (kept, runs))):
        write_records(simple_learners_file(runs), [made_up_record("mnist", {"linear": score})])
        pack(order, kept)
        (record,) = read_records(simple_learners_file(kept))
        assert record.learners == {"linear": score}
    simple_learners_file(runs).unlink()
    assert record in known_records(runs, Console(quiet=True), kept)
    assert record not in known_records(runs, Console(quiet=True))


def test_a_run_that_failed_here_gives_way_to_one_beside_a_packed_file(tmp_path: Path) -> None:
    grid, results = bench_of("one")
    pack([write_bench(tmp_path / "a", grid, results)], tmp_path / "kept")
    pack([write_bench(tmp_path / "b", *bench_of("two")), tmp_path / "kept"], tmp_path / "kept")
    (tmp_path / "kept" / "two.jsonl").touch()  # all of its runs are in the file of `one`
    mine = tmp_path / "mine"
    write_result(failure(results[0].spec, "boom"), mine / results[0].spec.run_id)
    for sources in ([mine, tmp_path / "kept" / "two.jsonl"], [tmp_path / "kept" / "two.jsonl", mine]):
        gathered, _ = gather(sources)
        assert gathered.results[results[0].spec.run_id].status == "ok"


def test_of_a_kept_file_runs_that_lie_beside_it_count(tmp_path: Path) -> None:
    first, shared = bench_of("one")
    pack([write_bench(tmp_path / "a", first, shared)], tmp_path / "kept")
    grid, results = bench_of("two", seeds=(0, 1, 2))
    pack([write_bench(tmp_path / "b", grid, results), tmp_path / "kept"], tmp_path / "kept")
    assert len(collect_results(tmp_path / "kept" / "two.jsonl")[0]) == 3, "of three arms, the third seed"
    assert len(collect_results(tmp_path / "none", tmp_path / "kept" / "two.jsonl")[0]) == 9


def test_of_two_packs_at_once_the_second_sees_what_the_first_wrote(runs: Path, tmp_path: Path) -> None:
    kept, other = tmp_path / "kept.jsonl", made_up_result("bit-xor", seed=5, accuracy=0.9)
    with ThreadPoolExecutor(1) as second:
        with Lease(tmp_path / ".being-packed"):
            packing = second.submit(pack, [runs], kept)
            with pytest.raises(TimeoutError):
                packing.result(timeout=0.3)
            kept.write_bytes(line_of(other))
        with pytest.raises(ValueError, match="it has 1 runs that are not"):
            packing.result()
    assert kept.read_bytes() == line_of(other)
