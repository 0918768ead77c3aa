"""Curves for trackio, which Lightning has no logger for. Imported only where it was asked for."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only


class TrackioLogger(Logger):
    """One run of ours is one of trackio's: it is opened at the first number, and again by whoever goes on."""

    def __init__(self, project: str, name: str) -> None:
        super().__init__()
        self._project, self._name = project, name
        self._config: dict[str, Any] = {}
        self._run: Any = None

    @property
    def name(self) -> str:
        return self._project

    @property
    def version(self) -> str:
        return self._name

    def _opened(self) -> Any:
        """Return the open run; not as `experiment`, which Lightning asks for before it says the hyperparameters."""
        if self._run is None:
            import trackio

            self._run = trackio.init(project=self._project, name=self._name, config=self._config, resume="allow")
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        self._config = dict(vars(params) if isinstance(params, Namespace) else params)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._opened().log(dict(metrics), step=step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._run is not None:
            self._run.finish()
            self._run = None
