"""From a spec to a body: the transformer between input layer and readout."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from fpt_bench.bodies.architecture_fingerprint import config_fingerprint
from fpt_bench.bodies.dropout import set_dropout, set_modules
from fpt_bench.bodies.execution import EXECUTIONS, PRODUCT_DTYPES, Body, disagreement, settle
from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.find import find_body
from fpt_bench.bodies.groups import freeze, group_parameters
from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized, TrainedBody
from fpt_bench.bodies.inits.pretrained_parts import with_parts
from fpt_bench.bodies.inits.random import random_fingerprint
from fpt_bench.bodies.inits.trained import load_trained
from fpt_bench.bodies.native.transformer import Transformer
from fpt_bench.bodies.positions import fit_model_positions
from fpt_bench.bodies.smaller import keep_layers
from fpt_bench.bodies.trial import tried
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
    if init.reads_weights:
        files.require_checkpoint()
    config = files.config(offline)
    if spec.layers is not None and not config.num_hidden_layers:
        raise ValueError(f"expected no layers for body '{spec.body}', which has none to keep; got {spec.layers}")
    if spec.layers is not None and spec.layers > config.num_hidden_layers:
        raise ValueError(f"expected layers from 1 to {config.num_hidden_layers}, got {spec.layers}")
    # Not every class has a fused attention: on a GPU the library takes the best of what this one has.
    attention = None if torch.cuda.is_available() else "eager"
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
    if spec.body_execution == "reference" and (wrong := disagreement(plan.config)) is not None:
        notes.append(f"run by the model's own forward: {wrong}")
    if spec.layers not in (None, plan.config.num_hidden_layers):
        notes.append(f"the first {spec.layers} of {plan.config.num_hidden_layers} layers")
        keep_layers(plan.config, spec.layers)
    set_dropout(plan.config, spec.dropout)
    init = read_init(spec.init)
    if init.reads_weights and (note := plan.files.note()) is not None:
        notes.append(note)
    initialize: Callable[[Blueprint], Initialized] = import_attribute("init", init.kind.path)
    found = initialize(plan)
    model, source, fingerprint, kept = with_parts(plan, found, init.parts) if init.parts else found
    family = family_of(plan.config.model_type)
    if spec.body_execution == "reference" and family.control is None:
        _require_stillness(plan)
    model = family.feed(model)
    set_modules(model, spec.dropout)
    groups = group_parameters(model, plan.config.model_type, family.rules, dict(plan.files.rules))
    notes += _fit_positions(model, groups, family, max_length)
    body = EXECUTIONS[spec.body_execution](model, groups)
    if trained is not None:
        notes += load_trained(body, body.groups, trained)
    freeze(body, body.groups, spec.train, family.absent | plan.files.absent)
    if isinstance(body, Transformer):  # Trainer casts the others
        body.store_frozen(PRODUCT_DTYPES[spec.precision])
    body.train()  # a model of the library is in evaluation mode after reading weights, and no Trainer changes it
    architecture = family.read_architecture(plan.config)
    record = BodyRecord(
        source=source,
        shape=None if architecture is None else architecture.in_words(),
        fingerprint=fingerprint,
        pinned=not init.reads_weights or plan.files.is_pinned(plan.config),
        bytes_kept=round(kept * plan.files.bytes_a_number()) if kept else 0,
        trained_by=trained.run if trained is not None else None,
        trained_score=trained.score if trained is not None else None,
        execution=spec.body_execution,
        notes=tuple(notes),
    )
    return body, record


def planned_fingerprint(spec: RunSpec, plan: Blueprint) -> str:
    """Return the fingerprint that `build_body` would record, 64 hexadecimal digits; reads no weights into memory.

    Not for an init that names a task: its body is known once it is trained.
    """
    if spec.layers is not None:
        keep_layers(plan.config, spec.layers)
    init = read_init(spec.init)
    if init.reads_weights:
        return plan.files.fingerprint(plan.config)
    return (random_fingerprint if init.kind.draws_as_published else config_fingerprint)(plan.config)


def _require_stillness(plan: Blueprint) -> None:
    """Refuse a body that draws at random where there is no dropout, or that changes what no checkpoint holds."""
    trial = tried(plan.config)
    if trial.draws:
        raise ValueError(
            f"{plan.files.source}: expected two passes in training mode at dropout 0 to agree, they differ: something "
            "in it draws at random that no entry of config.json sets. Give it a rate there whose name says dropout"
        )
    if trial.moves:
        raise ValueError(
            f"{plan.files.source}: expected buffers to stay as they are, got {len(trial.moves)} that a pass in "
            f"training mode changes, such as {trial.moves[0]}; a checkpoint keeps what is trained alone. Let it change "
            "where gradients do, as a parameter, or not at all"
        )


def _fit_positions(model: nn.Module, groups: Mapping[str, str], family: Family, max_length: int) -> list[str]:
    names = [name for name, group in groups.items() if group == "position" and not family.relative_positions]
    notes = (fit_model_positions(model, name, max_length, family.reserved_positions) for name in names)
    return [note for note in notes if note is not None]
