"""Where the time of a run goes, and what a bench says of it."""

import time

import pytest

from fpt_bench.commands.bench import where_time_went
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from fpt_bench.training.phases import PHASES, PhaseClock
from fpt_bench.training.provenance import this_attempt
from tests.made_up import made_up_result


def test_a_run_says_where_its_time_went(tiny_spec: RunSpec, workspace: Workspace) -> None:
    began = time.monotonic()
    result = run_one(tiny_spec, workspace, imports=2.5)
    wall = time.monotonic() - began
    assert list(result.phases) == [name for name in PHASES if name in result.phases]
    assert result.phases["imports"] == 2.5
    assert {"set-up", "train", "validation", "test", "writing"} <= result.phases.keys()
    inside = sum(seconds for name, seconds in result.phases.items() if name != "imports")
    assert 0.7 * wall < inside <= wall
    assert result.phases["train"] + result.phases["validation"] == pytest.approx(result.seconds, rel=0.05, abs=0.05)
    said = where_time_went([result, result])
    assert f"imports {2 * 2.5:.0f}, set-up " in said


def test_phases_of_all_attempts_are_added() -> None:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9)
    phases = ({"imports": 1.0, "train": 4.0}, {"imports": 2.0, "train": 3.0})
    attempts = tuple(this_attempt().model_copy(update={"phases": each}) for each in phases)
    assert result.model_copy(update={"attempts": attempts}).phases == {"imports": 3.0, "train": 7.0}


def test_a_phase_of_the_loop_that_is_open_counts_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 100, 10)).__next__
    monkeypatch.setattr("fpt_bench.training.phases.time.monotonic", now)
    clock = PhaseClock()
    clock.on_train_start()
    assert clock.total() == {"train": 10.0}
    clock.on_validation_start()
    assert clock.total() == {"train": 20.0, "validation": 10.0}
