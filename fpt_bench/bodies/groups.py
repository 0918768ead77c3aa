"""Parameter groups: every parameter of a body is in exactly one, by its module's type or a rule of its family."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from torch import nn

from fpt_bench.config.spec import LAST_ATTENTION
from fpt_bench.results.result import GroupCount

BODY_GROUPS = ("norm", "position", "attention", "feedforward", "token")
"""Groups of a body. `token` (tables of words and segments, what only words would use) is never trained: a body is fed
embeddings."""

NO_RULES: Mapping[str, str] = MappingProxyType({})


def is_norm(module: nn.Module) -> bool:
    """Return whether a module normalises; RMS norms have a class of their own in every family."""
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith(("RMSNorm", "T5LayerNorm"))


def group_parameters(
    model: nn.Module, model_type: str, rules: Mapping[str, str], own: Mapping[str, str] = NO_RULES
) -> dict[str, str]:
    """Return the group of every parameter, by parameter name, of a model that is fed embeddings.

    Args:
        model: whose parameters they are.
        model_type: of its family, for messages.
        rules: of its family, for what no own rule covers.
        own: of the body itself.

    Raises:
        ValueError: a parameter that no rule or several rules cover; the message names it.
    """
    groups = {}
    names = {name for name, _ in model.named_parameters()}  # one that two modules share has one of its two
    for prefix, module in model.named_modules():
        for leaf, _ in module.named_parameters(recurse=False):
            name = f"{prefix}.{leaf}" if prefix else leaf
            if name not in names:
                continue
            found = _matching(name, own) or _matching(name, rules)
            found = {"norm"} if is_norm(module) else found
            if len(found) != 1:
                covered = f"groups {', '.join(sorted(found))}" if found else "no group"
                raise ValueError(
                    f"body family '{model_type}': expected parameter '{name}' to belong to one group, "
                    f"it belongs to {covered}. Take another body (`list bodies`), or give it an entry with `rules`: "
                    "docs/extending.md shows one"
                )
            groups[name] = found.pop()
    return groups


def _matching(name: str, rules: Mapping[str, str]) -> set[str]:
    return {group for pattern, group in rules.items() if re.fullmatch(pattern, name)}


def freeze(model: nn.Module, groups: Mapping[str, str], train: tuple[str, ...], absent: frozenset[str]) -> None:
    """Let gradients reach the parameters of the groups in `train`, and no others.

    Those of `train` that are no groups of a body (input, readout) are passed over; `last-attention` is what the last
    layer has of the group `attention`. The architecture is known not to have the groups in `absent`.

    Raises:
        ValueError: a group to train has no parameters and is not declared absent.
    """
    wanted = set(train) & set(BODY_GROUPS)
    missing = wanted - set(groups.values()) - absent
    if missing:
        raise ValueError(
            f"expected parameters in group '{min(missing)}' to train, the body has none; "
            f"its groups: {', '.join(sorted(set(groups.values())))}. Say --train "
            f"{','.join(group for group in train if group not in missing)}"
        )
    last = _last_attention(groups, absent) if LAST_ATTENTION in train else frozenset()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(groups[name] in wanted or name in last)


def _last_attention(groups: Mapping[str, str], absent: frozenset[str]) -> frozenset[str]:
    """Return the names of the attention parameters of the last layer that has any.

    The first whole number in a parameter's path counts the layers, in every family. Where there is none, as in
    the control that is one attention layer, that layer is the last.

    Raises:
        ValueError: the body has no attention, and that is not declared.
    """
    layers = {
        name: next((int(part) for part in name.split(".") if part.isdecimal()), 0)
        for name, group in groups.items()
        if group == "attention"
    }
    if not layers and "attention" not in absent:
        raise ValueError(f"expected parameters in group 'attention' for '{LAST_ATTENTION}' to train, the body has none")
    return frozenset(name for name, layer in layers.items() if layer == max(layers.values()))


def count_groups(parameters: Mapping[str, nn.Parameter], groups: Mapping[str, str]) -> dict[str, GroupCount]:
    """Count trained and all numbers of each group."""
    counts = {}
    for group in sorted(set(groups.values())):
        members = [parameters[name] for name, owner in groups.items() if owner == group]
        trained = sum(p.numel() for p in members if p.requires_grad)
        counts[group] = GroupCount(trained=trained, total=sum(p.numel() for p in members))
    return counts
