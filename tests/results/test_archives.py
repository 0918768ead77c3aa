"""What runs keep beside their results, packed: large, garbled, unfinished, or left there by another system."""

from pathlib import Path

import numpy as np
import pytest

from fpt_bench.results.folder import PREDICTIONS_FILE, TEST_PREDICTIONS_FILE
from fpt_bench.results.packed import pack
from fpt_bench.results.predictions import Answers, read_answers, write_answers
from fpt_bench.results.regular_files import LIMIT
from fpt_bench.results.result_files import read_of_run
from tests.made_up_bench import write_bench
from tests.results.made_up_packs import bench_of


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "runs", *bench_of("one", tasks=("bit-memory", "mnist")))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 garbage", b"\xff" * 100])
def test_a_garbled_archive_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.predictions.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.predictions\.zip: expected an archive of predictions"):
        read_of_run(tmp_path / "run", PREDICTIONS_FILE)


@pytest.mark.parametrize("name", [".x.predictions.zip", "._x.predictions.zip", ".x.predictions.zip.host.1"])
def test_what_an_unfinished_or_foreign_archive_is_called_is_not_read(runs: Path, tmp_path: Path, name: str) -> None:
    kept = tmp_path / "kept"
    pack([runs], kept)
    before = {path.name: path.read_bytes() for path in kept.glob("*.zip")}
    (kept / name).write_bytes(b"PK half")
    pack([kept], kept)
    assert {path.name: path.read_bytes() for path in kept.glob("[!.]*.zip")} == before


def test_answers_to_a_large_test_set_are_read_as_they_were_written_and_packed(runs: Path, tmp_path: Path) -> None:
    run = next(path.parent for path in sorted(runs.glob("*/result.json")))
    labels = np.random.default_rng(0).integers(0, 200, (6_500_000, 1))
    write_answers(Answers(labels, labels, np.random.default_rng(1).random(labels.shape, np.float32)), run)
    assert (run / TEST_PREDICTIONS_FILE).stat().st_size > LIMIT
    pack([runs], tmp_path / "kept")
    for folder in (run, tmp_path / "kept" / run.name):
        answers = read_answers(folder)
        assert answers is not None
        assert np.array_equal(answers.said, labels)
