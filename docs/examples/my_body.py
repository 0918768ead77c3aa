"""Own bodies in one file: known architectures at other sizes, and an architecture that nobody else has."""

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from fpt_bench.bodies.catalog import BodyEntry

# Known architecture: data alone. It runs through our own transformer.
SMALL = BodyEntry(
    "a GPT-2 of 2 layers x 64", architecture={"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4}
)

# Known to Hugging Face, and called by other names than our rules know: the entry says to which group they belong.
TINY_OPT = BodyEntry(
    "an OPT of 2 layers x 64",
    architecture={
        "model_type": "opt", "num_hidden_layers": 2, "hidden_size": 64, "ffn_dim": 128, "num_attention_heads": 4,
        "word_embed_proj_dim": 64, "max_position_embeddings": 64, "vocab_size": 8,
    },
    rules={r".*\.fc[12]\..*": "feedforward"},
)  # fmt: skip
# Its positions are rotations, no parameters.
TINY_NEOX = BodyEntry(
    "a GPT-NeoX of 2 layers x 64",
    architecture={
        "model_type": "gpt_neox", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128,
        "num_attention_heads": 4, "vocab_size": 8,
    },
    absent=frozenset({"position"}),
)  # fmt: skip


class MeanConfig(PretrainedConfig):
    """Sizes of a MeanModel."""

    model_type = "mean"

    def __init__(self, hidden_size: int = 64, num_hidden_layers: int = 2, **rest: object) -> None:
        self.hidden_size, self.num_hidden_layers = hidden_size, num_hidden_layers
        self.max_position_embeddings = 32  # stretched where a task is longer
        self.vocab_size = 1
        super().__init__(**rest)


class MeanModel(PreTrainedModel):
    """Each layer adds to a position what a feedforward makes of it and of the mean over all positions.

    Parameters fall into groups by their names: `mlp`, `position_embeddings`; layer norms by their type.
    """

    config_class = MeanConfig

    def __init__(self, config: MeanConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, width)  # every Hugging Face model has one; it is dropped
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        layers = [{"norm": nn.LayerNorm(width), "mlp": nn.Linear(2 * width, width)} for _ in range(2)]
        self.layers = nn.ModuleList(nn.ModuleDict(layer) for layer in layers[: config.num_hidden_layers])
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embed_tokens = value

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None = None) -> BaseModelOutput:
        count = inputs_embeds.shape[1]
        mask = inputs_embeds.new_ones(count, 1) if attention_mask is None else attention_mask[:, :, None]
        hidden = inputs_embeds + self.position_embeddings(torch.arange(count, device=inputs_embeds.device))
        for layer in self.layers:
            normed = layer["norm"](hidden) * mask
            mean = normed.sum(1, keepdim=True) / mask.sum(-2, keepdim=True)
            hidden = hidden + layer["mlp"](torch.cat([normed, mean.expand_as(normed)], dim=-1)).relu()
        return BaseModelOutput(last_hidden_state=hidden)


AutoConfig.register("mean", MeanConfig)
AutoModel.register(MeanConfig, MeanModel)
MEAN = BodyEntry("2 layers x 64 that see nothing but the mean", architecture={"model_type": "mean"})
