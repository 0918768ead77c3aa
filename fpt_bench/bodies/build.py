"""From a spec to a body: the transformer between input layer and readout."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PretrainedConfig

from fpt_bench.bodies.execution import EXECUTIONS, Body, prepare, settle
from fpt_bench.bodies.groups import FAMILIES, OTHER_FAMILIES, Family, freeze, group_parameters
from fpt_bench.bodies.models import build_random, feed_embeddings
from fpt_bench.bodies.positions import fit_model_positions
from fpt_bench.bodies.trained import PREFIX, TrainedBody, load_trained, pretraining_spec
from fpt_bench.bodies.weights import DROPOUT_KEY, BodyFiles, config_fingerprint, find_body
from fpt_bench.names import require_known
from fpt_bench.results import BodyRecord
from fpt_bench.spec import RunSpec


@dataclass(frozen=True)
class Blueprint:
    """All that an init is told."""

    files: BodyFiles
    config: PretrainedConfig
    attention: str
    """Attention implementation, as transformers calls it."""
    max_length: int
    offline: bool
    trained: TrainedBody | None = None
    """What the init takes its weights from, where it names a task."""


Initialized = tuple[nn.Module, str, str]
"""A model, a sentence on where it comes from, and the fingerprint of what it started from."""


def _pretrained(plan: Blueprint) -> Initialized:
    """The weights that pretraining left."""
    model = plan.files.load(plan.config, plan.attention, plan.offline)
    return model, plan.files.source, plan.files.fingerprint()


def _random(plan: Blueprint) -> Initialized:
    """The architecture's own initializer; pretrained weights are neither read nor downloaded."""
    config = copy.deepcopy(plan.config)
    # The vocabulary table is thrown away afterwards: do not fill 30,000 rows for nothing.
    if hasattr(config, "vocab_size"):
        config.vocab_size, config.bos_token_id, config.eos_token_id = 1, None, None
        config.pad_token_id = None if getattr(config, "pad_token_id", None) is None else 0
    _lengthen(config, plan.max_length)
    model = build_random(config, plan.attention)
    return model, f"weights drawn at random; the architecture of {plan.files.source}", config_fingerprint(plan.config)


def _lengthen(config: PretrainedConfig, length: int) -> None:
    """Let a position table be drawn as long as it is needed: in a stretched one neighbours would be alike."""
    if hasattr(config, "patch_size"):
        config.image_size = max(config.image_size, config.patch_size * math.ceil(math.sqrt(length)))
    elif hasattr(config, "max_position_embeddings"):
        reserved = FAMILIES.get(config.model_type, OTHER_FAMILIES).reserved_positions
        needed = length + config.pad_token_id + 1 if reserved else length
        config.max_position_embeddings = max(config.max_position_embeddings, needed)


def _statistics(plan: Blueprint) -> Initialized:
    """Each tensor drawn anew from a normal with its pretrained mean and standard deviation (Lu et al., Table 9)."""
    model, source, fingerprint = _pretrained(plan)
    with torch.no_grad():
        for parameter in model.parameters():
            mean, deviation = parameter.mean().item(), parameter.std(correction=0).item()
            parameter.normal_(mean, deviation)
    return model, f"tensors drawn at random with the means and deviations of {source}", fingerprint


def _trained(plan: Blueprint) -> Initialized:
    """A random body trained in full on a task, once: a row of configs/pretraining.yaml (Lu et al., Table 2)."""
    assert plan.trained is not None, "the harness has it trained before it builds a body on it"
    model, _, _ = _random(plan)
    return model, f"{plan.trained.story}; the architecture of {plan.files.source}", plan.trained.fingerprint


TASK_INIT = f"{PREFIX}NAME"
INITS: Mapping[str, Callable[[Blueprint], Initialized]] = {
    "pretrained": _pretrained,
    "random": _random,
    "statistics": _statistics,
    TASK_INIT: _trained,
}
"""Where a body's weights come from."""
READ_WEIGHTS = frozenset({"pretrained", "statistics"})
"""Inits that need a body which somebody pretrained."""


