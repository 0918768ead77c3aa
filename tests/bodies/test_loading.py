"""Checkpoints that people bring: every tensor has a place, a name that lets it through, or a sentence against it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    BertForMaskedLM,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput

from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.description import describe
from fpt_bench.bodies.find import find_body
from fpt_bench.config.spec import RunSpec
from tests.bodies import saved
from tests.bodies.saved import Tensors


def load(folder: Path) -> None:
    build_body(RunSpec(task="bit-xor", body=str(folder)), 10)


def add(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({name: torch.ones(shape, dtype=dtype)})


def cast(name: str, dtype: torch.dtype) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({name: tensors[name].to(dtype)})


def two_of_one(tensors: Tensors) -> None:
    tensors["bert.encoder.layer.0.output.LayerNorm.gamma"] = 3 * tensors["bert.encoder.layer.0.output.LayerNorm.weight"]


def spoil(name: str) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({name: tensors[name] * torch.nan})


REFUSED = {
    "biases that no option names": (saved.llama(), None, add("layers.0.self_attn.q_proj.bias", 16), "q_proj.bias"),
    "an adapter unmerged": (saved.gpt2(), None, add("h.0.attn.c_attn.lora_A.weight", 2, 16), "merge_and_unload"),
    "an adapter beside the body": (saved.bert(), BertForMaskedLM, add("lora_A.weight", 2, 16), "merge_and_unload"),
    "a norm more": (saved.bert(), None, add("encoder.layer.1.extra_norm.weight", 16), "extra_norm"),
    "a norm more at the end": (saved.gpt2(), None, add("final_norm.weight", 16), "final_norm"),
    "more layers than config.json says": (saved.gpt2(), None, add("h.2.ln_1.weight", 16), "h.2.ln_1"),
    "what a class of the library ignores": (saved.t5(), None, add("encoder.block.0.decoder_gate", 2), "decoder_gate"),
    "a bias under a mask's name": (saved.gpt2(), None, add("h.0.attn.bias", 16), "attn.bias"),
    "8 bits": (saved.gpt2(), None, cast("h.0.mlp.c_fc.weight", torch.int8), "stored as I8"),
    "whole numbers": (saved.llama(), None, cast("layers.1.mlp.up_proj.weight", torch.int32), "stored as I32"),
    "8-bit floats": (saved.bert(), None, cast("encoder.layer.0.output.dense.weight", torch.float8_e4m3fn), "F8_E4M3"),
    "a quantizer's scale": (saved.gpt2(), None, add("h.0.mlp.c_fc.weight_scale", 1), "a quantizer's"),
    "two tensors for one place": (saved.bert(), BertForMaskedLM, two_of_one, "same place"),
    "a damaged number": (saved.bert(), None, spoil("encoder.layer.1.output.dense.weight"), "finite weights"),
    "another shape": (saved.gpt2(), None, add("h.0.ln_1.weight", 8), r"h\.0\.ln_1\.weight"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_finds_no_place_in_the_body_is_refused(tmp_path: Path, kind: str) -> None:
    config, head, change, said = REFUSED[kind]
    saved.save(tmp_path, config, head)
    load(tmp_path)
    saved.edit(tmp_path, change)
    with pytest.raises(ValueError, match=said):
        load(tmp_path)


def test_a_damaged_number_is_a_fault_where_a_body_is_looked_at(tmp_path: Path) -> None:
    saved.save(tmp_path, saved.bert())
    assert not describe(str(tmp_path), offline=True).faults
    saved.edit(tmp_path, spoil("encoder.layer.1.output.dense.weight"))
    (fault,) = describe(str(tmp_path), offline=True).faults
    assert fault == "encoder.layer.1.output.dense.weight has numbers that are not finite: a damaged file"


def buffers_of_old(tensors: Tensors) -> None:
    tensors["transformer.h.0.attn.bias"] = torch.ones(1, 1, 32, 32, dtype=torch.uint8)
    tensors["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)


LET_THROUGH = {
    "heads and old masks": (saved.gpt2(), GPT2LMHeadModel, buffers_of_old, {"old buffer", "vocabulary"}),
    "a head of its own": (saved.llama(tie_word_embeddings=False), LlamaForCausalLM, None, {"head", "vocabulary"}),
    "a masked language model": (saved.bert(), BertForMaskedLM, None, {"head", "vocabulary"}),
    "a pooler and positions": (saved.bert(), None, add("embeddings.position_ids", 1, 32, dtype=torch.int64),
                               {"pooler", "old buffer", "vocabulary"}),
    "frequencies": (saved.llama(), None, add("rotary_emb.inv_freq", 4), {"old buffer", "vocabulary"}),
    "a decoder": (saved.t5(), T5ForConditionalGeneration, None, {"decoder", "vocabulary"}),
    "patches": (saved.vit(), None, None, {"vocabulary", "class or mask token", "pooler"}),
    "another vocabulary": (saved.bert(), None, add("embeddings.word_embeddings.weight", 99, 16),
                           {"vocabulary", "pooler"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", LET_THROUGH)
def test_what_a_body_never_runs_is_let_through_by_name_and_all_is_accounted_for(tmp_path: Path, kind: str) -> None:
    config, head, change, kinds = LET_THROUGH[kind]
    saved.save(tmp_path, config, head)
    if change is not None:
        saved.edit(tmp_path, change)
    files = find_body(str(tmp_path))
    model, report = files.load_and_account(files.config(offline=True), "eager", offline=True)
    assert not report.refused
    assert not report.absent
    assert set(report.let_through.values()) == kinds
    held = load_file(tmp_path / "model.safetensors")
    assert report.placed
    assert {*report.placed, *report.let_through} == held.keys()
    ours = dict(model.named_parameters())
    for name in report.placed:
        inner = name.removeprefix(f"{model.base_model_prefix}.")
        if inner in ours:  # the others have another name in the library today
            assert torch.equal(ours[inner], held[name]), name


def test_layers_that_are_left_out_are_no_fault_of_the_file(tmp_path: Path) -> None:
    saved.save(tmp_path, saved.gpt2())
    _, whole = build_body(RunSpec(task="bit-xor", body=str(tmp_path)), 10)
    _, part = build_body(RunSpec(task="bit-xor", body=str(tmp_path), layers=1), 10)
    assert (whole.shape.split()[0], part.shape.split()[0]) == ("2", "1")


def shards(folder: Path) -> None:
    saved.build(saved.gpt2()).save_pretrained(folder, max_shard_size="8KB")


def stale_single(folder: Path) -> None:
    shards(folder)
    saved.build(saved.gpt2()).save_pretrained(folder / "old")
    (folder / "old" / "model.safetensors").rename(folder / "model.safetensors")


def stray_shard(folder: Path) -> None:
    saved.save(folder, saved.gpt2())
    save_file({"h.0.ln_1.weight": torch.ones(16)}, folder / "model-00001-of-00002.safetensors", {"format": "pt"})


def one_in_two_shards(folder: Path) -> None:
    shards(folder)
    first, second = sorted(folder.glob("model-*.safetensors"))[:2]
    save_file({**load_file(second), **dict(list(load_file(first).items())[:1])}, second, {"format": "pt"})


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        saved.save(folder, saved.gpt2())
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return write


def missing_shard(folder: Path) -> None:
    shards(folder)
    min(folder.glob("model-*.safetensors")).unlink()


def dangling(folder: Path) -> None:
    saved.save(folder, saved.gpt2())
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("nowhere")


def shard_elsewhere(folder: Path) -> None:
    shards(folder)
    index = folder / "model.safetensors.index.json"
    said = json.loads(index.read_text())
    said["weight_map"] = dict.fromkeys(said["weight_map"], "../model.safetensors")
    index.write_text(json.dumps(said))


def options(**said: object) -> Callable[[Path], None]:
    return rewritten("config.json", lambda old: json.dumps({**json.loads(old), **said}).encode())


def adapter_alone(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/base"}')
    save_file({"lora_A": torch.ones(2, 2)}, folder / "adapter_model.safetensors")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n"
WEIGHTS = "model.safetensors"
BROKEN = {
    "a checkpoint of old beside new shards": (stale_single, r"two: model.safetensors and model.safetensors.index.json"),
    "a shard of old": (stray_shard, r"two: model.safetensors and model-00001-of-00002.safetensors"),
    "one tensor in two shards": (one_in_two_shards, "each tensor in one file"),
    "a shard that is missing": (missing_shard, "expected the shard model-00001"),
    "a shard outside": (shard_elsewhere, "names of files in its folder"),
    "an LFS pointer for the weights": (rewritten(WEIGHTS, lambda _: POINTER), "git lfs pull"),
    "an LFS pointer for config.json": (rewritten("config.json", lambda _: POINTER), "git lfs pull"),
    "cut off": (rewritten(WEIGHTS, lambda old: old[:-100]), "it is cut off"),
    "cut off in its head": (rewritten(WEIGHTS, lambda old: old[:200]), "it is cut off"),
    "something appended": (rewritten(WEIGHTS, lambda old: old + b"more"), "something is appended"),
    "a web page": (rewritten(WEIGHTS, lambda _: b"<!doctype html><html>not found</html>"), "doctype"),
    "a link that leads nowhere": (dangling, "expected a file of safetensors, found none"),
    "nothing": (rewritten(WEIGHTS, lambda _: b""), "got nothing, 0 bytes"),
    "no JSON": (rewritten("config.json", lambda old: old[:50]), "expected JSON"),
    "a type of body that nobody knows": (options(model_type="xyz"), "cannot be read"),
    "a size of a wrong type": (options(n_embd="wide"), "cannot be read"),
    "a quantizer": (options(quantization_config={"quant_method": "bitsandbytes"}), "quantization_config"),
    "weights under a name of config.json's": (options(transformers_weights="x.safetensors"), "transformers_weights"),
    "an adapter without its base": (adapter_alone, r"of an adapter of someone/base: to run it, merge"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_folder_that_is_not_one_whole_checkpoint_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    make, said = BROKEN[kind]
    make(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        load(tmp_path)


def test_shards_are_read_and_only_what_is_read_is_hashed(tmp_path: Path) -> None:
    shards(tmp_path)
    spec = RunSpec(task="bit-xor", body=str(tmp_path))
    _, before = build_body(spec, 10)
    save_file({"lora_A": torch.ones(2, 2)}, tmp_path / "adapter_model.safetensors")
    _, after = build_body(spec, 10)
    assert before.fingerprint == after.fingerprint
    assert find_body(str(tmp_path)).beside == ("adapter_model.safetensors",)


def test_an_adapter_beside_a_base_is_said(tmp_path: Path) -> None:
    saved.save(tmp_path, saved.gpt2())
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/base"}')
    _, record = build_body(RunSpec(task="bit-xor", body=str(tmp_path)), 10)
    assert "an adapter lies beside it and is not applied" in record.notes[0]
    _, random = build_body(RunSpec(task="bit-xor", body=str(tmp_path), init="random"), 10)
    assert not random.notes


class TurnedConfig(PretrainedConfig):
    model_type = "turned"

    def __init__(self, by_chance: bool = False, hidden_size: int = 8, **rest: object) -> None:
        self.by_chance, self.hidden_size, self.num_hidden_layers, self.vocab_size = by_chance, hidden_size, 1, 1
        rest.pop("num_hidden_layers", None)
        super().__init__(**rest)


class TurnedModel(PreTrainedModel):
    """A body of one's own with a tensor that no file holds."""

    config_class = TurnedConfig

    def __init__(self, config: TurnedConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(1, config.hidden_size)
        self.layers = nn.ModuleList([nn.ModuleDict({"mlp": nn.Linear(config.hidden_size, config.hidden_size)})])
        turn = torch.randn(config.hidden_size) if config.by_chance else torch.linspace(1, 2, config.hidden_size)
        self.register_buffer("turn", turn, persistent=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embed_tokens = value

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None = None) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=self.layers[0]["mlp"](inputs_embeds) * self.turn)


AutoConfig.register("turned", TurnedConfig)
AutoModel.register(TurnedConfig, TurnedModel)


def test_buffers_that_no_file_holds_are_those_of_the_configuration(tmp_path: Path) -> None:
    TurnedModel(TurnedConfig()).save_pretrained(tmp_path)
    body, _ = build_body(RunSpec(task="bit-xor", body=str(tmp_path), train="feedforward"), 10)
    assert torch.equal(body.model.turn, torch.linspace(1, 2, 8))
    TurnedModel(TurnedConfig(by_chance=True)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="turn: drawn at random and stored in no file"):
        build_body(RunSpec(task="bit-xor", body=str(tmp_path), train="feedforward"), 10)
