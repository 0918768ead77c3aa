"""Checkpoints: written whole and only by the owner of the run, read once, and believed only where they are sound."""

import logging
import math
import os
import socket
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import CheckpointIO
from torch import Tensor

from datamodules.metrics import Metric, best_of
from fpt_bench.results.atomic import half_written, replaced_when_whole
from fpt_bench.results.folder import (
    BEST,
    CHECKPOINTS,
    LAST,
    PREDICTIONS_FILE,
    RESULT_FILE,
    TEST_PREDICTIONS_FILE,
    checkpoint_file,
)
from fpt_bench.training.attempts import AttemptLog
from fpt_bench.training.callbacks import RunRecorder
from fpt_bench.training.hearing import HearingTest
from fpt_bench.training.sources import Sources

_UNFINISHED = ".unfinished-"
_REMEMBERED = tuple(callback.__qualname__ for callback in (RunRecorder, AttemptLog, HearingTest))
"""What remembers over interruptions, as checkpoints name it."""
Checkpoint = dict[str, Any]


class AtomicCheckpoints(CheckpointIO):
    """Write a checkpoint so that a reader finds the old one or the new one; read tensors and plain values only.

    Args:
        require_owner: raises where the run is another process's by now; asked when a checkpoint is whole, before it
            takes the place of the last one.
    """

    def __init__(self, require_owner: Callable[[], None] = lambda: None) -> None:
        self.require_owner = require_owner
        self._held: dict[Path, Checkpoint] = {}

    def hold(self, path: Path, checkpoint: Checkpoint) -> None:
        """Give this to the next one that loads `path`: the file may be another one by then."""
        self._held[path] = checkpoint

    def save_checkpoint(self, checkpoint: Checkpoint, path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The process too: one that was stopped and comes back shares host and file with its successor.
        unfinished = path.with_name(f"{_UNFINISHED}{socket.gethostname()}-{os.getpid()}-{path.name}")
        with replaced_when_whole(path, self.require_owner, unfinished) as stream:
            torch.save(checkpoint, stream)

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> Checkpoint:
        return self._held.pop(Path(path), None) or read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Return what a checkpoint holds, on the CPU.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or no checkpoint; the message says why.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself compares no checksum
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} in it is wrong")
        # Unpickling runs code: admit nothing but what a checkpoint of ours is made of.
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a damaged or hostile file makes zipfile or torch raise
        raise ValueError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f"expected a mapping in it, got {type(checkpoint).__name__}")
    return checkpoint


def remove_unfinished(run: Path) -> None:
    """Remove what dead processes left half-written; the lease of the run is ours, and nobody else may write there."""
    checkpoints = (run / CHECKPOINTS).glob(f"{_UNFINISHED}*")
    files = (half_written(run / name) for name in (RESULT_FILE, PREDICTIONS_FILE, TEST_PREDICTIONS_FILE))
    for path in chain(checkpoints, *files):
        path.unlink(missing_ok=True)


def read_last(run: Path, learned: Mapping[str, Tensor], measure: Metric, own: bool = True) -> Checkpoint | None:
    """Return the checkpoint to go on from, or None; one that cannot be gone on from is reported and removed.

    Args:
        run: the run's folder.
        learned: what the run trains, by name.
        measure: what validations were scored by.
        own: whether this process has leased the run, so that it may remove what is damaged.
    """
    path = checkpoint_file(run, LAST)
    if not path.is_file():
        return None
    try:
        last = read_checkpoint(path)
        if AttemptLog.is_later(last):
            return last  # whoever goes on from it refuses it, and it stays
        _require_resumable(last, learned)
        curve = last["callbacks"][RunRecorder.__qualname__]["curve"]
        if curve:
            _read_best(run, best_of(curve, measure.higher_is_better), learned, newer_than=last["global_step"])
        return last
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        logging.getLogger(__name__).warning("%s cannot be read (%s): the run starts over.", path, error)
        if own:
            path.unlink(missing_ok=True)
        return None


