"""From a spec to a result: training, testing, and writing down what came out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch.utils.data import DataLoader

from datamodules.checks import require_sound
from datamodules.contract import TaskDataModule
from datamodules.examples import join_batches
from fpt_bench.bodies.inits.blueprint import TrainedBody
from fpt_bench.config.inits import TASK_PREFIX, pretraining_spec
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.folder import BODIES, LAST, LEASE_FILE, LOGS, checkpoint_file
from fpt_bench.results.lease import Lease, LeaseLostError
from fpt_bench.results.predictions import Answers, write_answers, write_predictions
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result import SCORE_BOUND, BodyRecord, RunResult
from fpt_bench.results.result_files import read_result, write_result
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.attempts import AttemptLog
from fpt_bench.training.callbacks import RunRecorder
from fpt_bench.training.checkpoints import AtomicCheckpoints, Checkpoint, is_over, read_last, remove_unfinished
from fpt_bench.training.data_record import describe_data
from fpt_bench.training.devices import Devices
from fpt_bench.training.features import cache_features, can_be_cached
from fpt_bench.training.hearing import HearingTest
from fpt_bench.training.loggers import log_final_scores, make_loggers
from fpt_bench.training.model import load_best, make_model
from fpt_bench.training.module import FPTModule
from fpt_bench.training.phases import PhaseClock
from fpt_bench.training.predict import predict
from fpt_bench.training.preemption import Notice
from fpt_bench.training.pretraining import kept_body
from fpt_bench.training.provenance import peak_memory_mb, this_attempt
from fpt_bench.training.rendezvous import others_awaited
from fpt_bench.training.resolve import make_datamodule, resolve
from fpt_bench.training.sources import CurrentSources, Sources
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
        RefusedError: what is there was made from other data or weights, or by another version; it is left as it is.
        OSError: the run's folder cannot be written.
        ValueError: the spec asks for something that does not exist, such as more layers than the body has.
    """
    devices.share_of(spec.batch_size)
    folder = workspace.runs / spec.run_id
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            with Lease(folder / LEASE_FILE) as lease:
                done = _finished(folder)
                if done is not None:
                    CurrentSources(workspace).require_same(spec, "was done", Sources.of_result(done))
                    return done
                quiet_libraries()
                remove_unfinished(folder)
                return _train_and_test(spec, workspace, report, notice, devices, imports, lease)
        except LeaseLostError as error:
            if devices.processes > 1:
                raise
            logging.getLogger(__name__).warning("%s: what that one makes of the run is waited for.", error)


def _finished(folder: Path) -> RunResult | None:
    """Return the result that needs no new run: a failed one does, and so does a garbled file, which is reported."""
    try:
        result = read_result(folder)
    except RefusedError:
        raise
    except ValueError as error:
        logging.getLogger(__name__).warning("%s The run is done again.", error)
        return None
    return result if result is not None and result.is_over else None


def follow(spec: RunSpec, workspace: Workspace, devices: Devices) -> None:
    """Train as one of the processes that help the first one; it alone leases the run, tests and writes the result.

    Where the run is over there is nothing to help with: the first process gives its result and waits for nobody. Where
    another job is in the middle of it, the first process waits for that one, and helpers wait for the first until they
    give up: send a run once.
    """
    if _finished(workspace.runs / spec.run_id) is not None:
        return
    quiet_libraries()
    _train(_set_up(spec, workspace, lambda _: None, None, devices, PhaseClock(), AtomicCheckpoints()))


