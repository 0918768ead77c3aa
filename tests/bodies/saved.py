"""Tiny bodies of many families, saved as people save theirs."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoModel,
    BertConfig,
    Dinov2Config,
    DistilBertConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
    T5EncoderModel,
    ViTConfig,
)

Tensors = dict[str, Tensor]


def gpt2(**options: object) -> GPT2Config:
    return GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=32, vocab_size=5, **_ENDS, **options)


def bert(**options: object) -> BertConfig:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    return BertConfig(**sizes, max_position_embeddings=32, vocab_size=5, **options)


def llama(**options: object) -> LlamaConfig:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    return LlamaConfig(**sizes, num_key_value_heads=2, vocab_size=5, **_ENDS, **options)


def dinov2(**options: object) -> Dinov2Config:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "image_size": 28, "patch_size": 7}
    return Dinov2Config(**sizes, use_mask_token=False, **options)


def vit(**options: object) -> ViTConfig:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "image_size": 28, "patch_size": 7}
    return ViTConfig(**sizes, intermediate_size=32, **options)


def t5(**options: object) -> T5Config:
    return T5Config(d_model=16, d_kv=8, num_layers=2, num_heads=2, d_ff=32, vocab_size=5, **options)


def neox(**options: object) -> GPTNeoXConfig:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    return GPTNeoXConfig(**sizes, vocab_size=5, **_ENDS, **options)


def distilbert(**options: object) -> DistilBertConfig:
    return DistilBertConfig(dim=16, n_heads=2, hidden_dim=32, n_layers=2, vocab_size=5, **options)


_ENDS = {"bos_token_id": 0, "eos_token_id": 0}


def build(config: PretrainedConfig, kind: type[PreTrainedModel] | None = None) -> PreTrainedModel:
    """Return a model of which every tensor matters: none is 0 or 1 throughout."""
    torch.manual_seed(0)
    kind = T5EncoderModel if kind is None and config.model_type == "t5" else kind
    made = AutoModel.from_config(config) if kind is None else kind(config)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made.eval()


def save(folder: Path, config: PretrainedConfig, kind: type[PreTrainedModel] | None = None) -> PreTrainedModel:
    """Save such a model and return it."""
    made = build(config, kind)
    made.save_pretrained(folder)
    return made


def edit(folder: Path, change: Callable[[Tensors], Tensors | None]) -> None:
    """Let `change` edit the tensors of a saved model."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors = change(tensors) or tensors
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path, {"format": "pt"})
