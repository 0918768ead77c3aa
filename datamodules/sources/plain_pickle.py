"""Pickles that others made, read without running what they ask for. The only file that unpickles."""

import io
import math
import pickle
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.sources.quotes import quote


class RefusedPickleError(ValueError):
    """A pickle names something that is no plain value."""


def load_plain_pickle(data: bytes | None, where: str) -> Any:
    """Return the plain value in a pickle of Python 2 or 3, of any protocol; texts of Python 2 are read as latin1.

    A pickle that names anything to call is refused, and nothing is called. numpy's arrays and numbers are read without
    numpy, into a :class:`PickledArray`; `plain_array` makes one. `where` names file and record in the error.

    Raises:
        ValueError: missing, damaged, longer than its value, or refused.

    Example:
        >>> load_plain_pickle(pickle.dumps({"primary": "ACD", "fold_label": 3}), "here")
        {'primary': 'ACD', 'fold_label': 3}
        >>> load_plain_pickle(pickle.dumps(print), "here")
        Traceback (most recent call last):
        ...
        datamodules.sources.plain_pickle.RefusedPickleError: here: expected plain values, got a pickle that asks for \
builtins.print: refused
    """
    if data is None:
        raise ValueError(f"{where}: expected a pickled value, got none. Fetch the file again.")
    stream = io.BytesIO(data)
    try:
        value = _PlainUnpickler(stream, encoding="latin1").load()
    except RefusedPickleError as error:
        message = f"{where}: expected plain values, got a pickle that asks for {error}: refused"
        raise RefusedPickleError(message) from None
    except Exception as error:  # a damaged pickle can raise almost anything
        reason = f"{type(error).__name__}: {str(error)[:80]}"
        raise ValueError(f"{where}: expected a whole pickle ({reason}). Fetch the file again.") from error
    if behind := len(data) - stream.tell():
        raise ValueError(f"{where}: expected the end of the file behind its pickle, got {behind:,} bytes more.")
    return value


def by_text_keys(value: object, where: str) -> dict[str, Any]:
    """Return a dictionary whose keys may be bytes, as Python 2's are where Python 3 wrote them again, under texts.

    Raises:
        ValueError: it is no dictionary, or has a key as bytes and as text.

    Example:
        >>> by_text_keys({b"labels": [3]}, "here")
        {'labels': [3]}
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: expected a dictionary, got {type(value).__name__}")
    keyed = {key.decode("latin1") if isinstance(key, bytes) else str(key): each for key, each in value.items()}
    if len(keyed) < len(value):
        raise ValueError(f"{where}: expected each key once, got one as bytes and as text: {quote(list(value))}")
    return keyed


class _PickledType:
    """Stands in for numpy.dtype: only the code, such as `i8`, and the order of its bytes are kept."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = str(state[1])


class PickledArray:
    """Stands in for numpy.ndarray, so that no array is ever made of foreign bytes before they are checked."""

    shape: object = ()
    kind: object = None
    data: object = None
    is_fortran = False

    def __init__(self, *_: object) -> None:
        """Ignore class and shape: they follow with the state."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, self.shape, self.kind, self.is_fortran, self.data = state


def plain_array(value: object) -> NDArray[Any] | None:
    """Return the array in what a pickle held: numbers of one plain type, in numpy's array or a list; None for others.

    Example:
        >>> plain_array(load_plain_pickle(pickle.dumps(np.arange(6, dtype=np.uint8).reshape(2, 3)), "here")).tolist()
        [[0, 1, 2], [3, 4, 5]]
    """
    if isinstance(value, list):
        numbers = [number for each in value if (number := plain_integer(each)) is not None and abs(number) < 2**63]
        return np.array(numbers, dtype=np.int64) if len(numbers) == len(value) else None
    if not isinstance(value, PickledArray) or not isinstance(value.kind, _PickledType):
        return None
    if not isinstance(value.shape, tuple):
        return None
    data, kind = value.data, value.kind
    if isinstance(data, str):  # bytes of Python 2
        data = data.encode("latin1")
    shape = tuple(side for side in value.shape if isinstance(side, int) and side >= 0)
    if (
        not re.fullmatch("[iuf][1248]|b1", kind.code)
        or not isinstance(data, bytes | bytearray)
        or len(shape) < len(value.shape)
    ):
        return None
    if kind.code == "f1" or len(data) != int(kind.code[1]) * math.prod(shape):
        return None
    order = "<" if kind.order in "|=" else kind.order
    array: NDArray[Any] = np.frombuffer(bytes(data), dtype=np.dtype(f"{order}{kind.code}"))
    return array.astype(array.dtype.newbyteorder("="), copy=False).reshape(
        shape, order="F" if value.is_fortran else "C"
    )


def plain_integer(value: object) -> int | None:
    """Return the integer that a value is, or that an array of one integer holds; None for others, truth values too."""
    if type(value) is int:
        return value
    array = plain_array(value) if isinstance(value, PickledArray) else None
    return int(array.item()) if array is not None and array.size == 1 and array.dtype.kind in "iu" else None


def _scalar(kind: object, data: object = b"", *_: object) -> PickledArray:
    return _of_bytes(data, kind, (), "C")


def _of_bytes(data: object, kind: object, shape: object, order: object = "C", *_: object) -> PickledArray:
    array = PickledArray()
    array.__setstate__((1, shape if isinstance(shape, tuple) else (shape,), kind, order == "F", data))
    return array


class _PlainUnpickler(pickle.Unpickler):
    """Knows numpy's constructors, by stand-ins, and nothing else."""

    _known: Mapping[tuple[str, str], object] = {
        ("_codecs", "encode"): lambda text, _: text.encode("latin1"),  # how bytes look in older pickles
        ("numpy", "dtype"): _PickledType,
        ("numpy", "ndarray"): PickledArray,
        **{
            (f"numpy.{core}.{module}", name): stand_in
            for core in ("core", "_core")
            for module, name, stand_in in (
                ("multiarray", "_reconstruct", PickledArray),
                ("multiarray", "scalar", _scalar),
                ("numeric", "_frombuffer", _of_bytes),
            )
        },
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._known:
            raise RefusedPickleError(f"{module}.{name}")
        return self._known[module, name]
