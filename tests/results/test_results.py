"""Results: written whole or not at all, and a garbled one is named."""

from pathlib import Path

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import collect_results, read_result, write_result
from tests.made_up import made_up_result


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    result = made_up_result("bit-xor", seed=1, accuracy=0.9)
    run = tmp_path / result.spec.run_id
    write_result(result, run)
    assert read_result(run) == result
    assert [path.name for path in run.iterdir()] == [RESULT_FILE]


def test_a_run_that_is_not_over_has_no_result(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"spec": {"task": "bit-xor"}}', b"\xff\xfe\x00"])
def test_a_garbled_result_is_named_and_the_others_are_kept(tmp_path: Path, content: bytes) -> None:
    good = made_up_result("bit-xor", seed=0, accuracy=0.9)
    write_result(good, tmp_path / good.spec.run_id)
    bad = tmp_path / "bad" / RESULT_FILE
    bad.parent.mkdir()
    bad.write_bytes(content)
    results, problems = collect_results(tmp_path)
    assert results == [good]
    assert len(problems) == 1
    assert str(bad) in problems[0]


def test_a_result_whose_folder_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(OSError, match="file"):
        write_result(made_up_result("bit-xor", seed=0, accuracy=0.9), blocked / "run")
    assert blocked.read_text() == "in the way"


def test_a_diverged_run_scores_as_the_worst_rule_and_a_failed_one_nothing() -> None:
    diverged = made_up_result("bit-xor", seed=0, accuracy=None, status="diverged")
    assert diverged.score == 0.5
    assert diverged.data is not None
    rules, error = {"copy": 0.846, "guess": 0.5}, {"higher_is_better": False, "is_fraction": False}
    for changed, worst in (({}, 0.5), ({**error, "floor": 0.5}, 0.846), ({"trivial": {}}, 0.846)):
        data = diverged.data.model_copy(update={"trivial": rules, "floor": 0.846, **changed})
        assert diverged.model_copy(update={"data": data}).score == worst
    assert RunResult(spec=RunSpec(task="bit-xor"), status="failed", error="x").score is None


def scored(score: float, **data: object) -> RunResult:
    fields = made_up_result("bit-xor", 0, 0.9).model_dump(by_alias=True)
    fields |= {"curve": [(50, score)], "best_step": 50, "train_score": score, "test_score": score}
    return RunResult.model_validate({**fields, "validation_score": score, "data": {**fields["data"], **data}})


def test_only_scores_that_are_fractions_are_held_to_0_and_1() -> None:
    error = {"metric": "mean-absolute-error", "higher_is_better": False, "perfect": 0.0, "is_fraction": False}
    assert scored(31.5, **error, trivial={"mean": 40.0}, floor=40.0).score == 31.5
    with pytest.raises(ValueError, match=r"expected scores of f1 from 0 to 1, got curve, step 50 31\.5"):
        scored(31.5, metric="f1")
    with pytest.raises(ValueError, match=r"expected accuracies from 0 to 1, got curve, step 50 1\.5"):
        scored(1.5)
    with pytest.raises(ValueError, match=r"expected scores of f1 from 0 to 1, got data\.perfect 2"):
        scored(0.5, metric="f1", perfect=2.0)


def test_the_headlines_score_is_not_beside_itself_whatever_its_split_is_called() -> None:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9)
    for scores, others in (
        ({"long": 0.9, "test": 0.4}, {"test": 0.4}),
        ({"test": 0.9, "long": 0.4}, {"long": 0.4}),
        ({"long": 0.9, "test": 0.9}, {"long": 0.9}),
    ):
        assert result.model_copy(update={"test_scores": scores}).other_scores == others
