"""What `run` says of a run that is over."""

from pathlib import Path

import pytest
from rich.console import Console

from fpt_bench.commands.run import after_run, how_it_ended, show_result
from fpt_bench.results.result import RunResult
from tests.made_up import made_up_result


def test_every_test_set_is_printed() -> None:
    result = made_up_result("bit-xor", 0, 0.9).model_copy(update={"test_scores": {"test": 0.9, "test-nested": 0.25}})
    console = Console(width=300)
    with console.capture() as said:
        console.print(show_result(result, Path("runs")))
    assert "test accuracy 90.0 % on 128 examples; test-nested 25.0 % (floor 50.0 %)" in said.get()


def test_it_says_what_was_done_before_and_where_it_went_on() -> None:
    result = made_up_result("bit-xor", 0, 0.9)
    assert how_it_ended(result, is_old=False) == []
    assert how_it_ended(result, is_old=True) == ["done before, nothing trained"]
    attempt = {"version": "1", "commit": None, "versions": {}, "device": "a", "threads": 1, "platform": "a"}
    fields = {**result.model_dump(by_alias=True), "attempts": [attempt, {**attempt, "first_step": 50}]}
    assert how_it_ended(RunResult.model_validate(fields), is_old=False) == ["resumed from step 50"]


@pytest.mark.parametrize(
    ("best", "why"),
    [(1.0, "a perfect validation"), (1 - 5e-8, "a perfect validation"), (0.8, "3 validations without a new best")],
)
def test_a_run_that_stopped_early_says_why(best: float, why: str) -> None:
    result = made_up_result("bit-xor", 0, 0.9, curve=((50, best),))
    spec = result.spec.model_copy(update={"patience": 3})
    assert how_it_ended(result.model_copy(update={"spec": spec}), is_old=False) == [
        f"stopped early, at step 50 of 100: {why}"
    ]


def test_the_next_commands_are_typed_as_they_are() -> None:
    assert after_run(Path("a/b"), trust=True).startswith("python -m fpt_bench examples a/b --trust; ")
    assert after_run(Path("my runs/a")) == (
        "python -m fpt_bench examples 'my runs/a'; python -m fpt_bench report 'my runs'"
    )
