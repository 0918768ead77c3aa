"""From a spec to a result: training, testing, and writing down what came out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from datamodules.checks import require_sound
from datamodules.contract import TaskDataModule
from datamodules.examples import join_batches
from fpt_bench.bodies.inits.blueprint import TrainedBody
from fpt_bench.config.inits import TASK_PREFIX, pretraining_spec
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.folder import (
    BODIES,
    LAST,
    LEASE_FILE,
    LOGS,
    checkpoint_file,
    read_result,
    write_result,
)
from fpt_bench.results.lease import Lease
from fpt_bench.results.predictions import write_predictions
from fpt_bench.results.result import BodyRecord, DataRecord, RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.callbacks import AtomicCheckpoints, RunRecorder, is_over
from fpt_bench.training.devices import Devices
from fpt_bench.training.features import cache_features, can_be_cached
from fpt_bench.training.loggers import make_loggers
from fpt_bench.training.model import load_best, make_model
from fpt_bench.training.module import FPTModule
from fpt_bench.training.phases import PhaseClock
from fpt_bench.training.predict import predict
from fpt_bench.training.preemption import Notice
from fpt_bench.training.pretraining import kept_body
from fpt_bench.training.provenance import peak_memory_mb, provenance
from fpt_bench.training.resolve import make_datamodule, resolve
from fpt_bench.training.trainers import interruptible, make_tester, make_trainer, quiet_libraries

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
    imports: float = 0.0,
) -> RunResult:
    """Return the result of a run: the one that is there, or a new one; an interrupted run resumes.

    Divergence is an outcome, not an error. Two processes that ask for the same run do it once.

    The spec is what `resolve` returned. `report` is told how far the run is, `notice` says when to leave it at a
    checkpoint. Of several processes this is the first, the others call `follow`.

    Raises:
        PreemptedError: the notice came.
        OSError: the run's folder cannot be written.
        ValueError: the spec asks for something that does not exist, such as more layers than the body has.
    """
    devices.share_of(spec.batch_size)
    folder = workspace.runs / spec.run_id
    folder.mkdir(parents=True, exist_ok=True)
    with Lease(folder / LEASE_FILE):
        done = _finished(folder)
        if done is not None:
            return done
        quiet_libraries()
        result = _train_and_test(spec, workspace, report, notice, devices, imports)
        write_result(result, folder)
        return result


def _finished(folder: Path) -> RunResult | None:
    """Return the result that needs no new run: a failed one does, and so does a garbled file, which is reported."""
    try:
        result = read_result(folder)
    except ValueError as error:
        logging.getLogger(__name__).warning("%s The run is done again.", error)
        return None
    return result if result is not None and result.status != "failed" else None


def follow(spec: RunSpec, workspace: Workspace, devices: Devices) -> None:
    """Train as one of the processes that help the first one; it alone leases the run, tests and writes the result.

    Where the run is over there is nothing to help with: the first process gives its result and waits for nobody. Where
    another job is in the middle of it, the first process waits for that one, and helpers wait for the first until they
    give up: send a run once.
    """
    if _finished(workspace.runs / spec.run_id) is not None:
        return
    quiet_libraries()
    _train(_set_up(spec, workspace, lambda _: None, None, devices, PhaseClock()))


def trained_body(spec: RunSpec, workspace: Workspace) -> TrainedBody | None:
    """Return the body that a spec's init names, trained where it is not there yet; None where it names none.

    It is a run like any other, with a folder, a result and checkpoints of its own: processes that want it at once
    wait for the one that trains it, and what was interrupted resumes.

    Raises:
        ValueError: its training diverged.
        OSError: the folder cannot be written.
    """
    if not spec.init.startswith(TASK_PREFIX):
        return None
    beside = replace(workspace, runs=workspace.runs / BODIES)
    training, _ = resolve(pretraining_spec(spec), beside)
    result = run_one(training, beside)
    if result.status != "ok":
        raise ValueError(f"init '{spec.init}': expected a trained body, its training gave: {result.error}")
    return kept_body(result, beside)


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
    clock: PhaseClock
    checkpoint: dict[str, Any] | None
    trainer: pl.Trainer


def _set_up(
    spec: RunSpec,
    workspace: Workspace,
    report: Callable[[Progress], None],
    notice: Notice | None,
    devices: Devices,
    clock: PhaseClock,
) -> _Run:
    folder = workspace.runs / spec.run_id
    shown = datamodule = make_datamodule(spec, workspace)
    require_sound(datamodule)
    module, body_record = make_model(spec, datamodule.task, workspace, trained_body(spec, workspace))
    if can_be_cached(spec, datamodule):
        datamodule = cache_features(module, datamodule, body_record, workspace.runs)
        module.given_features = True
        body_record = body_record.model_copy(update={"notes": (*body_record.notes, FEATURES_NOTE)})
    recorder = RunRecorder(spec.run_id, report)
    checkpoint = _load_last(folder)
    first_step = checkpoint["global_step"] if checkpoint else 0
    # A resumed run does not overwrite the log of what went before: each has the step it starts from in its name.
    loggers = make_loggers(workspace.loggers, folder / LOGS, spec.run_id, f"from-step-{first_step}")
    trainer = make_trainer(spec, folder, [recorder, clock], notice, loggers, devices)
    datamodule.first_step, datamodule.rank, datamodule.world_size = first_step, devices.rank, devices.processes
    return _Run(spec, folder, datamodule, shown, module, body_record, recorder, clock, checkpoint, trainer)


def _train(run: _Run) -> str | None:
    """Train what is left of a run; return a sentence if it diverged."""
    if run.checkpoint is not None and is_over(run.checkpoint, run.spec.max_steps, run.spec.patience):
        for callback in (run.recorder, run.clock):
            callback.load_state_dict(run.checkpoint["callbacks"].get(callback.state_key, {}))
        return None
    resume = str(checkpoint_file(run.folder, LAST)) if run.checkpoint else None
    try:
        with interruptible():
            run.trainer.fit(run.module, datamodule=run.datamodule, ckpt_path=resume)
    except FloatingPointError as error:
        return f"diverged: {error}"
    finally:
        # What follows is done by the first process alone, which must wait for nobody.
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return None


def _train_and_test(
    spec: RunSpec,
    workspace: Workspace,
    report: Callable[[Progress], None],
    notice: Notice | None,
    devices: Devices,
    imports: float,
) -> RunResult:
    clock = PhaseClock(imports)
    with clock.phase("set-up"):
        run = _set_up(spec, workspace, report, notice, devices, clock)
    with clock.phase("data"):
        for split in run.datamodule.splits:
            run.datamodule.examples(split)
    datamodule, recorder = run.datamodule, run.recorder
    task, headline = datamodule.task, datamodule.test_splits[0]
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    error = _train(run)
    best_step = max(recorder.curve, key=lambda step: recorder.curve[step], default=None)
    with clock.phase("test"):
        scores = {} if error or best_step is None else _test(spec, run.module, datamodule, run.folder, best_step)
    with clock.phase("writing"):
        if scores:
            write_predictions(predict(run.module, datamodule, run.shown), run.folder)
        fingerprint, made = datamodule.fingerprint(), provenance(devices.processes)
    return RunResult(
        spec=spec,
        status="diverged" if error else "ok",
        error=error,
        curve=tuple(recorder.curve.items()),
        best_step=best_step,
        validation_accuracy=recorder.curve[best_step] if best_step is not None else None,
        test_accuracy=scores.get(headline),
        test_accuracies={split: scores[split] for split in datamodule.test_splits if split in scores},
        test_examples=len(datamodule.examples(headline)),
        train_accuracy=scores.get("train"),
        parameters=run.module.count_parameters(),
        seconds=recorder.seconds,
        phases=clock.total(),
        tokens_per_second=recorder.tokens_per_second,
        peak_memory_mb=peak_memory_mb(),
        data=DataRecord(
            kind=datamodule.data,
            source=datamodule.source,
            fingerprint=fingerprint,
            trivial=dict(task.trivial),
            floor=task.floor,
        ),
        body=run.body,
        provenance=made,
    )


def _load_last(folder: Path) -> dict[str, Any] | None:
    """Return the checkpoint to go on from, or None; one that cannot be read is reported and left out."""
    path = checkpoint_file(folder, LAST)
    if not path.is_file():
        return None
    try:
        return AtomicCheckpoints().load_checkpoint(path)
    except Exception as error:  # whatever a damaged or hostile file makes torch raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        logging.getLogger(__name__).warning("%s cannot be read (%s): the run starts over.", path, reason)
        path.unlink(missing_ok=True)  # another process of the run may have found it, too
        return None


def _test(
    spec: RunSpec, module: FPTModule, datamodule: TaskDataModule, folder: Path, best_step: int
) -> dict[str, float]:
    """Return the accuracy at the best validation step on every test split, and on training examples as `train`."""
    load_best(module, folder, best_step)
    loaders = dict(zip(datamodule.test_splits, datamodule.test_dataloader(), strict=True))
    sample = [datamodule.training_batch(step) for step in range(max(1, TRAIN_SAMPLE // datamodule.batch_size))]
    at_once = max(1, datamodule.eval_batch_size // datamodule.batch_size)
    joined = [join_batches(sample[first : first + at_once]) for first in range(0, len(sample), at_once)]
    loaders["train"] = DataLoader(joined, batch_size=None)  # type: ignore[arg-type]
    scores = {}
    for split, loader in loaders.items():
        with interruptible():
            metrics = make_tester(spec, folder).test(module, dataloaders=loader, verbose=False)
        scores[split] = float(metrics[0]["test/accuracy"])
    return scores
