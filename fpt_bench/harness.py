"""From a spec to a result: training, testing, and writing down what came out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from datamodules.contract import Batch, TaskDataModule
from fpt_bench.callbacks import (
    CHECKPOINTS,
    LAST,
    AtomicCheckpoints,
    RunRecorder,
    is_over,
)
from fpt_bench.claims import Claim
from fpt_bench.events import Progress
from fpt_bench.features import cache_features, can_be_cached
from fpt_bench.loggers import make_loggers
from fpt_bench.module import FPTModule
from fpt_bench.predict import predict
from fpt_bench.predictions import write_predictions
from fpt_bench.preemption import Notice
from fpt_bench.pretraining import trained_body
from fpt_bench.provenance import peak_memory_mb, provenance
from fpt_bench.resolve import make_datamodule
from fpt_bench.resources import Devices
from fpt_bench.restore import load_best, make_model
from fpt_bench.results import CLAIM_FILE, BodyRecord, DataRecord, RunResult, read_result, write_result
from fpt_bench.spec import RunSpec
from fpt_bench.trainers import interruptible, leave_when_asked, make_tester, make_trainer, quiet_libraries
from fpt_bench.workspace import Workspace

ONE_DEVICE = Devices()
TRAIN_SAMPLE = 500
"""Training examples at most that train accuracy is measured on."""
FEATURES_NOTE = "its features were computed once, since nothing before the readout learns"


def run_one(
    spec: RunSpec,
    workspace: Workspace,
    report: Callable[[Progress], None] = lambda _: None,
    notice: Notice | None = None,
    devices: Devices = ONE_DEVICE,
) -> RunResult:
    """Give the result of a run: the one that is there, or a new one; an interrupted run goes on where it was.

    Divergence is an outcome, not an error. Two processes that ask for the same run do it once.

    Args:
        spec: what `resolve` gave.
        workspace: where to read and write.
        report: told how far the run is.
        notice: says when to leave the run at a checkpoint; by default never.
        devices: what it is computed on; this is the first process, the others call `follow`.

    Raises:
        PreemptedError: the notice came.
        OSError: the run's folder cannot be written.
        ValueError: the spec asks for what there is not, such as more layers than the body has.
    """
    devices.share_of(spec.batch_size)
    folder = workspace.runs / spec.run_id
    folder.mkdir(parents=True, exist_ok=True)
    with Claim(folder / CLAIM_FILE):
        done = _finished(folder)
        if done is not None:
            return done
        quiet_libraries()
        result = _train_and_test(spec, workspace, report, notice, devices)
        write_result(result, folder)
        return result


def _finished(folder: Path) -> RunResult | None:
    """Give the result that needs no new run: a failed one does, and so does a garbled file, which is reported."""
    try:
        result = read_result(folder)
    except ValueError as error:
        logging.getLogger(__name__).warning("%s The run is done again.", error)
        return None
    return result if result is not None and result.status != "failed" else None


def follow(spec: RunSpec, workspace: Workspace, devices: Devices) -> None:
    """Train as one of the processes that help the first one; it alone claims the run, tests and writes the result.

    Where the run is over there is nothing to help with: the first process gives its result and waits for nobody. Where
    another job is in the middle of it, the first process waits for that one, and helpers wait for the first until they
    give up: send a run once.
    """
    if _finished(workspace.runs / spec.run_id) is not None:
        return
    quiet_libraries()
    _train(_set_up(spec, workspace, lambda _: None, None, devices))


@dataclass(frozen=True)
class _Run:
    """All that training and testing need."""

    spec: RunSpec
    folder: Path
    datamodule: TaskDataModule
    shown: TaskDataModule
    """The task's own examples, where `datamodule` gives features of them."""
    module: FPTModule
    body: BodyRecord
    recorder: RunRecorder
    checkpoint: dict[str, Any] | None
    trainer: pl.Trainer


def _set_up(
    spec: RunSpec, workspace: Workspace, report: Callable[[Progress], None], notice: Notice | None, devices: Devices
) -> _Run:
    folder = workspace.runs / spec.run_id
    shown = datamodule = make_datamodule(spec, workspace)
    trained = trained_body(spec, workspace, run_one)
    module, body_record = make_model(spec, datamodule.task, workspace, trained)
    if can_be_cached(spec, datamodule):
        datamodule = cache_features(module, datamodule, body_record, workspace.runs)
        module.given_features = True
        body_record = body_record.model_copy(update={"notes": (*body_record.notes, FEATURES_NOTE)})
    recorder = RunRecorder(spec.run_id, report)
    checkpoint = _load_last(folder)
    first_step = checkpoint["global_step"] if checkpoint else 0
    # A resumed run does not overwrite the log of what went before: each has the step it starts from in its name.
    loggers = make_loggers(workspace.loggers, folder, f"from-step-{first_step}")
    trainer = make_trainer(spec, folder, [recorder, *leave_when_asked(spec, folder, notice)], loggers, devices)
    datamodule.first_step, datamodule.place, datamodule.places = first_step, devices.rank, devices.processes
    return _Run(spec, folder, datamodule, shown, module, body_record, recorder, checkpoint, trainer)


