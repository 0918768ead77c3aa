"""A bench in which nothing is trained."""

from pathlib import Path

import pytest

from tests.commands.untrained import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr("fpt_bench.commands.bench.run_all", made.run_all)
    return made
