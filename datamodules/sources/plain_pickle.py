"""Pickles that others made, read without running what they ask for. The only file that unpickles."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

_RECONSTRUCT = np.empty(0).__reduce__()[0]
"""numpy's own way back from a pickled array, wherever this version keeps it."""
_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain values and numpy arrays; refuses whatever else a pickle asks for, since loading that may run code."""

    def find_class(self, module: str, name: str) -> object:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no plain value") from None


def read_plain_pickle(path: Path) -> Any:
    """Return what a pickle of Python 2 or 3 holds, texts of Python 2 as latin1.

    A hostile or cut pickle can raise nearly any error on its way.

    Raises:
        pickle.UnpicklingError: it asks for anything but plain values and numpy arrays.
    """
    with open(path, "rb") as stream:
        return _PlainUnpickler(stream, encoding="latin1").load()
