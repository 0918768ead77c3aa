"""Parameter groups: each parameter is in one, and only those of the chosen groups learn."""

import pytest
from torch import nn
from transformers import GPT2Config, GPT2Model

from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.families.registry import FAMILIES
from fpt_bench.bodies.groups import count_groups, freeze, group_parameters
from fpt_bench.config.spec import RunSpec


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
        group_parameters(model, "gpt2", FAMILIES["gpt2"].rules)


def test_training_a_group_that_a_rotary_body_has_not_is_fine_where_it_is_declared_absent() -> None:
    spec = RunSpec(task="bit-xor", body="smollm2", layers=1, init="random", train="norm,position")
    body, _ = build_body(spec, 10)
    assert {body.groups[name] for name, p in body.named_parameters() if p.requires_grad} == {"norm"}
    assert "position" in FAMILIES["llama"].absent


def test_a_weight_that_two_modules_share_is_counted_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    counts = count_groups(dict(model.named_parameters()), group_parameters(model, "own", {".*": "feedforward"}))
    assert counts["feedforward"].total == 9 + 3 + 3
