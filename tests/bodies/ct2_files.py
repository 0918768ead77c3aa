"""Small files in CTranslate2's binary form, made by hand."""

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

KINDS = {"float32": 0, "int8": 1, "int16": 2, "float16": 4}
WIDTH, INNER, PLACES = 4, 6, 5


def text(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def variable(name: str, array: NDArray[np.generic]) -> bytes:
    head = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return text(name) + head + struct.pack("<BI", KINDS[array.dtype.name], array.nbytes) + array.tobytes()


def model_bin(variables: Mapping[str, NDArray[np.generic]], version: int = 6) -> bytes:
    head = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    alias = struct.pack("<I", 1) + text("decoder/projection/weight") + text("decoder/embeddings/weight")
    return head + b"".join(variable(name, array) for name, array in variables.items()) + alias


def tiny_encoder(layers: int = 2) -> dict[str, NDArray[np.generic]]:
    """The variables of an encoder of width 4, numbers counted up, and of a decoder that is read past."""
    shapes: dict[str, tuple[int, ...]] = {"decoder/embeddings/weight": (3, WIDTH)}
    for layer in range(layers):
        shapes |= {
            f"encoder/layer_{layer}/{name}": shape
            for name, shape in {
                "ffn/layer_norm/beta": (WIDTH,),
                "ffn/layer_norm/gamma": (WIDTH,),
                "ffn/linear_0/bias": (INNER,),
                "ffn/linear_0/weight": (INNER, WIDTH),
                "ffn/linear_1/bias": (WIDTH,),
                "ffn/linear_1/weight": (WIDTH, INNER),
                "self_attention/layer_norm/beta": (WIDTH,),
                "self_attention/layer_norm/gamma": (WIDTH,),
                "self_attention/linear_0/bias": (3 * WIDTH,),
                "self_attention/linear_0/weight": (3 * WIDTH, WIDTH),
                "self_attention/linear_1/bias": (WIDTH,),
                "self_attention/linear_1/weight": (WIDTH, WIDTH),
            }.items()
        }
    shapes |= {
        "encoder/layer_norm/beta": (WIDTH,),
        "encoder/layer_norm/gamma": (WIDTH,),
        "encoder/position_encodings/encodings": (PLACES, WIDTH),
    }
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, (name, shape) in enumerate(shapes.items()):
        arrays[name] = (np.arange(np.prod(shape)).reshape(shape) + 100 * number).astype(np.float16)
    return {**arrays, "encoder/num_heads": np.array(2, dtype=np.int16)}
