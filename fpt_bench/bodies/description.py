"""What a body is, found out by building and trying it: what `inspect` shows."""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from fpt_bench.bodies.dropout import set_dropout, set_modules
from fpt_bench.bodies.execution import settle
from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.families.registry import FAMILIES, family_of
from fpt_bench.bodies.find import find_body
from fpt_bench.bodies.groups import count_groups, group_parameters, is_norm
from fpt_bench.bodies.inits.blueprint import Blueprint
from fpt_bench.bodies.inits.random import random
from fpt_bench.bodies.loading import LoadingReport
from fpt_bench.bodies.positions import fit_model_positions
from fpt_bench.bodies.reference import HuggingFaceBody
from fpt_bench.bodies.trial import tried
from fpt_bench.bodies.weights import BodyFiles, not_finite
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import GroupCount

TRIED_DROPOUT, TRIED_LENGTH = 0.5, 9


@dataclass
class BodyDescription:
    """What is known of a body, a sentence's part each, and what is wrong with it."""

    source: str
    family: str
    shape: str
    execution: str
    native: str
    """Whether our transformer computes what the model's own forward does."""
    report: LoadingReport | None = None
    """None: there are no weights, or they could not be read."""
    read: tuple[str, ...] = ()
    """Names of the files that weights are read from."""
    beside: tuple[str, ...] = ()
    """Names of weights that lie beside them and are not read."""
    groups: Mapping[str, GroupCount] = field(default_factory=dict)
    positions: str = "unknown"
    sight: str = "unknown"
    """Which positions a position learns of."""
    norms: str = "unknown"
    dropout: str = "unknown"
    """What `--dropout` reaches."""
    remarks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def describe(name: str, offline: bool) -> BodyDescription:
    """Find, load and try a body by its name, folder or `module:attribute`.

    Raises:
        ValueError: unknown name, or an architecture that cannot be read.
        FileNotFoundError: a folder or package that is not there.
    """
    files = find_body(name)
    config = files.config(offline)
    family = family_of(config.model_type)
    own = config.model_type in FAMILIES
    found = BodyDescription(
        source=files.source,
        family=config.model_type if own else f"{config.model_type}, which has no rules of its own: by common names",
        shape=f"{getattr(config, 'num_hidden_layers', None) or 'no'} layers x {config.hidden_size}",
        execution=settle(RunSpec.model_validate({"task": "bit-xor", "body": name}), config).body_execution,
        native=_native(config, family),
        read=tuple(path.name for path in files.weights),
        beside=files.beside,
    )
    rates = set_dropout(config, TRIED_DROPOUT)
    found.remarks += [note for note in [files.note()] if note is not None]
    try:
        model, found.report = _build(files, config, offline, found)
        found.faults += [f"{name} has numbers that are not finite: a damaged file" for name in not_finite(model)]
        fed = family.feed(model)
        set_modules(fed, TRIED_DROPOUT)
        groups = group_parameters(fed, config.model_type, family.rules, dict(files.rules))
        found.groups = count_groups(dict(fed.named_parameters()), groups)
        _look_at(found, HuggingFaceBody(fed, groups), family, rates)
    except ValueError as error:
        found.faults.append(str(error))
    found.faults += _faults(found, config, family)
    return found


def _build(
    files: BodyFiles, config: PretrainedConfig, offline: bool, found: BodyDescription
) -> tuple[nn.Module, LoadingReport | None]:
    """Return the pretrained model and what became of its tensors; without weights, one drawn at random and None."""
    if files.location is not None:
        try:
            return files.load_and_account(copy.deepcopy(config), "eager", offline)
        except FileNotFoundError as error:
            found.remarks.append(f"the rest is of random weights: {error}")
        except ValueError as error:
            found.faults.append(str(error))
    else:
        found.remarks.append("nobody pretrained it: --init random or task:NAME")
    plan = Blueprint(files, config, "eager", TRIED_LENGTH, offline)
    return random(plan).model, None


def _native(config: PretrainedConfig, family: Family) -> str:
    if family.read_architecture(config) is None:
        return "not tried: our transformer does not know this architecture"
    trial = tried(config)
    if trial.agrees:
        return f"yes: on two layers, states differ by {trial.difference:.1g} of the largest"
    return f"no: {trial.disagreement()}"


