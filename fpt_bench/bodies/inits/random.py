"""The architecture alone: nothing is kept of what was pretrained."""

import copy
import hashlib
import math

from transformers import PretrainedConfig

from fpt_bench.bodies.architecture_fingerprint import config_fingerprint
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import all_matrices, blocks_of
from fpt_bench.bodies.smaller import forget_words


def random(plan: Blueprint) -> Initialized:
    """The architecture's own initializer; pretrained weights are neither read nor downloaded."""
    return _drawn(plan)._replace(fingerprint=random_fingerprint(plan.config))


def random_fingerprint(config: PretrainedConfig) -> str:
    """Return the fingerprint of an architecture with its own initializer, 64 hexadecimal digits.

    It is the architecture's, but where the published initializer is not the library's: bodies drawn before that was
    so are others.
    """
    own = config_fingerprint(config)
    redrawn = family_of(config.model_type).redraw is not None
    return hashlib.sha256(f"{own} drawn as published".encode()).hexdigest() if redrawn else own


def _drawn(plan: Blueprint) -> Initialized:
    config = copy.deepcopy(plan.config)
    forget_words(config)  # or 30,000 rows are filled for nothing
    _lengthen(config, plan.max_length)
    model = family_of(config.model_type).build_random(config, plan.attention)
    source = f"weights drawn at random; the architecture of {plan.files.source}"
    return Initialized(model, source, config_fingerprint(plan.config))


def random_fanin(plan: Blueprint) -> Initialized:
    """Matrices from normals of deviation 1 / sqrt(inputs), which keeps the scale of what passes; the rest as random."""
    return _at_gain(plan, 1.0, 1.0)


def random_gain(plan: Blueprint) -> Initialized:
    """Matrices from normals of deviation G / sqrt(inputs); 0.02 on bodies 64 to 1,024 wide is a G of 0.16 to 0.64."""
    (gain,) = plan.numbers
    return _at_gain(plan, gain, gain)


def random_gain_qk(plan: Blueprint) -> Initialized:
    """Query and key matrices at G / sqrt(inputs), all others at 1 / sqrt(inputs)."""
    (gain,) = plan.numbers
    return _at_gain(plan, gain, 1.0)


def _at_gain(plan: Blueprint, query_key: float, others: float) -> Initialized:
    model, source, fingerprint = _drawn(plan)[:3]
    blocks = blocks_of(model, plan.config, plan.name)
    for matrix in all_matrices(blocks):
        matrix.normal_(0.0, others / math.sqrt(matrix.shape[1]))
    if query_key != others:
        for block in blocks:
            for matrix in (block.query, block.key):
                matrix.mul_(query_key / others)
    gain = f"matrices at {others:g} / sqrt(inputs)"
    if query_key != others:
        gain += f", query and key at {query_key:g} / sqrt(inputs)"
    return Initialized(model, f"{source}; {gain}", fingerprint)


def _lengthen(config: PretrainedConfig, length: int) -> None:
    """Let a position table be drawn as long as it is needed: in a stretched one neighbours would be alike."""
    if hasattr(config, "patch_size"):
        sides = (config.image_size, config.patch_size)
        image, patch = (max(side) if isinstance(side, list | tuple) else side for side in sides)
        config.image_size = max(image, patch * math.ceil(math.sqrt(length)))
    elif hasattr(config, "max_position_embeddings"):
        reserved = family_of(config.model_type).reserved_positions
        needed = length + config.pad_token_id + 1 if reserved else length
        config.max_position_embeddings = max(config.max_position_embeddings, needed)
