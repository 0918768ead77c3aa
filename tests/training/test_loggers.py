"""Loggers of others' services: one run of ours is one of theirs, and a package that is not there is found out first."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from pytorch_lightning.utilities import rank_zero_only

from fpt_bench.training.loggers import require_loggers
from fpt_bench.training.trackio_logger import TrackioLogger
from fpt_bench.training.wandb_logger import OneRunLogger


def test_a_run_of_wandb_is_closed_so_that_the_next_of_a_process_is_another() -> None:
    closed = []
    logger = OneRunLogger.__new__(OneRunLogger)  # wandb itself is not needed
    logger._experiment = SimpleNamespace(finish=lambda: closed.append("first"))
    logger.finalize("failed")
    logger.finalize("failed")
    assert (closed, logger._experiment) == (["first"], None)


def test_of_several_processes_one_speaks_to_trackio(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    logger = TrackioLogger("project", "name")
    monkeypatch.setattr(logger, "_opened", lambda: SimpleNamespace(log=lambda *said_, **_: said.append(said_)))
    for rank, heard in ((1, 0), (0, 1)):
        monkeypatch.setattr(rank_zero_only, "rank", rank)
        logger.log_metrics({"loss": 1.0}, step=1)
        assert len(said) == heard


def test_a_bare_folder_of_a_packages_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(ValueError, match=r"logger wandb: its package is not installed"):
        require_loggers(["wandb"])
