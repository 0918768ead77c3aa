"""`compare`: two runs on one test set, counted by hand."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.results.packed import pack
from fpt_bench.results.predictions import Answers, write_answers
from fpt_bench.results.result_files import write_result
from tests.made_up import made_up_result

LABELS = np.array([[0, 0], [1, 1], [0, 1], [1, 0], [0, 0], [1, 1], [0, 1]])


def run(folder: Path, seed: int, said: np.ndarray | None, task: str = "bit-xor", labels: np.ndarray = LABELS) -> str:
    """Put a run into a folder, with what it says to the test set, and return where."""
    result = made_up_result(task, seed, 0.5)
    place = folder / result.spec.run_id
    write_result(result, place)
    if said is not None:
        write_answers(Answers(labels, said, np.ones(said.shape, dtype=np.float32)), place)
    return str(place)


def compared(*runs: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["compare", *runs])
    return done.exit_code, done.stdout + done.stderr


def test_examples_are_counted_whatever_the_number_of_their_labels(tmp_path: Path) -> None:
    wrong = LABELS.copy()
    wrong[:6, 0] = 1 - wrong[:6, 0]
    code, said = compared(run(tmp_path, 0, LABELS), run(tmp_path, 1, wrong))
    assert code == 0
    assert "better on 6 examples" in said.splitlines()[0]
    assert "better on 0 examples" in said.splitlines()[1]
    assert "alike on 1 of 7 examples; p 0.0312" in said, "two to the power of -5"
    wrong[:6, 1] = 1 - wrong[:6, 1]
    assert "p 0.0312" in compared(run(tmp_path, 0, LABELS), run(tmp_path, 1, wrong))[1], "two labels, one example"


def test_models_that_say_the_same_do_not_differ(tmp_path: Path) -> None:
    assert "alike on 7 of 7 examples; p 1 " in compared(run(tmp_path, 0, LABELS), run(tmp_path, 1, LABELS))[1]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"said": None}, "expected what the run says to its test set, found none"),
        ({"said": LABELS[:3], "labels": LABELS[:3]}, "expected two runs of one test set"),
        ({"said": LABELS, "labels": 1 - LABELS}, "expected two runs of one test set"),
    ],
)
def test_runs_that_cannot_be_compared_are_one_sentence(
    other: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    code, said = compared(run(tmp_path, 0, LABELS), run(tmp_path, 1, **other))
    assert (code, said.count("error:")) == (2, 1)
    assert message in said


def test_packed_runs_are_compared_where_they_would_lie(tmp_path: Path) -> None:
    runs = [Path(run(tmp_path / "runs", seed, LABELS)) for seed in (0, 1)]
    pack([tmp_path / "runs"], tmp_path / "packed")
    assert not (tmp_path / "packed" / runs[0].name).exists()
    code, said = compared(*(str(tmp_path / "packed" / each.name) for each in runs))
    assert (code, "alike on 7 of 7 examples" in said) == (0, True), said
    assert compared(str(runs[0]), str(tmp_path / "packed" / "no-run"))[0] == 2
