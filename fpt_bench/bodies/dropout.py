"""What `--dropout` reaches: every rate of a configuration at which a body in training draws something at random."""

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from torch import nn
from transformers import PretrainedConfig

_OF_NUMBERS = re.compile(
    r"(?!classifier).*(dropout|dropout_(prob|rate|p|ratio|value)|pdrop|(attn|attention|proj|ffn|mlp|emb)_drop|"
    r"drop_(rate|prob|p))"
)
"""Names of rates at which single numbers are dropped; those of heads, which a body has not, are left out."""
_OF_BRANCHES = re.compile(
    r".*(drop_?path|path_?drop|layer_?drop|drop_?layer|drop_?connect|stochastic_depth|jitter).*|"
    r"mask_(time|feature)_prob|.*(noise_(std|prob|rate)|_noise)"
)
"""Names of rates at which whole branches, layers or positions are dropped, or noise is added."""


def is_random_rate(name: str) -> bool:
    """Return whether a configuration's entry of this name is a rate that `--dropout` sets.

    Example:
        >>> [is_random_rate(name) for name in ("attn_pdrop", "drop_path_rate", "classifier_dropout", "hidden_size")]
        [True, True, False, False]
    """
    return is_branch_rate(name) or bool(_OF_NUMBERS.fullmatch(name))


def is_branch_rate(name: str) -> bool:
    """Return whether a rate is one at which whole branches, layers or positions are dropped, or noise is added."""
    return bool(_OF_BRANCHES.fullmatch(name))


def set_dropout(config: PretrainedConfig, dropout: float) -> dict[str, float]:
    """Set every rate of a configuration, those it nests included, and return what they are now, by path.

    Rates of single numbers all become `dropout`. A body that drops no branches or layers as it is configured goes on
    without; where it does, that rate becomes `dropout`, too: so 0 is a body without any chance.

    Example:
        >>> from transformers import Dinov2Config
        >>> set_dropout(Dinov2Config(drop_path_rate=0.2), 0.0)["drop_path_rate"]
        0.0
    """
    return dict(_set(vars(config), "", dropout))


def _set(entries: MutableMapping[str, Any], path: str, dropout: float) -> Iterator[tuple[str, float]]:
    for name, value in list(entries.items()):
        if isinstance(value, PretrainedConfig):
            yield from _set(vars(value), f"{path}{name}.", dropout)
        elif isinstance(value, dict):
            yield from _set(value, f"{path}{name}.", dropout)
        elif isinstance(name, str) and is_random_rate(name):
            rates = value if isinstance(value, list | tuple) else [value]
            if not rates or not all(isinstance(rate, int | float) and not isinstance(rate, bool) for rate in rates):
                continue
            stays = is_branch_rate(name) and not any(rates)
            now = 0.0 if stays else dropout
            entries[name] = [now] * len(value) if isinstance(value, list | tuple) else now
            yield f"{path}{name}", now


def set_modules(model: nn.Module, dropout: float) -> None:
    """Set the dropout of PyTorch's own modules that has a rate of its own, which no configuration said."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            module.p = dropout
