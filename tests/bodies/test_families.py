"""Families: those with something of their own, and those that are grouped by common names."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import DistilBertConfig, ElectraConfig, GPTNeoXConfig, PretrainedConfig
from transformers.modeling_outputs import BaseModelOutput

import fpt_bench.bodies.families.registry as registry
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.catalog import BodyEntry
from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.groups import BODY_GROUPS
from fpt_bench.config.spec import RunSpec


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


class EchoConfig(PretrainedConfig):
    model_type = "echo"
    hidden_size: int = 8
    num_hidden_layers: int = 1


class Echo(nn.Module):
    def __init__(self, config: EchoConfig) -> None:
        super().__init__()
        self.config = config
        self.echo = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=self.echo(inputs_embeds))


ECHO = BodyEntry("a family that nobody has", architecture={"model_type": "echo"})


def test_a_family_is_one_value_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    family = Family({r"echo\..*": "feedforward"}, config_class=EchoConfig, control=Echo, feed=lambda model: model)
    monkeypatch.setitem(registry.FAMILIES, "echo", family)
    spec = RunSpec(task="bit-xor", body=f"{__name__}:ECHO", init="random", train="feedforward")
    body, record = build_body(spec, 12)
    assert body.groups == {"model.echo.weight": "feedforward", "model.echo.bias": "feedforward"}
    assert all(parameter.requires_grad for parameter in body.parameters())
    assert body(torch.randn(2, 12, 8), torch.ones(2, 12, dtype=torch.bool), 3).shape == (2, 3, 8)
    assert record.execution == "reference"


@pytest.mark.parametrize("model_type", registry.FAMILIES)
def test_a_family_has_rules_or_lacks_each_group(model_type: str) -> None:
    family = registry.FAMILIES[model_type]
    assert {*family.rules.values(), *family.absent, "norm"} == set(BODY_GROUPS)
    assert (family.config_class is None) == (family.control is None)