def trained_body(spec: RunSpec, workspace: Workspace, notice: Notice | None = None) -> TrainedBody | None:
    """Return the body that a spec's init names, trained where it is not there yet; None where it names none.

    It is a run like any other, with a folder, a result and checkpoints of its own: processes that want it at once
    wait for the one that trains it, and what was interrupted resumes.

    Raises:
        PreemptedError: the process was asked to leave, and left at a checkpoint.
        ValueError: its training diverged.
        OSError: the folder cannot be written.
    """
    if not spec.init.startswith(TASK_PREFIX):
        return None
    beside = replace(workspace, runs=workspace.runs / BODIES)
    training, _ = resolve(pretraining_spec(spec), beside)
    result = run_one(training, beside, notice=notice)
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
    hearing: HearingTest
    log: AttemptLog
    checkpoint: Checkpoint | None
    trainer: pl.Trainer


def _set_up(
    spec: RunSpec,
    workspace: Workspace,
    report: Callable[[Progress], None],
    notice: Notice | None,
    devices: Devices,
    clock: PhaseClock,
    checkpoints: AtomicCheckpoints,
) -> _Run:
    folder = workspace.runs / spec.run_id
    with clock.phase("data"):
        shown = datamodule = make_datamodule(spec, workspace)
        require_sound(shown)
        fingerprint = shown.fingerprint()
    with clock.phase("set-up"):
        module, body = make_model(spec, datamodule.task, workspace, trained_body(spec, workspace, notice))
        if can_be_cached(spec, datamodule):
            datamodule = cache_features(module, datamodule, body, workspace.runs)
            module.given_features = True
            body = body.model_copy(update={"notes": (*body.notes, FEATURES_NOTE)})
        measure = module.task.measure
        checkpoint = read_last(folder, module.trained_parameters(), measure, own=devices.rank == 0)
        sources = Sources(fingerprint, body.fingerprint, body.trained_by, measure.scale_in_words)
        log = AttemptLog(spec.run_id, sources, this_attempt(devices.processes), clock)
        log.go_on_from(checkpoint)
        if checkpoint is not None:
            checkpoints.hold(checkpoint_file(folder, LAST), checkpoint)
        recorder, hearing = RunRecorder(spec.run_id, measure, report), HearingTest(shown)
        first_step = log.made.first_step
        # A resumed run does not overwrite the log of what went before: each has the step it starts from in its name.
        loggers = make_loggers(workspace.loggers, folder / LOGS, spec.run_id, f"from-step-{first_step}")
        trainer = make_trainer(
            spec, measure, folder, [recorder, hearing, log, clock], notice, loggers, devices, checkpoints
        )
        datamodule.first_step, datamodule.rank, datamodule.world_size = first_step, devices.rank, devices.processes
    return _Run(spec, folder, datamodule, shown, module, body, recorder, hearing, log, checkpoint, trainer)


def _train(run: _Run) -> str | None:
    """Train what is left of a run; return a sentence if it diverged."""
    measure = run.recorder.measure
    if run.checkpoint is not None and is_over(run.checkpoint, run.spec.max_steps, run.spec.patience, measure):
        for callback in (run.recorder, run.hearing):
            callback.load_state_dict(run.checkpoint["callbacks"][callback.state_key])
        return None
    resume = str(checkpoint_file(run.folder, LAST)) if run.checkpoint else None
    try:
        with interruptible(), others_awaited(run.trainer):
            run.trainer.fit(run.module, datamodule=run.datamodule, ckpt_path=resume)
    except FloatingPointError as error:
        return f"diverged: {error}"
    else:
        _require_end(run)
    finally:
        # What follows is done by the first process alone, which must wait for nobody.
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return None


def _require_end(run: _Run) -> None:
    """Raise a ValueError where training ended before it was over, whoever ended it."""
    stopping = [c for c in run.trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]
    states = {callback.state_key: callback.state_dict() for callback in (*stopping, run.recorder)}
    reached = {"callbacks": states, "global_step": run.trainer.global_step}
    if not is_over(reached, run.spec.max_steps, run.spec.patience, run.recorder.measure):
        raise ValueError(
            f"expected {run.spec.max_steps} steps, or as many as patience allows, got an end at step "
            f"{run.trainer.global_step}: what makes Lightning stop there?"
        )


