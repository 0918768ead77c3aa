"""`--dropout` reaches every rate of a configuration, whatever it is called and wherever it is nested."""

from pathlib import Path

import pytest
import torch
from transformers import PretrainedConfig

from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.dropout import is_random_rate, set_dropout
from fpt_bench.config.spec import RunSpec
from tests.bodies import saved


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"attn_pdrop": 0.1}, {"attn_pdrop": 0.5}),
        ({"hidden_dropout_prob": 0.0}, {"hidden_dropout_prob": 0.5}),
        ({"drop_path_rate": 0.2}, {"drop_path_rate": 0.5}),
        ({"drop_path_rate": 0.0}, {"drop_path_rate": 0.0}),
        ({"encoder_layerdrop": 0.1, "decoder_layerdrop": 0.0}, {"encoder_layerdrop": 0.5, "decoder_layerdrop": 0.0}),
        ({"layer_drop": 0.1}, {"layer_drop": 0.5}),
        ({"drop_connect_rate": 0.2}, {"drop_connect_rate": 0.5}),
        ({"stochastic_depth_prob": 0.2}, {"stochastic_depth_prob": 0.5}),
        ({"router_jitter_noise": 0.01}, {"router_jitter_noise": 0.5}),
        ({"attn_drop": 0.1, "drop_rate": 0.1}, {"attn_drop": 0.5, "drop_rate": 0.5}),
        ({"drop_path_rates": [0.0, 0.1]}, {"drop_path_rates": 0.5}),
        ({"text_config": PretrainedConfig(dropout=0.1)}, {"text_config.dropout": 0.5}),
        ({"attn_config": {"attn_pdrop": 0.1}}, {"attn_config.attn_pdrop": 0.5}),
        ({"inner": {"deeper": {"layerdrop": 0.1}}}, {"inner.deeper.layerdrop": 0.5}),
        ({"classifier_dropout": 0.1, "token_dropout": True, "dropout": None, "hidden_size": 4}, {}),
    ],
    ids=str,
)  # fmt: skip
def test_every_rate_is_found(said: dict[str, object], expected: dict[str, float]) -> None:
    config = PretrainedConfig(**said)
    assert set_dropout(config, 0.5) == expected
    assert not any(set_dropout(config, 0.0).values())
    assert set_dropout(PretrainedConfig(**said), 0.0).keys() == expected.keys()


@pytest.mark.parametrize("init", ["pretrained", "random"])
def test_drop_path_goes_by_the_spec_in_every_arm(tmp_path: Path, init: str) -> None:
    saved.save(tmp_path, saved.dinov2(drop_path_rate=0.9))
    embeddings, mask = torch.randn(4, 9, 16), torch.ones(4, 9, dtype=torch.bool)
    prints = set()
    for dropout, differs in ((0.0, False), (0.5, True)):
        body, record = build_body(RunSpec(task="bit-xor", body=str(tmp_path), init=init, dropout=dropout), 9)
        prints.add(record.fingerprint)
        assert (not torch.equal(body(embeddings, mask, 9), body(embeddings, mask, 9))) is differs
    assert len(prints) == 1


def test_sizes_are_no_rates() -> None:
    names = ["hidden_size", "initializer_range", "dropped_layers", "rope_theta", "vocab_size"]
    assert not any(map(is_random_rate, names))
