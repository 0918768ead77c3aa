"""Parameter groups: every parameter of a body is in exactly one, by its module's type or a rule of its family."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from fpt_bench.results import GroupCount

BODY_GROUPS = ("norm", "position", "attention", "feedforward", "token")
"""Groups of a body. `token` (vocabulary and segment tables) is never trained: a body is fed embeddings."""


@dataclass(frozen=True)
class Family:
    """How the parameters of one architecture are called, and which groups it does not have."""

    rules: Mapping[str, str]
    """Regular expression that matches a whole parameter name -> group; norms need none, their type decides."""
    absent: frozenset[str] = frozenset()
    """Groups that the architecture has not, so that asking to train them is no mistake."""


_LLAMA = Family(
    rules={
        r"layers\.\d+\.self_attn\.(q_proj|k_proj|v_proj|o_proj)\.(weight|bias)": "attention",
        r"layers\.\d+\.mlp\.(gate_proj|up_proj|down_proj)\.(weight|bias)": "feedforward",
    },
    absent=frozenset({"position", "token"}),
)

FAMILIES: Mapping[str, Family] = {
    "bert": Family(
        rules={
            r"embeddings\.position_embeddings\.weight": "position",
            r"embeddings\.token_type_embeddings\.weight": "token",
            r"encoder\.layer\.\d+\.attention\.(self\.(query|key|value)|output\.dense)\.(weight|bias)": "attention",
            r"encoder\.layer\.\d+\.(intermediate|output)\.dense\.(weight|bias)": "feedforward",
        },
    ),
    "gpt2": Family(
        rules={
            r"wpe\.weight": "position",
            r"h\.\d+\.attn\.(c_attn|c_proj)\.(weight|bias)": "attention",
            r"h\.\d+\.mlp\.(c_fc|c_proj)\.(weight|bias)": "feedforward",
        },
        absent=frozenset({"token"}),
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
}
"""By Hugging Face's `model_type`."""

OTHER_FAMILIES = Family(
    rules={
        r"(.*\.)?(position_embeddings|wpe|embed_positions)\.weight": "position",
        r"(.*\.)?token_type_embeddings\.weight": "token",
        r".*\.(attn|attention|self_attn|self_attention)\..*": "attention",
        r".*\.(mlp|ffn|feed_forward|intermediate)\..*": "feedforward",
        r".*\.layer\.\d+\.output\.dense\..*": "feedforward",
    },
)
"""For models of any other `model_type`: whole path segments that most architectures use. What they miss is an error."""


def _is_norm(module: nn.Module) -> bool:
    """Say whether a module normalises; RMS norms have a class of their own in every family."""
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith("RMSNorm")


def group_parameters(model: nn.Module, family: str) -> dict[str, str]:
    """Give the group of every parameter, by parameter name.

    Args:
        model: a Hugging Face model without its vocabulary table.
        family: its `model_type`.

    Raises:
        ValueError: a parameter that no rule or several rules cover; the message names it.
    """
    rules = FAMILIES.get(family, OTHER_FAMILIES).rules
    groups = {}
    for prefix, module in model.named_modules():
        for leaf, _ in module.named_parameters(recurse=False):
            name = f"{prefix}.{leaf}" if prefix else leaf
            found = {group for pattern, group in rules.items() if re.fullmatch(pattern, name)}
            found = {"norm"} if _is_norm(module) else found
            if len(found) != 1:
                covered = f"groups {', '.join(sorted(found))}" if found else "no group"
                raise ValueError(
                    f"body family '{family}': expected parameter '{name}' to belong to one group, "
                    f"it belongs to {covered}; give the family rules in fpt_bench/bodies/groups.py"
                )
            groups[name] = found.pop()
    return groups


def freeze(model: nn.Module, groups: Mapping[str, str], train: tuple[str, ...], absent: frozenset[str]) -> None:
    """Let gradients reach the parameters of the groups in `train`, and no others.

    Args:
        model: module whose parameters `groups` names.
        groups: group by parameter name.
        train: groups to train; those that are no groups of a body (input, readout) are passed over.
        absent: groups that the architecture is known not to have.

    Raises:
        ValueError: a group to train has no parameters and is not declared absent.
    """
    wanted = set(train) & set(BODY_GROUPS)
    missing = wanted - set(groups.values()) - absent
    if missing:
        raise ValueError(
            f"expected parameters in group '{min(missing)}' to train, the body has none; "
            f"its groups: {', '.join(sorted(set(groups.values())))}"
        )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(groups[name] in wanted)


def count_groups(parameters: Mapping[str, nn.Parameter], groups: Mapping[str, str]) -> dict[str, GroupCount]:
    """Count trained and all numbers of each group."""
    counts = {}
    for group in sorted(set(groups.values())):
        members = [parameters[name] for name, owner in groups.items() if owner == group]
        counts[group] = GroupCount(
            trained=sum(p.numel() for p in members if p.requires_grad), total=sum(p.numel() for p in members)
        )
    return counts
