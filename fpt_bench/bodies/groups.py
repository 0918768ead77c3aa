"""Parameter groups: every parameter of a body is in exactly one, by its module's type or a rule of its family."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from fpt_bench.results import GroupCount
from fpt_bench.spec import LAST_ATTENTION

BODY_GROUPS = ("norm", "position", "attention", "feedforward", "token")
"""Groups of a body. `token` (vocabulary and segment tables) is never trained: a body is fed embeddings."""


@dataclass(frozen=True)
class Family:
    """How the parameters of one architecture are called, and which groups it does not have."""

    rules: Mapping[str, str]
    """Regular expression that matches a whole parameter name -> group; norms need none, their type decides."""
    absent: frozenset[str] = frozenset()
    """Groups that the architecture has not, so that asking to train them is no mistake."""
    relative_positions: bool = False
    """Position parameters are of distances, and serve any length as they are."""
    reserved_positions: bool = False
    """The first rows of the position table, up to the padding's, stand for no position."""


# Layer scales (lambda1) go with the branch whose output they multiply: they could be folded into its last matrix, and
# they normalise nothing. Lu et al. train the norms alone.
_VISION = {
    r"position_embeddings\.weight": "position",
    r"(encoder\.layer|layers)\.\d+\.attention\.[qkvo]_proj\.(weight|bias)": "attention",
    r"(encoder\.layer|layers)\.\d+\.mlp\.(fc1|fc2|gate_proj|up_proj|down_proj)\.(weight|bias)": "feedforward",
    r"encoder\.layer\.\d+\.layer_scale1\.lambda1": "attention",
    r"encoder\.layer\.\d+\.layer_scale2\.lambda1": "feedforward",
}

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
    "dinov2": Family(rules=_VISION, absent=frozenset({"token"})),
    "vit": Family(rules=_VISION, absent=frozenset({"token"})),
    "t5": Family(
        rules={
            r"encoder\.block\.\d+\.layer\.0\.SelfAttention\.[qkvo]\.weight": "attention",
            r"encoder\.block\.0\.layer\.0\.SelfAttention\.relative_attention_bias\.weight": "position",
            r"encoder\.block\.\d+\.layer\.1\.DenseReluDense\.(wi|wi_0|wi_1|wo)\.weight": "feedforward",
        },
        absent=frozenset({"token"}),
        relative_positions=True,
    ),
    "longformer": Family(
        rules={
            r"embeddings\.position_embeddings\.weight": "position",
            r"embeddings\.token_type_embeddings\.weight": "token",
            r"encoder\.layer\.\d+\.attention\.self\.(query|key|value)(_global)?\.(weight|bias)": "attention",
            r"encoder\.layer\.\d+\.attention\.output\.dense\.(weight|bias)": "attention",
            r"encoder\.layer\.\d+\.(intermediate|output)\.dense\.(weight|bias)": "feedforward",
        },
        reserved_positions=True,
    ),
    # What carries information from one position to the next is to an LSTM what attention is to a transformer; what
    # acts on a position's own input is its feedforward part. A frozen LSTM so trains input, readout and norms.
    "lstm": Family(
        rules={
            r"layers\.\d+\.(weight|bias)_hh_l0": "attention",
            r"layers\.\d+\.(weight|bias)_ih_l0": "feedforward",
        },
        absent=frozenset({"position", "token"}),
    ),
    "attention": Family(
        rules={r"position_embeddings\.weight": "position", r"attention\..*": "attention"},
        absent=frozenset({"feedforward", "token"}),
    ),
    "nothing": Family(rules={}, absent=frozenset(BODY_GROUPS)),
}
"""By Hugging Face's `model_type`; `lstm`, `attention` and `nothing` are our controls."""

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
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith(("RMSNorm", "T5LayerNorm"))


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
        train: groups to train; those that are no groups of a body (input, readout) are passed over. `last-attention`
            is what the last layer has of the group `attention`.
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
    last = _last_attention(groups, absent) if LAST_ATTENTION in train else frozenset()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(groups[name] in wanted or name in last)


def _last_attention(groups: Mapping[str, str], absent: frozenset[str]) -> frozenset[str]:
    """Give the names of the attention parameters of the last layer that has any.

    The first whole number in a parameter's path counts the layers, in every family above. Where there is none, as in
    the control that is one attention layer, that layer is the last.

    Raises:
        ValueError: the body has no attention, and that is not declared.
    """
    by_layer: dict[int, set[str]] = {}
    for name, group in groups.items():
        if group == "attention":
            number = next((int(part) for part in name.split(".") if part.isdecimal()), 0)
            by_layer.setdefault(number, set()).add(name)
    if not by_layer and "attention" in absent:
        return frozenset()
    if not by_layer:
        raise ValueError(f"expected parameters in group 'attention' for '{LAST_ATTENTION}' to train, the body has none")
    return frozenset(by_layer[max(by_layer)])


def count_groups(parameters: Mapping[str, nn.Parameter], groups: Mapping[str, str]) -> dict[str, GroupCount]:
    """Count trained and all numbers of each group."""
    counts = {}
    for group in sorted(set(groups.values())):
        members = [parameters[name] for name, owner in groups.items() if owner == group]
        counts[group] = GroupCount(
            trained=sum(p.numel() for p in members if p.requires_grad), total=sum(p.numel() for p in members)
        )
    return counts
