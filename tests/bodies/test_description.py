"""`inspect` for a body: what it is, what became of its file's tensors, and every fault in it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import CLIPConfig, GPT2LMHeadModel, PretrainedConfig, Wav2Vec2Config
from typer.testing import CliRunner

from fpt_bench.cli import app
from tests.bodies import saved
from tests.paths import ROOT

SHOWN: dict[str, tuple[Callable[[], PretrainedConfig], list[str]]] = {
    "gpt2": (saved.gpt2, ["family: gpt2; 2 layers x 16", "native equals the model's own forward: yes", "causal: ",
                          "5 LayerNorm; before each branch", "a learned table wpe.weight of 32 rows", "attn_pdrop"]),
    "bert": (saved.bert, ["family: bert", "both ways", "after each branch", "hidden_dropout_prob"]),
    "llama": (saved.llama, ["family: llama", "rotary of base 10000", "causal: ", "5 LlamaRMSNorm; before each branch"]),
    "dinov2": (saved.dinov2, ["family: dinov2", "both ways", "drop_path_rate (stays 0", "before each branch"]),
    "t5": (saved.t5, ["execution: reference", "relative, by learned biases", "not tried"]),
    "gpt_neox": (saved.neox, ["gpt_neox, which has no rules of its own", "rotary", "causal: "]),
    "distilbert": (saved.distilbert, ["after each branch", "both ways", "attention_dropout"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_inspect_says_what_a_saved_body_is(tmp_path: Path, name: str) -> None:
    config, said = SHOWN[name]
    saved.save(tmp_path, config())
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["inspect", str(tmp_path), "--offline"])
    for words in [*said, "read: model.safetensors", "placed", "sound: no fault"]:
        assert words in done.output, done.output
    assert done.exit_code == 0


def test_inspect_counts_what_is_let_through_and_names_what_is_refused(tmp_path: Path) -> None:
    saved.save(tmp_path, saved.gpt2(), GPT2LMHeadModel)
    saved.edit(tmp_path, lambda held: held.update({"transformer.h.0.attn.lora_A": torch.ones(2, 2)}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["inspect", str(tmp_path)])
    assert "of which 27 placed, 1 let through as vocabulary (transformer.wte.weight), 1 refused" in done.output
    assert "not read: pytorch_model.bin" in done.output
    assert "fault: transformer.h.0.attn.lora_A finds no place: an adapter's" in done.output
    assert done.exit_code == 1


@pytest.mark.parametrize("name", ["lstm", "none", "attention", "block"])
def test_inspect_shows_a_body_that_nobody_pretrained(name: str) -> None:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["inspect", name])
    assert "nobody pretrained it" in done.output
    assert done.exit_code == 0, done.output


def test_inspect_knows_the_rules_of_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    monkeypatch.delitem(sys.modules, "my_body", raising=False)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["inspect", "my_body:TINY_OPT"])
    assert "sound: no fault" in done.output, done.output


def test_a_model_of_several_parts_is_a_sentence(tmp_path: Path) -> None:
    CLIPConfig().save_pretrained(tmp_path)
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["inspect", str(tmp_path)])
    assert done.exit_code == 2
    assert "expected one transformer, with a hidden_size, got clip, without" in done.output


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            Wav2Vec2Config(),
            "fault: expected a model that takes inputs_embeds in place of words, Wav2Vec2Model does not",
        ),
        (
            saved.bert(hidden_act="frob"),
            "expected a config.json of bert that transformers makes a model of, got one that",
        ),
    ],
)
def test_a_model_that_cannot_be_made_or_fed_is_a_sentence(tmp_path: Path, config: PretrainedConfig, said: str) -> None:
    config.save_pretrained(tmp_path)
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["inspect", str(tmp_path), "--offline"])
    assert done.exit_code == 1
    assert said in done.output, done.output
