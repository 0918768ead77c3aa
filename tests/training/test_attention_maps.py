"""Attention maps: exact ones, of the weights that the run tested, beside a random body's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from fpt_bench.bodies.build import build_body
from fpt_bench.cli import app
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.attention_maps import maps_of_run
from fpt_bench.training.one_run import run_one
from fpt_bench.training.replay import restore

LENGTH, REAL = 10, 6
CAUSAL = {"gpt2", "smollm2"}
BODIES = [
    {"body": "minilm", "init": "pretrained", "layers": 2},
    {"body": "gpt2", "init": "random", "layers": 2},
    {"body": "smollm2", "init": "random", "layers": 2},
]


def build(execution: str, **fields: object) -> nn.Module:
    torch.manual_seed(0)
    spec = RunSpec(task="bit-xor", dropout=0.1, precision="float32", body_execution=execution, **fields)
    return build_body(spec, LENGTH)[0].eval()


@pytest.mark.parametrize("fields", BODIES, ids=lambda fields: fields["body"])
def test_weights_are_those_of_hugging_face(fields: dict[str, object]) -> None:
    ours, theirs = build("native", **fields), build("reference", **fields)
    torch.manual_seed(1)
    embeddings = torch.randn(1, LENGTH, ours.width)
    mask = torch.arange(LENGTH)[None] < REAL
    weights = ours.attention_weights(embeddings, mask)
    # The oracle sees the padding and is told to mask it; it also gives rows of padded positions, which mean nothing.
    with torch.no_grad():
        whole = theirs.model(inputs_embeds=embeddings, attention_mask=mask.long(), output_attentions=True).attentions
    masked = torch.cat(whole)
    assert masked[:, :, :REAL, REAL:].abs().max() < 1e-6, "nothing attends to padding"
    torch.testing.assert_close(weights, masked[:, :, :REAL, :REAL], rtol=0, atol=2e-6)
    torch.testing.assert_close(theirs.attention_weights(embeddings, mask), weights, rtol=0, atol=2e-6)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:3]))
    ahead = weights.triu(1).abs().max().item()
    assert ahead == 0.0 if fields["body"] in CAUSAL else ahead > 0.01


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    runs = tmp_path_factory.mktemp("runs")
    spec = RunSpec(
        task="bit-xor", data="real", layers=1, max_steps=6, eval_every=3, dropout=0.1, body_execution="native",
        learning_rate=1e-2, precision="float32",
    )  # fmt: skip
    return run_one(spec, Workspace(runs, offline=True)), runs


def test_a_restored_model_scores_what_its_run_scored(finished: tuple[RunResult, Path]) -> None:
    result, runs = finished
    module, datamodule = restore(result, Workspace(runs, offline=True))
    batch = datamodule.examples("test").batch(np.arange(128))
    with torch.no_grad():
        right = module(batch).argmax(-1) == batch.labels
    assert right.float().mean().item() == pytest.approx(result.test_score, abs=1e-7)


def test_maps_are_of_the_trained_weights_beside_an_untrained_random_body(finished: tuple[RunResult, Path]) -> None:
    result, runs = finished
    own, random = maps_of_run(runs / result.spec.run_id, example=3, offline=True)
    assert own.title == f"pretrained, trained, step {result.best_step}"
    assert random.title.startswith("random, untrained: its run is not in ")
    assert own.weights.shape == (1, 12, 10, 10)
    assert set(own.words) == {"0", "1"}
    module, datamodule = restore(result, Workspace(runs, offline=True))
    batch = datamodule.examples("test").batch(np.array([3]))
    with torch.no_grad():
        trained = module.body.attention_weights(module.input(batch.inputs), batch.mask).numpy()
    np.testing.assert_array_equal(own.weights, trained)
    untrained = build("native", body="minilm", init="pretrained", layers=1)
    with torch.no_grad():
        before = untrained.attention_weights(module.input(batch.inputs), batch.mask).numpy()
    assert np.abs(before - own.weights).max() > 1e-4, "training moved them"


def test_the_random_arm_is_shown_trained_where_its_run_is_there(finished: tuple[RunResult, Path]) -> None:
    result, runs = finished
    twin = run_one(result.spec.model_copy(update={"init": "random"}), Workspace(runs, offline=True))
    _, random = maps_of_run(runs / result.spec.run_id, example=0, offline=True)
    assert random.title == f"random, trained, step {twin.best_step}"
    assert len(maps_of_run(runs / twin.spec.run_id, example=0, offline=True)) == 1, "it has none to stand beside"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--example", "128"], "expected a test example from 0 to 127, got 128"),
        (["-o", "maps.jpg"], "maps.jpg: expected a file that ends in .png, .svg, .pdf"),
    ],
)
def test_wrong_input_is_a_sentence(finished: tuple[RunResult, Path], arguments: list[str], message: str) -> None:
    result, runs = finished
    done = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["attention", str(runs / result.spec.run_id), "--offline", *arguments]
    )
    assert done.exit_code == 2
    assert message in done.stderr


def test_the_command_draws_a_picture_and_says_whose(finished: tuple[RunResult, Path], tmp_path: Path) -> None:
    result, runs = finished
    picture = tmp_path / "maps.svg"
    arguments = ["attention", str(runs / result.spec.run_id), "--example", "3", "-o", str(picture), "--offline"]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    assert "pretrained, trained, step" in done.stdout
    assert picture.read_text().count("<image ") >= 2, "one of each model"


@pytest.mark.parametrize("body", ["lstm", "none", "attention"])
def test_a_body_without_attention_is_a_sentence(body: str) -> None:
    built = build("reference", body=body, init="random", train=("readout",))
    with pytest.raises(ValueError, match="expected a body with attention"):
        built.attention_weights(torch.randn(1, LENGTH, built.width), torch.ones(1, LENGTH, dtype=torch.bool))
