"""The matrices of a model of the library, told apart: views, so that writing one changes the model."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import PretrainedConfig

from fpt_bench.bodies.families.registry import FAMILIES, family_of
from fpt_bench.bodies.native.translate import Layout


class Block(NamedTuple):
    """One layer's matrices, (outputs, inputs) each, whatever the library stores. H is the width, K a head's."""

    query: Tensor
    """(heads x K, H)"""
    key: Tensor
    """(key heads x K, H)"""
    value: Tensor
    """(key heads x K, H)"""
    output: Tensor
    """(H, heads x K)"""
    feedforward: tuple[Tensor, ...]
    """Up, a gate where there is one, down."""
    heads: int
    key_heads: int
    """Fewer than `heads` where several query heads share one key head."""
    feedforward_biases: tuple[Tensor, ...]
    attention_scale: tuple[Tensor, ...]
    """(H,), what the attention branch is multiplied by; empty where there is none, as is the next."""
    feedforward_scale: tuple[Tensor, ...]
    parameters: tuple[nn.Parameter, ...]
    """Of the model: all of the above but the biases of attention."""

    @property
    def matrices(self) -> tuple[Tensor, ...]:
        return (self.query, self.key, self.value, self.output, *self.feedforward)

    @property
    def head_width(self) -> int:
        return len(self.query) // self.heads

    def heads_of(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return a view (K, H) of each head's rows of query, key or value."""
        heads: tuple[Tensor, ...] = rows.split(self.head_width)
        return heads


def blocks_of(model: Any, config: PretrainedConfig, init: str) -> list[Block]:
    """Return the layers of a model as its family builds it, before it is fed embeddings.

    Raises:
        ValueError: the family's matrices are not told apart here.
    """
    layout = family_of(config.model_type).native
    if layout is None:
        known = ", ".join(name for name, family in FAMILIES.items() if family.native is not None)
        raise ValueError(f"init '{init}': expected a body of a family with separate matrices ({known}), got "
                         f"{config.model_type}; ask for random or pretrained")  # fmt: skip
    return [_block(model, layout, number, config) for number in range(config.num_hidden_layers)]


def fold_scales(block: Block) -> Block:
    """Return a layer in which the last matrix of a branch is multiplied by what the branch is; to be read, not written.

    So it is the matrix that a body without such scales, or with those of a random one, would have in its place.
    """
    output, *feedforward = block.output, *block.feedforward
    for scale in block.attention_scale:
        output = scale[:, None] * output
    for scale in block.feedforward_scale:
        feedforward[-1] = scale[:, None] * feedforward[-1]
    return block._replace(output=output, feedforward=tuple(feedforward))


def all_matrices(blocks: Iterable[Block]) -> Iterator[Tensor]:
    """Yield every matrix of every layer."""
    for block in blocks:
        yield from block.matrices


def _block(model: nn.Module, layout: Layout, number: int, config: PretrainedConfig) -> Block:
    heads = config.num_attention_heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    prefix = layout.blocks.format(number)

    def modules(name: str) -> list[Any]:
        return [model.get_submodule(prefix + theirs) for theirs in layout.inside[name]]

    def matrix(module: Any) -> Tensor:
        weight: Tensor = module.weight.detach()
        return weight.T if layout.transposed else weight

    projections = [matrix(module) for module in modules("query_key_value")]
    if len(projections) == 1:
        width = len(projections[0]) // (heads + 2 * key_heads)
        projections = list(projections[0].split([heads * width, key_heads * width, key_heads * width]))
    query, key, value = projections
    feedforward = modules("up") + modules("down")
    biases = [module.bias for module in feedforward if module.bias is not None]
    scales = {ours: model.get_parameter(prefix + theirs) for ours, theirs in layout.scales.items()}
    attention = modules("query_key_value") + modules("attention_output")
    return Block(
        query,
        key,
        value,
        matrix(modules("attention_output")[0]),
        tuple(matrix(module) for module in feedforward),
        heads,
        key_heads,
        tuple(bias.detach() for bias in biases),
        tuple(scale.detach() for ours, scale in scales.items() if ours == "attention_scale"),
        tuple(scale.detach() for ours, scale in scales.items() if ours == "feedforward_scale"),
        (*(module.weight for module in attention + feedforward), *biases, *scales.values()),
    )
