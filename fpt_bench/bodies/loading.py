"""What became of every tensor of a checkpoint: placed in the body, let through by name, or a reason to refuse it."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import core_model_loading as library

from fpt_bench.bodies.checkpoint import FLOATS, StoredTensor

_HEADS = (
    "cls|lm_head|embed_out|score|classifier|pre_classifier|classification_head|qa_outputs|qa_output|multiple_choice_head|"
    "predictions|lm_predictions|mask_predictions|generator_predictions|generator_lm_head|discriminator_predictions|"
    "sop_classifier|seq_relationship|vocab_transform|vocab_layer_norm|vocab_projector|final_logits_bias|logits_proj|"
    "sequence_summary|start_logits|end_logits|answer_class|mlm|nsp|head|logit_scale|text_projection|visual_projection"
)
UNUSED: Mapping[str, str] = {
    r"pooler\..*": "pooler",
    r"([a-z]+\.)?(word_embeddings|embed_tokens|wte|tok_embeddings|shared)\.weight": "vocabulary",
    r"([a-z]+\.)?(mask_token|cls_token)": "class or mask token",
    r"([a-z]+\.)?patch_embeddings\..*": "cutting of images",
    r"(.*\.)?(position_ids|token_type_ids|inv_freq|masked_bias)": "old buffer",
    r".*\.(query|key|value)_global\.(weight|bias)": "attention of all positions",
}
"""Names, without the prefix of the body's own -> what a tensor is that a body fed with embeddings never runs."""
_MASKS = re.compile(r".*\.(attn|attention)\.bias")
"""Causal masks that were kept as tensors of four dimensions; one of another shape under this name is a bias."""
_CHANGES = re.compile(r".*(lora_|adapter|ia3|prompt|prefix_encoder|delta_).*")
"""In names of tensors that change what a body computes, wherever they lie."""
_QUANTIZERS = re.compile(r".*(scale|absmax|zeros|zero_point|SCB|quant_map|quant_state.*)")


@dataclass(frozen=True)
class LoadingReport:
    """Every tensor of a checkpoint by what became of it, and what the body has found in none."""

    placed: tuple[str, ...] = ()
    let_through: Mapping[str, str] = field(default_factory=dict)
    """Name -> what it is."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Name -> why."""
    absent: tuple[str, ...] = ()
    """Tensors of the body, by its names, for which the file has none that fits."""

    @property
    def total(self) -> int:
        """Number of tensors in the checkpoint."""
        return len(self.placed) + len(self.let_through) + len(self.refused)

    def require_sound(self, source: str) -> None:
        """Raise a ValueError where the body would not be what its file says."""
        if self.absent:
            raise ValueError(
                f"the weights of {source}: expected every parameter of the architecture, "
                f"got none that fits for {len(self.absent)}, such as {self.absent[0]}"
            )
        if self.refused:
            name, why = next(iter(self.refused.items()))
            raise ValueError(
                f"the weights of {source}: expected a place in the body for every tensor under it, "
                f"got {len(self.refused)} without, such as {name}: {why}"
            )


@dataclass
class LibrarySays:
    """What `transformers` says while it loads, before it leaves anything out by patterns of a class's own."""

    missing: set[str] = field(default_factory=set)
    mismatched: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    """Name in the file -> name in the model, whether or not the model has one of that name."""
    joined: set[str] = field(default_factory=set)
    """Names in the file of tensors that become one with others, such as experts."""


@contextmanager
def listening() -> Iterator[LibrarySays]:
    """Yield what the library says of the model that is loaded in the block.

    Its own report leaves out what a class declares to ignore, by regular expressions that match anywhere in a name,
    and says nothing of two tensors that go to one place.
    """
    heard, usual, rename = LibrarySays(), PreTrainedModel._adjust_missing_and_unexpected_keys, library.rename_source_key

    def hear(model: PreTrainedModel, info: Any) -> None:
        heard.missing |= info.missing_keys
        heard.mismatched |= {name for name, *_ in info.mismatched_keys}
        usual(model, info)

    def hear_name(source: str, *rest: Any, **named: Any) -> tuple[str, str | None]:
        target, pattern = rename(source, *rest, **named)
        heard.renamed[source] = target
        if pattern is not None:
            heard.joined.add(source)
        return target, pattern

    PreTrainedModel._adjust_missing_and_unexpected_keys = hear  # type: ignore[method-assign, assignment]
    library.rename_source_key = hear_name  # type: ignore[assignment]
    try:
        yield heard
    finally:
        PreTrainedModel._adjust_missing_and_unexpected_keys = usual  # type: ignore[method-assign]
        library.rename_source_key = rename


