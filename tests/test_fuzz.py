"""A short form of `make fuzz`, and that it would see what it looks for."""

import time

import pytest

from tests import fuzz


@pytest.mark.slow
def test_damaged_files_are_sentences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])  # figures take seconds
    assert fuzz.main(["--inputs", "25", "--seed", "3"]) == 0, capsys.readouterr().out


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
