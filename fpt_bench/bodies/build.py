"""From a spec to a body: the transformer between input layer and readout."""

from collections.abc import Callable, Mapping

import torch
from torch import nn
from transformers import PretrainedConfig

from fpt_bench.bodies.execution import EXECUTIONS, PRODUCT_DTYPES, Body, settle
from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.groups import freeze, group_parameters
from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized, TrainedBody
from fpt_bench.bodies.inits.pretrained_parts import with_parts
from fpt_bench.bodies.inits.trained import load_trained
from fpt_bench.bodies.native.transformer import Transformer
from fpt_bench.bodies.positions import fit_model_positions
from fpt_bench.bodies.weights import DROPOUT_KEY, config_fingerprint, find_body
from fpt_bench.config.inits import read_init
from fpt_bench.config.plugins import import_attribute
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import BodyRecord


def plan_body(spec: RunSpec, max_length: int, offline: bool = False, trained: TrainedBody | None = None) -> Blueprint:
    """Find a body's files and architecture; reads no weights.

    `max_length` is the largest T that the task can reach.

    Raises:
        ValueError: unknown body or init, weights that the body has not, more layers than there are, a wrong file.
        FileNotFoundError: files that cannot be loaded.
    """
    init = read_init(spec.init)
    files = find_body(spec.body, spec.body_path)
    if files.location is None and init.reads_weights:
        raise ValueError(f"init '{spec.init}': body '{spec.body}' has no pretrained weights; ask for random")
    config = files.config(offline)
    if spec.layers is not None and not config.num_hidden_layers:
        raise ValueError(f"expected no layers for body '{spec.body}', which has none to keep; got {spec.layers}")
    if spec.layers is not None and spec.layers > config.num_hidden_layers:
        raise ValueError(f"expected layers from 1 to {config.num_hidden_layers}, got {spec.layers}")
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    return Blueprint(files, config, attention, max_length, offline, spec.init, init.numbers, trained)


def build_body(
    spec: RunSpec, max_length: int, offline: bool = False, trained: TrainedBody | None = None
) -> tuple[Body, BodyRecord]:
    """Build, initialize and freeze the body of a run.

    Random weights are drawn from torch's global generator: seed it first. `trained` is the body that the init names,
    where it names a task; the rest is as in `plan_body`.

    Raises:
        ValueError: as `plan_body`, or an architecture with a parameter that belongs to no group.
        FileNotFoundError: weights that cannot be loaded.
    """
    plan = plan_body(spec, max_length, offline, trained)
    spec = settle(spec, plan.config)
    notes = []
    if spec.layers not in (None, plan.config.num_hidden_layers):
        notes.append(f"the first {spec.layers} of {plan.config.num_hidden_layers} layers")
        plan.config.num_hidden_layers = spec.layers
    _set_dropout(plan.config, spec.dropout)
    init = read_init(spec.init)
    initialize: Callable[[Blueprint], Initialized] = import_attribute("init", init.kind.path)
    found = initialize(plan)
    model, source, fingerprint, kept = with_parts(plan, found, init.parts) if init.parts else found
    family = family_of(plan.config.model_type)
    model = family.feed(model)
    groups = group_parameters(model, plan.config.model_type, family.rules, dict(plan.files.rules))
    notes += _fit_positions(model, groups, family, max_length)
    body = EXECUTIONS[spec.body_execution](model, groups)
    if trained is not None:
        notes += load_trained(body, body.groups, trained)
    freeze(body, body.groups, spec.train, family.absent | plan.files.absent)
    if isinstance(body, Transformer):  # Trainer casts the others
        body.store_frozen(PRODUCT_DTYPES[spec.precision])
    record = BodyRecord(
        source=source,
        fingerprint=fingerprint,
        pinned=plan.files.is_pinned(plan.config),
        bytes_kept=round(kept * plan.files.bytes_a_number()) if kept else 0,
        trained_by=trained.run if trained is not None else None,
        execution=spec.body_execution,
        notes=tuple(notes),
    )
    return body, record


def planned_fingerprint(spec: RunSpec, plan: Blueprint) -> str:
    """Return the fingerprint that `build_body` would record, 64 hexadecimal digits; reads no weights into memory.

    Not for an init that names a task: its body is known once it is trained.
    """
    if spec.layers is not None:
        plan.config.num_hidden_layers = spec.layers
    return (
        plan.files.fingerprint(plan.config) if read_init(spec.init).reads_weights else config_fingerprint(plan.config)
    )


def _set_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Set every dropout probability of the body, whatever its family calls it."""
    for key, value in config.to_dict().items():
        if DROPOUT_KEY.fullmatch(key) and isinstance(value, int | float):
            setattr(config, key, dropout)


def _fit_positions(model: nn.Module, groups: Mapping[str, str], family: Family, max_length: int) -> list[str]:
    names = [name for name, group in groups.items() if group == "position" and not family.relative_positions]
    notes = (fit_model_positions(model, name, max_length, family.reserved_positions) for name in names)
    return [note for note in notes if note is not None]
