"""How a body is run: by our transformer or by Hugging Face's forward, and in which precision."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import nn
from transformers import PretrainedConfig

from fpt_bench.bodies.families.registry import FAMILIES, family_of
from fpt_bench.bodies.native.transformer import Transformer
from fpt_bench.bodies.native.translate import translate
from fpt_bench.bodies.reference import HuggingFaceBody
from fpt_bench.bodies.trial import tried
from fpt_bench.config.spec import RunSpec

PRODUCT_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


Body = HuggingFaceBody | Transformer
"""Maps (B, T, H) embeddings, a (B, T) mask and R to the states at the last R real positions, (B, R, H)."""


def _native(model: nn.Module, _: Mapping[str, str]) -> Body:
    config: PretrainedConfig = model.config  # type: ignore[assignment]
    family = family_of(config.model_type)
    architecture = family.read_architecture(config)
    assert family.native is not None, "`settle` admits only what our transformer can run"
    assert architecture is not None, "`settle` admits only what our transformer can run"
    return translate(model, architecture, family.native)


EXECUTIONS: Mapping[str, Callable[[nn.Module, Mapping[str, str]], Body]] = {
    "native": _native,
    "reference": HuggingFaceBody,
}
"""Whose forward pass runs."""


def settle(spec: RunSpec, config: PretrainedConfig) -> RunSpec:
    """Return the spec with `auto` replaced by what will run here: precision and execution.

    bfloat16 where the hardware multiplies it; our transformer where it knows the architecture and, tried on two layers,
    computes what the model's own forward does.

    Raises:
        ValueError: our transformer was asked for and cannot run this architecture, or runs another function.
    """
    known = family_of(config.model_type).read_architecture(config) is not None
    if spec.body_execution == "native" and not known:
        natives = ", ".join(name for name, family in FAMILIES.items() if family.native)
        raise ValueError(
            f"body execution: 'native' runs only plain {natives} models, "
            f"got one of type '{config.model_type}'; leave it at 'auto'"
        )
    execution = spec.body_execution
    if execution != "reference" and known and (wrong := disagreement(config)) is not None:
        if execution == "native":
            raise ValueError(f"body execution: 'native' was asked for, and {wrong}; leave it at 'auto'")
        execution = "reference"
    elif execution == "auto":
        execution = "native" if known else "reference"
    precision = spec.precision if spec.precision != "auto" else "bfloat16" if multiplies_bfloat16() else "float32"
    return spec.model_copy(update={"body_execution": execution, "precision": precision})


def disagreement(config: PretrainedConfig) -> str | None:
    """Return what our transformer does otherwise than a model's own forward, as a sentence's part; None: nothing.

    Of an architecture that it does not know at all there is nothing to say.
    """
    if family_of(config.model_type).read_architecture(config) is None:
        return None
    trial = tried(config)
    return None if trial.agrees else f"for this config.json {trial.disagreement()}"


def multiplies_bfloat16() -> bool:
    """Return whether this machine multiplies bfloat16 matrices faster than float32 ones."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def as_trained(spec: RunSpec, device: torch.device) -> torch.autocast:
    """Return the context in which Trainer runs a model of a spec on a device, for who runs it without one."""
    return torch.autocast(device.type, torch.bfloat16, enabled=trainer_precision(spec) == "bf16-mixed")


def trainer_precision(spec: RunSpec) -> Literal["bf16-mixed", "32-true"]:
    """Return Lightning's word for a settled spec: our transformer casts by itself, the reference by autocast."""
    by_autocast = spec.body_execution == "reference" and spec.precision == "bfloat16"
    return "bf16-mixed" if by_autocast else "32-true"
