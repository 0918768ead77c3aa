"""Position tables, cut or stretched to what a task can reach."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import MraConfig, NystromformerConfig, PretrainedConfig, RobertaConfig, YosoConfig

from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.positions import fit_model_positions, fit_positions
from fpt_bench.config.spec import RunSpec


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


@pytest.mark.parametrize(("body", "layers"), [("minilm", 1), ("vit-saliency", 1)])
def test_a_position_table_times_a_constant_leaves_all_else_as_pretrained(body: str, layers: int) -> None:
    spec = RunSpec(task="bit-xor", body=body, layers=layers)
    theirs, whole = build_body(spec, 10)
    halved, all_kept = build_body(spec.model_copy(update={"init": "position-gain:0.5"}), 10)
    without, fewer = build_body(spec.model_copy(update={"init": "position-gain:0"}), 10)
    own = theirs.state_dict()
    for gain, model in ((0.5, halved), (0.0, without)):
        for name, value in model.state_dict().items():
            assert torch.equal(value, own[name] * gain if name == "position" else own[name])
    assert all_kept.bytes_kept == whole.bytes_kept
    _, table = build_body(spec.model_copy(update={"init": "random-fanin+positions"}), 10)
    assert fewer.bytes_kept == whole.bytes_kept - table.bytes_kept
    assert fewer.source.startswith("positions times 0 in ")


def test_a_body_without_a_position_table_has_nothing_to_multiply() -> None:
    with pytest.raises(ValueError, match="expected a body with positions, got llama, without"):
        build_body(RunSpec(task="bit-xor", body="smollm2", layers=1, init="position-gain:0"), 10)


def test_a_position_table_with_rows_for_something_else_is_refused(tmp_path: Path) -> None:
    RobertaConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, vocab_size=3).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected one whose row 0 is position 0"):
        build_body(RunSpec(task="bit-xor", body=str(tmp_path), init="random"), 12)


@pytest.mark.parametrize("kind", [NystromformerConfig, YosoConfig, MraConfig], ids=lambda kind: kind.model_type)
def test_a_table_that_counts_from_another_row_is_refused(tmp_path: Path, kind: type[PretrainedConfig]) -> None:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    kind(**sizes, vocab_size=3, max_position_embeddings=16).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"position_ids beside it, which counts 2, 3, 4"):
        build_body(RunSpec(task="bit-xor", body=str(tmp_path), init="random"), 12)


class Asking(nn.Module):
    """A model that takes rows of its table by a rule of its own, which no buffer shows."""

    def __init__(self, rule: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.config, self.rule = PretrainedConfig(hidden_size=4), rule
        self.table = nn.Embedding(16, 4)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None) -> Tensor:
        return inputs_embeds + self.table(self.rule(torch.arange(inputs_embeds.shape[1])))


@pytest.mark.parametrize(
    ("rule", "said"),
    [(lambda n: n + 2, "2, 3, 4"), (lambda n: n.flip(0), "9, 8, 7"), (lambda n: 15 - n, "15, 14, 13")],
    ids=["an offset", "from right to left", "from the end"],
)
def test_a_model_that_takes_other_rows_is_refused(rule: Callable[[Tensor], Tensor], said: str) -> None:
    with pytest.raises(ValueError, match=f"asks for rows {said}"):
        fit_model_positions(Asking(rule), "table.weight", 10)
    model = Asking(lambda n: n)
    assert fit_model_positions(model, "table.weight", 10) is None
    assert len(model.table.weight) == 10


def test_stretched_positions_keep_their_ends() -> None:
    table = torch.randn(5, 3)
    stretched = fit_positions(table, 9)
    torch.testing.assert_close(stretched[[0, 8]], table[[0, 4]])
    torch.testing.assert_close(stretched[1], (table[0] + table[1]) / 2)
