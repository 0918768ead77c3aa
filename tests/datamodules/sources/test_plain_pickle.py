"""Pickles as data: plain values come out, nothing is imported, and what is none of them is no array."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from datamodules.images.image_files import read_cifar_batch
from datamodules.sources.plain_pickle import load_plain_pickle, plain_array


def test_numbers_beyond_64_bits_and_shapes_that_are_none_are_no_array() -> None:
    assert plain_array([1, 10**30]) is None
    assert plain_array([1, -(2**63) + 1]) is not None
    array = load_plain_pickle(pickle.dumps(np.arange(5, dtype=np.uint8), protocol=2), "here")
    assert plain_array(array) is not None
    array.shape = 5
    assert plain_array(array) is None


def test_a_hostile_batch_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": np.zeros((2, 3072), dtype=np.uint8), "labels": [1, 10**30]}))
    with pytest.raises(ValueError, match=r"data_batch_1: expected 'data' to be an array of bytes and 'labels'"):
        read_cifar_batch(path)
