"""What each init keeps of the pretrained weights, and what it draws."""

import pytest
import torch
from transformers import AutoModel

from fpt_bench.bodies.build import build_body
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
