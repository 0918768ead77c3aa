"""What a shell and a terminal do to a command: how it ends, what it prints into, and what its paths mean."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.commands.console import say_json, says_what_is_wrong
from fpt_bench.commands.door import settle_variables
from fpt_bench.config.places import expanded, one_name, without_places
from tests.made_up_bench import made_up_bench, write_bench

LONG = "an-arm-with-a-name-of-ninety-letters-" * 3


@contextlib.contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """As a shell starts what it puts into the background."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextlib.contextmanager
def blocked(number: signal.Signals) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def as_usual(_: signal.Signals) -> Iterator[None]:
    yield


@pytest.mark.parametrize("started", [as_usual, ignored, blocked])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_that_is_asked_to_end_says_what_is_kept_and_cleans_up(
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
    started: Callable[[signal.Signals], contextlib.AbstractContextManager[None]],
) -> None:
    cleaned = []

    def bench() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(0.5)
        finally:
            cleaned.append("workers stopped, tables written")

    with started(number):
        before = signal.getsignal(number)
        if (number, started) == (signal.SIGHUP, ignored):  # what nohup is for
            says_what_is_wrong(bench)()
            return
        with pytest.raises(typer.Exit) as caught:
            says_what_is_wrong(bench)()
        assert signal.getsignal(number) is before
    assert caught.value.exit_code == code
    assert "stopped; what is finished is kept, and the same command resumes here" in capsys.readouterr().err
    assert cleaned


@pytest.mark.parametrize(
    "value", [Path("~/x"), [Path("~/x"), Path("y")], Path("~"), None, "~/word", Path("./~"), Path("plain/~")]
)
def test_a_path_is_made_whole_once_at_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = []
    says_what_is_wrong(lambda runs: found.append(runs))(runs=value)
    wanted = {
        "[PosixPath('~/x'), PosixPath('y')]": [tmp_path / "x", Path("y")],
        "~/x": tmp_path / "x",
        "~": tmp_path,
    }
    assert found == [value if isinstance(value, str) else wanted.get(str(value), value)]


