"""A short form of `make fuzz`, and that it would see what it looks for."""

import random
import time
from pathlib import Path

import pytest

from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.lines import PACKED
from fpt_bench.results.result_files import collect_results
from tests import fuzz


@pytest.mark.slow
def test_damaged_files_are_sentences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])  # figures take seconds
    assert fuzz.main(["--inputs", "25", "--seed", "3"]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_the_undamaged_sample_is_read_by_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a command that fails at once would pass for one that bears what is damaged."""
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])
    files = fuzz.sample()
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    commands = {" ".join(c): c for path in files for c in fuzz.commands_for(tmp_path, path, random.Random(0))}
    ended = {arguments[0]: fuzz.run_command(arguments) for arguments in commands.values() if arguments[0] != "inspect"}
    assert ended.keys() == {"table", "status", "list", "check", "plan", "report"}
    # The baseline is of another experiment: a regression, said as one.
    assert ended == {name: ("1" if name == "check" else "0", None) for name in ended}
    results, problems = collect_results(tmp_path / "runs")
    assert (len(results), problems) == (len([path for path in files if path.endswith((RESULT_FILE, PACKED))]), [])


def raises(*_: object) -> None:
    raise KeyError("task")


def waits(*_: object) -> None:
    try:
        time.sleep(60)
    except Exception:
        pytest.fail("nothing may hide it")


def says(*_: object) -> None:
    print("\x1b[31m")
    raise ValueError("a sentence")


@pytest.mark.parametrize(("fault", "ended"), [(raises, "traceback"), (waits, "hang"), (says, "output")])
def test_a_planted_fault_is_seen(monkeypatch: pytest.MonkeyPatch, fault: object, ended: str) -> None:
    monkeypatch.setattr("fpt_bench.analysis.plain_runs.grids_and_results", fault)
    monkeypatch.setattr(fuzz, "WALL_SECONDS", 1)
    found, what = fuzz.run_command(["table", "runs"])
    assert (found, what is not None) == (ended, True)


def test_an_input_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(arguments: list[str]) -> tuple[str, None]:
        seen.append(" ".join(word for word in arguments if "/" not in word))
        return "0", None

    monkeypatch.setattr(fuzz, "run_command", look)
    files = fuzz.sample()
    for _ in range(2):
        for number in range(10):
            fuzz.run_input(number, 0, files)
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
