"""Claims: what one is, and the hash by which it is known again."""

import hashlib

import pytest
from pydantic import ValidationError

from fpt_bench.config.claims import Claim

FIELDS = {
    "better": "language",
    "worse": "random",
    "tasks": ["listops", "bit-xor"],
    "margin": 0.05,
    "refuted_by": "the same or worse on either task",
    "source": "Lu et al. 2021, table 2",
}


def test_the_hash_is_of_the_canonical_json() -> None:
    canonical = (
        '{"better":"language","margin":0.05,"measure":"score","reached":null,'
        '"refuted_by":"the same or worse on either task","source":"Lu et al. 2021, table 2",'
        '"tasks":["bit-xor","listops"],"verdict":"better","worse":"random"}'
    )
    assert Claim(**FIELDS).hash == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [{"margin": 0.06}, {"tasks": ["listops"]}, {"worse": "fan-in"}, {"verdict": "same"}, {"refuted_by": "worse"}],
)
def test_another_claim_has_another_hash(change: dict[str, object]) -> None:
    assert Claim(**FIELDS | change).hash != Claim(**FIELDS).hash


def test_order_of_tasks_and_a_page_looked_up_later_change_nothing() -> None:
    same = {"tasks": ["bit-xor", "listops"], "checked": "page 6, 2026-11-25"}
    assert Claim(**FIELDS | same).hash == Claim(**FIELDS).hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 0}, "above 0 and below 1"),
        ({"margin": float("nan")}, "above 0 and below 1"),
        ({"tasks": []}, "at least 1 item"),
        ({"tasks": ["listops", "listops"]}, "expected each task once, got listops more than once"),
        ({"worse": "language"}, "expected two arms, got 'language' twice"),
        ({"refuted_by": " "}, "at least 1 character"),
        ({"measure": "learned"}, "expected `reached`, the score that counts as learned"),
        ({"reached": 0.9}, "with `measure: learned` and no other"),
        ({"verdict": "nice"}, "'better' or 'same'"),
        ({"p": 0.05}, "Extra inputs"),
    ],
)
def test_what_is_no_claim(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Claim(**FIELDS | change)


def test_a_claim_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Claim(**FIELDS).margin = 0.1  # type: ignore[misc]
