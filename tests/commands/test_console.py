"""How a command ends that is asked to."""

import os
import signal
import time

import pytest
import typer

from fpt_bench.commands.console import says_what_is_wrong


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_asked_to_end_says_what_is_kept_and_cleans_up(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    cleaned = []

    def command() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            cleaned.append("workers stopped, tables written")

    before = signal.getsignal(number)
    with pytest.raises(typer.Exit) as caught:
        says_what_is_wrong(command)()
    assert caught.value.exit_code == code
    assert "stopped; what is finished is kept, and the same command resumes here" in capsys.readouterr().err
    assert cleaned
    assert signal.getsignal(number) is before