def _kind(init: str) -> str:
    """Give the key of INITS that an init means."""
    return TASK_INIT if init.startswith(PREFIX) else init


def plan_body(spec: RunSpec, max_length: int, offline: bool = False, trained: TrainedBody | None = None) -> Blueprint:
    """Find a body's files and architecture; reads no weights.

    Args:
        spec: the run.
        max_length: largest T that the task can reach.
        offline: never touch the network.

    Raises:
        ValueError: unknown body or init, weights that the body has not, more layers than there are, a wrong file.
        FileNotFoundError: files that cannot be had.
    """
    require_known("init", _kind(spec.init), INITS)
    if spec.init.startswith(PREFIX):
        pretraining_spec(spec)
    files = find_body(spec.body, spec.body_path)
    if files.place is None and spec.init in READ_WEIGHTS:
        raise ValueError(f"init '{spec.init}': body '{spec.body}' has no pretrained weights; ask for random")
    config = files.config(offline)
    if spec.layers is not None and not config.num_hidden_layers:
        raise ValueError(f"expected no layers for body '{spec.body}', which has none to keep; got {spec.layers}")
    if spec.layers is not None and spec.layers > config.num_hidden_layers:
        raise ValueError(f"expected layers from 1 to {config.num_hidden_layers}, got {spec.layers}")
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    return Blueprint(files, config, attention, max_length, offline, trained)


def build_body(
    spec: RunSpec, max_length: int, offline: bool = False, trained: TrainedBody | None = None
) -> tuple[Body, BodyRecord]:
    """Build, initialize and freeze the body of a run.

    Random weights are drawn from torch's global generator: seed it first.

    Args:
        spec: the run.
        max_length: largest T that the task can reach.
        offline: never touch the network.
        trained: the body that the init names, where it names a task.

    Raises:
        ValueError: as `plan_body`, or an architecture with a parameter that belongs to no group.
        FileNotFoundError: weights that cannot be had.
    """
    plan = plan_body(spec, max_length, offline, trained)
    spec = settle(spec, plan.config)
    notes = _keep_layers(plan.config, spec.layers)
    _set_dropout(plan.config, spec.dropout)
    model, source, fingerprint = INITS[_kind(spec.init)](plan)
    model = feed_embeddings(model)
    family = FAMILIES.get(plan.config.model_type, OTHER_FAMILIES)
    groups = group_parameters(model, plan.config.model_type)
    notes += _fit_positions(model, groups, family, max_length)
    body = EXECUTIONS[spec.body_execution](model, groups)
    if trained is not None:
        notes += load_trained(body, body.groups, trained)
    freeze(body, body.groups, spec.train, family.absent)
    prepare(body, spec)
    return body, BodyRecord(source=source, fingerprint=fingerprint, execution=spec.body_execution, notes=tuple(notes))


def _keep_layers(config: PretrainedConfig, layers: int | None) -> list[str]:
    """Keep the first `layers` layers, and give the sentence that says so."""
    if layers is None or layers == config.num_hidden_layers:
        return []
    note = f"the first {layers} of {config.num_hidden_layers} layers"
    config.num_hidden_layers = layers
    return [note]


def _set_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Set every dropout probability of the body, whatever its family calls it."""
    for key, value in config.to_dict().items():
        if DROPOUT_KEY.fullmatch(key) and isinstance(value, int | float):
            setattr(config, key, dropout)


def _fit_positions(model: nn.Module, groups: Mapping[str, str], family: Family, max_length: int) -> list[str]:
    names = [name for name, group in groups.items() if group == "position" and not family.relative_positions]
    notes = (fit_model_positions(model, name, max_length, family.reserved_positions) for name in names)
    return [note for note in notes if note is not None]
