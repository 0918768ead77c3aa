"""Whole experiments without training: what is planned, in which order, and what the gate's command says of it."""

from collections.abc import Generator, Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Event, Finished, Started
from fpt_bench.results.folder import write_result
from fpt_bench.results.result import BodyRecord, DataRecord, RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.sources import CurrentSources

HEADLINE = """
claim: One rate.
tasks: [bit-xor]
baseline: random
arms:
  language: {role: language, run: {init: pretrained}}
  random: {role: language, run: {init: random}}
effects: [language > random on bit-xor]
"""
SWEEP = """
claim: Many rates.
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


class Bench:
    """The bench command in a folder of its own, with training replaced by an agreed outcome."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[RunSpec] = []
        self.bonus = {"pretrained": 0.04, "random": 0.0}
        for name, text in (("headline", HEADLINE), ("rates", SWEEP), ("short", PROFILE)):
            (folder / f"{name}.yaml").write_text(text)

    def run_all(self, specs: Iterable[RunSpec], workspace: Workspace, workers: int) -> Generator[Event]:
        for spec in specs:
            self.done.append(spec)
            yield Started(spec, 1)
            result = pretend(spec, LEVELS[spec.learning_rate] + self.bonus[spec.init])
            write_result(result, workspace.runs / spec.run_id)
            yield Finished(result)

    def __call__(self, command: str, *arguments: str) -> Result:
        runner = CliRunner(env={"COLUMNS": "200"})
        return runner.invoke(app, [command, *arguments])

    def bench(self, *experiments: str) -> Result:
        files = ",".join(str(self.folder / f"{name}.yaml") for name in experiments)
        profile = str(self.folder / "short.yaml")
        options = ["--profile", profile, "--runs", str(self.folder / "runs"), "--workers", "1", "--offline"]
        return self("bench", "--experiments", files, *options)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr("fpt_bench.commands.bench.run_all", made.run_all)
    return made


def test_runs_that_experiments_share_are_done_once(bench: Bench) -> None:
    done = bench.bench("headline", "rates", "headline")
    assert done.exit_code == 0, done.stderr
    ids = [spec.run_id for spec in bench.done]
    assert len(ids) == len(set(ids))
    rates = [spec.learning_rate for spec in bench.done[:4]]
    assert rates == [1e-3] * 4, "the headline's runs, one rate"
    assert 1e-3 not in [spec.learning_rate for spec in bench.done[4:]], "which the sweep finds done"
    assert (bench.folder / "runs" / "tables" / "headline-short" / "table.md").read_text() in done.stdout
    assert "# rates-short" in done.stdout


def test_a_sweep_does_first_seeds_first_and_gives_hopeless_rates_up(bench: Bench) -> None:
    done = bench.bench("rates")
    swept = [spec for spec in bench.done if spec.learning_rate != 2e-4]
    by_seed = [spec.seed for spec in swept]
    assert by_seed == sorted(by_seed)
    assert {spec.learning_rate for spec in swept if spec.seed == 1} == {1e-4, 1e-3, 1e-2}, "1e-5 was hopeless"
    assert [spec.learning_rate for spec in bench.done].count(2e-4) == 2, "a fixed arm has one rate"
    page = (bench.folder / "runs" / "tables" / "rates-short" / "table.md").read_text()
    assert "54.0 (1 of 2, given up)" in page
    assert "Incomplete" not in page
    assert "Left out: mnist; the profile short has no budget for them." in page
    assert "/16] bit-xor random seed 1 · rate 0.001: test 95.0 %" in done.stderr, "18 runs, 2 of them given up"
    before = len(bench.done)
    assert bench.bench("rates").exit_code == 0
    assert len(bench.done) == before, "a finished sweep does nothing"


def test_an_arm_with_a_rate_and_a_sweep_is_refused(bench: Bench) -> None:
    path = bench.folder / "rates.yaml"
    path.write_text(SWEEP.replace(", learning_rates: fixed", ""))
    done = bench.bench("rates")
    assert done.exit_code == 2
    assert "arm published: expected a learning_rate of its own or a sweep, got both" in done.stderr


def test_a_profile_without_rates_or_budgets_is_named(bench: Bench) -> None:
    path = bench.folder / "short.yaml"
    path.write_text(PROFILE.replace("learning_rates: [1.0e-5, 1.0e-4, 1.0e-3, 1.0e-2]", ""))
    assert "expected profile short to say `learning_rates`" in bench.bench("rates").stderr
    path.write_text(PROFILE.replace("bit-xor: {max", "cifar: {max"))
    assert "expected profile short to have a budget for at least one of bit-xor" in bench.bench("headline").stderr
    path.write_text(PROFILE.replace("[1.0e-5, 1.0e-4,", "[1.0e-4, 1.0e-5,"))
    assert "expected learning rates in ascending order, each once" in bench.bench("rates").stderr


UNKNOWN = "a GPU or a machine that was not recorded"
PASSED = f"""4 runs compared by the baseline's deviation: made with {UNKNOWN}; the baseline with {UNKNOWN}
check passed: 2 cells, no regression; 0 of 4 runs compared seed by seed
"""


def test_the_gate_from_baseline_to_regression(bench: Bench) -> None:
    bench.bench("headline")
    runs, kept = bench.folder / "runs", bench.folder / "kept.json"
    summary, junit = bench.folder / "out" / "check.md", bench.folder / "out" / "check.xml"
    arguments = [str(runs), "--baseline", str(kept), "--markdown", str(summary), "--junit", str(junit)]
    missing = bench("check", *arguments)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "kept.json does not exist; `make baseline`" in missing.stderr
    assert bench("check", *arguments, "--renew").exit_code == 0
    passed = bench("check", *arguments)
    assert (passed.exit_code, passed.stdout) == (0, PASSED)
    assert summary.read_text().startswith(f"**{PASSED.splitlines()[-1]}**")
    for spec in [spec for spec in bench.done if spec.init == "pretrained"]:
        write_result(pretend(spec, 0.8), runs / spec.run_id)
    failed = bench("check", *arguments)
    assert failed.exit_code == 1
    assert failed.stdout.endswith("check failed: 3 problems in 2 cells; 0 of 4 runs compared seed by seed\n")
    assert "score went from 0.99 to 0.8, worse by more than" in summary.read_text()
    assert len(ElementTree.parse(junit).getroot().findall(".//failure")) == 3


def test_the_gate_refuses_what_it_cannot_read(bench: Bench) -> None:
    bench.bench("headline", "rates")
    runs, kept = bench.folder / "runs", bench.folder / "kept.json"
    several = bench("check", str(runs), "--baseline", str(kept))
    assert several.exit_code == 2
    assert "expected one bench, got 2; name the folder of one's tables: headline-short, rates-short" in several.stderr
    tables = runs / "tables" / "headline-short"
    kept.write_bytes(b"\xff\xfe\x00garbage")
    garbled = bench("check", str(tables), "--baseline", str(kept))
    assert garbled.exit_code == 2
    assert f"{kept}: expected a baseline in JSON" in garbled.stderr
    (tables / "grid.json").write_text("{")
    assert bench("check", str(tables), "--baseline", str(kept)).exit_code == 2
