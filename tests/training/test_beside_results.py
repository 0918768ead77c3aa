"""What a run leaves beside its result: predictions on a few test examples, and logs of its curves."""

import base64
import importlib.util
import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from datamodules.contract import TEST
from fpt_bench.cli import app
from fpt_bench.config.spec import RunSpec
from fpt_bench.report.figures.style import make_looks
from fpt_bench.report.page.exhibits import example_tables
from fpt_bench.report.page.report_page import benches_in, build_report
from fpt_bench.results.folder import PREDICTIONS_FILE
from fpt_bench.results.predictions import Prediction, read_predictions, write_predictions
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from fpt_bench.training.replay import restore
from fpt_bench.training.tasks import find_task
from tests.made_up_bench import made_up_bench, write_bench

FILES = {"csv": "csv/from-step-0/metrics.csv", "tensorboard": "tensorboard/from-step-0/events.out.*"}
MISSING = "pip install 'fpt_bench[wandb]'"
SMALL_TREES = {
    "min_length": 5, "max_length": 30, "train_examples": 60, "validation_examples": 20, "test_examples": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    """A run whose readout alone learns: its model is asked for features that were computed before."""
    runs = tmp_path_factory.mktemp("runs")
    fields = {"train": "readout", "layers": 1, "max_steps": 2, "eval_every": 2, "dropout": 0.0}
    spec = RunSpec(task="listops", data="real", data_arguments=SMALL_TREES, **fields)
    return run_one(spec, Workspace(runs, runs / "data", offline=True, loggers=("csv",))), runs


def test_a_run_leaves_what_its_model_says(finished: tuple[RunResult, Path]) -> None:
    result, runs = finished
    predictions = read_predictions(runs / result.spec.run_id)
    assert [p.example for p in predictions] == [0, 1, 2, 3], "the test set has no more"
    assert all(p.input.startswith("[M") or p.input.startswith("[SM") for p in predictions)
    right = sum(p.right for p in predictions)
    assert right / 4 == pytest.approx(result.test_score), "all of this small test set is kept"


def test_asking_a_finished_run_writes_the_same_again(finished: tuple[RunResult, Path]) -> None:
    result, runs = finished
    folder = runs / result.spec.run_id
    kept = (folder / PREDICTIONS_FILE).read_text()
    (folder / PREDICTIONS_FILE).unlink()
    arguments = ["examples", str(folder), "--data-root", str(runs / "data"), "--offline"]
    logging.getLogger("transformers").setLevel(logging.WARNING)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    assert (folder / PREDICTIONS_FILE).read_text() == kept
    assert "[M" in done.stdout, "brackets are no markup"
    assert not logging.getLogger("transformers").isEnabledFor(logging.WARNING), "it would list all weights that are cut"


def test_only_the_loggers_that_were_asked_for_write(finished: tuple[RunResult, Path]) -> None:
    result, runs = finished
    logs = runs / result.spec.run_id / "logs"
    assert list(logs.glob(FILES["csv"]))
    assert not (logs / "tensorboard").exists()


@pytest.mark.parametrize("command", [["run", "--task", "bit-xor"], ["bench", "--profile", "smoke"]])
def test_a_logger_that_is_not_there_is_wrong_input(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "wandb" else find(name))
    for name, message in (("wandb", MISSING), ("csvv", "unknown logger 'csvv'. Did you mean 'csv'?")):
        done = CliRunner(env={"COLUMNS": "200"}).invoke(
            app, [*command, "--runs", str(tmp_path / "r"), "--logger", name]
        )
        assert done.exit_code == 2
        assert message in done.stderr
    assert not (tmp_path / "r").exists(), "nothing was begun"


def test_a_damaged_file_of_predictions_is_named(tmp_path: Path) -> None:
    assert read_predictions(tmp_path) == ()
    (tmp_path / PREDICTIONS_FILE).write_text("[{")
    with pytest.raises(ValueError, match=r"predictions\.json: expected predictions in JSON.*fpt_bench examples"):
        read_predictions(tmp_path)


@pytest.mark.parametrize("task", ["mnist", "cifar", "cifar-lra"])
def test_a_picture_is_what_the_example_was_made_of(task: str) -> None:
    module = find_task(task)(data="embedded")
    examples = module.examples(TEST)
    picture = module.picture(examples.batch(np.array([5])).inputs[0])
    assert picture is not None
    assert picture.shape == (32, 32, 3)
    np.testing.assert_array_equal(picture, np.broadcast_to(examples.images.pixels[5], (32, 32, 3)))  # type: ignore[attr-defined]


def test_words_are_what_stands_at_a_position() -> None:
    memory = find_task("bit-memory")(patterns=1, pattern_bits=4, token_bits=2).examples(TEST).batch(np.array([0]))
    words = find_task("bit-memory")(patterns=1, pattern_bits=4, token_bits=2).words(memory.inputs[0])
    assert "".join(words[:2]) == "".join(map(str, memory.labels[0].tolist()))
    assert all(hidden in ("?", shown) for hidden, shown in zip("".join(words[2:]), "".join(words[:2]), strict=True))
    proteins = find_task("homology")(folds=2, superfamilies=2, min_residues=20, max_residues=22)
    example = proteins.examples(TEST).batch(np.array([0]))
    assert set(proteins.words(example.inputs[0, example.mask[0]])) <= set("ACDEFGHIKLMNPQRSTVWY")


def as_png(grey: int) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (grey, grey, grey)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_report_shows_predictions_of_the_best_runs_and_maps_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])
    grid, results = made_up_bench(tasks=("mnist",), seeds=(0, 1))
    runs = write_bench(tmp_path / "runs", grid, results)
    (bench,) = benches_in(runs, Console(quiet=True))
    assert example_tables(bench, make_looks(bench.arms), Console(quiet=True)) == [], (
        "runs of earlier versions kept none"
    )
    mine = [r for r in results if r.spec.init == "pretrained"]
    best = max(mine, key=lambda r: r.validation_score or 0)
    for said, run in enumerate(mine):
        prediction = Prediction(
            example=0, input="<b>ink</b>", picture=as_png(said), labels=(7,), predicted=(7 if run is best else 1,)
        )
        write_predictions((prediction,), runs / run.spec.run_id)
    (runs / best.spec.run_id / "attention-0.png").write_bytes(base64.b64decode(as_png(9)))
    build_report(runs, tmp_path / "report.html", Console(quiet=True))
    page = (tmp_path / "report.html").read_text()
    assert f"data:image/png;base64,{as_png(mine.index(best))}" in page
    assert f"data:image/png;base64,{as_png(1 - mine.index(best))}" not in page
    assert '<td data-order="1">1 of 1</td>' in page
    assert "mnist†: test examples" in page
    assert "<b>ink" not in page
    assert f"data:image/png;base64,{as_png(9)}" in page
    assert "attention-0.png" in page


def test_a_restored_model_without_weights_is_named(finished: tuple[RunResult, Path]) -> None:
    result, runs = finished
    diverged = result.model_copy(update={"status": "diverged", "best_step": None})
    with pytest.raises(ValueError, match="diverged: expected one with a best validation, it kept no weights"):
        restore(diverged, Workspace(runs, runs / "data", offline=True))