def _train_and_test(
    spec: RunSpec,
    workspace: Workspace,
    report: Callable[[Progress], None],
    notice: Notice | None,
    devices: Devices,
    imports: float,
    lease: Lease,
) -> RunResult:
    """Return the result of a run, written down; a LeaseLostError where it is another process's by then."""
    clock = PhaseClock(imports)
    run = _set_up(spec, workspace, report, notice, devices, clock, AtomicCheckpoints(lease.require))
    datamodule, recorder = run.datamodule, run.recorder
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    error = _train(run)
    best_step = recorder.best_step
    scores: dict[str, float] = {}
    if error is None:
        if best_step is None:
            raise ValueError("expected a validation to choose the step by, got none: nothing can be tested")
        try:
            with clock.phase("test"):
                scores, said = _test(run, best_step)
        except FloatingPointError as overflow:
            error = f"diverged: {overflow}"
    if error is None:
        with clock.phase("writing"):
            write_predictions(predict(run.module, datamodule, run.shown), run.folder, lease.require)
            write_answers(said, run.folder, lease.require)
    headline = datamodule.test_splits[0]
    result = RunResult(
        spec=spec,
        status="diverged" if error else "ok",
        error=error,
        finished_at=datetime.now(UTC).replace(microsecond=0),
        curve=tuple(recorder.curve.items()),
        best_step=best_step,
        validation_score=recorder.curve[best_step] if best_step is not None else None,
        test_score=scores.get(headline),
        test_scores={split: scores[split] for split in datamodule.test_splits if split in scores},
        test_examples=len(datamodule.examples(headline)),
        train_score=scores.get("train"),
        readout_moves=run.hearing.found,
        parameters=run.module.count_parameters(),
        seconds=recorder.seconds,
        tokens_per_second=recorder.tokens_per_second,
        peak_memory_mb=peak_memory_mb(),
        data=describe_data(run.shown, run.log.sources.data),
        body=run.body,
        attempts=run.log.attempts(),
    )
    write_result(result, run.folder, lease.require)
    log_final_scores(run.trainer.loggers, result)
    return result


def _test(run: _Run, best_step: int) -> tuple[dict[str, float], Answers]:
    """Return scores at the best validation step, and what the model says to the headline test set.

    By test split, and of training examples as `train`.
    """
    module, datamodule = run.module, run.datamodule
    load_best(module, run.folder, best_step)
    loaders = dict(zip(datamodule.test_splits, datamodule.test_dataloader(), strict=True))
    sample = [datamodule.training_batch(step) for step in range(max(1, TRAIN_SAMPLE // datamodule.batch_size))]
    at_once = max(1, datamodule.eval_batch_size // datamodule.batch_size)
    joined = [join_batches(sample[first : first + at_once]) for first in range(0, len(sample), at_once)]
    loaders["train"] = DataLoader(joined, batch_size=None)  # type: ignore[arg-type]
    scores, said = {}, {}
    for split, loader in loaders.items():
        try:
            with interruptible():
                metrics = make_tester(run.spec, run.folder).test(module, dataloaders=loader, verbose=False)
        except FloatingPointError as error:  # of the tester, which is at no step
            message = f"logits that are not finite on {split}, by the weights of step {best_step}"
            raise FloatingPointError(f"{message}: look for NaN in the data") from error
        measure = run.recorder.measure
        scores[split] = float(metrics[0][f"test/{measure.name}"])
        if not abs(scores[split]) <= SCORE_BOUND:
            raise ValueError(f"expected a finite {measure.name} on {split}, got {scores[split]}: look at its labels")
        said[split] = module.said()
        expected = sum(len(batch.labels) for batch in joined) if split == "train" else len(datamodule.examples(split))
        if len(said[split].labels) != expected:
            raise ValueError(
                f"expected all {expected:,} examples of {split} to be tested, got {len(said[split].labels):,}: what "
                "makes Lightning leave some out?"
            )
    return scores, said[datamodule.test_splits[0]]