def fpt_bench(*arguments: str, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(app, list(arguments))


@pytest.mark.parametrize(
    "words",
    [
        ["list", "runs", "--runs", "~/runs"],
        ["table", "~/runs"],
        ["status", "~/runs"],
        ["check", "~/runs", "--baseline", "~/kept.json"],
        ["plan", "~/mine.yaml", "--profile", "~/tiny.yaml", "--runs", "~/runs"],
        ["judge", "~/scores.csv", "--better", "a", "--than", "b", "--margin", "0.1"],
        ["examples", "~/runs/none"],
        ["run", "--task", "bit-xor", "--body", "~/weights", "--data-root", "~/data", "--runs", "~/runs"],
        ["learn", "--experiments", "~/mine.yaml", "--runs", "~/runs"],
    ],
)
def test_every_option_says_the_folder_that_a_shell_would_have_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = fpt_bench(*words)
    assert not list(tmp_path.rglob("~*")), "no folder of that name"
    assert done.exit_code in (0, 2), done.exception
    assert "~/" not in done.stderr.replace("unknown body '~/weights'", "")
    assert not isinstance(done.exception, RuntimeError)


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an entry, and no HOME."""

    def fail(*_: object) -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("FPT_BENCH_DATA", raising=False)
    monkeypatch.setattr("pwd.getpwuid", fail)
    monkeypatch.setattr("pwd.getpwnam", fail)


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fetch", "mnist"], "set --data-root or FPT_BENCH_DATA, or HOME"),
        (["list", "runs", "--runs", "~/runs"], "--runs ~/runs: expected a home directory to stand for `~`, got none"),
        (["table", "~nobody/runs"], "--runs ~nobody/runs: expected a home directory"),
        (["run", "--task", "bit-xor", "--body", "~/weights"], "~/weights: expected a home directory"),
        (["plan", "~/a.yaml"], "~/a.yaml: expected a home directory"),
    ],
)
def test_without_a_home_a_sentence_names_option_and_variable(words: list[str], says: str) -> None:
    done = fpt_bench(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


@pytest.mark.usefixtures("homeless")
def test_without_a_home_what_needs_none_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (one_name(str(tmp_path / "mine")), one_name("/elsewhere/mine")) == ("mine", "/elsewhere/mine")
    assert without_places(f"{tmp_path}/mine") == "./mine"
    assert fpt_bench("list", "tasks").exit_code == 0


def test_variables_name_the_same_folders_for_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for said, meant in (("~/data", tmp_path / "home" / "data"), ("data/../here", tmp_path / "here")):
        monkeypatch.setenv("FPT_BENCH_DATA", said)
        settle_variables()
        assert os.environ["FPT_BENCH_DATA"] == str(meant)
    monkeypatch.setenv("FPT_BENCH_DATA", "~nobody-of-that-name/data")
    with pytest.raises(ValueError, match="FPT_BENCH_DATA=~nobody-of-that-name/data: expected a home directory"):
        settle_variables()
    with pytest.raises(ValueError, match="expected a home directory"):
        expanded("~nobody-of-that-name")


TERMINALS = [{}, {"FORCE_COLOR": "1"}, {"COLUMNS": "20"}, {"FORCE_COLOR": "1", "COLUMNS": "20", "TERM": "xterm"}]


@pytest.mark.parametrize("variables", TERMINALS)
@pytest.mark.parametrize("what", ["runs", "tasks", "experiments", "claims", "codes"])
def test_a_program_reads_whole_lines_of_plain_words(tmp_path: Path, variables: dict[str, str], what: str) -> None:
    runs = write_bench(tmp_path / "runs", *made_up_bench(tasks=("bit-xor",), seeds=(0,)))
    plain = fpt_bench("list", what, "--runs", str(runs))
    done = fpt_bench("list", what, "--runs", str(runs), **variables)
    assert done.stdout == plain.stdout
    assert not set("\x1b…") & set(done.stdout.replace("FPT", ""))
    if what == "runs":
        words = [line.split()[0] for line in done.stdout.splitlines()[1:]]
        assert words == sorted(path.parent.name for path in runs.glob("*/result.json"))


def test_a_process_of_its_own_is_as_plain_where_colours_are_forced() -> None:
    """A console looks at FORCE_COLOR when it is made, so that only a new process shows what it comes to."""
    done = subprocess.run(
        [sys.executable, "-m", "fpt_bench", "list", "codes"],
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "FPT001" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_variable_that_names_nobodys_folder_is_said_at_the_door() -> None:
    done = fpt_bench("list", "codes", FPT_BENCH_DATA="~nobody-of-that-name/data")
    assert done.exit_code == 2
    assert "FPT_BENCH_DATA=~nobody-of-that-name/data: expected a home directory" in done.stderr


@pytest.mark.parametrize("variables", TERMINALS)
def test_tables_in_a_pipe_cut_no_name(tmp_path: Path, variables: dict[str, str]) -> None:
    scores = tmp_path / "scores.csv"
    rows = [f"{LONG},{arm},{seed},0.{seed + 5}" for arm in ("a", "b") for seed in range(3)]
    scores.write_text("\n".join(["task,arm,seed,score", *rows]))
    words = ["judge", str(scores), "--better", "a", "--than", "b", "--margin", "0.1"]
    assert LONG in fpt_bench(*words, **variables).stdout
    whole = json.loads(fpt_bench(*words, "--json", **variables).stdout)
    assert whole["verdicts"][0]["task"] == LONG


def test_json_is_ascii_and_has_no_number_that_json_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"word": "für ±", "numbers": (float("nan"), float("-inf"), 1.5), "deep": [{"a": float("inf")}]})
    said = capsys.readouterr().out
    assert said.isascii()
    assert json.loads(said) == {"word": "für ±", "numbers": [None, None, 1.5], "deep": [{"a": None}]}


PRINTS = """
import sys
from fpt_bench.commands.door import let_printing_never_raise
let_printing_never_raise()
for _ in range({times}):
    print("\\u00b1 \\u2713 \\udcff", "x" * 5000)
    print("\\u2713", file=sys.stderr)
print("done", file=sys.stderr, flush=True)
"""


def printed(settings: dict[str, str], shell: str, times: int = 1) -> subprocess.CompletedProcess[bytes]:
    code = PRINTS.format(times=times)
    environment = {**os.environ, **settings, "CODE": code}
    command = ["bash", "-c", shell.format(python=f'"{sys.executable}" -c "$CODE"')]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("settings", "shell", "times"),
    [
        ({"PYTHONIOENCODING": "ascii"}, "{python}", 1),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "{python}", 1),
        ({"PYTHONIOENCODING": "iso-8859-1"}, "{python}", 1),
        ({}, "set -o pipefail; {python} | head -c 10", 100),
        ({}, "{python} >&-", 1),
        ({}, "{python} > /dev/null <&-", 1),
    ],
)
def test_printing_never_ends_a_command(settings: dict[str, str], shell: str, times: int) -> None:
    done = printed(settings, shell, times)
    assert done.returncode == 0, done.stderr[-300:]
    assert b"done" in done.stderr
    assert b"Error" not in done.stderr


class OutOfMemoryError(RuntimeError):
    """As torch names that of a GPU."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            MemoryError("Unable to allocate 7 TiB"),
            "error: not enough memory (Unable to allocate 7 TiB); ask for smaller",
        ),
        (
            OutOfMemoryError("CUDA out of memory.\nTried"),
            "error: not enough memory (CUDA out of memory. Tried); ask for",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "(DefaultCPUAllocator: can't allocate memory)"),
    ],
)
def test_too_much_asked_for_is_one_sentence(error: Exception, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def ask() -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        says_what_is_wrong(ask)()
    assert ended.value.exit_code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_any_other_error_of_ours_keeps_its_traceback() -> None:
    def fail() -> None:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        says_what_is_wrong(fail)()
