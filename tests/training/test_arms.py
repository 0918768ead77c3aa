"""The arms beside language and random: vision, controls, bodies trained on a task, and other families from configs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Dinov2Config, LongformerConfig, PretrainedConfig, T5Config, ViTConfig

from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.find import find_body
from fpt_bench.config.inits import PRETRAINING, pretraining_spec
from fpt_bench.config.spec import RunSpec
from fpt_bench.config.yaml_files import read_yaml
from fpt_bench.results.folder import BODIES
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.module import FPTModule
from fpt_bench.training.one_run import run_one, trained_body
from fpt_bench.training.resolve import make_datamodule, resolve


def random_spec(body: str, **fields: object) -> RunSpec:
    return RunSpec(**{"task": "bit-xor", "body": body, "init": "random", "dropout": 0.0, **fields})


def test_vit_saliency_computes_what_its_onnx_graph_computes() -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    graph = onnx.load(str(find_body("vit-saliency").weights[0]))
    embedded, final = "/backbone/embeddings/Add_output_0", "/backbone/layernorm/Add_1_output_0"
    del graph.graph.output[:]
    graph.graph.output.extend([onnx.ValueInfoProto(name=embedded), onnx.ValueInfoProto(name=final)])
    session = runtime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
    tokens, expected = (torch.from_numpy(array) for array in session.run([embedded, final], {"input_image": image}))
    count = tokens.shape[1]
    body, record = build_body(RunSpec(task="bit-xor", body="vit-saliency", dropout=0.0), count)
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    (patches,) = (t for t in stored.values() if list(t.dims) == [1, 37 * 37, 384])
    rows = torch.from_numpy(onnx.numpy_helper.to_array(patches)[0, :count].copy())
    assert torch.equal(body.state_dict()["position"], rows), "patches only, from the first row on"
    with torch.no_grad():
        body.position.zero_()  # the graph has added its positions, and those of the class token, to the tokens
        found = body.eval()(tokens, torch.ones(1, count, dtype=torch.bool), count)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * expected.abs().max().item())
    assert "not DINOv2" in record.source


def test_paraphrase_computes_what_its_onnx_graph_computes() -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    graph = onnx.load(str(find_body("paraphrase").weights[0]))
    words = "/model/model.0/auto_model/embeddings/word_embeddings/Gather_output_0"
    final = [node.output[0] for node in graph.graph.node if node.op_type == "LayerNormalization"][-1]
    del graph.graph.output[:]
    graph.graph.output.extend([onnx.ValueInfoProto(name=words), onnx.ValueInfoProto(name=final)])
    session = runtime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    mask = np.arange(12) < np.array([[12], [7]])
    fed = {
        "input_ids": np.random.default_rng(0).integers(1000, 30000, (2, 12)),
        "attention_mask": mask.astype(np.int64),
    }
    tokens, expected = (torch.from_numpy(array) for array in session.run([words, final], fed))
    body, record = build_body(RunSpec(task="bit-xor", body="paraphrase", dropout=0.0), 12)
    assert record.execution == "native"
    with torch.no_grad():
        found = body.eval()(tokens, torch.from_numpy(mask), 7)
    for row, length in enumerate((12, 7)):
        torch.testing.assert_close(found[row], expected[row, length - 7 : length], rtol=0, atol=1e-5)
    # Of MiniLM's family, so not independent of it: nearly its position table. The matrices are others altogether.
    minilm, _ = build_body(RunSpec(task="bit-xor", body="minilm", layers=3), 12)
    for name, alike in (("position", True), ("blocks.0.query_key_value.weight", False), ("blocks.2.up.weight", False)):
        pair = torch.stack([model.state_dict()[name].flatten() for model in (body, minilm)])
        correlation = torch.corrcoef(pair)[0, 1].item()
        assert correlation > 0.9 if alike else abs(correlation) < 0.05, name


TINY = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}
FAMILIES = [
    Dinov2Config(**TINY, image_size=28, patch_size=14),
    ViTConfig(**TINY, intermediate_size=32, image_size=32, patch_size=16),
    T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, vocab_size=3),
    LongformerConfig(**TINY, intermediate_size=32, attention_window=4, max_position_embeddings=10, vocab_size=3),
]


@pytest.mark.parametrize("config", FAMILIES, ids=lambda config: config.model_type)
@pytest.mark.parametrize("execution", ["auto", "reference"])
def test_families_from_a_config_alone(tmp_path: Path, config: PretrainedConfig, execution: str) -> None:
    config.save_pretrained(tmp_path)
    length = 30  # more than their tables hold
    body, _ = build_body(random_spec(str(tmp_path), train="norm,position", body_execution=execution), length)
    assert set(body.groups) == {name for name, _ in body.named_parameters()}
    assert {"attention", "feedforward", "norm", "position"} <= set(body.groups.values())
    trained = {body.groups[name] for name, p in body.named_parameters() if p.requires_grad}
    assert trained == {"norm", "position"}
    body.eval()
    embeddings = torch.randn(2, length, 16)
    mask = torch.arange(length) < torch.tensor([[7], [length]])
    with torch.no_grad():
        padded = body(embeddings, mask, 5)
        alone = body(embeddings[:1, :7], mask[:1, :7], 5)
        moved = body(embeddings.flip(1)[1:], mask[1:], length)
    torch.testing.assert_close(padded[:1], alone, rtol=0, atol=1e-5)
    assert padded.shape == (2, 5, 16)
    assert not torch.allclose(moved.flip(1)[:, -5:], padded[1:], atol=1e-3), "positions have no effect"


def test_longformer_counts_positions_behind_its_padding_row(tmp_path: Path) -> None:
    FAMILIES[3].save_pretrained(tmp_path)
    body, record = build_body(random_spec(str(tmp_path)), 5)
    assert body.state_dict()["model.embeddings.position_embeddings.weight"].shape == (2 + 5, 16), (
        "rows 0 and 1 are the padding word's, as in the file"
    )
    assert not any("stretched" in note for note in record.notes)


@pytest.mark.parametrize("body", ["lstm", "attention", "block", "none"])
def test_a_control_is_a_body_like_any_other(body: str) -> None:
    built, record = build_body(random_spec(body, train="input,readout,norm,position"), 12)
    assert set(built.groups) == {name for name, _ in built.named_parameters()}
    assert {built.groups[name] for name, p in built.named_parameters() if p.requires_grad} <= {"norm", "position"}
    assert "at random" in record.source
    built.eval()
    embeddings = torch.randn(2, 12, built.width)
    mask = torch.arange(12) < torch.tensor([[7], [12]])
    with torch.no_grad():
        padded, alone = built(embeddings, mask, 3), built(embeddings[:1, :7], mask[:1, :7], 3)
    torch.testing.assert_close(padded[:1], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("body", "mixes"), [("lstm", True), ("attention", True), ("block", True), ("none", False)])
def test_what_a_control_reads_depends_on_other_positions_or_not(body: str, mixes: bool) -> None:
    built, _ = build_body(random_spec(body), 6)
    embeddings = torch.randn(1, 6, built.width)
    changed = embeddings.clone()
    changed[0, 0] += 1
    mask = torch.ones(1, 6, dtype=torch.bool)
    with torch.no_grad():
        outputs = [built.eval()(inputs, mask, 1) for inputs in (embeddings, changed)]
    assert torch.equal(*outputs) is not mixes


@pytest.mark.parametrize("init", ["pretrained", "statistics"])
@pytest.mark.parametrize("body", ["lstm", "block"])
def test_a_control_has_no_pretrained_weights(body: str, init: str) -> None:
    with pytest.raises(ValueError, match=f"body '{body}' has no pretrained weights; ask for random"):
        resolve(random_spec(body, init=init), Workspace(offline=True))


def test_one_layer_has_no_other_order_which_is_said_before_anything_is_trained() -> None:
    spec = RunSpec(task="bit-xor", layers=1, init="layers-shuffled")
    with pytest.raises(ValueError, match="expected two layers or more, which have another order, got 1"):
        resolve(spec, Workspace(offline=True))


def test_layers_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="expected no layers for body 'none'"):
        build_body(random_spec("none", layers=1), 12)
    with pytest.raises(ValueError, match="expected layers from 1 to 3, got 4"):
        build_body(random_spec("lstm", layers=4), 12)


@pytest.mark.parametrize("name", sorted(read_yaml(PRETRAINING)))
def test_every_row_of_the_pretrainings_is_a_run(name: str) -> None:
    spec, _ = resolve(pretraining_spec(random_spec("minilm", init=f"task:{name}")), Workspace(offline=True))
    assert spec.init == "random"
    assert len(spec.train) == 6
    assert (spec.seed, spec.body) == (0, "minilm")


def on_tokens(name: str) -> bool:
    spec, workspace = pretraining_spec(random_spec("minilm", init=f"task:{name}")), Workspace(offline=True)
    return make_datamodule(resolve(spec, workspace)[0], workspace).task.input_kind == "tokens"


@pytest.mark.parametrize("name", sorted(filter(on_tokens, read_yaml(PRETRAINING))))
def test_tokens_that_train_a_body_are_drawn_at_the_scale_of_its_positions(name: str) -> None:
    """At another they drown its positions, or it hears nothing else."""
    workspace = Workspace(offline=True)
    spec, _ = resolve(pretraining_spec(random_spec("minilm", init=f"task:{name}", layers=1)), workspace)
    module = FPTModule.from_spec(spec, make_datamodule(spec, workspace).task, offline=True)
    positions = next(table for at, table in module.body.named_parameters() if at.endswith("position"))
    assert float(module.input.weight.std()) == pytest.approx(float(positions.std()), rel=0.1)


def test_an_unknown_pretraining_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"unknown pretraining 'bit-memry'\. Did you mean 'bit-memory'"):
        resolve(random_spec("minilm", init="task:bit-memry"), Workspace(offline=True))


def test_a_body_is_trained_on_a_task_once_for_all_runs(tmp_path: Path) -> None:
    workspace = Workspace(runs=tmp_path, offline=True)
    fields = {"init": "task:bit-memory-short", "precision": "float32", "body_execution": "native"}
    spec = random_spec("block", max_steps=2, eval_every=2, train="readout", **fields)
    first = trained_body(spec, workspace)
    assert first is not None
    again = trained_body(spec.model_copy(update={"seed": 1, "task": "mnist"}), workspace)
    assert first == again
    (weights,) = (tmp_path / BODIES).glob("*/body/body.safetensors")
    assert weights == first.weights
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert trained_body(spec, workspace) == first, "a damaged file is made again from the run's checkpoint"
    written = first.weights.stat().st_mtime_ns
    result = run_one(spec.model_copy(update={"data": "real"}), workspace)
    assert first.weights.stat().st_mtime_ns == written
    assert result.body is not None
    assert result.body.fingerprint == first.fingerprint
    assert "trained in full on bit-memory" in result.body.source
    (trained,) = (tmp_path / BODIES).glob("*/result.json")
    held_out = json.loads(trained.read_text())["test_score"]
    assert result.body.trained_score == held_out
    assert f"test {held_out:.3f}" in result.body.source
    # 12 positions were trained; the longer task has them, and draws the rest.
    stored = load_file(first.weights)
    long, record = build_body(spec, 20, trained=first)
    assert "positions from 12 on as drawn at random: the task it was trained on ends there" in record.notes
    torch.manual_seed(0)
    random, _ = build_body(random_spec("block"), 20)
    for name, value in long.state_dict().items():
        assert torch.equal(value[: len(stored[name])], stored[name]), name
    assert not torch.equal(stored["blocks.0.up.weight"], random.state_dict()["blocks.0.up.weight"])
    with pytest.raises(ValueError, match="expected the tensors of this body"):
        build_body(random_spec("minilm", layers=2), 20, trained=first)


def test_a_synthetic_language_trains_a_body_and_its_score_is_on_record(tmp_path: Path) -> None:
    fields = {"init": "task:identity-short", "max_steps": 2, "eval_every": 2, "train": "readout"}
    result = run_one(
        random_spec("block", **fields).model_copy(update={"data": "real"}), Workspace(tmp_path, offline=True)
    )
    assert result.body is not None
    assert "trained in full on identity (real data)" in result.body.source
    assert result.body.trained_score is not None
    assert 0 <= result.body.trained_score < 0.6, "ten steps teach next to nothing, and it is seen"


@pytest.mark.parametrize("task", ["bit-memory", "bit-xor", "listops"])
def test_shuffled_moves_tokens_and_nothing_else(task: str) -> None:
    small = {"min_length": 5, "max_length": 20, "train_examples": 100, "validation_examples": 20, "test_examples": 20}
    arguments = small if task == "listops" else {}
    workspace = Workspace(offline=True)
    plain, _ = resolve(RunSpec(task=task, data_arguments=arguments), workspace)
    shuffled, _ = resolve(RunSpec(task=task, data_arguments={**arguments, "shuffled": "true"}), workspace)
    assert shuffled.data_arguments["shuffled"] is True
    ours, again, theirs = (make_datamodule(spec, workspace) for spec in (shuffled, shuffled, plain))
    for step in (0, 7):
        batch, twin, original = (module.training_batch(step) for module in (ours, again, theirs))
        assert torch.equal(batch.inputs, twin.inputs)
        assert not torch.equal(batch.inputs, original.inputs)
        assert torch.equal(batch.labels, original.labels)
        assert torch.equal(batch.mask, original.mask)
        for row, other, mask in zip(batch.inputs, original.inputs, batch.mask, strict=True):
            assert sorted(row[mask].tolist()) == sorted(other[mask].tolist())
            assert torch.equal(row[~mask], other[~mask])
    places = np.array([3, 4])
    one, both = ours.examples("test").batch(places[:1]), ours.examples("test").batch(places)
    length = int(one.mask.sum())
    assert torch.equal(one.inputs[0, :length], both.inputs[0, :length]), "its order is its own, whatever the batch"
    assert ours.fingerprint() == again.fingerprint() != theirs.fingerprint()
    assert ours.task == theirs.task
