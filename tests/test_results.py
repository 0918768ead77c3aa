"""Results: written whole or not at all, and a garbled one is named."""

import shutil
from pathlib import Path

import pytest

from fpt_bench.contents_cache import CACHE_FILE
from fpt_bench.results import RESULT_FILE, RunResult, collect_results, read_result, write_result
from fpt_bench.spec import RunSpec
from tests.made_up import made_up_result


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    result = made_up_result("bit-xor", seed=1, accuracy=0.9)
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result
    assert [path.name for path in tmp_path.iterdir()] == [RESULT_FILE]


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


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("fpt_bench.contents_cache.CACHED_FROM", 3)
    for seed in range(4):
        result = made_up_result("bit-xor", seed=seed, accuracy=0.9)
        write_result(result, tmp_path / result.spec.run_id)
    return tmp_path


def test_many_results_are_kept_and_only_what_changed_is_read_again(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = collect_results(many)
    assert len(first[0]) == 4
    read: list[Path] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or real(path))  # type: ignore[func-returns-value]
    assert collect_results(many) == first
    assert read == []
    changed = made_up_result("bit-xor", seed=1, accuracy=0.7)
    write_result(changed, many / changed.spec.run_id)
    results, _ = collect_results(many)
    assert changed in results
    assert read == [many / changed.spec.run_id / RESULT_FILE]
    shutil.rmtree(many / changed.spec.run_id)
    assert changed not in collect_results(many)[0]


@pytest.mark.parametrize("content", [b"", b"PAR1garbage", None])
def test_a_damaged_cache_is_made_anew(many: Path, content: bytes | None) -> None:
    first, cache = collect_results(many), many / CACHE_FILE
    whole = cache.read_bytes()
    cache.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert collect_results(many) == first
    assert cache.read_bytes() == whole


def test_a_cache_that_cannot_be_written_changes_nothing(many: Path) -> None:
    (many / CACHE_FILE).mkdir()
    assert len(collect_results(many)[0]) == 4
