"""Bodies that are trained here: what cannot be asked for is a sentence on the command line."""

import pytest
from typer.testing import CliRunner

from fpt_bench.cli import app


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--task", "dyck", "--data-arguments", "max_depth=0"],
            "dyck: expected max_depth of at least 1, got 0: no bracket could open",
        ),
        (["--task", "bit-xor", "--init", "task:dick"], "unknown pretraining 'dick'. Did you mean 'dyck'?"),
    ],
)
def test_a_language_that_cannot_be_and_a_body_that_nothing_trains_are_a_sentence(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["run", *words, "--offline"])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
