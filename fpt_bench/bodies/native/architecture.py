"""What one transformer has to be told to be BERT, GPT-2, Llama, DINOv2 or ViT: differences as data."""

from dataclasses import dataclass
from typing import Any, Literal

from transformers import PretrainedConfig

Activation = Literal["gelu", "gelu-tanh", "silu-gated"]


@dataclass(frozen=True)
class Architecture:
    """Shape of a transformer between input layer and readout. H is its width."""

    width: int
    layers: int
    heads: int
    key_value_heads: int
    """Fewer than `heads` where several query heads share one key head."""
    head_width: int
    feedforward_width: int
    norm: Literal["layer", "rms"]
    norm_epsilon: float
    norm_first: bool
    """Norms stand before attention and feedforward, and one after the last block; else after each."""
    causal: bool
    activation: Activation
    rotary_base: float | None = None
    """Base of rotary positions; None: a learned table is added."""
    embedding_norm: bool = False
    """A norm after positions are added, and the first row of a segment table among them (BERT)."""
    layer_scale: bool = False
    """A learned factor a feature on what attention and feedforward add (DINOv2)."""
    projection_bias: bool = True
    embedding_dropout: float = 0.0
    attention_dropout: float = 0.0
    residual_dropout: float = 0.0
    feedforward_dropout: float = 0.0

    @property
    def drops(self) -> bool:
        """Whether there is any dropout."""
        return any((self.embedding_dropout, self.attention_dropout, self.residual_dropout, self.feedforward_dropout))

    def in_words(self) -> str:
        """Write what two bodies of one size can still differ in.

        Example:
            >>> from transformers import BertConfig
            >>> from fpt_bench.bodies.families.registry import family_of
            >>> config = BertConfig(hidden_size=384, num_hidden_layers=4, num_attention_heads=6)
            >>> family_of("bert").read_architecture(config).in_words()
            '4 layers x 384, 6 heads, norms last'
        """
        place = "first" if self.norm_first else "last"
        words = f"{self.layers} layers x {self.width}, {self.heads} heads, norms {place}"
        return f"{words}, causal" if self.causal else words

    @classmethod
    def read(cls, config: PretrainedConfig, **own: Any) -> "Architecture":
        """Return the architecture of a model: the sizes that every family calls alike, and what is its `own`."""
        heads = config.num_attention_heads
        sizes = {
            "width": config.hidden_size,
            "layers": config.num_hidden_layers,
            "heads": heads,
            "key_value_heads": heads,
            "head_width": config.hidden_size // heads,
        }
        return cls(**{**sizes, **own})
