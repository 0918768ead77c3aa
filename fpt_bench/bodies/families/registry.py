"""Every family that has something of its own, by Hugging Face's `model_type`."""

from fpt_bench.bodies.families.bert import BERT
from fpt_bench.bodies.families.controls import ATTENTION, LSTM, NOTHING
from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.families.gpt2 import GPT2
from fpt_bench.bodies.families.llama import LLAMA, NAMED_LIKE_LLAMA
from fpt_bench.bodies.families.longformer import LONGFORMER
from fpt_bench.bodies.families.t5 import T5
from fpt_bench.bodies.families.vision import DINOV2, VIT

FAMILIES: dict[str, Family] = {
    "bert": BERT,
    "gpt2": GPT2,
    "llama": LLAMA,
    "mistral": NAMED_LIKE_LLAMA,
    "qwen2": NAMED_LIKE_LLAMA,
    "dinov2": DINOV2,
    "vit": VIT,
    "t5": T5,
    "longformer": LONGFORMER,
    "lstm": LSTM,
    "attention": ATTENTION,
    "nothing": NOTHING,
}

OTHER_FAMILIES = Family(
    rules={
        r"(.*\.)?(position_embeddings|wpe|embed_positions)\.weight": "position",
        r"(.*\.)?token_type_embeddings\.weight": "token",
        r".*\.(attn|attention|self_attn|self_attention)\..*": "attention",
        r".*\.(mlp|ffn|feed_forward|intermediate)\..*": "feedforward",
        r".*\.layer\.\d+\.output\.dense\..*": "feedforward",
    }
)
"""For models of any other `model_type`: whole path segments that most architectures use. What they miss is an error."""


def family_of(model_type: str) -> Family:
    """Return the family of a Hugging Face `model_type`."""
    return FAMILIES.get(model_type, OTHER_FAMILIES)
