"""A small experiment and a profile that `plan` is asked about."""

from pathlib import Path

from typer.testing import CliRunner, Result

from fpt_bench.cli import app

EXPERIMENT = """
question: A test.
tasks: [bit-xor, mnist, listops]
baseline: random
arms:
  language: {role: language, run: {init: pretrained}}
  random: {role: language, run: {init: random}}
"""
PROFILE = """
summary: A test.
bodies: {language: minilm}
seeds: [0, 1, 2]
tasks: {bit-xor: {max_steps: 100, eval_every: 50, data: auto}, mnist: {max_steps: 7200, eval_every: 50}}
"""


def invoke(folder: Path, *options: str, profile: str = PROFILE, experiment: str = EXPERIMENT) -> Result:
    (folder / "mine.yaml").write_text(experiment)
    (folder / "tiny.yaml").write_text(profile)
    files = [str(folder / "mine.yaml"), "--profile", str(folder / "tiny.yaml"), "--runs", str(folder / "runs")]
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["plan", *files, *options])
