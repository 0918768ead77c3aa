"""The encoder of T5: no position table but a bias for each distance, which its first block keeps for all."""

from transformers import T5EncoderModel

from fpt_bench.bodies.families.family import Family

T5 = Family(
    rules={
        r"encoder\.block\.\d+\.layer\.0\.SelfAttention\.[qkvo]\.weight": "attention",
        r"encoder\.block\.0\.layer\.0\.SelfAttention\.relative_attention_bias\.weight": "position",
        r"encoder\.block\.\d+\.layer\.1\.DenseReluDense\.(wi|wi_0|wi_1|wo)\.weight": "feedforward",
    },
    absent=frozenset({"token"}),
    relative_positions=True,
    model_class=T5EncoderModel,  # the library's first choice has a decoder, too
)
