"""Curves for Weights & Biases. Imported only where it was asked for."""

from typing import Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only


class OneRunLogger(WandbLogger):
    """One run of ours is one of theirs: Lightning's leaves it open, so that the next run of a process goes on in it."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        super().finalize(status)
        opened: Any = self._experiment
        if opened is not None:
            opened.finish()
            self._experiment = None  # whoever goes on opens it again
