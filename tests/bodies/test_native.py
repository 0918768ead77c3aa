"""Our transformer against its oracle, Hugging Face's model: hidden states, gradients, padding, precision, dropout."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, GPT2Config, LlamaConfig, PretrainedConfig

import fpt_bench.bodies.native.activation as activation
import fpt_bench.bodies.native.attention as attention
import fpt_bench.bodies.native.packing as packing
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.execution import EXECUTIONS
from fpt_bench.bodies.families.family import without_vocabulary
from fpt_bench.bodies.find import find_body
from fpt_bench.bodies.native.noise import Noise
from fpt_bench.bodies.native.packing import Packing
from fpt_bench.config.spec import RunSpec

LENGTH, READ = 24, 3
RAGGED = torch.arange(LENGTH) < torch.tensor([[7], [LENGTH], [13], [7], [READ]])
FULL = torch.ones_like(RAGGED)
REAL = {
    "minilm": {"body": "minilm", "init": "pretrained"},
    "smollm2": {"body": "smollm2", "init": "pretrained", "layers": 3},
    "gpt2": {"body": "gpt2", "init": "random", "layers": 3},
    "vit-saliency": {"body": "vit-saliency", "init": "pretrained", "layers": 3},
    "vit-base": {"body": "vit-base", "init": "random", "layers": 2},
}


@pytest.fixture(scope="module", autouse=True)
def smollm2_out_of_its_gguf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Three layers of SmolLM2 as safetensors: reading its GGUF takes seconds, and these tests build it ten times."""
    files, folder = find_body("smollm2"), tmp_path_factory.mktemp("smollm2")
    config = files.config(offline=True)
    config.num_hidden_layers = 3
    config.save_pretrained(folder)
    model = without_vocabulary(files.load(config, "eager", offline=True))
    save_file(model.state_dict(), folder / "model.safetensors", {"format": "pt"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REAL, "smollm2", {"body": "smollm2", "body_path": str(folder), "init": "pretrained"})
        yield


def make_spec(name: str, execution: str, **fields: object) -> RunSpec:
    return RunSpec(
        **{
            "task": "bit-xor",
            "dropout": 0.0,
            "precision": "float32",
            "body_execution": execution,
            **REAL[name],
            **fields,
        }
    )


def build(spec: RunSpec, length: int = LENGTH) -> nn.Module:
    torch.manual_seed(0)
    body, record = build_body(spec, length)
    assert record.execution == spec.body_execution
    return body


def gradients(body: nn.Module, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the hidden states read out, and the gradient of a fixed function of them by parameter of ours."""
    torch.manual_seed(1)
    embeddings = torch.randn(*mask.shape, body.width, requires_grad=True)
    hidden = body(embeddings, mask, READ)
    weights = torch.sin(torch.arange(hidden.numel(), dtype=torch.float32)).view(hidden.shape)
    (hidden.float() * weights).sum().backward()
    if hasattr(body, "model"):
        with torch.no_grad():  # its gradients, put where translation looks for weights, come out under our names
            for parameter in body.model.parameters():
                parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
        translated = EXECUTIONS["native"](body.model, body.groups)
        found = {name: p.detach() for name, p in translated.named_parameters() if p.abs().sum() > 0}
    else:
        found = {name: p.grad for name, p in body.named_parameters() if p.grad is not None}
    assert embeddings.grad is not None
    return hidden.detach(), {**found, "embeddings": embeddings.grad}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        error = (ours[name] - gradient).norm() / gradient.norm()
        cosine = functional.cosine_similarity(ours[name].flatten().double(), gradient.flatten().double(), dim=0)
        assert error < 1e-4, f"{name}: relative error {error}"
        assert cosine > 0.99999, f"{name}: cosine {cosine}"


@pytest.mark.parametrize("train", ["norm,position", "all"])
@pytest.mark.parametrize("name", REAL)
def test_hidden_states_and_gradients_are_those_of_the_reference(
    monkeypatch: pytest.MonkeyPatch, name: str, train: str
) -> None:
    for mask, spare in ((FULL, 0), (RAGGED, 0), (RAGGED, packing.SPARE_PAIRS)):  # one group; one a length; one, padded
        monkeypatch.setattr(packing, "SPARE_PAIRS", spare)
        packing._indices.cache_clear()  # groups are kept for batches of the same lengths
        ours, our_gradients = gradients(build(make_spec(name, "native", train=train)), mask)
        theirs, their_gradients = gradients(build(make_spec(name, "reference", train=train)), mask)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.abs().max().item())
        assert_same(our_gradients, their_gradients)


@pytest.mark.parametrize("name", REAL)
def test_trained_parameters_are_those_of_the_reference(name: str) -> None:
    counts = []
    for execution in ("native", "reference"):
        body = build(make_spec(name, execution, train="norm,position"))
        trained = {n: p.numel() for n, p in body.named_parameters() if p.requires_grad}
        by_group: dict[str, int] = {}
        for parameter, count in trained.items():
            by_group[body.groups[parameter]] = by_group.get(body.groups[parameter], 0) + count
        counts.append(by_group)
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("name", "layers"), [("minilm", 2), ("gpt2", 1)])
def test_bfloat16_is_at_least_as_close_to_float32_as_autocast_is(name: str, layers: int) -> None:
    reference = build(make_spec(name, "reference", layers=layers))
    native = build(make_spec(name, "native", layers=layers, precision="bfloat16"))
    ours, theirs = [], []
    for seed in range(8):  # single draws have heavy tails, in both: compare medians
        exact = embedding_gradient(reference, seed)
        ours.append((embedding_gradient(native, seed) - exact).norm() / exact.norm())
        theirs.append((embedding_gradient(reference, seed, autocast=True) - exact).norm() / exact.norm())
    assert 0 < statistics.median(ours) <= statistics.median(theirs) * 1.02


def embedding_gradient(body: nn.Module, seed: int, autocast: bool = False) -> Tensor:
    """Return the gradient that has come through the whole body."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(3, LENGTH, body.width, generator=generator).requires_grad_()
    weights = torch.randn(3, READ, body.width, generator=generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        hidden = body(embeddings, FULL[:3], READ)
    (hidden.float() * weights).sum().backward()
    assert embeddings.grad is not None
    return embeddings.grad


def test_only_what_is_frozen_is_stored_in_bfloat16() -> None:
    body = build(make_spec("minilm", "native", precision="bfloat16", layers=1, train="norm,position,feedforward"))
    dtypes = {group: set() for group in set(body.groups.values())}
    for name, parameter in body.named_parameters():
        dtypes[body.groups[name]].add(parameter.dtype)
    assert dtypes["attention"] == {torch.bfloat16}
    assert dtypes["feedforward"] == dtypes["norm"] == dtypes["position"] == {torch.float32}


@pytest.mark.parametrize("causal", [False, True])
def test_long_attention_is_the_same_in_chunks_and_draws_its_dropout_twice_alike(
    monkeypatch: pytest.MonkeyPatch, causal: bool
) -> None:
    query, key, value = (torch.randn(2, 50, heads, 8, dtype=torch.float64) for heads in (4, 2, 2))
    found = []
    for long, chunk in ((512, 256), (10, 16)):
        monkeypatch.setattr(attention, "LONG", long)
        monkeypatch.setattr(attention, "CHUNK", chunk)
        inputs = [tensor.clone().requires_grad_() for tensor in (query, key, value)]
        # So little dropout that none happens, and yet the path that can.
        out = attention.attend(*inputs, causal=causal, dropout=1e-9)
        out.square().sum().backward()
        found.append([out, *(tensor.grad for tensor in inputs)])
    for whole, chunked in zip(*found, strict=True):
        torch.testing.assert_close(whole, chunked)
    monkeypatch.setattr(attention, "LONG", 10)
    values = value.clone().requires_grad_()
    out = attention.attend(query, key, values, causal=causal, dropout=0.5)
    out.sum().backward()
    # The output is linear in the values: with the same masks in both passes, <values, gradient> is the output's sum.
    torch.testing.assert_close((values * values.grad).sum(), out.sum())


@pytest.mark.parametrize("length", [40, 600])
def test_queries_of_the_last_positions_get_what_they_would_get_among_all(length: int) -> None:
    query, key, value = (torch.randn(1, length, heads, 8) for heads in (4, 2, 2))
    for dropout in (0.0, 1e-9):
        whole = attention.attend(query, key, value, causal=True, dropout=dropout)
        last = attention.attend(query[:, -3:], key, value, causal=True, dropout=dropout)
        torch.testing.assert_close(last, whole[:, -3:], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "length", "dropout", "asks", "fused"),
    [
        (torch.float32, 40, 0.0, True, True),
        (torch.float32, 40, 0.1, True, False),
        (torch.bfloat16, 40, 0.0, True, False),
        (torch.bfloat16, 40, 0.0, False, True),
        (torch.bfloat16, 40, 0.1, False, False),
        (torch.bfloat16, 600, 0.0, True, True),
        (torch.bfloat16, 600, 0.1, True, False),
    ],
)
def test_attention_is_fused_where_that_is_the_fast_way_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, length: int, dropout: float, asks: bool, fused: bool
) -> None:
    query, key, value = (torch.randn(1, length, 2, 8).to(dtype).requires_grad_(asks) for _ in range(3))
    expected = attention.attend(*(part.float() for part in (query, key, value)), causal=True, dropout=0.0)
    taken: list[bool] = []
    real = functional.scaled_dot_product_attention

    def watched(*arguments: Any, **options: Any) -> Tensor:
        taken.append(True)
        return real(*arguments, **options)

    monkeypatch.setattr(attention.functional, "scaled_dot_product_attention", watched)
    found = attention.attend(query, key, value, causal=True, dropout=dropout)
    assert bool(taken) is fused
    if dropout == 0.0:
        torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.03 if dtype == torch.bfloat16 else 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("at_once", [2**17, 1000])
def test_tanh_gelu_by_pieces_is_what_it_is_at_once(
    monkeypatch: pytest.MonkeyPatch, at_once: int, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(activation, "AT_ONCE", at_once)
    values = (3 * torch.randn(37, 192)).to(dtype).requires_grad_()
    weights = torch.randn(37, 192).to(dtype)
    exact = values.detach().double().requires_grad_()
    found, expected = activation.tanh_gelu(values), functional.gelu(exact, approximate="tanh")
    (found * weights).sum().backward()
    (expected * weights.double()).sum().backward()
    near = {torch.float32: 1e-6, torch.bfloat16: 4e-3, torch.float64: 1e-12}[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=near, atol=near)
    torch.testing.assert_close(values.grad.double(), exact.grad, rtol=near, atol=4 * near)


def test_packing_leaves_padding_out_and_restores_the_order() -> None:
    packed_batch = Packing(RAGGED)
    numbers = torch.arange(RAGGED.numel()).view(RAGGED.shape)
    packed = packed_batch.pack(numbers)
    assert sorted(packed[: packed_batch.tokens].tolist()) == numbers[RAGGED].tolist()
    assert packed[packed_batch.tokens :].tolist() == [0] * packed_batch.spare_rows
    restored = packed_batch.in_batch_order(packed[packed_batch.last(READ)].view(-1, READ))
    expected = [row[mask][-READ:].tolist() for row, mask in zip(numbers, RAGGED, strict=True)]
    assert restored.tolist() == expected
    assert torch.equal(packed_batch.join(packed_batch.split(packed)), packed)
    assert packed_batch.positions[packed_batch.last(1)].tolist() == [READ - 1, 6, 6, 12, LENGTH - 1]
    with pytest.raises(ValueError, match="at least 4 real positions in every sequence, got 3"):
        packed_batch.last(4)


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_dropout_is_unbiased_independent_and_seeded(probability: float) -> None:
    torch.manual_seed(0)
    noise = Noise(torch.device("cpu"))
    first, second = (noise.drop(torch.ones(1000, 1000), probability) for _ in range(2))
    share = (first == 0).float().mean().item()
    deviation = (probability * (1 - probability) / 1e6) ** 0.5
    assert abs(share - probability) < 4 * deviation + 1 / 2**17
    assert first.mean().item() == pytest.approx(1.0, abs=4 * deviation / (1 - probability))
    both = ((first == 0) & (second == 0)).float().mean().item()
    neighbours = ((first[:, 1:] == 0) & (first[:, :-1] == 0)).float().mean().item()
    for found in (both, neighbours):
        assert found == pytest.approx(probability**2, abs=5 * deviation)
    torch.manual_seed(0)
    assert torch.equal(Noise(torch.device("cpu")).drop(torch.ones(1000, 1000), probability), first)


def test_a_rate_just_below_one_keeps_next_to_nothing() -> None:
    dropped = Noise(torch.device("cpu"), seed=0).drop(torch.ones(1000), 0.9999999)
    assert dropped.isfinite().all()
    assert int((dropped > 0).sum()) < 5


def test_dropout_in_bfloat16_keeps_its_scale_in_float32() -> None:
    dropped = Noise(torch.device("cpu"), seed=0).drop(torch.ones(100, dtype=torch.bfloat16), 0.1)
    assert dropped.max().item() == pytest.approx(1 / 0.9, rel=1e-5)


@pytest.mark.parametrize("name", REAL)
def test_dropout_changes_training_as_much_as_in_the_reference(name: str) -> None:
    """The variance that dropout brings, over draws, is the reference's: it acts in the same places."""
    spreads, embeddings = [], None
    for execution in ("native", "reference"):
        body = build(make_spec(name, execution, dropout=0.3, layers=1)).train()
        embeddings = torch.randn(1, LENGTH, body.width) if embeddings is None else embeddings
        with torch.no_grad():
            draws = torch.stack([body(embeddings, FULL[:1], READ) for _ in range(200)])
        spreads.append(draws.std(0).mean().item())
    assert spreads[0] == pytest.approx(spreads[1], rel=0.05)


@pytest.mark.parametrize(
    "config",
    [
        BertConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, hidden_act="relu"),
        GPT2Config(n_embd=16, n_head=2, n_layer=1, scale_attn_by_inverse_layer_idx=True),
        LlamaConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, attention_bias=True),
    ],
    ids=lambda config: config.model_type,
)
def test_what_ours_cannot_run_goes_through_the_reference(tmp_path: Path, config: PretrainedConfig) -> None:
    config.save_pretrained(tmp_path)
    spec = RunSpec(task="bit-xor", body=str(tmp_path), init="random")
    assert build_body(spec, LENGTH)[1].execution == "reference"
    with pytest.raises(ValueError, match="'native' runs only plain bert, gpt2"):
        build_body(spec.model_copy(update={"body_execution": "native"}), LENGTH)
