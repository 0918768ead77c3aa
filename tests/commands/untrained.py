"""The bench command with training replaced by an agreed outcome."""

from collections.abc import Generator, Iterable
from importlib import metadata
from pathlib import Path

from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Event, Finished, Started
from fpt_bench.results.result import Attempt, BodyRecord, DataRecord, RunResult
from fpt_bench.results.result_files import write_result
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.sources import CurrentSources

HEADLINE = """
question: One rate.
tasks: [bit-xor]
baseline: random
arms:
  language: {role: language, run: {init: pretrained}}
  random: {role: language, run: {init: random}}
claims: [{better: language, worse: random, refuted_by: worse, source: a test}]
"""

SWEEP = """
question: Many rates.
tasks: [bit-xor, mnist]
baseline: random
learning_rates: profile
arms:
  language: {role: language, run: {init: pretrained}}
  random: {role: language, run: {init: random}}
  published: {role: language, run: {init: random, train: [all], learning_rate: 2.0e-4}, learning_rates: fixed}
"""

PROFILE = """
summary: A test.
bodies: {language: minilm}
seeds: [0, 1]
learning_rates: [1.0e-5, 1.0e-4, 1.0e-3, 1.0e-2]
run: {layers: 1, dropout: 0.0}
tasks: {bit-xor: {max_steps: 20, eval_every: 10}}
targets: {bit-xor: 1.0}
"""

LEVELS = {1e-5: 0.5, 1e-4: 0.55, 1e-3: 0.95, 1e-2: 0.7, 2e-4: 0.6}


def pretend(spec: RunSpec, level: float) -> RunResult:
    """The outcome of a run that nobody made, of the data and the body it would have; `level` is its accuracy."""
    now = CurrentSources(Workspace(offline=True)).of(spec)
    assert now.body is not None
    return RunResult(
        spec=spec,
        status="ok",
        curve=((10, level), (20, level)),
        best_step=10,
        validation_score=level,
        test_score=level,
        train_score=level,
        test_examples=128,
        data=DataRecord(kind="real", source="made up", fingerprint=now.data, trivial={"guess": 0.5}, floor=0.5),
        body=BodyRecord(source="made up", fingerprint=now.body, execution="none"),
    )


def made_with(result: RunResult, torch: str) -> RunResult:
    attempt = Attempt(
        version="0", commit=None, versions={"torch": torch}, device="a CPU", threads=1, platform="a system"
    )
    return result.model_copy(update={"attempts": (attempt,)})


class Bench:
    """The bench command in a folder of its own, with training replaced by an agreed outcome."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[RunSpec] = []
        self.release = metadata.version("torch")
        self.elsewhere = self.release
        self.bonus = {"pretrained": 0.04, "random": 0.0}
        for name, text in (("headline", HEADLINE), ("rates", SWEEP), ("short", PROFILE)):
            (folder / f"{name}.yaml").write_text(text)

    def run_all(self, specs: Iterable[RunSpec], workspace: Workspace, workers: int) -> Generator[Event]:
        for spec in specs:
            self.done.append(spec)
            yield Started(spec, 1)
            result = pretend(spec, LEVELS[spec.learning_rate] + self.bonus[spec.init])
            result = made_with(result, self.elsewhere if spec.seed else self.release)
            write_result(result, workspace.runs / spec.run_id)
            yield Finished(result)

    def __call__(self, command: str, *arguments: str) -> Result:
        runner = CliRunner(env={"COLUMNS": "200"})
        return runner.invoke(app, [command, *arguments])

    def bench(self, *experiments: str, more: tuple[str, ...] = ()) -> Result:
        files = ",".join(str(self.folder / f"{name}.yaml") for name in experiments)
        profile = str(self.folder / "short.yaml")
        options = ["--profile", profile, "--runs", str(self.folder / "runs"), "--workers", "1", "--offline"]
        return self("bench", "--experiments", files, *options, *more)
