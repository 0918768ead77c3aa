"""What a family of architectures is: all that has to be known to run its models as bodies, in one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PretrainedConfig, PreTrainedModel

from fpt_bench.bodies.native.architecture import Architecture
from fpt_bench.bodies.native.translate import Layout

_NOT_AS_CONFIGURED = (LookupError, AttributeError, TypeError, ArithmeticError, AssertionError, ImportError)
"""What the library's classes raise where a value of the configuration is none that they know."""


def without_vocabulary(model: nn.Module) -> nn.Module:
    """Remove what a body fed with embeddings never runs: the vocabulary table and a pooler; a control has neither.

    Raises:
        ValueError: the library knows no table of the model's that embeddings could come in place of.
    """
    if isinstance(model, PreTrainedModel):
        try:
            model.set_input_embeddings(nn.Identity())
        except NotImplementedError as error:
            kind = type(model).__name__
            raise ValueError(f"expected a model that takes inputs_embeds in place of words, {kind} does not") from error
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # type: ignore[assignment]
    return model


@dataclass(frozen=True)
class Family:
    """One family: how its parameters are called, how its models are built, and what feeds them embeddings."""

    rules: Mapping[str, str]
    """Regular expression that matches a whole parameter name -> group; norms need none, their type decides."""
    absent: frozenset[str] = frozenset()
    """Groups that the architecture has not, so that asking to train them is no mistake."""
    relative_positions: bool = False
    """Position parameters are of distances, and serve any length as they are."""
    reserved_positions: bool = False
    """The first rows of the position table, up to the padding's, stand for no position."""
    native: Layout | None = None
    """How our transformer runs its models; None: they run through their own forward only."""
    model_class: Any = AutoModel
    """Builds and loads a model: the library's first choice, or a class over it where that is not the body."""
    config_class: type[PretrainedConfig] | None = None
    """Of a control, which the library does not know."""
    control: Callable[[Any], nn.Module] | None = None
    """Builds a control out of its configuration; None: a model of the library."""
    feed: Callable[[Any], nn.Module] = without_vocabulary
    """Model -> its part that runs on embeddings; that one's forward takes `inputs_embeds` and `attention_mask`."""

    redraw: Callable[[Any], None] | None = None
    """Gives a random model of the library the scale of the published one, where the two differ."""

    def read_architecture(self, config: PretrainedConfig) -> Architecture | None:
        """Return the architecture of a model of this family, or None where only its own forward can run it."""
        return None if self.native is None else self.native.read_architecture(config)

    def build_random(self, config: PretrainedConfig, attention: str | None) -> nn.Module:
        """Build a model with the published initializer, in float32, from torch's global generator.

        Raises:
            ValueError: the library cannot make a model of what the configuration says.
        """
        if self.control is not None:
            return self.control(config)
        chosen = self.model_class
        build: Callable[..., nn.Module] = AutoModel.from_config if chosen is AutoModel else chosen._from_config
        try:
            model: nn.Module = build(config, attn_implementation=attention, dtype=torch.float32)
        except _NOT_AS_CONFIGURED as error:
            raise ValueError(
                f"expected a config.json of {config.model_type} that transformers makes a model of, "
                f"got one that ends in {type(error).__name__}: {error}"
            ) from error
        if self.redraw is not None:
            self.redraw(model)
        return model
