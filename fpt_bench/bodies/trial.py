"""A body of two layers, tried: does our transformer compute what the model's own forward does, and does it hold still?

What a configuration says in a place that we do not know of shows here in what is computed.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig
from transformers.initialization import no_init_weights

from fpt_bench.bodies.architecture_fingerprint import config_fingerprint
from fpt_bench.bodies.dropout import set_dropout, set_modules
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.native.translate import translate
from fpt_bench.bodies.reference import HuggingFaceBody
from fpt_bench.bodies.smaller import forget_words, keep_layers

NEAR = 1e-4
"""Largest difference, as a share of the largest state, that is rounding."""
LAYERS, LENGTHS = 2, (9, 5, 9)
"""Of the body and of the examples that are tried."""


@dataclass(frozen=True)
class Trial:
    """What a body of an architecture, with random weights and at dropout 0, was seen to do."""

    difference: float | None = None
    """Of our transformer's states from the model's own, as a share of the largest; None: it was not run."""
    failure: str | None = None
    """Why our transformer could not be run, in one line."""
    draws: bool = False
    """Two passes over one batch in training mode differ."""
    moves: tuple[str, ...] = ()
    """Buffers that a pass changes."""

    @property
    def agrees(self) -> bool:
        """Whether our transformer computes the function."""
        return self.difference is not None and self.difference <= NEAR

    def disagreement(self) -> str:
        """Return what is wrong with our transformer here, as part of a sentence."""
        if self.failure is not None:
            return f"our transformer cannot take its weights ({self.failure})"
        return f"our transformer's states are off by {self.difference:.2g} of the largest"


_TRIALS: dict[str, Trial] = {}
"""By architecture: a process tries each once."""


def tried(config: PretrainedConfig) -> Trial:
    """Return what a body of this architecture does; draws from no random stream of a run."""
    key = f"{config.model_type} {config_fingerprint(config)}"
    if key not in _TRIALS:
        with _undisturbed():
            _TRIALS[key] = _try(config)
    return _TRIALS[key]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let the block draw as it likes: all streams go on afterwards as if it had not been."""
    numpy_state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):  # all is on the CPU
        torch.default_generator.manual_seed(0)
        yield
    np.random.set_state(numpy_state)


@torch.no_grad()
def _try(config: PretrainedConfig) -> Trial:
    small = copy.deepcopy(config)
    set_dropout(small, 0.0)
    keep_layers(small, min(LAYERS, getattr(small, "num_hidden_layers", None) or 0))
    forget_words(small)
    family = family_of(small.model_type)
    try:
        with no_init_weights():  # every tensor is drawn below
            model = family.feed(family.build_random(small, "eager"))
        set_modules(model, 0.0)
        for name, parameter in model.named_parameters():
            _draw(name, parameter)
        reference = HuggingFaceBody(model, {}).train()
        embeddings = torch.randn(len(LENGTHS), max(LENGTHS), reference.width)
        mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
        before = {name: buffer.clone() for name, buffer in reference.model.named_buffers()}
        first, second = (reference(embeddings[:1], mask[:1], 1) for _ in range(2))
        after = dict(reference.model.named_buffers())
        moves = tuple(name for name, buffer in before.items() if not torch.equal(buffer, after.get(name, buffer)))
        draws = not moves and not torch.equal(first, second)
        architecture = family.read_architecture(small)
        if architecture is None or family.native is None:
            return Trial(draws=draws, moves=moves)
        expected = reference.eval()(embeddings, mask, min(LENGTHS))
    except Exception:  # it cannot be built or run as asked: building the body itself says why
        return Trial(failure="it cannot be run")
    try:
        ours = translate(model, architecture, family.native).eval()(embeddings, mask, min(LENGTHS))
    except Exception as error:  # a tensor that it does not know, or of another shape
        return Trial(failure=" ".join(str(error).split())[:200], draws=draws, moves=moves)
    difference = ((ours - expected).abs().max() / expected.abs().max()).item()
    return Trial(difference if difference == difference else float("inf"), draws=draws, moves=moves)


def _draw(name: str, parameter: nn.Parameter) -> None:
    """Let every tensor matter: initializers leave biases at 0, scales at 1 and attention almost uniform."""
    if parameter.ndim >= 2:
        parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    else:
        parameter.normal_(0.0 if name.endswith("bias") else 1.0, 0.3)
