"""Results: written whole or not at all, and a garbled one is named."""

from pathlib import Path

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import RESULT_FILE, collect_results, read_result, write_result
from fpt_bench.results.result import RunResult
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


def test_a_diverged_run_scores_its_floor_and_a_failed_one_nothing() -> None:
    diverged = made_up_result("bit-xor", seed=0, accuracy=None, status="diverged")
    assert diverged.score == 0.5
    assert RunResult(spec=RunSpec(task="bit-xor"), status="failed", error="x").score is None
