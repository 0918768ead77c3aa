"""Heads that look for tokens equal to theirs: mimetic initialization (Trockman and Kolter 2023, arXiv 2305.09828).

In trained transformers the product of a head's query and key matrices is near a multiple of the identity, and so is
that of value and output. Here it is drawn so: a product A = NOISE U + DIAGONAL I, U normal with deviation 1 / sqrt(H),
is cut to a head's rank by its singular values. All other matrices are at 1 / sqrt(inputs).
"""

import math

import torch
from torch import Tensor

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import Block, blocks_of, fold_scales
from fpt_bench.bodies.inits.pretrained import pretrained
from fpt_bench.bodies.inits.random import random_fanin


def mimetic_qk(plan: Blueprint) -> Initialized:
    """Query and key of every head near the identity, by two constants; all other matrices at 1 / sqrt(inputs)."""
    noise, diagonal = plan.numbers
    found = random_fanin(plan)
    for block in blocks_of(found.model, plan.config, plan.name):
        _like_identity(block, noise, diagonal)
    said = f"query x key drawn as {noise:g} noise + {diagonal:g} identity"
    return found._replace(source=f"{found.source}; {said}")


def mimetic(plan: Blueprint) -> Initialized:
    """As mimetic-qk, and value and output of every layer near a multiple of the identity, by two more constants."""
    noise, diagonal, value_noise, value_diagonal = plan.numbers
    found = random_fanin(plan)
    for block in blocks_of(found.model, plan.config, plan.name):
        if block.key_heads < block.heads:
            raise ValueError(
                f"init '{plan.name}': expected a value head for each query head, got {block.key_heads} for "
                f"{block.heads}; ask for mimetic-qk"
            )
        if len(block.value) > block.value.shape[1]:
            raise ValueError(
                f"init '{plan.name}': expected heads that are together as wide as the body at most, "
                f"{block.value.shape[1]}, got {len(block.value)}; ask for mimetic-qk"
            )
        _like_identity(block, noise, diagonal)
        left, right = _factors(block.value.shape[1], len(block.value), value_noise, value_diagonal)
        block.value.copy_(left.T)
        block.output.copy_(right)
    said = (
        f"query x key drawn as {noise:g} noise + {diagonal:g} identity, "
        f"value x output as {value_noise:g} noise + {value_diagonal:g} identity"
    )
    return found._replace(source=f"{found.source}; {said}")


@torch.no_grad()
def diagonals(plan: Blueprint) -> Initialized:
    """Of each pretrained head the mean diagonal of query x key and of value x output; all else at 1 / sqrt(inputs)."""
    theirs, found = pretrained(plan), random_fanin(plan)
    old, new = (blocks_of(body.model, plan.config, plan.name) for body in (theirs, found))
    for block, wanted in zip(new, map(fold_scales, old), strict=True):
        for pair, goal in zip(_products(block), _products(wanted), strict=True):
            # The first of two factors takes on as much of the second as moves the trace of their product to the goal.
            first, second = pair
            first.add_((trace(*goal) - trace(*pair)) / second.square().sum() * second)
    source = f"mean diagonals of query x key and value x output, head by head, of {theirs.source}"
    return theirs._replace(model=found.model, source=source)


def trace(first: Tensor, second: Tensor) -> Tensor:
    """Return the trace, H times the mean diagonal, of the (H, H) product first^T second of two (K, H) factors."""
    return (first * second).sum()


def _products(block: Block) -> list[tuple[Tensor, Tensor]]:
    """Return the two factors, (K, H) views, of query x key and of output x value of every head."""
    shared = block.heads // block.key_heads
    query, key, value = (block.heads_of(rows) for rows in (block.query, block.key, block.value))
    output = block.heads_of(block.output.T)
    heads = range(block.heads)
    return [(query[h], key[h // shared]) for h in heads] + [(output[h], value[h // shared]) for h in heads]


def _like_identity(block: Block, noise: float, diagonal: float) -> None:
    """Draw query and key anew, so that a token's logit is highest with its equals; heads that share a key draw once."""
    shared, queries = block.heads // block.key_heads, block.heads_of(block.query)
    for number, key in enumerate(block.heads_of(block.key)):
        left, right = _factors(block.key.shape[1], block.head_width, noise, diagonal)
        key.copy_(right.T)
        for query in queries[number * shared : (number + 1) * shared]:
            query.copy_(left.T)


def _factors(width: int, rank: int, noise: float, diagonal: float) -> tuple[Tensor, Tensor]:
    """Return (H, K) factors whose product left right^T is noise U + diagonal I, cut to rank K."""
    product = noise * torch.randn(width, width) / math.sqrt(width) + diagonal * torch.eye(width)
    left, values, right = torch.linalg.svd(product)
    root = values[:rank].sqrt()
    return left[:, :rank] * root, right[:rank].T * root