def _faults(found: BodyDescription, config: PretrainedConfig, family: Family) -> Iterator[str]:
    if found.report is not None:
        yield from (f"the file has none that fits for {name}" for name in found.report.absent)
        yield from (f"{name} finds no place: {why}" for name, why in found.report.refused.items())
    if family.control is None:
        trial = tried(config)
        if trial.draws:
            yield "two passes in training mode at dropout 0 differ"
        yield from (f"a pass in training mode changes the buffer {name}" for name in trial.moves)


@torch.no_grad()
def _look_at(found: BodyDescription, body: HuggingFaceBody, family: Family, rates: Mapping[str, float]) -> None:
    """Fill in what passes over random embeddings show."""
    torch.default_generator.manual_seed(0)
    embeddings = torch.randn(1, TRIED_LENGTH, body.width)
    mask = torch.ones(1, TRIED_LENGTH, dtype=torch.bool)
    found.positions = _positions(body, family)
    body.eval()
    found.norms = _norms(body, embeddings, mask)
    found.sight = _sight(body, embeddings, mask)
    body.train()
    varies = not torch.equal(body(embeddings, mask, 1), body(embeddings, mask, 1))
    off = " (stays 0: off in its configuration)"
    reached = ", ".join(f"{path}{'' if rate else off}" for path, rate in rates.items())
    passes = "two passes in training mode differ" if varies else "two passes in training mode are the same"
    found.dropout = f"{reached or 'no entry of its configuration'}; at {TRIED_DROPOUT:g} {passes}"


def _positions(body: HuggingFaceBody, family: Family) -> str:
    model = body.model
    tables = [name.removeprefix("model.") for name, group in body.groups.items() if group == "position"]
    if family.relative_positions:
        return "relative, by learned biases for distances; any length"
    if tables:
        rows = {name: len(model.get_parameter(name)) for name in tables}
        for name in tables:
            fit_model_positions(model, name, max(TRIED_LENGTH, rows[name]), family.reserved_positions)
        return ", ".join(f"a learned table {name} of {count:,} rows" for name, count in rows.items())
    rotary: Any = getattr(model.config, "rope_parameters", None)
    if rotary:
        said = f" of base {rotary['rope_theta']:g}" if "rope_theta" in rotary else ""
        return f"rotary{said} ({rotary.get('rope_type', 'default')}); any length"
    return "no parameters"


def _sight(body: HuggingFaceBody, embeddings: Tensor, mask: Tensor) -> str:
    """Say what a position learns of, by changing another one."""
    usual = body(embeddings, mask, TRIED_LENGTH)
    moved = []
    for changed, seen in ((-1, 0), (0, -1)):
        other = embeddings.clone()
        other[:, changed] = torch.randn(body.width)
        moved.append(not torch.equal(body(other, mask, TRIED_LENGTH)[:, seen], usual[:, seen]))
    return {
        (True, True): "both ways: a position sees those before and after it",
        (False, True): "causal: a position sees those before it",
        (True, False): "backwards: a position sees those after it",
        (False, False): "none: a position sees itself alone, or those near it",
    }[(moved[0], moved[1])]


def _norms(body: HuggingFaceBody, embeddings: Tensor, mask: Tensor) -> str:
    """Say where norms stand in the first layer: whether what comes into it goes into one, and what leaves comes out."""
    kinds = Counter(type(module).__name__ for module in body.model.modules() if is_norm(module))
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    stacks = [stack for stack in body.model.modules() if isinstance(stack, nn.ModuleList) and len(stack)]
    layer = next((s[0] for s in stacks if any(is_norm(m) for m in s[0].modules()) and not is_norm(s[0])), None)
    if layer is None:
        return said or "none"
    edges: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        if given:
            edges[module] = _first(given), _first(made)

    norms = [module for module in layer.modules() if is_norm(module)]
    handles = [module.register_forward_hook(keep) for module in (layer, *norms)]
    body(embeddings, mask, 1)
    for handle in handles:
        handle.remove()
    if layer not in edges:
        return said
    came, left = edges[layer]
    first = any(torch.equal(edges[norm][0], came) for norm in norms if norm in edges)
    last = any(torch.equal(edges[norm][1], left) for norm in norms if norm in edges)
    where = {(True, False): "before each branch", (False, True): "after each branch", (True, True): "before and after"}
    return f"{said}; {where.get((first, last), 'inside the branches')}"


def _first(values: Any) -> Tensor:
    first: Tensor = values if isinstance(values, Tensor) else values[0]
    return first
