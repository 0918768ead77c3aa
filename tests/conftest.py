"""Shared by all tests: one thread, no network, small specs; and which of them share a process."""

import functools
import os
import signal

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.pop("COLUMNS", None)

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import fpt_bench.commands.console  # noqa: F401 - a console is for good as wide as COLUMNS says when it is made
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.preemption import SIGNALS
from tests.counting import forget_shapes

torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent


@functools.cache
def builds_for_all_its_tests(file: str) -> bool:
    """Return whether a file of tests has something that is built once for all of them: a report, a cluster."""
    return 'scope="module"' in (ROOT / file).read_text(encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the tests of such a file to one process, and deal out all others one by one.

    Marks cannot say it: xdist's groups are lost with pytest 9 (pytest-dev/pytest-xdist#1386).
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByWhatIsBuilt(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, _ = nodeid.partition("::")
            return file if builds_for_all_its_tests(file) else nodeid

    return ByWhatIsBuilt(config, log)


@pytest.fixture(autouse=True)
def float32_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests of numbers mean the same on hardware that would take bfloat16 by itself."""
    monkeypatch.setattr("fpt_bench.bodies.execution.multiplies_bfloat16", lambda: False)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(runs=tmp_path / "runs", offline=True)


@pytest.fixture
def tiny_spec() -> RunSpec:
    """Two layers of real weights on Bit XOR: a run of a few seconds."""
    return RunSpec(task="bit-xor", data="real", layers=2, max_steps=30, eval_every=10, dropout=0.1)


@pytest.fixture
def gpu_branch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take on a CPU what our code does in another way on a GPU."""
    monkeypatch.setattr("fpt_bench.bodies.native.device.on_gpu", lambda _: True)
    forget_shapes()
    yield
    forget_shapes()


@pytest.fixture
def handlers_as_before() -> Iterator[None]:
    """Take back what `Notice.listen` does to the process that tests run in."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def nothing_is_waited_for() -> Iterator[None]:
    """A pipe that is opened as a file would hold the tests up for ever."""

    def too_long(*_: object) -> None:
        raise AssertionError("waited")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