def begun_from(run: Path) -> Sources | None:
    """Return what a run that is not over was begun from; None where there is nothing to go on from."""
    try:
        last = read_checkpoint(checkpoint_file(run, LAST))
        return AttemptLog.sources_in(last)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_best(run: Path, best_step: int, learned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the trained weights of a run's best validation, which was at `best_step`, by name.

    Raises:
        FileNotFoundError: the checkpoint is not there.
        ValueError: it is damaged, or of another step or model.
    """
    advice = f"Remove {run} and ask for the run again."
    try:
        return _read_best(run, best_step, learned)
    except FileNotFoundError:
        raise FileNotFoundError(f"{checkpoint_file(run, BEST)} does not exist. {advice}") from None
    except ValueError as error:
        raise ValueError(f"{error}. {advice}") from error


def _read_best(
    run: Path, best_step: int, learned: Mapping[str, Tensor], newer_than: float = math.inf
) -> dict[str, Tensor]:
    """Return the trained weights of `best_step`, or of a validation after that of the last checkpoint.

    Of one validation the best checkpoint is written first: a process that ends in between leaves it ahead, and the next
    one writes it again.
    """
    path = checkpoint_file(run, BEST)
    try:
        best = read_checkpoint(path)
        _require_keys(best, ("global_step", "state_dict"))
        if best["global_step"] != best_step and not best["global_step"] > newer_than:
            raise ValueError(
                f"expected the trained weights of step {best_step}, got those of step {best['global_step']}"
            )
        require_weights(best, learned)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    weights: dict[str, Tensor] = best["state_dict"]
    return weights


def _require_resumable(last: Checkpoint, learned: Mapping[str, Tensor]) -> None:
    """Raise a ValueError unless weights, optimizer and callbacks are all there: loading would not miss them."""
    _require_keys(last, ("global_step", "state_dict", "optimizer_states", "callbacks", "loops"))
    require_weights(last, learned)
    if not isinstance(last["loops"], dict) or "fit_loop" not in last["loops"]:
        raise ValueError("expected how far the training loop is in it, found nothing")
    absent = [name for name in _REMEMBERED if name not in last["callbacks"]]
    if absent:
        raise ValueError(f"expected the states of {', '.join(_REMEMBERED)} in it, found no {', '.join(absent)}")
    AttemptLog.require_readable(last)
    recorded, heard = (last["callbacks"][callback.__qualname__] for callback in (RunRecorder, HearingTest))
    if set(recorded) != set(RunRecorder.REMEMBERED) or "found" not in heard:
        raise ValueError("expected the curve, the times and what was heard in it, found others")
    try:
        (optimizer,) = last["optimizer_states"]
        shapes = Counter(tuple(state["exp_avg"].shape) for state in optimizer["state"].values())
    except (ValueError, TypeError, KeyError, AttributeError):
        shapes = Counter()
    # Of a parameter that no example has reached yet, Adam knows nothing.
    if not shapes or not shapes <= Counter(tuple(value.shape) for value in learned.values()):
        raise ValueError("expected the optimizer's state of the trained parameters in it, found another")


def _require_keys(checkpoint: Checkpoint, keys: tuple[str, ...]) -> None:
    absent = [key for key in keys if key not in checkpoint]
    if absent:
        raise ValueError(f"expected {', '.join(keys)} in it, found no {', '.join(absent)}")


def require_weights(checkpoint: Checkpoint, learned: Mapping[str, Tensor]) -> None:
    """Raise a ValueError unless a checkpoint has each trained tensor, and no other: loading would not miss them."""
    stored = checkpoint["state_dict"]
    wanted = {name: value.shape for name, value in learned.items()}
    if not isinstance(stored, dict) or {name: getattr(v, "shape", None) for name, v in stored.items()} != wanted:
        raise ValueError(f"expected the {len(wanted)} trained tensors of this run in it, got others")


class _MovableCheckpoint(ModelCheckpoint):
    """A ModelCheckpoint that keeps no folder's name: runs are moved between two attempts, and published."""

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        best = {Path(path).name: score for path, score in state["best_k_models"].items()}
        return {**state, **{name: Path(state[name]).name for name in _PATHS}, "best_k_models": best, "dirpath": ""}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(name: str) -> str:
            return str(Path(str(self.dirpath)) / name) if name else name

        found = {name: here(state_dict[name]) for name in _PATHS}
        best = {here(name): score for name, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **found, "best_k_models": best, "dirpath": self.dirpath})


_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")
"""Of a ModelCheckpoint's state."""


def checkpoint_callbacks(run: Path, measure: Metric) -> list[ModelCheckpoint]:
    """Keep the weights of the best validation, and all that resuming needs of the last one; best first.

    The order matters: the last checkpoint has to know of the best that was written at the same step.
    """
    make = partial(_MovableCheckpoint, dirpath=run / CHECKPOINTS, enable_version_counter=False)
    best = make(filename=BEST, monitor=f"val/{measure.name}", mode=measure.mode, save_weights_only=True)
    last = make(filename=LAST, monitor=None)
    return [best, last]


def early_stopping(patience: int | None, measure: Metric) -> EarlyStopping:
    """Stop where nothing can be gained: at a perfect validation, or after `patience` validations without a new best."""
    return EarlyStopping(
        f"val/{measure.name}",
        patience=patience or 2**31,  # never
        mode=measure.mode,
        stopping_threshold=measure.enough,
        check_on_train_epoch_end=False,
    )


def is_over(checkpoint: Checkpoint, max_steps: int, patience: int | None, measure: Metric) -> bool:
    """Return whether the run that wrote the checkpoint had nothing left to train."""
    callbacks = checkpoint["callbacks"]
    waits = [state["wait_count"] for key, state in callbacks.items() if key.startswith("EarlyStopping")]
    # A validation that is good enough ends training before Lightning takes note of its score: the curve has it.
    perfect = any(measure.is_enough(score) for score in callbacks[RunRecorder.__qualname__]["curve"].values())
    waited = patience is not None and any(count >= patience for count in waits)
    return perfect or waited or checkpoint["global_step"] >= max_steps
