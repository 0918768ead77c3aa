"""A Llama out of a GGUF file, under the names that transformers gives its tensors.

The library reads such files, too, in six times the time: it takes up the vocabulary word by word.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize
from torch import Tensor

from fpt_bench.bodies.raw_bytes import RawBytes

VERSION = 3
ARCHITECTURE = "general.architecture"
_NUMBERS: Mapping[int, str] = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 7: "B", 10: "Q", 11: "q"}
"""Type numbers of whole numbers and yes or no -> forms of `struct`."""
_REALS: Mapping[int, int] = {6: 4, 12: 8}
"""Type numbers of floats, which nothing here asks for -> bytes."""
_TEXT, _LIST = 8, 9
MOST_BYTES, MOST_ENTRIES, MOST_AXES = 2**32, 1_000_000, 4
"""What a file is read up to, so that one that lies about itself costs no memory."""
_BLOCK = re.compile(r"blk\.([0-9]{1,3})\.(\w+)\.weight")
_READ_PAST = frozenset({"output.weight", "rope_freqs.weight"})
"""A head of its own, which a body has not, and what follows from the architecture."""
_IN_BLOCKS: Mapping[str, str] = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OUTSIDE: Mapping[str, str] = {"token_embd.weight": "embed_tokens.weight", "output_norm.weight": "norm.weight"}
_HEADS: Mapping[str, str] = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
"""Matrices that the file has in another order of rows -> what says for how many heads."""


def read_gguf(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a Llama, float32: those that are quantized as the numbers that they stand for.

    A head of its own is read past. Numbers lie in the order of the tensors, each behind the one before.

    Raises:
        ValueError: it is no such file, damaged, or of another architecture.
    """
    if (held := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{path.name}: expected at most {MOST_BYTES:,} bytes, got {held:,}")
    file = RawBytes(path.read_bytes(), path.name)
    if bytes(file.take(4, "the kind of file")) != b"GGUF" or file.number("I", "the version") != VERSION:
        raise ValueError(f"{path.name}: expected a GGUF file of version {VERSION}, got another beginning")
    tensors = _count(file, "tensors")
    said = dict(_entry(file) for _ in range(_count(file, "entries")))
    if said.get(ARCHITECTURE) != "llama":
        raise ValueError(f"{path.name}: expected {ARCHITECTURE} to be llama, got {said.get(ARCHITECTURE)!r}")
    places = [_tensor(file) for _ in range(tensors)]
    file.take(-file.place % _whole(said.get("general.alignment", 32), "general.alignment", file), "zeros")
    numbers, found = RawBytes(file.data[file.place :], path.name), {}
    for name, shape, kind, offset in places:
        # Not before the last one's end: a small file could say one block a thousand times.
        numbers.take(offset - numbers.place, f"what lies before {name!r}")
        if name in _READ_PAST:
            continue
        if (today := _today(name, file)) in found:
            raise ValueError(f"{path.name}: expected each tensor once, got {name!r} again")
        found[today] = _in_their_order(name, _floats(numbers, name, shape, kind), said, file)
    return found


def _count(file: RawBytes, what: str) -> int:
    count = file.number("Q", f"the number of {what}")
    if count > MOST_ENTRIES:
        raise ValueError(f"{file.where}: expected at most {MOST_ENTRIES:,} {what}, got {count:,}")
    return count


def _text(file: RawBytes, what: str) -> str:
    return bytes(file.take(file.number("Q", f"the length of {what}"), what)).decode(errors="replace")


def _entry(file: RawBytes) -> tuple[str, object]:
    """Take what the file says of itself under one name; None of floats and lists: nothing here asks for them."""
    name = _text(file, "the name of an entry")
    return name, _value(file, file.number("I", f"the type of {name!r}"), name)


def _value(file: RawBytes, kind: int, name: str) -> object:
    if kind in _NUMBERS:
        return file.number(_NUMBERS[kind], name)
    if kind == _TEXT:
        return _text(file, name)
    if kind in _REALS:
        file.take(_REALS[kind], name)
        return None
    if kind != _LIST:
        raise ValueError(f"{file.where}: expected a type from 0 to 12 of {name!r}, got {kind}")
    inner = file.number("I", f"the type of what {name!r} lists")
    if inner == _LIST:
        raise ValueError(f"{file.where}: expected no lists of lists, got {name!r}")
    for _ in range(_count(file, f"entries of {name!r}")):
        _value(file, inner, name)
    return None


def _tensor(file: RawBytes) -> tuple[str, tuple[int, ...], int, int]:
    """Take a tensor's name, its shape as rows x columns, the number of its type, and where its numbers begin."""
    name = _text(file, "the name of a tensor")
    axes = file.number("I", f"the axes of {name!r}")
    if not 1 <= axes <= MOST_AXES:
        raise ValueError(f"{file.where}: expected 1 to {MOST_AXES} axes of {name!r}, got {axes}")
    shape = tuple(file.number("Q", f"the shape of {name!r}") for _ in range(axes))
    return name, shape[::-1], file.number("I", f"the type of {name!r}"), file.number("Q", f"the place of {name!r}")


def _floats(file: RawBytes, name: str, shape: tuple[int, ...], kind: int) -> Tensor:
    if kind not in {known.value for known in GGMLQuantizationType}:
        raise ValueError(f"{file.where}: expected a known type of numbers of {name!r}, got {kind}")
    quantized, count = GGMLQuantizationType(kind), math.prod(shape)
    block, size = GGML_QUANT_SIZES[quantized]
    if not count or shape[-1] % block:
        raise ValueError(f"{file.where}: expected rows of {name!r} in blocks of {block}, got a shape of {shape}")
    held = np.frombuffer(file.take(count // block * size, f"the numbers of {name!r}"), np.uint8)
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # it is looked at below
            # As a new array: what a tensor is made of is not to be the file's own bytes.
            tensor = torch.from_numpy(dequantize(held, quantized).reshape(shape).astype(np.float32))
    except NotImplementedError:
        raise ValueError(f"{file.where}: expected numbers that gguf can read, {name!r} has {quantized.name}") from None
    if not tensor.isfinite().all():
        raise ValueError(f"{file.where}: expected finite numbers in {name!r}, got others")
    return tensor


def _whole(value: object, name: str, file: RawBytes) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{file.where}: expected {name} to be a number from 1, got {value!r}")
    return value


def _today(name: str, file: RawBytes) -> str:
    block = _BLOCK.fullmatch(name)
    if block is not None and block[2] in _IN_BLOCKS:
        return f"layers.{block[1]}.{_IN_BLOCKS[block[2]]}.weight"
    if name not in _OUTSIDE:
        raise ValueError(f"{file.where}: expected the tensors of a Llama alone, got {name!r}")
    return _OUTSIDE[name]


def _in_their_order(name: str, tensor: Tensor, said: Mapping[str, object], file: RawBytes) -> Tensor:
    """Return a matrix with rows as transformers has them: the file turns pairs of rows that lie side by side."""
    block = _BLOCK.fullmatch(name)
    if block is None or block[2] not in _HEADS:
        return tensor
    heads = _whole(said.get(_HEADS[block[2]]), _HEADS[block[2]], file)
    if tensor.ndim != 2 or len(tensor) % (2 * heads):
        raise ValueError(f"{file.where}: expected {name!r} to have rows for {heads} heads, got {tuple(tensor.shape)}")
    return tensor.reshape(heads, -1, 2, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