def account(
    model: nn.Module, stored: Mapping[str, StoredTensor], heard: LibrarySays, left_out: range = range(0)
) -> LoadingReport:
    """Return what became of every tensor of `stored`, which `model` was loaded from without the layers `left_out`."""
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    has_prefix = prefix != "." and any(name.startswith(prefix) for name in stored)
    children = {name for name, _ in model.named_children()}
    vocabulary, names = _vocabulary(model), set(_names(model))
    placed: dict[str, str] = {}
    let_through, refused = {}, {}
    for name, tensor in stored.items():
        target = heard.renamed.get(name, name)
        inner = target.removeprefix(prefix)
        if (unused := _unused(inner, vocabulary)) is not None:
            let_through[name] = unused
        elif target in heard.mismatched:
            refused[name] = f"its shape, {tensor.shape}, is not the one that config.json says"
        elif target not in names:
            outside = has_prefix and inner == target and name.partition(".")[0] not in children
            if _is_left_out(inner, left_out, names):
                let_through[name] = "layer left out"
            elif (kind := _kind(inner, tensor, outside, children)) is not None:
                let_through[name] = kind
            else:
                refused[name] = _why_no_place(inner, tensor)
        elif tensor.dtype not in FLOATS and not _is_integer(model, target):
            refused[name] = f"stored as {tensor.dtype}, which means numbers only with its quantizer: {_SAVE_IN_FLOATS}"
        elif target in placed.values() and name not in heard.joined:
            refused[name] = "another tensor of the file goes to the same place. Remove one of the two"
        else:
            placed[name] = target
    used = {name for name in names if _unused(name, vocabulary) is None and not name.endswith(_COUNTER)}
    tied = set(getattr(model, "all_tied_weights_keys", {}))
    absent = (heard.missing | heard.mismatched) & used - tied
    return LoadingReport(tuple(placed), let_through, refused, tuple(sorted(absent)))


_COUNTER = "num_batches_tracked"
"""How often running statistics were moved, which nothing that is computed depends on."""


def _is_left_out(name: str, left_out: range, names: Collection[str]) -> bool:
    """Return whether a tensor is of a layer that was asked to be left out: layer 0 has one like it."""
    parts = name.split(".")
    number = next((place for place, part in enumerate(parts) if part.isdecimal()), None)
    if number is None or int(parts[number]) not in left_out:
        return False
    return ".".join([*parts[:number], "0", *parts[number + 1 :]]) in names


_SAVE_IN_FLOATS = "save the model in float32, float16 or bfloat16"


def _why_no_place(name: str, tensor: StoredTensor) -> str:
    if _CHANGES.fullmatch(name):
        return "an adapter's: merge it into the weights (peft: merge_and_unload) and save them again"
    if tensor.dtype not in FLOATS or _QUANTIZERS.fullmatch(name):
        return f"a quantizer's: {_SAVE_IN_FLOATS}"
    return "config.json describes a model without it. Look for the option that it belongs to, or save the model again"


def _kind(name: str, tensor: StoredTensor, outside: bool, children: Collection[str]) -> str | None:
    """Return what a tensor without a place is, where a body does without it; None: it belongs in the body."""
    if _CHANGES.fullmatch(name):
        return None
    if _MASKS.fullmatch(name) and len(tensor.shape) == 4:
        return "old buffer"
    top = name.partition(".")[0]
    if top in children:
        return None
    if top == "decoder":
        return "decoder"
    return "head" if outside or re.fullmatch(_HEADS, top) else None


def _names(model: nn.Module) -> list[str]:
    """Return the names of the parameters and of the buffers that a file keeps."""
    return list(model.state_dict(keep_vars=True))


def _vocabulary(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that turn words into vectors, which a body fed with embeddings never runs."""
    if not isinstance(model, PreTrainedModel):
        return frozenset()
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:
        return frozenset()
    owned = set(map(id, table.parameters())) if isinstance(table, nn.Module) else set()
    return frozenset(n for n, p in model.named_parameters(remove_duplicate=False) if id(p) in owned)


def _unused(name: str, vocabulary: Collection[str]) -> str | None:
    """Return what a tensor is, by its name, that a body fed with embeddings never runs, or None."""
    if name in vocabulary:
        return "vocabulary"
    return next((kind for pattern, kind in UNUSED.items() if re.fullmatch(pattern, name)), None)


def unused_tensors(model: nn.Module) -> frozenset[str]:
    """Return the names of a body's parameters that it never runs when it is fed embeddings."""
    vocabulary = _vocabulary(model)
    return frozenset(name for name, _ in model.named_parameters() if _unused(name, vocabulary) is not None)


def _is_integer(model: nn.Module, name: str) -> bool:
    """Return whether the body itself keeps a whole number or a yes or no under this name, such as a counter."""
    found = dict(model.named_buffers()).get(name)
    return found is not None and not found.is_floating_point()


def copy_unstored(model: nn.Module, first: nn.Module, second: nn.Module, missing: Collection[str]) -> list[str]:
    """Give a loaded model the buffers that its file does not hold, and return the names of those made by chance.

    `first` and `second` are the same architecture built from its configuration under two seeds: what loading leaves
    uninitialized is right there. A buffer that differs between them was drawn, and nobody knows what it was.
    """
    by_chance = []
    filled = set(_names(model)).difference(missing)
    ours, theirs = dict(first.named_modules()), dict(second.named_modules())
    for path, module in model.named_modules():
        for name, value in list(vars(module).items()) + list(module._buffers.items()):
            full = f"{path}.{name}" if path else name
            if not isinstance(value, torch.Tensor) or isinstance(value, nn.Parameter) or full in filled:
                continue
            if path not in ours or not isinstance(right := getattr(ours[path], name, None), torch.Tensor):
                continue
            if not torch.equal(right, getattr(theirs[path], name)):
                by_chance.append(full)
            setattr(module, name, right.clone())
    return by_chance
