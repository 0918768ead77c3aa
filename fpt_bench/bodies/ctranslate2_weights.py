"""The encoder of a speech recogniser out of CTranslate2's model.bin, under the names of a ViT of the library.

The file is names, shapes and raw numbers, one variable after another; nothing in it is executed. It is read as if
somebody had made it to do harm: what it says of itself is believed only where its bytes bear it out.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fpt_bench.bodies.raw_bytes import RawBytes

VERSION = 6
"""Of the binary form, which is the first number in the file."""
FLOATS: Mapping[int, str] = {0: "<f4", 4: "<f2"}
"""Type numbers of the file that are plain floats -> numpy's names."""
ITEM_BYTES: Mapping[int, int] = {0: 4, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2}
"""Type numbers: float32, int8, int16, int32, float16, bfloat16."""
MOST_BYTES, MOST_VARIABLES, LONGEST_NAME, MOST_AXES = 2**30, 10_000, 200, 4
"""What a file is read up to, so that one that lies about itself costs no memory."""
_LAYER = re.compile(r"encoder/layer_(\d{1,3})/(.+)")
_READ_PAST = re.compile(r"decoder/.*|encoder/(conv[12]/.*|num_heads)")
_NORMS: Mapping[str, str] = {
    "self_attention/layer_norm": "layernorm_before",
    "ffn/layer_norm": "layernorm_after",
}
_MATRICES: Mapping[str, str] = {
    "self_attention/linear_1": "attention.o_proj",
    "ffn/linear_0": "mlp.fc1",
    "ffn/linear_1": "mlp.fc2",
}


def read_speech_encoder(*parts: Path) -> dict[str, Tensor]:
    """Return blocks, last norm and positions of a Whisper encoder, float32, as a ViT of the same shape has them.

    The blocks of the two compute the same. Query, key and value are one matrix in the file. Of its table of positions
    as many are taken as fill a square, as a ViT's do, and a row of zeros stands first in the place of its class token.
    The decoder, more than half of the file, and what cuts sound into positions are read past.

    Args:
        parts: the file, or the pieces that it was cut into, in order.

    Raises:
        ValueError: it is no such file, damaged, or its tensors are not an encoder's.
    """
    where = " + ".join(part.name for part in parts)
    held = sum(part.stat().st_size for part in parts)
    if held > MOST_BYTES:
        raise ValueError(f"{where}: expected at most {MOST_BYTES:,} bytes, got {held:,}")
    found = read_variables(b"".join(part.read_bytes() for part in parts), where)
    try:
        return dict(_as_vit(found))
    except KeyError as error:
        raise ValueError(f"{where}: expected the variables of a speech encoder, got none called {error}") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def read_variables(data: bytes, where: str) -> dict[str, NDArray[np.floating] | None]:
    """Return the variables of a model.bin by name: views of its numbers; None for those that are no plain floats.

    Raises:
        ValueError: the bytes are not what such a file holds; the message names the place.
    """
    file = _Bytes(data, where)
    if (version := file.number("I", "the version")) != VERSION:
        raise ValueError(f"{where}: expected version {VERSION} of CTranslate2's binary form, got {version}")
    file.name("the kind of model")
    file.number("I", "the revision")
    count = file.number("I", "the number of variables")
    if count > MOST_VARIABLES:
        raise ValueError(f"{where}: expected at most {MOST_VARIABLES:,} variables, got {count:,}")
    found: dict[str, NDArray[np.floating] | None] = {}
    for _ in range(count):
        name = file.name("the name of a variable")
        if name in found:
            raise ValueError(f"{where}: expected each variable once, got {name!r} again")
        found[name] = file.array(name)
    for _ in range(file.number("I", "the number of aliases")):
        alias, name = file.name("an alias"), file.name("the variable of an alias")
        if name not in found:
            raise ValueError(f"{where}: expected alias {alias!r} of a variable in the file, got one of {name!r}")
    if file.place != len(data):
        raise ValueError(f"{where}: expected the end at byte {file.place:,}, got {len(data) - file.place:,} more")
    return found


