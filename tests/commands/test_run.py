"""What `run` says of a run that is over."""

from pathlib import Path

from rich.console import Console

from fpt_bench.commands.run import show_result
from tests.made_up import made_up_result


def test_every_test_set_is_printed() -> None:
    result = made_up_result("bit-xor", 0, 0.9).model_copy(update={"test_scores": {"test": 0.9, "test-nested": 0.25}})
    console = Console(width=300)
    with console.capture() as said:
        console.print(show_result(result, Path("runs")))
    assert "test accuracy 90.0 % on 128 examples; test-nested 25.0 % (floor 50.0 %)" in said.get()
