"""How many numbers of the pretrained body an init still has: counted from shapes alone, weights unread."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from fpt_bench.bodies.architecture_fingerprint import config_fingerprint
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.groups import is_norm
from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import Block, all_matrices, blocks_of
from fpt_bench.bodies.loading import unused_tensors
from fpt_bench.config.inits import TASK_PREFIX, read_init
from fpt_bench.config.plugins import import_attribute

_OF_BLOCK: Mapping[str, Callable[[Block], Iterable[Tensor]]] = {
    "query-key": lambda block: (block.query, block.key),
    "value-output": lambda block: (block.value, block.output, *block.attention_scale),
    "feedforward": lambda block: (*block.feedforward, *block.feedforward_biases, *block.feedforward_scale),
}


def used_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that a body fed with embeddings runs."""
    unused = unused_tensors(model)
    return [value for name, value in model.named_parameters() if name not in unused]


def tensors_of_part(plan: Blueprint, model: nn.Module, part: str) -> list[Tensor]:
    """Return views of a part, one of PARTS, of a model as its family builds it.

    Raises:
        ValueError: the body has no such part.
    """
    if part in _OF_BLOCK:
        found = [tensor for block in blocks_of(model, plan.config, plan.name) for tensor in _OF_BLOCK[part](block)]
    elif part == "rest":
        blocks = blocks_of(model, plan.config, plan.name)
        others = [*(p for block in blocks for p in block.parameters), *_norms(model), *_positions(model)]
        told_apart = set(map(id, others))
        found = [parameter.detach() for parameter in used_parameters(model) if id(parameter) not in told_apart]
    else:
        found = [parameter.detach() for parameter in (_norms(model) if part == "norms" else _positions(model))]
    if not found:
        raise ValueError(f"init '{plan.name}': expected a body with {part}, got {plan.config.model_type}, without")
    return found


def numbers_kept(plan: Blueprint, model: nn.Module) -> int:
    """Return how many numbers of a pretrained model a plan's init keeps; constants, gains and noise count nothing.

    Raises:
        ValueError: the body has not the shape for the init.
    """
    parts = (tensors_of_part(plan, model, part) for part in read_init(plan.name).parts)
    count = _word_count(plan, model) + sum(tensor.numel() for tensors in parts for tensor in tensors)
    return min(count, _all(plan, model))  # of `permuted`, which has all of it already


def planned_numbers(plan: Blueprint) -> int:
    """Return how many numbers a plan's init will keep; no weights are read, and none are drawn.

    Raises:
        ValueError: the body has not the shape for the init.
    """
    init = read_init(plan.name)
    with torch.device("meta"):  # shapes alone
        if init.kind.takes == "nothing":
            initialize: Callable[[Blueprint], Initialized] = import_attribute("init", init.kind.path)
            initialize(plan)  # refuses a shape that is not for it
        if not init.reads_weights:
            return 0
        return numbers_kept(plan, family_of(plan.config.model_type).build_random(plan.config, plan.attention))


def require_fit(plan: Blueprint) -> None:
    """Raise a ValueError unless the body has the shape for the init; once for each of the two."""
    key = config_fingerprint(plan.config), plan.name
    if plan.name not in ("pretrained", "random") and not plan.name.startswith(TASK_PREFIX) and key not in _FITTING:
        planned_numbers(plan)
        _FITTING.add(key)


_FITTING: set[tuple[str, str]] = set()
"""Architectures, by fingerprint, and inits that they were found to have the shape for."""


def _word_count(plan: Blueprint, model: nn.Module) -> int:
    count = _COUNTS.get(plan.name.partition("+")[0].partition(":")[0])
    return count(plan, model) if count else 0


def _all(_: Blueprint, model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in used_parameters(model))


def _all_of_layers(plan: Blueprint, model: nn.Module) -> int:
    count = len(blocks_of(model, plan.config, plan.name))  # a family without layers of one kind is refused
    if count < 2:
        raise ValueError(f"init '{plan.name}': expected two layers or more, which have another order, got {count}")
    return _all(plan, model)


def _all_but_positions_at_zero(plan: Blueprint, model: nn.Module) -> int:
    positions = sum(tensor.numel() for tensor in tensors_of_part(plan, model, "positions"))
    return _all(plan, model) - (0 if read_init(plan.name).numbers[0] else positions)


def _two_a_tensor(plan: Blueprint, model: nn.Module) -> int:
    """Count mean and deviation of each tensor that no part replaces whole."""
    replaced: Counter[int] = Counter()
    for part in read_init(plan.name).parts:
        for tensor in tensors_of_part(plan, model, part):
            replaced[tensor.untyped_storage()._cdata] += tensor.numel()
    return 2 * sum(replaced[p.untyped_storage()._cdata] < p.numel() for p in used_parameters(model))


def _two_a_head(plan: Blueprint, model: nn.Module) -> int:
    """Count a diagonal of query x key and one of value x output, but those that a part replaces."""
    left = {"query-key", "value-output"} - set(read_init(plan.name).parts)
    return sum(len(left) * block.heads for block in blocks_of(model, plan.config, plan.name))


def _one_a_matrix(plan: Blueprint, model: nn.Module) -> int:
    return len(_matrices(plan, model))


def _singular_values(plan: Blueprint, model: nn.Module) -> int:
    return sum(min(matrix.shape) for matrix in _matrices(plan, model))


def _directions(plan: Blueprint, model: nn.Module) -> int:
    """Count both ends of K directions, their lengths included, and what is left: the norm of the rest.

    No more than the matrix has, which is fewer where K is large.
    """
    count, matrices = int(read_init(plan.name).numbers[0]), _matrices(plan, model)
    most = min((min(matrix.shape) for matrix in matrices), default=count)
    if count > most:
        raise ValueError(
            f"init '{plan.name}': expected K of at most {most}, the smallest side of a matrix, got {count}"
        )
    return sum(min(count * sum(matrix.shape) + (count < min(matrix.shape)), matrix.numel()) for matrix in matrices)


def _matrices(plan: Blueprint, model: nn.Module) -> list[Tensor]:
    """Return those that no part replaces."""
    blocks, parts = blocks_of(model, plan.config, plan.name), read_init(plan.name).parts
    replaced = {
        id(tensor) for part in parts if part in _OF_BLOCK for block in blocks for tensor in _OF_BLOCK[part](block)
    }
    return [matrix for matrix in all_matrices(blocks) if id(matrix) not in replaced]


_COUNTS: Mapping[str, Callable[[Blueprint, nn.Module], int]] = {
    "pretrained": _all,
    "layers-shuffled": _all_of_layers,
    "position-gain": _all_but_positions_at_zero,
    "permuted": _all,
    "rank": _directions,
    "spectrum": _singular_values,
    "statistics": _two_a_tensor,
    "diagonals": _two_a_head,
    "random-scaled": _one_a_matrix,
}
"""Inits that read weights, by the first word of their names; all others keep nothing."""


def _norms(model: nn.Module) -> Iterable[nn.Parameter]:
    for module in model.modules():
        if is_norm(module):
            yield from module.parameters()


def _positions(model: nn.Module) -> Iterable[nn.Parameter]:
    for name, value in model.named_parameters():
        if "position" in name or "wpe" in name:
            yield value
