"""Records of floors and simple learners: kept, found, told apart from what is none; and the kept ones' figures."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from fpt_bench.config.grid_of import named_grid
from fpt_bench.results.folder import simple_learners_file
from fpt_bench.results.lease import Lease
from fpt_bench.results.simple_records import (
    KEPT_FILE,
    SimpleRecord,
    add_records,
    examples_shown,
    known_records,
    read_records,
    write_records,
)
from tests.made_up import made_up_record


def test_records_are_read_as_they_were_written_and_the_later_stays(tmp_path: Path) -> None:
    first, again = made_up_record("mnist", {"linear": 0.7}), made_up_record("mnist", {"linear": 0.8})
    more = made_up_record("mnist", {"linear": 0.9}, examples=99)
    write_records(tmp_path / "records.json", [first, more, again])
    assert read_records(tmp_path / "records.json") == [more, again]
    assert read_records(tmp_path / "none.json") == []


def test_the_best_is_of_floors_and_learners() -> None:
    record = made_up_record("mnist", {"linear": 0.05})
    assert (record.best, record.best_learner) == ("guess", "linear")
    assert (made_up_record("mnist", {}).best, made_up_record("mnist", {}).best_learner) == ("guess", None)
    lower = made_up_record("mnist", {"linear": 0.05}).model_copy(update={"higher_is_better": False})
    assert lower.best == "linear"


def test_a_record_of_before_takes_from_its_metric_whether_its_scores_are_fractions() -> None:
    fields = made_up_record("mnist", {"linear": 0.05}).model_dump(exclude={"is_fraction"})
    assert SimpleRecord.model_validate(fields).is_fraction
    assert not SimpleRecord.model_validate({**fields, "metric": "r2"}).is_fraction
    assert SimpleRecord.model_validate({**fields, "metric": "r2", "is_fraction": True}).is_fraction, "as it says"


def test_those_in_a_folder_of_runs_win_over_the_kept_ones(tmp_path: Path) -> None:
    kept = read_records()[0]
    own = kept.model_copy(update={"source": "measured here"})
    write_records(simple_learners_file(tmp_path), [own])
    found = {record.key: record for record in known_records(tmp_path, Console(quiet=True))}
    assert found[kept.key].source == "measured here"
    assert len(found) == len(read_records())


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", '{"records": [{"task": "mnist"}]}', '{"records": [], "more": 1}', "\xff", '{"records": [1]}',
        '{"records": [{"metric": []}]}', '{"records": [{"metric": {}}]}',
    ],
)  # fmt: skip
def test_what_is_no_file_of_records_is_named_and_passed_over(content: str, tmp_path: Path) -> None:
    path = simple_learners_file(tmp_path)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match="expected floors and simple learners in JSON"):
        read_records(path)
    console = Console(record=True, width=200)
    assert known_records(tmp_path, console) == read_records(KEPT_FILE)
    assert str(path) in console.export_text().replace("\n", "")


MEASURED = {
    # By independent scripts, on the same data: task, name, accuracy in %, and by how much another fit may differ.
    ("bit-memory", "copy and average"): (84.55, 0.05),
    ("listops", "nesting ignored"): (77.0, 0.05),
    ("listops", "MLP on token counts"): (56.0, 3.0),
    ("listops", "MLP on token counts and root operator"): (60.3, 3.0),
    ("mnist", "nearest centroid on pixels"): (79.0, 2.0),
    ("mnist", "linear softmax on pixels"): (88.4, 1.0),
    ("cifar", "linear softmax on pixels"): (29.5, 3.0),
    ("homology", "nearest protein by 3-mers"): (39.4, 0.1),
    ("homology", "logistic on composition and length"): (27.5, 4.0),
}


def test_every_task_of_the_embedded_headline_is_on_record() -> None:
    specs = [run.spec for run in named_grid("headline", "embedded").runs]
    wanted = {(spec.task, str(spec.data_arguments), examples_shown(spec)) for spec in specs}
    assert wanted <= {(record.task, str(record.data_arguments), record.examples) for record in read_records()}


@pytest.mark.parametrize(("task", "name"), MEASURED)
def test_kept_records_say_what_others_measured(task: str, name: str) -> None:
    figure, margin = MEASURED[task, name]
    found = [100 * record.scores[name] for record in read_records() if record.task == task and name in record.scores]
    assert any(score == pytest.approx(figure, abs=margin) for score in found), found


def test_of_two_processes_that_add_a_record_none_loses_the_other_s(tmp_path: Path) -> None:
    path = tmp_path / "new" / "simple-learners.json"
    path.parent.mkdir()
    first, second = (made_up_record(task, {"linear": 0.5}) for task in ("mnist", "bit-xor"))
    with ThreadPoolExecutor(1) as other:
        with Lease(path.with_name(f".{path.name}.lease")):
            adding = other.submit(add_records, path, [second])
            with pytest.raises(TimeoutError):
                adding.result(timeout=0.3)
            write_records(path, [first])
        adding.result()
    assert {record.task for record in read_records(path)} == {"mnist", "bit-xor"}
