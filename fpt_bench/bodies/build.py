"""From a spec to a body: the transformer between input layer and readout."""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from transformers import AutoModel, PretrainedConfig, PreTrainedModel

from fpt_bench.bodies.groups import FAMILIES, freeze, group_parameters
from fpt_bench.bodies.positions import fit_model_positions
from fpt_bench.bodies.weights import BodyFiles, config_fingerprint, find_body
from fpt_bench.names import require_known
from fpt_bench.results import BodyRecord
from fpt_bench.spec import RunSpec


class HuggingFaceBody(nn.Module):
    """A Hugging Face transformer that is fed embeddings: it owns no vocabulary table.

    Args:
        model: a model whose forward takes `inputs_embeds` and `attention_mask`.
        groups: group of each of its parameters, by name inside `model`.
    """

    def __init__(self, model: PreTrainedModel, groups: Mapping[str, str]) -> None:
        super().__init__()
        self.model = model
        self.groups = {f"model.{name}": group for name, group in groups.items()}
        self.width: int = model.config.hidden_size

    def forward(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map (B, T, H) float embeddings and a (B, T) bool mask to (B, T, H) hidden states."""
        attention_mask = None if bool(mask.all()) else mask.long()
        hidden = self.model(inputs_embeds=embeddings, attention_mask=attention_mask).last_hidden_state
        assert isinstance(hidden, Tensor)
        return hidden


Initialized = tuple[PreTrainedModel, str, str]
"""A model, a sentence on where it comes from, and the fingerprint of what it started from."""


def _pretrained(files: BodyFiles, config: PretrainedConfig, attention: str) -> Initialized:
    """The weights that pretraining left."""
    return files.load(config, attention), files.source, files.fingerprint()


def _random(files: BodyFiles, config: PretrainedConfig, attention: str) -> Initialized:
    """The architecture's own initializer; pretrained weights are neither read nor downloaded."""
    fingerprint = config_fingerprint(config)
    # The vocabulary table is thrown away afterwards: do not fill 30,000 rows for nothing.
    config.vocab_size, config.pad_token_id, config.bos_token_id, config.eos_token_id = 1, None, None, None
    build: Callable[..., PreTrainedModel] = AutoModel.from_config
    model = build(config, attn_implementation=attention, dtype=torch.float32)
    return model, f"weights drawn at random; the architecture of {files.source}", fingerprint


INITS: Mapping[str, Callable[[BodyFiles, PretrainedConfig, str], Initialized]] = {
    "pretrained": _pretrained,
    "random": _random,
}
"""Where a body's weights come from."""


def build_body(spec: RunSpec, max_length: int) -> tuple[HuggingFaceBody, BodyRecord]:
    """Build, initialize and freeze the body of a run.

    Random weights are drawn from torch's global generator: seed it first.

    Args:
        spec: the run.
        max_length: largest T that the task can reach.

    Raises:
        ValueError: unknown body, init or architecture, more layers than there are, a wrong file.
        FileNotFoundError: weights that cannot be had.
    """
    require_known("init", spec.init, INITS)
    files = find_body(spec.body, spec.body_path)
    config = files.config()
    require_known("body family", config.model_type, FAMILIES)
    _keep_layers(config, spec.layers)
    _set_dropout(config, spec.dropout)
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    model, source, fingerprint = INITS[spec.init](files, config, attention)
    _drop_unused(model)
    groups = group_parameters(model, config.model_type)
    notes = _fit_positions(model, groups, max_length)
    freeze(model, groups, spec.train, FAMILIES[config.model_type].absent)
    record = BodyRecord(source=source, fingerprint=fingerprint, execution="transformers", notes=tuple(notes))
    return HuggingFaceBody(model, groups), record


def _keep_layers(config: PretrainedConfig, layers: int | None) -> None:
    if layers is None:
        return
    if layers > config.num_hidden_layers:
        raise ValueError(f"expected layers from 1 to {config.num_hidden_layers}, got {layers}")
    config.num_hidden_layers = layers


def _set_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Set every dropout probability of the body, whatever its family calls it."""
    for key, value in config.to_dict().items():
        if re.fullmatch(r"(?!classifier).*(dropout|dropout_prob|pdrop)", key) and isinstance(value, int | float):
            setattr(config, key, dropout)


def _drop_unused(model: PreTrainedModel) -> None:
    """Remove what a body fed with embeddings never runs: the vocabulary table and a sentence pooler."""
    model.set_input_embeddings(nn.Identity())
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # type: ignore[assignment]


def _fit_positions(model: PreTrainedModel, groups: Mapping[str, str], max_length: int) -> list[str]:
    names = [name for name, group in groups.items() if group == "position"]
    notes = (fit_model_positions(model, name, max_length) for name in names)
    return [note for note in notes if note is not None]
