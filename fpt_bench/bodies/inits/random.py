"""The architecture alone: nothing is kept of what was pretrained."""

import copy
import math

from transformers import PretrainedConfig

from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.weights import config_fingerprint


def random(plan: Blueprint) -> Initialized:
    """The architecture's own initializer; pretrained weights are neither read nor downloaded."""
    config = copy.deepcopy(plan.config)
    # The vocabulary table is thrown away afterwards: do not fill 30,000 rows for nothing.
    if hasattr(config, "vocab_size"):
        config.vocab_size, config.bos_token_id, config.eos_token_id = 1, None, None
        config.pad_token_id = None if getattr(config, "pad_token_id", None) is None else 0
    _lengthen(config, plan.max_length)
    model = family_of(config.model_type).build_random(config, plan.attention)
    source = f"weights drawn at random; the architecture of {plan.files.source}"
    return Initialized(model, source, config_fingerprint(plan.config))


def _lengthen(config: PretrainedConfig, length: int) -> None:
    """Let a position table be drawn as long as it is needed: in a stretched one neighbours would be alike."""
    if hasattr(config, "patch_size"):
        config.image_size = max(config.image_size, config.patch_size * math.ceil(math.sqrt(length)))
    elif hasattr(config, "max_position_embeddings"):
        reserved = family_of(config.model_type).reserved_positions
        needed = length + config.pad_token_id + 1 if reserved else length
        config.max_position_embeddings = max(config.max_position_embeddings, needed)
