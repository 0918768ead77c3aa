"""From a spec to a body: the transformer between input layer and readout."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModel, PretrainedConfig, PreTrainedModel

from fpt_bench.bodies.execution import EXECUTIONS, Body, prepare, settle
from fpt_bench.bodies.groups import FAMILIES, OTHER_FAMILIES, freeze, group_parameters
from fpt_bench.bodies.positions import fit_model_positions
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


Initialized = tuple[PreTrainedModel, str, str]
"""A model, a sentence on where it comes from, and the fingerprint of what it started from."""


def _pretrained(plan: Blueprint) -> Initialized:
    """The weights that pretraining left."""
    model = plan.files.load(plan.config, plan.attention, plan.offline)
    return model, plan.files.source, plan.files.fingerprint()


def _random(plan: Blueprint) -> Initialized:
    """The architecture's own initializer; pretrained weights are neither read nor downloaded."""
    config = copy.deepcopy(plan.config)
    # The vocabulary table is thrown away afterwards: do not fill 30,000 rows for nothing.
    config.vocab_size, config.bos_token_id, config.eos_token_id = 1, None, None
    config.pad_token_id = None if getattr(config, "pad_token_id", None) is None else 0
    # Drawn as long as it is needed: in a stretched table neighbours would resemble each other.
    config.max_position_embeddings = max(config.max_position_embeddings, plan.max_length)
    build: Callable[..., PreTrainedModel] = AutoModel.from_config
    model = build(config, attn_implementation=plan.attention, dtype=torch.float32)
    return model, f"weights drawn at random; the architecture of {plan.files.source}", config_fingerprint(plan.config)


def _statistics(plan: Blueprint) -> Initialized:
    """Each tensor drawn anew from a normal with its pretrained mean and standard deviation (Lu et al., Table 9)."""
    model, source, fingerprint = _pretrained(plan)
    with torch.no_grad():
        for parameter in model.parameters():
            mean, deviation = parameter.mean().item(), parameter.std(correction=0).item()
            parameter.normal_(mean, deviation)
    return model, f"tensors drawn at random with the means and deviations of {source}", fingerprint


INITS: Mapping[str, Callable[[Blueprint], Initialized]] = {
    "pretrained": _pretrained,
    "random": _random,
    "statistics": _statistics,
}
"""Where a body's weights come from."""


def plan_body(spec: RunSpec, max_length: int, offline: bool = False) -> Blueprint:
    """Find a body's files and architecture; reads no weights.

    Args:
        spec: the run.
        max_length: largest T that the task can reach.
        offline: never touch the network.

    Raises:
        ValueError: unknown body or init, more layers than there are, a wrong file.
        FileNotFoundError: files that cannot be had.
    """
    require_known("init", spec.init, INITS)
    files = find_body(spec.body, spec.body_path)
    config = files.config(offline)
    if spec.layers is not None and spec.layers > config.num_hidden_layers:
        raise ValueError(f"expected layers from 1 to {config.num_hidden_layers}, got {spec.layers}")
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    return Blueprint(files, config, attention, max_length, offline)


def build_body(spec: RunSpec, max_length: int, offline: bool = False) -> tuple[Body, BodyRecord]:
    """Build, initialize and freeze the body of a run.

    Random weights are drawn from torch's global generator: seed it first.

    Args:
        spec: the run.
        max_length: largest T that the task can reach.
        offline: never touch the network.

    Raises:
        ValueError: as `plan_body`, or an architecture with a parameter that belongs to no group.
        FileNotFoundError: weights that cannot be had.
    """
    plan = plan_body(spec, max_length, offline)
    spec = settle(spec, plan.config)
    notes = _keep_layers(plan.config, spec.layers)
    _set_dropout(plan.config, spec.dropout)
    model, source, fingerprint = INITS[spec.init](plan)
    _drop_unused(model)
    family = plan.config.model_type
    groups = group_parameters(model, family)
    notes += _fit_positions(model, groups, max_length)
    body = EXECUTIONS[spec.body_execution](model, groups)
    freeze(body, body.groups, spec.train, FAMILIES.get(family, OTHER_FAMILIES).absent)
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


def _drop_unused(model: PreTrainedModel) -> None:
    """Remove what a body fed with embeddings never runs: the vocabulary table and a sentence pooler."""
    model.set_input_embeddings(nn.Identity())
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # type: ignore[assignment]


def _fit_positions(model: PreTrainedModel, groups: Mapping[str, str], max_length: int) -> list[str]:
    names = [name for name, group in groups.items() if group == "position"]
    notes = (fit_model_positions(model, name, max_length) for name in names)
    return [note for note in notes if note is not None]
