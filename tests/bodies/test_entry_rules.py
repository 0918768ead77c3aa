"""Families by entry: a body says which of its parameters belong to which group, and which groups it has not."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from fpt_bench.bodies import find
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.catalog import BodyEntry, find_body_entry
from fpt_bench.config.spec import RunSpec
from tests.paths import EXAMPLES

OPT, NEOX = "my_body:TINY_OPT", "my_body:TINY_NEOX"


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    sys.modules.pop("my_body", None)


def spec(body: str) -> RunSpec:
    return RunSpec(task="bit-xor", body=body, init="random", dropout=0.0)


@pytest.mark.parametrize(
    ("body", "groups"),
    [
        (OPT, {"attention", "feedforward", "norm", "position"}),
        (NEOX, {"attention", "feedforward", "norm"}),
    ],
)
def test_opt_and_neox_are_bodies_by_their_entries(body: str, groups: set[str]) -> None:
    built, _ = build_body(spec(body), max_length=10)
    assert set(built.groups.values()) == groups
    out = built(torch.randn(2, 10, 64), torch.ones(2, 10, dtype=torch.bool), 1, (10, 10))
    assert out.shape == (2, 1, 64)
    learned = {built.groups[name] for name, p in built.named_parameters() if p.requires_grad}
    assert learned == groups - {"attention", "feedforward"}


def given(entry: BodyEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "find_body_entry", lambda _: entry)


def test_without_rules_the_parameter_and_the_way_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    given(replace(find_body_entry(OPT), rules={}), monkeypatch)
    with pytest.raises(ValueError, match=r"parameter '.*fc1\.weight'.* give it an entry with `rules`"):
        build_body(spec(OPT), max_length=10)


def test_a_body_without_positions_says_what_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    given(replace(find_body_entry(NEOX), absent=frozenset()), monkeypatch)
    with pytest.raises(ValueError, match=r"group 'position' .* Say --train input,readout,norm$"):
        build_body(spec(NEOX), max_length=10)
