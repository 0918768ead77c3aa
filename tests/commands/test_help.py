"""What the command line says of itself: version, defaults, choices, and what a shell completes."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from fpt_bench import __version__
from fpt_bench.cli import app


def test_the_version_is_said() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout.split(",")[0]) == (0, f"fpt_bench {__version__}")


def test_help_shows_defaults_and_choices() -> None:
    said = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["run", "--help"]).stdout
    for words in ("auto|float32|bfloat16", "auto|native|reference", "auto|real|embedded", "(0.001)", "(minilm)"):
        assert words in said
    assert "mimetic-qk:NOISE:DIAGONAL" in said, "of --init"


def complete(words: str) -> list[str]:
    asked = {"_FPT_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "import sys; sys.argv = ['fpt-bench']; from fpt_bench.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **asked}
    )
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_names() -> None:
    assert complete("fpt-bench run --task bit-") == ["bit-memory", "bit-xor"]
    assert complete("fpt-bench run --train input,no") == ["input,norm"]


def test_asking_what_run_is_loads_neither_torch_nor_statistics() -> None:
    code = (
        "import sys, fpt_bench.commands.run; sys.exit(' '.join({'torch', 'scipy.stats', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "", "nothing may stand before the word that it is loading"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_that_a_command_is_loading_and_a_shell_that_completes_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = typer.main.get_group(app)
    monkeypatch.setattr(sys, "stderr", said := Terminal())
    assert group.get_command(SimpleNamespace(resilient_parsing=False), "fetch") is not None  # type: ignore[arg-type]
    assert said.getvalue() == "loading ...\r\x1b[2K"
    group.get_command(SimpleNamespace(resilient_parsing=True), "fetch")  # type: ignore[arg-type]
    assert said.getvalue().count("loading") == 1
