"""Parts of the pretrained body on top of an init: each alone, and all of them together."""

import pytest
import torch

from fpt_bench.bodies.build import build_body
from fpt_bench.config.inits import PARTS
from fpt_bench.config.spec import RunSpec


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_pretrained_body_on_top_and_nothing_else(part: str) -> None:
    spec = RunSpec(task="bit-xor", layers=1)
    pretrained, _ = build_body(spec, 10)
    torch.manual_seed(0)
    random, _ = build_body(spec.model_copy(update={"init": "random-fanin"}), 10)
    torch.manual_seed(0)
    mixed, record = build_body(spec.model_copy(update={"init": f"random-fanin+{part}"}), 10)
    theirs, ours, both = (body.state_dict() for body in (pretrained, random, mixed))
    moved = {name for name in both if not torch.equal(both[name], ours[name])}
    expected = {
        "query-key": {"blocks.0.query_key_value.weight"},
        "value-output": {"blocks.0.query_key_value.weight", "blocks.0.attention_output.weight"},
        "feedforward": {f"blocks.0.{name}.{leaf}" for name in ("up", "down") for leaf in ("weight", "bias")},
        "norms": {name for name in both if "norm" in name},
        "positions": {"position"},
        "rest": {"segment", "blocks.0.query_key_value.bias", "blocks.0.attention_output.bias"},
    }
    assert moved == expected[part]
    if part == "query-key":
        assert torch.equal(both[min(moved)][:768], theirs[min(moved)][:768])
        assert torch.equal(both[min(moved)][768:], ours[min(moved)][768:])
    elif part != "value-output":
        assert all(torch.equal(both[name], theirs[name]) for name in moved)
    assert record.bytes_kept == {
        "query-key": 8 * 384 * 384, "value-output": 8 * 384 * 384, "feedforward": 4 * (2 * 384 * 1536 + 1536 + 384),
        "norms": 4 * 3 * 2 * 384, "positions": 4 * 512 * 384, "rest": 4 * (4 * 384 + 2 * 384),
    }[part]  # fmt: skip
    assert f"with {part} of MiniLM" in record.source


@pytest.mark.parametrize(
    ("body", "without"), [("minilm", ()), ("paraphrase", ()), ("vit-saliency", ()), ("smollm2", ("positions", "rest"))]
)
def test_all_parts_together_are_the_pretrained_body(body: str, without: tuple[str, ...]) -> None:
    parts = "+".join(part for part in PARTS if part not in without)
    spec = RunSpec(task="bit-xor", body=body, layers=2, train="readout,norm")
    built = {init: build_body(spec.model_copy(update={"init": init}), 10) for init in ("pretrained", f"random+{parts}")}
    (theirs, whole), (ours, together) = built.values()
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in theirs.state_dict().items())
    assert together.bytes_kept == whole.bytes_kept
    stacked = build_body(spec.model_copy(update={"init": "permuted+norms"}), 10)[1]
    assert stacked.bytes_kept == whole.bytes_kept, "norms in their places again are none more"


def test_positions_of_language_are_stretched_like_the_pretrained_bodys() -> None:
    spec = RunSpec(task="bit-xor", layers=1)
    pretrained, whole = build_body(spec, 700)
    mixed, record = build_body(spec.model_copy(update={"init": "random-fanin+positions"}), 700)
    assert torch.equal(mixed.state_dict()["position"], pretrained.state_dict()["position"])
    note = "position table stretched from 512 to 700 rows by linear interpolation"
    assert note in record.notes
    assert note in whole.notes


@pytest.mark.parametrize(
    ("init", "numbers"),
    [
        # A layer of MiniLM: four matrices of 384 x 384, two of 384 x 1,536; a part of it is counted whole, once.
        ("rank:64+feedforward", 2 * 384 * 1536 + 1536 + 384 + 4 * (64 * 768 + 1)),
        ("random-scaled+query-key", 2 * 384 * 384 + 4),
        ("diagonals+value-output", 2 * 384 * 384 + 12),
        ("spectrum+query-key+value-output+feedforward", 4 * 384 * 384 + 2 * 384 * 1536 + 1536 + 384),
    ],
)
def test_what_a_part_replaces_is_not_counted_of_the_init_under_it(init: str, numbers: int) -> None:
    assert build_body(RunSpec(task="bit-xor", init=init, layers=1), 10)[1].bytes_kept == 4 * numbers


def test_statistics_of_norms_that_a_part_brings_are_not_kept_too() -> None:
    kept = [
        build_body(RunSpec(task="bit-xor", init=init, layers=1), 10)[1].bytes_kept or 0
        for init in ("statistics", "statistics+norms", "random-fanin+norms")
    ]
    assert kept[1] == kept[0] + kept[2] - 4 * 2 * 6, "mean and deviation of six vectors of norms"
