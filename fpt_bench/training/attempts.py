"""What a run is made from, and by whom: kept with each checkpoint, for whoever goes on from it."""

from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result import SCHEMA, Attempt
from fpt_bench.training.phases import PhaseClock
from fpt_bench.training.sources import Sources


class AttemptLog(Callback):
    """List the attempts at a run, this one last, and hold its checkpoints to the data and the body it was begun with.

    Args:
        run: what the run is called in errors.
        sources: of this attempt.
        made: this attempt, its seconds apart.
        clock: counts them.
    """

    def __init__(self, run: str, sources: Sources, made: Attempt, clock: PhaseClock) -> None:
        self.run, self.sources, self.clock = run, sources, clock
        self.made = made
        self.before: tuple[Attempt, ...] = ()

    def attempts(self) -> tuple[Attempt, ...]:
        """Return all attempts so far."""
        return (*self.before, self.made.model_copy(update={"phases": self.clock.total()}))

    @classmethod
    def sources_in(cls, checkpoint: dict[str, Any]) -> Sources:
        """Return what the run that wrote a checkpoint was begun from."""
        return Sources(**checkpoint["callbacks"][cls.__qualname__]["sources"])

    @classmethod
    def require_readable(cls, checkpoint: dict[str, Any]) -> None:
        """Raise a ValueError, KeyError or TypeError where sources or attempts cannot be read."""
        cls.sources_in(checkpoint)
        _attempts_in(checkpoint["callbacks"][cls.__qualname__])

    @classmethod
    def is_later(cls, checkpoint: dict[str, Any]) -> bool:
        """Return whether a later version wrote a checkpoint: what it holds is for that one to judge."""
        try:
            return bool(checkpoint["callbacks"][cls.__qualname__]["schema"] > SCHEMA)
        except (KeyError, TypeError):
            return False

    def go_on_from(self, checkpoint: dict[str, Any] | None) -> None:
        """Take up the attempts before a checkpoint, as `read_last` returns it.

        Raises:
            RefusedError: it was made from other data or another body, or by a later version.
        """
        if checkpoint is None:
            return
        state = checkpoint["callbacks"][self.state_key]
        if self.is_later(checkpoint):
            raise RefusedError(
                f"run {self.run}: expected a checkpoint of schema {SCHEMA}, got one of schema {state['schema']}. "
                "A newer fpt_bench made it: update this one."
            )
        self.sources.require_same(self.run, "was begun", self.sources_in(checkpoint))
        self.before = _attempts_in(state)
        self.made = self.made.model_copy(update={"first_step": checkpoint["global_step"]})

    def state_dict(self) -> dict[str, Any]:
        attempts = [attempt.model_dump(mode="json") for attempt in self.attempts()]
        return {"schema": SCHEMA, "sources": asdict(self.sources), "attempts": attempts}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        first = trainer.strategy.broadcast(self.made.first_step)
        if not first == trainer.global_step == self.made.first_step:
            raise RuntimeError(
                f"run {self.run}: expected data and weights of step {first}, got those of steps "
                f"{self.made.first_step} and {trainer.global_step}"
            )


def _attempts_in(state: dict[str, Any]) -> tuple[Attempt, ...]:
    return tuple(Attempt.model_validate(each) for each in state["attempts"])
