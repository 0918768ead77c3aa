"""FPTModule: input layer, partially frozen transformer, readout. The one LightningModule."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from datamodules.constants import is_labelled
from datamodules.contract import Batch, TaskSpec
from datamodules.metrics import Metric
from datamodules.randomness import derive_seed
from fpt_bench.bodies.execution import Body
from fpt_bench.bodies.groups import count_groups
from fpt_bench.bodies.native import device as devices
from fpt_bench.config.spec import RunSpec, make_spec
from fpt_bench.results.predictions import Answers
from fpt_bench.results.result import GroupCount
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.objective import mean_loss, what_is_said, what_is_scored
from fpt_bench.training.plain_batches import as_batch

INPUT_GAIN = 1.41
"""Gain of the orthogonal input layer (published code, experiment.py)."""
FEW = 2**20
"""Trained numbers up to which Adam on a CPU takes all tensors at once: with more, its temporary copies cost more."""


def make_input_layer(task: TaskSpec, width: int, scale: float = 1.0) -> nn.Module:
    """Build the layer in front of the body: (B, T, D) float or (B, T) int64 -> (B, T, H) float.

    Vectors: linear, orthogonal with gain 1.41 times `scale`, zero bias. Tokens: an embedding drawn from a normal of
    deviation `scale`.
    """
    if task.input_kind == "tokens":
        table = nn.Embedding(task.input_size, width)
        table.weight.data.mul_(scale)
        return table
    layer = nn.Linear(task.input_size, width)
    nn.init.orthogonal_(layer.weight, gain=INPUT_GAIN * scale)
    nn.init.zeros_(layer.bias)
    return layer


def reseed(seed: int, device: torch.device) -> None:
    """Seed what draws on a device."""
    if device.type == "cpu":
        # `torch.manual_seed` would write down a stack trace for a GPU that is not there, at the cost of an optimizer.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def plain_task(task: TaskSpec) -> dict[str, Any]:
    """Return the fields of a task as plain values, as a checkpoint may hold them."""
    fields = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    metric = dataclasses.asdict(task.metric) if isinstance(task.metric, Metric) else task.metric
    return {**fields, "trivial": dict(task.trivial), "metric": metric}


class FPTModule(pl.LightningModule):
    """A transformer of which only some parameter groups learn. It knows no task, only a TaskSpec.

    Logits are always (B, L, C): C classes, or 1 where a label is a number or a yes or no. The body is already frozen as
    `spec.train` says; the spec's seed decides the input layer, the readout and the dropout of every step.

    Nothing is read from the device in a training step, since the program would wait for a GPU. Losses stay where they
    are until the Trainer logs, a validation starts, a checkpoint is written or training ends; then all of them are
    looked at, and a run of which one is not finite has diverged at that step.
    """

    def __init__(self, task: TaskSpec, body: Body, spec: RunSpec) -> None:
        super().__init__()
        # A checkpoint holds what is trained; the frozen rest is rebuilt from the spec.
        self.strict_loading = False
        # What loggers are told, and what `load_from_checkpoint` builds the frozen rest from: plain values alone.
        self.save_hyperparameters({"spec": spec.model_dump(mode="json"), "task": plain_task(task)})
        self.task = task
        self.spec = spec
        self.body = body
        # Seeded apart from the body, so that all arms of one seed start from the same input layer.
        torch.manual_seed(derive_seed(spec.seed, "input and readout", body.width))
        self.input = make_input_layer(task, body.width, spec.input_scale)
        self.readout = nn.Linear(body.width, task.num_labels // task.read_positions * task.num_classes)
        self.given_features = False
        """Whether batches hold what `features` would give, because the body does not learn."""
        self.last_loss: float | None = None
        """Training loss of the last step that was looked at."""
        self._unread: list[tuple[int, Tensor]] = []
        """Steps since then, with their losses."""
        self._finite_logits: Tensor | None = None
        """Whether all logits of the evaluation that goes on were finite, a bool on the device."""
        self._said: list[tuple[Tensor, Tensor, Tensor | None]] = []
        """Labels (B, L), answers (B, L) and their probabilities (B, L) of each batch of the last test."""
        self.groups = self._group_all()
        for group, layer in (("input", self.input), ("readout", self.readout)):
            layer.requires_grad_(group in spec.train)
        # That labels are classes, cross-entropy checks as well, and without waiting for a GPU.
        self.validation_metric = task.make_metric(checked=False)
        self.test_metric = task.make_metric()

    @classmethod
    def from_spec(cls, spec: RunSpec, task: TaskSpec, offline: bool = False) -> "FPTModule":
        """Build the model of a run as it is before its first step, for a Trainer and data of your own.

        Raises:
            ValueError: the spec asks for something that does not exist, such as more layers than the body has.
            FileNotFoundError: weights that are not available.
        """
        from fpt_bench.training.model import make_model

        return make_model(spec, task, Workspace(offline=offline), None)[0]

    @classmethod
    def load_from_checkpoint(
        cls, checkpoint_path: Any, map_location: Any = None, *_: Any, offline: bool = False, **__: Any
    ) -> "FPTModule":
        """Build the model that a checkpoint is of, with the weights in it; the frozen rest is made as before training.

        Raises:
            FileNotFoundError: there is no checkpoint, or weights that are not available.
            ValueError: it is damaged, or was written before checkpoints said what they are of.
        """
        from fpt_bench.training.checkpoints import read_checkpoint, require_weights

        checkpoint = read_checkpoint(Path(checkpoint_path))
        said = checkpoint.get(cls.CHECKPOINT_HYPER_PARAMS_KEY, {})
        if not {"spec", "task"} <= said.keys():
            raise ValueError(
                f"{checkpoint_path}: expected a checkpoint that says which run it is of, found no spec and task in it; "
                "build the model with FPTModule.from_spec(spec, task), and load its `state_dict` with strict=False"
            )
        fields = said["task"]
        metric = Metric(**fields["metric"]) if isinstance(fields["metric"], dict) else fields["metric"]
        module = cls.from_spec(make_spec(said["spec"]), TaskSpec(**{**fields, "metric": metric}), offline)
        try:
            require_weights(checkpoint, module.trained_parameters())
        except ValueError as error:
            raise ValueError(f"{checkpoint_path}: {error}") from error
        module.load_state_dict(checkpoint["state_dict"], strict=False)
        return module if map_location is None else module.to(map_location)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        return as_batch(batch, self.task)

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of a batch, (B, L, C) float32."""
        features = self.features(batch)
        with self._in_float32():
            logits: Tensor = self.readout(features.float())
        return logits.reshape(len(logits), self.task.num_labels, self.task.num_classes)

    def features(self, batch: Batch) -> Tensor:
        """Return what the body leaves at the positions that are read out, (B, R, H) float32."""
        if self.given_features:
            return batch.inputs
        with self._in_float32():
            embedded = self.input(batch.inputs)
        hidden: Tensor = self.body(embedded, batch.mask, self.task.read_positions, batch.lengths)
        return hidden.float()

    def _in_float32(self) -> torch.autocast:
        """Return the context of the new layers: autocast, which the reference body's products may have, ends there."""
        return torch.autocast(self.device.type, enabled=False)

    def loss(self, batch: Batch) -> Tensor:
        """Return the task's loss, a mean over all labels of a batch; cross-entropy is in nats."""
        return mean_loss(self.task, self(batch), batch.labels)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        # Dropout depends on seed and step alone: a resumed run draws what an uninterrupted one draws.
        # Of several processes, each draws masks of its own.
        rank = (self.global_rank,) if self.trainer.world_size > 1 else ()
        reseed(derive_seed(self.spec.seed, "dropout", self.global_step, *rank), self.device)
        self._warm_up()

    def _warm_up(self) -> None:
        """Set the rate of a first step: of the step alone, so that a resumed run has that of an undisturbed one."""
        if self.global_step < self.spec.warmup_steps:
            for group in self.trainer.optimizers[0].param_groups:
                group["lr"] = self.spec.learning_rate * (self.global_step + 1) / self.spec.warmup_steps

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        loss = self._weighted(self.loss(batch), batch.labels)
        self._unread.append((self.global_step, loss.detach()))
        if self._is_logged():
            self._look_at_losses()
            self.log("train/loss", loss, sync_dist=True)
        return loss

    def _weighted(self, loss: Tensor, labels: Tensor) -> Tensor:
        """Weigh the mean over a slice's labels by their number: the mean over processes is then that of the batch."""
        if not self.task.ragged or self._trainer is None or self._trainer.world_size == 1:
            return loss
        own = is_labelled(labels).sum().float()
        return loss * own / self._trainer.strategy.reduce(own.clone(), reduce_op="mean")

    def on_validation_start(self) -> None:
        self._look_at_losses()

    def on_train_end(self) -> None:
        self._look_at_losses()

    def _is_logged(self) -> bool:
        """Return whether the Trainer logs the step that goes on."""
        if self._trainer is None:
            return True
        every: int = self._trainer.log_every_n_steps  # type: ignore[attr-defined]
        return every > 0 and (self.global_step + 1) % every == 0

    def _look_at_losses(self) -> None:
        """Read all losses since the last look, at once.

        Raises:
            FloatingPointError: one of them, or of another process's, is not finite; the message names the first.
        """
        if not self._unread:
            return
        steps, losses = zip(*self._unread, strict=True)
        self._unread.clear()
        found = list(zip(torch.stack(losses).tolist(), steps, strict=True))
        self.last_loss, _ = found[-1]
        first = next((pair for pair in found if not math.isfinite(pair[0])), None)
        if not self._everywhere(first is None):
            loss, step = first or found[-1]
            raise FloatingPointError(f"the loss is {loss} at step {step}")

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        logits, measure = self._watched(self(batch)), self.task.measure
        measure.update(self.validation_metric, what_is_scored(self.task, logits), batch.labels)
        self.log(f"val/{measure.name}", self.validation_metric, batch_size=len(batch.labels))
        weight = int(is_labelled(batch.labels).sum()) if self.task.ragged else len(batch.labels)
        self.log("val/loss", mean_loss(self.task, logits, batch.labels), batch_size=weight, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        self._require_finite_logits()

    def on_test_start(self) -> None:
        self._said.clear()

    def test_step(self, batch: Batch, batch_index: int) -> None:
        logits, measure = self._watched(self(batch)), self.task.measure
        self._said.append((batch.labels, *what_is_said(self.task, logits)))
        measure.update(self.test_metric, what_is_scored(self.task, logits), batch.labels)
        self.log(f"test/{measure.name}", self.test_metric, batch_size=len(batch.labels))

    def said(self) -> Answers:
        """Return what was said to the examples of the last test, in their order."""
        labels, said, confidence = (
            None if each[0] is None else torch.cat(each).cpu().numpy()  # type: ignore[arg-type]  # all are, or none
            for each in zip(*self._said, strict=True)
        )
        assert labels is not None
        assert said is not None
        return Answers(labels, said, confidence)

    def on_test_epoch_end(self) -> None:
        self._require_finite_logits()

    def _everywhere(self, holds: bool) -> bool:
        """Return whether something holds in all processes of the run, so that they diverge together or not at all."""
        if self._trainer is None or self._trainer.world_size == 1:
            return holds
        return bool(self._trainer.strategy.reduce_boolean_decision(holds))

    def _watched(self, logits: Tensor) -> Tensor:
        finite = torch.isfinite(logits).all()
        self._finite_logits = finite if self._finite_logits is None else self._finite_logits & finite
        return logits

    def _require_finite_logits(self) -> None:
        """Refuse an evaluation with logits that are not finite, before anything of it is recorded.

        The largest of NaNs is a class like any other: a score would come out, and mean nothing.
        """
        finite, self._finite_logits = self._finite_logits, None
        if not self._everywhere(finite is None or bool(finite)):
            raise FloatingPointError(f"logits that are not finite at step {self.global_step}: look for NaN in the data")

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # By Lightning's own call, a CPU would take an operator a tensor, and autocast would refuse fused Adam for the
        # sake of scaled gradients, which bfloat16 has not.
        if gradient_clip_val is not None:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, gradient_clip_val, foreach=True)

    def configure_optimizers(self) -> Optimizer:
        parameters = list(self.trained_parameters().values())
        fused = devices.on_gpu(parameters[0].device)
        # On a CPU the numbers are the same either way; fused, they would not be.
        at_once = not fused and sum(parameter.numel() for parameter in parameters) <= FEW
        return torch.optim.Adam(parameters, lr=self.spec.learning_rate, fused=fused, foreach=at_once)

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that learn, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def count_parameters(self) -> dict[str, GroupCount]:
        """Count trained and all numbers of each group, input and readout included."""
        return count_groups(dict(self.named_parameters()), self.groups)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._look_at_losses()  # what is unread would be lost to whoever goes on from here
        trained = self.trained_parameters()
        checkpoint["state_dict"] = {name: value for name, value in checkpoint["state_dict"].items() if name in trained}

    def _group_all(self) -> Mapping[str, str]:
        groups = {f"body.{name}": group for name, group in self.body.groups.items()}
        for prefix in ("input", "readout"):
            groups |= {f"{prefix}.{name}": prefix for name, _ in getattr(self, prefix).named_parameters()}
        return groups
