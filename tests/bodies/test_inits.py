"""What each init keeps of the pretrained weights, and what it draws."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModel, LlamaConfig, LongformerConfig, LongformerModel

from fpt_bench.bodies.build import build_body, plan_body
from fpt_bench.bodies.inits.blueprint import TrainedBody
from fpt_bench.bodies.inits.matrices import Block, blocks_of, fold_scales
from fpt_bench.bodies.inits.pretrained_parts import with_parts
from fpt_bench.bodies.inits.trained import load_trained
from fpt_bench.config.inits import INITS, PARTS, read_init
from fpt_bench.config.plugins import import_attribute
from fpt_bench.config.spec import RunSpec


def test_a_random_body_reads_no_weights_and_depends_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutoModel, "from_pretrained", lambda *_, **__: pytest.fail("weights were read"))
    spec = RunSpec(task="bit-xor", body="gpt2", layers=1, init="random")
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        body, record = build_body(spec, 10)
        states.append(body.state_dict()["blocks.0.query_key_value.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    assert "drawn at random" in record.source


def test_pretrained_and_random_differ_where_they_should() -> None:
    spec = RunSpec(task="bit-xor", layers=1)
    pretrained, _ = build_body(spec, 10)
    random, _ = build_body(spec.model_copy(update={"init": "random"}), 10)
    name = "blocks.0.query_key_value.weight"
    assert pretrained.state_dict()[name].shape == random.state_dict()[name].shape
    assert not torch.equal(pretrained.state_dict()[name], random.state_dict()[name])


def test_statistics_keeps_the_mean_and_deviation_of_each_tensor_and_nothing_else() -> None:
    spec = RunSpec(task="bit-xor", layers=1)
    pretrained = build_body(spec, 10)[0].state_dict()
    torch.manual_seed(0)
    body, record = build_body(spec.model_copy(update={"init": "statistics"}), 10)
    assert "drawn at random with the means and deviations of MiniLM" in record.source
    for name, drawn in body.state_dict().items():
        theirs = pretrained[name]
        # The position table is cut after it was drawn; of the other tensors the mean is a mean of n draws.
        if name in ("position", "segment", "blocks.0.query_key_value.weight", "blocks.0.query_key_value.bias"):
            continue
        spread = theirs.std().item()
        assert drawn.mean().item() == pytest.approx(theirs.mean().item(), abs=5 * spread / drawn.numel() ** 0.5), name
        assert drawn.std().item() == pytest.approx(spread, rel=5 / drawn.numel() ** 0.5), name
        assert abs(torch.corrcoef(torch.stack([drawn.flatten(), theirs.flatten()]))[0, 1].item()) < 0.25, name


def model_of(init: str, body: str = "minilm", layers: int = 1, seed: int = 0) -> tuple[list[Block], Any]:
    """Return the matrices of a body as an init leaves them, and what the init said."""
    spec = RunSpec(task="bit-xor", body=body, layers=layers, init=init)
    plan = plan_body(spec, 10)
    plan.config.num_hidden_layers = layers
    torch.manual_seed(seed)
    read = read_init(init)
    made = import_attribute("init", read.kind.path)(plan)
    made = with_parts(plan, made, read.parts) if read.parts else made
    return blocks_of(made.model, plan.config, init), made


@pytest.mark.parametrize("body", ["minilm", "gpt2", "smollm2", "vit-saliency"])
def test_the_scale_of_random_matrices_is_what_the_name_says(body: str) -> None:
    for init, query_key, others in (
        ("random-fanin", 1.0, 1.0),
        ("random-gain:0.5", 0.5, 0.5),
        ("random-gain-qk:2", 2.0, 1.0),
    ):
        (block,), made = model_of(init, body)
        for matrix, gain in zip(block.matrices, (query_key, query_key, *[others] * 5), strict=False):
            expected = gain / matrix.shape[1] ** 0.5
            assert matrix.std().item() == pytest.approx(expected, rel=0.02), (init, tuple(matrix.shape))
        assert made.kept == 0


@pytest.mark.parametrize(
    "init",
    [
        *(
            name.replace(":K", ":4").replace(":G", ":0.5")
            for name in INITS
            if "NAME" not in name and "NOISE" not in name
        ),
        "mimetic-qk",
        "mimetic",
        f"random-fanin+{'+'.join(PARTS)}",
    ],
)
def test_every_init_makes_a_body_of_paraphrase(init: str) -> None:
    blocks, made = model_of(init, "paraphrase", layers=2)
    assert all(matrix.isfinite().all() and matrix.std() > 0 for block in blocks for matrix in block.matrices)
    assert "paraphrase" in made.source
    assert (made.kept > 0) is read_init(init).reads_weights


def test_random_gpt2_has_every_matrix_at_the_published_deviation() -> None:
    blocks, _ = model_of("random", "gpt2", layers=2)
    for matrix in (matrix for block in blocks for matrix in block.matrices):
        assert matrix.std().item() == pytest.approx(0.02, rel=0.01)
    random, fanin = (model_of(init, "gpt2")[1].fingerprint for init in ("random", "random-fanin"))
    assert random != fanin, "what was drawn by the library's initializer is another body"


def test_smollm2s_own_random_scale_is_the_published_one() -> None:
    (block,), _ = model_of("random", "smollm2")
    assert block.query.std().item() == pytest.approx(1 / 24, rel=0.01)


@pytest.mark.parametrize(("body", "sign"), [("minilm", 1), ("gpt2", -1), ("smollm2", 1), ("vit-saliency", -1)])
def test_a_mimetic_head_looks_for_tokens_equal_to_its_own(body: str, sign: int) -> None:
    (block,), made = model_of("mimetic-qk" if sign > 0 else "mimetic-qk:0.7:-0.7", body)
    assert made.kept == 0
    width = block.query.shape[1]
    tokens = torch.randn(64, width)
    shared = block.heads // block.key_heads
    for head, query in enumerate(block.heads_of(block.query)):
        key = block.heads_of(block.key)[head // shared]
        product = query.T @ key
        off = product[~torch.eye(width, dtype=torch.bool)]
        assert sign * product.diagonal().mean().item() > 3 * off.std().item()
        logits = (tokens @ query.T) @ (tokens @ key.T).T
        others = logits[~torch.eye(64, dtype=torch.bool)]
        assert sign * logits.diagonal().mean().item() > 2 * others.std().item()
    assert block.value.std().item() == pytest.approx(width**-0.5, rel=0.02), "all else at 1 / sqrt(inputs)"


def test_mimetic_values_and_outputs_are_near_a_multiple_of_the_identity() -> None:
    (block,), _ = model_of("mimetic")
    product = block.output @ block.value
    off = product[~torch.eye(len(product), dtype=torch.bool)]
    assert product.diagonal().mean().item() == pytest.approx(-0.4, abs=0.03)
    assert off.std().item() < 0.03
    with pytest.raises(ValueError, match=r"init 'mimetic': expected a value head for each query head, got 3 for 9"):
        model_of("mimetic", "smollm2")


def traces(block: Block) -> list[float]:
    """Return the trace of query x key and of output x value of every head."""
    heads = [block.heads_of(part) for part in (block.query, block.key, block.output.T, block.value)]
    query, key, output, value = heads
    return [float((a * b).sum()) for first, second in ((query, key), (output, value)) for a, b in zip(first, second)]  # noqa: B905


def test_diagonals_keep_two_numbers_a_head() -> None:
    (theirs,), _ = model_of("pretrained")
    (block,), made = model_of("diagonals")
    assert traces(block) == pytest.approx(traces(theirs), rel=1e-3, abs=1e-3)
    assert made.kept == 2 * 12
    (other,), _ = model_of("diagonals", seed=1)
    assert not torch.allclose(block.query, other.query)


def test_spectrum_keeps_singular_values_and_no_direction() -> None:
    (theirs,), _ = model_of("pretrained")
    (block,), made = model_of("spectrum")
    for new, old in zip(block.matrices, theirs.matrices, strict=True):
        assert torch.allclose(torch.linalg.svdvals(new), torch.linalg.svdvals(old), rtol=1e-3, atol=1e-4)
        assert abs(torch.corrcoef(torch.stack([new.flatten(), old.flatten()]))[0, 1].item()) < 0.02
    assert made.kept == 6 * 384


def test_rank_keeps_the_largest_directions_and_the_norm_of_the_rest() -> None:
    (theirs,), _ = model_of("pretrained")
    (block,), made = model_of("rank:4")
    for new, old in zip(block.matrices, theirs.matrices, strict=True):
        left, values, right = torch.linalg.svd(old, full_matrices=False)
        kept = left[:, :4] * values[:4] @ right[:4]
        rest = new - kept
        assert rest.norm().item() == pytest.approx(values[4:].norm().item(), rel=1e-3)
        assert abs(float((rest * (old - kept)).sum())) < 0.05 * float(rest.norm() * (old - kept).norm())
    assert made.kept == 4 * (4 * 768 + 2 * 1920) + 6
    (whole,), all_kept = model_of("rank:384")
    assert torch.allclose(whole.query, theirs.query, atol=1e-4)
    assert all_kept.kept == 4 * 384 * 384 + 2 * 384 * 1536, "no more than there is"
    with pytest.raises(ValueError, match=r"init 'rank:385': expected K of at most 384"):
        model_of("rank:385")


def test_permuted_keeps_every_histogram_and_no_place() -> None:
    (theirs,), whole = model_of("pretrained")
    (block,), made = model_of("permuted")
    for new, old in zip(block.matrices, theirs.matrices, strict=True):
        assert torch.equal(new.flatten().sort().values, old.flatten().sort().values)
        assert not torch.equal(new, old)
    assert made.kept == whole.kept, "all of them"


def test_random_scaled_keeps_the_deviation_of_each_matrix() -> None:
    (theirs,), _ = model_of("pretrained")
    (block,), made = model_of("random-scaled")
    for new, old in zip(block.matrices, theirs.matrices, strict=True):
        assert new.std().item() == pytest.approx(old.std().item(), rel=0.01)
    assert made.kept == 6


def test_shuffled_layers_are_whole() -> None:
    theirs, whole = model_of("pretrained", layers=6)
    blocks, made = model_of("layers-shuffled", layers=6)
    sums = [float(block.query.double().sum()) for block in theirs]
    order = [sums.index(float(block.query.double().sum())) for block in blocks]
    assert sorted(order) == list(range(6)) != order
    assert torch.equal(blocks[0].output, theirs[order[0]].output)
    assert made.kept == whole.kept


def test_shuffled_layers_are_never_in_their_own_order() -> None:
    theirs, _ = model_of("pretrained", layers=2)
    for seed in range(6):
        torch.manual_seed(seed)
        blocks, _ = model_of("layers-shuffled", layers=2)
        assert torch.equal(blocks[0].query, theirs[1].query)
    with pytest.raises(ValueError, match="expected two layers or more, which have another order, got 1"):
        model_of("layers-shuffled", layers=1)


def test_layer_scales_are_folded_into_what_they_multiply() -> None:
    """vit-saliency's have both signs: without them a branch would be another one."""
    (theirs,), _ = model_of("pretrained", "vit-saliency")
    down, scale = theirs.feedforward[-1], theirs.feedforward_scale[0]
    assert scale.min() < 0 < scale.max()
    (whole,), _ = model_of("rank:384", "vit-saliency")
    assert torch.equal(whole.feedforward_scale[0], torch.ones(384))
    assert torch.allclose(whole.feedforward[-1], scale[:, None] * down, atol=1e-4)
    (kept,), _ = model_of("diagonals", "vit-saliency")
    assert traces(kept) == pytest.approx(traces(fold_scales(theirs)), rel=1e-3, abs=1e-3)
    (scaled,), _ = model_of("random-scaled", "vit-saliency")
    expected = (theirs.attention_scale[0][:, None] * theirs.output).std().item()
    assert scaled.output.std().item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("body", "init", "message"),
    [
        (
            "lstm",
            "random-fanin",
            "init 'random-fanin': expected a body of a family with separate matrices (bert,",
        ),
        ("smollm2", "random-fanin+positions", "expected a body with positions, got llama, without"),
        ("lstm", "spectrum", "init 'spectrum': body 'lstm' has no pretrained weights; ask for random"),
    ],
)
def test_an_init_that_a_body_has_not_the_shape_for_is_one_sentence(body: str, init: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        build_body(RunSpec(task="bit-xor", body=body, init=init, layers=None if body == "lstm" else 1), 10)
    assert message in str(caught.value)


def test_positions_go_to_the_rows_that_are_read(tmp_path: Path) -> None:
    """Longformer's table begins behind the row of its padding word, whichever that is."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = LongformerConfig(**sizes, max_position_embeddings=42, attention_window=[8], vocab_size=11, pad_token_id=1)
    model = LongformerModel(config)
    with torch.no_grad():
        model.embeddings.position_embeddings.weight.copy_(torch.arange(42.0)[:, None].expand(42, 8))
    model.save_pretrained(tmp_path)
    for init in ("pretrained", "random+positions", "statistics+positions"):
        spec = RunSpec(task="bit-xor", body=str(tmp_path), init=init, train="readout,norm", dropout=0.0)
        embeddings = build_body(spec, 10)[0].model.embeddings
        first = embeddings.padding_idx + 1
        assert embeddings.position_embeddings.weight[first : first + 10, 0].tolist() == list(range(2, 12)), init


def test_what_never_runs_is_never_trained(tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    LongformerConfig(**sizes, max_position_embeddings=42, attention_window=[8], vocab_size=11).save_pretrained(tmp_path)
    body, _ = build_body(RunSpec(task="bit-xor", body=str(tmp_path), init="random", train="all", dropout=0.0), 10)
    body(torch.randn(2, 5, body.width), torch.ones(2, 5, dtype=torch.bool), 1).sum().backward()
    assert [name for name, p in body.named_parameters() if p.requires_grad and p.grad is None] == []


def test_heads_wider_than_the_body_have_no_mimetic_values(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    LlamaConfig(**sizes, head_dim=16, vocab_size=5, bos_token_id=None, eos_token_id=None).save_pretrained(tmp_path)
    spec = RunSpec(task="bit-xor", body=str(tmp_path), init="mimetic", train="readout,norm")
    with pytest.raises(ValueError, match="expected heads that are together as wide as the body at most, 16, got 32"):
        build_body(spec, 10)
    build_body(spec.model_copy(update={"init": "mimetic-qk"}), 10)


def test_a_body_that_a_run_trains_first_is_not_built_without() -> None:
    spec = RunSpec(task="bit-xor", body="causal-128", init="task:bit-memory")
    with pytest.raises(ValueError, match="expected the body that it names, which a run trains first"):
        build_body(spec, 10)


def test_a_trained_body_may_keep_single_numbers(tmp_path: Path) -> None:
    def body() -> nn.Module:
        model = nn.Module()
        model.gate, model.norm = nn.Parameter(torch.tensor(3.0)), nn.BatchNorm1d(3)
        return model

    kept, new = body(), body()
    save_file(kept.state_dict(), tmp_path / "body.safetensors")
    with torch.no_grad():
        new.gate.zero_()
    assert load_trained(new, {}, TrainedBody(tmp_path / "body.safetensors", "", "", "")) == []
    assert new.gate.item() == 3.0