def _train(run: _Run) -> str | None:
    """Train what is left of a run; give a sentence where it diverged."""
    if run.checkpoint is not None and is_over(run.checkpoint, run.spec.max_steps, run.spec.patience):
        run.recorder.load_state_dict(run.checkpoint["callbacks"][run.recorder.state_key])
        return None
    return _fit(run.trainer, run.module, run.datamodule, run.folder if run.checkpoint else None)


def _train_and_test(
    spec: RunSpec, workspace: Workspace, report: Callable[[Progress], None], notice: Notice | None, devices: Devices
) -> RunResult:
    run = _set_up(spec, workspace, report, notice, devices)
    datamodule, recorder = run.datamodule, run.recorder
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    error = _train(run)
    best_step = max(recorder.curve, key=lambda step: recorder.curve[step], default=None)
    scores = {} if error or best_step is None else _test(spec, run.module, datamodule, run.folder, best_step)
    if scores:
        write_predictions(predict(run.module, datamodule, run.shown), run.folder)
    return RunResult(
        spec=spec,
        status="diverged" if error else "ok",
        error=error,
        curve=tuple(recorder.curve.items()),
        best_step=best_step,
        validation_accuracy=recorder.curve[best_step] if best_step is not None else None,
        test_accuracy=scores.get(datamodule.test_splits[0]),
        test_accuracies={split: scores[split] for split in datamodule.test_splits if split in scores},
        test_examples=len(datamodule.examples(datamodule.test_splits[0])),
        train_accuracy=scores.get("train"),
        parameters=run.module.count_parameters(),
        seconds=recorder.seconds,
        tokens_per_second=recorder.tokens_per_second,
        peak_memory_mb=peak_memory_mb(),
        data=DataRecord(
            kind=datamodule.data,
            source=datamodule.source,
            fingerprint=datamodule.fingerprint(),
            trivial=dict(datamodule.task.trivial),
            floor=datamodule.task.floor,
        ),
        body=run.body,
        provenance=provenance(devices.processes),
    )


def _load_last(folder: Path) -> dict[str, Any] | None:
    """Give the checkpoint to go on from, or None; one that cannot be read is reported and left out."""
    path = folder / CHECKPOINTS / f"{LAST}.ckpt"
    if not path.is_file():
        return None
    try:
        return AtomicCheckpoints().load_checkpoint(path)
    except Exception as error:  # whatever a damaged or hostile file makes torch raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        logging.getLogger(__name__).warning("%s cannot be read (%s): the run starts over.", path, reason)
        path.unlink(missing_ok=True)  # another process of the run may have found it, too
        return None


def _fit(trainer: pl.Trainer, module: FPTModule, datamodule: TaskDataModule, resume: Path | None) -> str | None:
    """Train to the end; give a sentence where the run diverged."""
    checkpoint = str(resume / CHECKPOINTS / f"{LAST}.ckpt") if resume else None
    try:
        with interruptible():
            trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint)
    except FloatingPointError as error:
        return f"diverged: {error}"
    finally:
        # What follows is done by the first process alone, which must wait for nobody.
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return None


def _test(
    spec: RunSpec, module: FPTModule, datamodule: TaskDataModule, folder: Path, best_step: int
) -> dict[str, float]:
    """Give the accuracy at the best validation step on every test split, and on training examples as `train`."""
    load_best(module, folder, best_step)
    loaders = dict(zip(datamodule.test_splits, datamodule.test_dataloader(), strict=True))
    loaders["train"] = _training_sample(datamodule)
    scores = {}
    for split, loader in loaders.items():
        with interruptible():
            metrics = make_tester(spec, folder).test(module, dataloaders=loader, verbose=False)
        scores[split] = float(metrics[0]["test/accuracy"])
    return scores


def _training_sample(datamodule: TaskDataModule) -> "DataLoader[Batch]":
    """Give the first training batches of the run, about TRAIN_SAMPLE examples."""
    count = max(1, TRAIN_SAMPLE // datamodule.batch_size)
    batches = [datamodule.training_batch(step) for step in range(count)]
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
