"""Llamas out of GGUF files: the numbers of the library's own reader, and damaged files as sentences."""

import hashlib
import random
import re
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModel

from fpt_bench.bodies.find import find_body
from fpt_bench.bodies.gguf_weights import read_gguf

WIDTH, INNER, WORDS, HEADS, KEY_HEADS = 64, 96, 32, 4, 2
SHAPES = {
    "token_embd": (WORDS, WIDTH),
    "output_norm": (WIDTH,),
    "blk.0.attn_norm": (WIDTH,),
    "blk.0.attn_q": (WIDTH, WIDTH),
    "blk.0.attn_k": (WIDTH // 2, WIDTH),
    "blk.0.attn_v": (WIDTH // 2, WIDTH),
    "blk.0.attn_output": (WIDTH, WIDTH),
    "blk.0.ffn_norm": (WIDTH,),
    "blk.0.ffn_gate": (INNER, WIDTH),
    "blk.0.ffn_up": (INNER, WIDTH),
    "blk.0.ffn_down": (WIDTH, INNER),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one layer: norms in full, the vocabulary in 8 bits, matrices in 4."""
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    writer, rng = gguf.GGUFWriter(path, "llama"), np.random.default_rng(0)
    writer.add_block_count(1)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_context_length(128)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(WORDS)
    writer.add_token_list([f"word {number}" for number in range(WORDS)])
    for name, shape in SHAPES.items():
        values = rng.standard_normal(shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(f"{name}.weight", values)
            continue
        kind = gguf.GGMLQuantizationType.Q8_0 if name == "token_embd" else gguf.GGMLQuantizationType.Q4_1
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_numbers_are_those_of_the_librarys_own_reader(small: Path) -> None:
    theirs = AutoModel.from_pretrained(small.parent, gguf_file=small.name, dtype=torch.float32).state_dict()
    ours = read_gguf(small)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_smollm2_is_what_the_library_reads_and_has_as_many_bytes_a_number_as_the_catalog_says() -> None:
    files = find_body("smollm2")
    found = read_gguf(files.weights[0])
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode())
        digest.update(found[name].numpy().tobytes())
    # Of what transformers' `from_pretrained(..., gguf_file=...)` made of it, bit by bit, in half a minute.
    assert digest.hexdigest().startswith("307a3ab69cf4ced7")
    vocabulary = found.pop("embed_tokens.weight").numel() * 34 / 32
    held = sum((4 if value.ndim == 1 else 20 / 32) * value.numel() for value in found.values())
    assert files.bytes_a_number() == held / sum(value.numel() for value in found.values())
    assert 0.9 * files.weights[0].stat().st_size < held + vocabulary < files.weights[0].stat().st_size


def replaced(path: Path, to: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(old) == 1
    to.write_bytes(data.replace(old, new))
    return to


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"GGUF\3", b"GGUF\2", "expected a GGUF file of version 3, got another beginning"),
        (b"GGUF\3", b"PK\3\4\3", "expected a GGUF file of version 3, got another beginning"),
        (
            b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama",
            b"general.architecture" + struct.pack("<IQ", 8, 5) + b"bloom",
            "expected general.architecture to be llama, got 'bloom'",
        ),
        (
            b"output_norm.weight" + struct.pack("<I", 1),
            b"output_norm.weight" + struct.pack("<I", 0),
            "expected 1 to 4 axes of 'output_norm.weight', got 0",
        ),
        (
            b"blk.0.attn_v.weight",
            b"blk.0.attn_w.weight",
            "expected the tensors of a Llama alone, got 'blk.0.attn_w.weight'",
        ),
        (
            b"blk.0.ffn_gate.weight",
            b"blk.0.ffn_down.weight",
            "expected each tensor once, got 'blk.0.ffn_down.weight' again",
        ),
        (
            b"llama.attention.head_count_kv" + struct.pack("<II", 4, KEY_HEADS),
            b"llama.attention.head_count_kv" + struct.pack("<II", 4, 3),
            "expected 'blk.0.attn_k.weight' to have rows for 3 heads, got (32, 64)",
        ),
        (
            b"llama.attention.head_count_kv" + struct.pack("<II", 4, KEY_HEADS),
            b"llama.attention.head_count_kv" + struct.pack("<II", 4, 0),
            "expected llama.attention.head_count_kv to be a number from 1, got 0",
        ),
    ],
)
def test_a_file_that_is_no_llama_is_a_sentence(small: Path, tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_gguf(replaced(small, tmp_path / "other.gguf", old, new))


def test_200_damaged_files_are_read_or_a_sentence(small: Path, tmp_path: Path) -> None:
    data, rng, refused = small.read_bytes(), random.Random(0), 0
    header = data.index(b"blk.0.ffn_down.weight") + 60
    for number in range(200):
        damaged = bytearray(data)
        if number % 4 == 0:
            del damaged[rng.randrange(len(data)) :]
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(min(header, max(1, len(damaged))))
            damaged[place : place + 1] = bytes([rng.choice((0, 1, 127, 255, rng.randrange(256)))])
        (tmp_path / "damaged.gguf").write_bytes(damaged)
        said = said_of(tmp_path / "damaged.gguf")
        refused += said is not None
        assert said is None or "damaged.gguf: expected" in said
    assert refused > 100


def said_of(path: Path) -> str | None:
    """Return the sentence that a file is refused with; None where it is read, as finite numbers."""
    try:
        found = read_gguf(path)
    except ValueError as error:
        return str(error)
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in found.values())
    return None
