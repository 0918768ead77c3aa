"""BERT: norms after each branch, attention both ways, a segment row added to every token."""

from transformers import PretrainedConfig

from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.native.architecture import Architecture
from fpt_bench.bodies.native.translate import Layout


def _read_architecture(config: PretrainedConfig) -> Architecture | None:
    if config.hidden_act != "gelu" or config.is_decoder:
        return None
    return Architecture.read(
        config,
        feedforward_width=config.intermediate_size,
        norm="layer",
        norm_epsilon=config.layer_norm_eps,
        norm_first=False,
        causal=False,
        activation="gelu",
        embedding_norm=True,
        embedding_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        residual_dropout=config.hidden_dropout_prob,
        feedforward_dropout=config.hidden_dropout_prob,
    )


BERT = Family(
    rules={
        r"embeddings\.position_embeddings\.weight": "position",
        r"embeddings\.token_type_embeddings\.weight": "token",
        r"encoder\.layer\.\d+\.attention\.(self\.(query|key|value)|output\.dense)\.(weight|bias)": "attention",
        r"encoder\.layer\.\d+\.(intermediate|output)\.dense\.(weight|bias)": "feedforward",
    },
    native=Layout(
        read_architecture=_read_architecture,
        outside={
            "position": "embeddings.position_embeddings.weight",
            "segment": "embeddings.token_type_embeddings.weight",
            "embedding_norm": "embeddings.LayerNorm",
        },
        blocks="encoder.layer.{}.",
        inside={
            "query_key_value": ("attention.self.query", "attention.self.key", "attention.self.value"),
            "attention_output": ("attention.output.dense",),
            "attention_norm": ("attention.output.LayerNorm",),
            "up": ("intermediate.dense",),
            "down": ("output.dense",),
            "feedforward_norm": ("output.LayerNorm",),
        },
    ),
)