class _Bytes(RawBytes):
    """The bytes of a model.bin."""

    def name(self, what: str) -> str:
        """Take a text: its length, a zero behind it included, then its letters."""
        start, length = self.place, self.number("H", f"the length of {what}")
        if not 2 <= length <= LONGEST_NAME:
            raise ValueError(
                f"{self.where}: expected {what} of 1 to {LONGEST_NAME - 1} letters at byte {start:,}, got {length - 1}"
            )
        letters = bytes(self.take(length, what))
        if letters[-1] or not all(32 < letter < 127 for letter in letters[:-1]):
            raise ValueError(f"{self.where}: expected {what} in plain letters at byte {start:,}, got {letters[:20]!r}")
        return letters[:-1].decode("ascii")

    def array(self, name: str) -> NDArray[np.floating] | None:
        """Take a variable behind its name: shape, type, bytes; None where it holds no plain floats."""
        axes = self.number("B", f"the axes of {name!r}")
        if axes > MOST_AXES:
            raise ValueError(f"{self.where}: expected at most {MOST_AXES} axes of {name!r}, got {axes}")
        shape = tuple(self.number("I", f"the shape of {name!r}") for _ in range(axes))
        kind, size = self.number("B", f"the type of {name!r}"), self.number("I", f"the size of {name!r}")
        if kind not in ITEM_BYTES:
            raise ValueError(f"{self.where}: expected a type from 0 to {max(ITEM_BYTES)} of {name!r}, got {kind}")
        if 0 in shape or size != math.prod(shape) * ITEM_BYTES[kind]:
            raise ValueError(
                f"{self.where}: expected {name!r} to have as many bytes as its shape {shape} says, got {size:,}"
            )
        numbers = self.take(size, f"the numbers of {name!r}")
        return np.frombuffer(numbers, FLOATS[kind]).reshape(shape) if kind in FLOATS else None


def _as_vit(found: Mapping[str, NDArray[np.floating] | None]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of an encoder under a ViT's names.

    Raises:
        KeyError: a variable is missing.
        ValueError: one has not the shape or the numbers that belong there, or is of no encoder.
    """
    used: set[str] = set()

    def take(name: str, *shape: int | None) -> Tensor:
        array = found[name]
        used.add(name)
        if array is None or len(array.shape) != len(shape) or not _fit(array.shape, shape):
            wanted = " x ".join("any" if size is None else str(size) for size in shape)
            got = "numbers of another type" if array is None else " x ".join(map(str, array.shape)) or "a single one"
            raise ValueError(f"expected {name!r} of {wanted} floats, got {got}")
        tensor = torch.from_numpy(array.astype(np.float32))
        if not tensor.isfinite().all():
            raise ValueError(f"expected finite numbers in {name!r}, got others")
        return tensor

    def norm(theirs: str) -> Iterator[tuple[str, Tensor]]:
        yield "weight", take(f"{theirs}/gamma", width)
        yield "bias", take(f"{theirs}/beta", width)

    places = take("encoder/position_encodings/encodings", None, None)
    width, side = places.shape[1], math.isqrt(len(places))
    # For a class token, which a body fed with embeddings does not have.
    table = torch.cat([torch.zeros(1, width), places[: side * side]])
    yield "embeddings.position_embeddings", table[None]
    layers = {int(match[1]) for match in map(_LAYER.fullmatch, found) if match}
    if layers != set(range(len(layers))) or not layers:
        raise ValueError(f"expected layers numbered from 0 on without a gap, got {sorted(layers)[:10]}")
    for layer in sorted(layers):
        theirs, ours = f"encoder/layer_{layer}", f"layers.{layer}"
        for stored, today in _NORMS.items():
            yield from ((f"{ours}.{today}.{part}", value) for part, value in norm(f"{theirs}/{stored}"))
        joined = f"{theirs}/self_attention/linear_0"
        for part, shape in (("weight", (3 * width, width)), ("bias", (3 * width,))):
            thirds = take(f"{joined}/{part}", *shape).split(width)
            for name, rows in zip(("q_proj", "k_proj", "v_proj"), thirds, strict=True):
                yield f"{ours}.attention.{name}.{part}", rows.clone()
        inner = len(take(f"{theirs}/ffn/linear_0/bias", None))
        sides = ((width, width), (inner, width), (width, inner))
        for (stored, today), (outputs, inputs) in zip(_MATRICES.items(), sides, strict=True):
            yield f"{ours}.{today}.weight", take(f"{theirs}/{stored}/weight", outputs, inputs)
            yield f"{ours}.{today}.bias", take(f"{theirs}/{stored}/bias", outputs)
    yield from ((f"layernorm.{part}", value) for part, value in norm("encoder/layer_norm"))
    if odd := sorted(name for name in found if name not in used and not _READ_PAST.fullmatch(name)):
        raise ValueError(f"expected encoder variables alone, got {len(odd)} with no place in one, such as {odd[0]!r}")


def _fit(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return all(expected in (None, got) for got, expected in zip(shape, wanted, strict=True))
