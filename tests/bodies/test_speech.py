"""The body `speech`: a file of CTranslate2 read as data, held to the library's own encoder of Whisper."""

import struct
import sys
import tracemalloc
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.catalog import SPEECH, find_body_entry
from fpt_bench.bodies.ctranslate2_weights import read_speech_encoder, read_variables
from fpt_bench.bodies.find import find_body
from fpt_bench.config.inits import INITS, PARTS, example_of, read_init
from fpt_bench.config.spec import RunSpec
from tests.bodies.ct2_files import model_bin, tiny_encoder, variable

LENGTH = 12


@pytest.mark.parametrize("body", ["speech", "speech-base"])
@pytest.mark.parametrize("execution", ["native", "reference"])
def test_it_computes_what_the_librarys_whisper_computes(body: str, execution: str) -> None:
    try:
        files = find_body(body)
    except FileNotFoundError:
        if body == "speech":
            raise
        pytest.skip("the optional package is not installed")
    joined = b"".join(path.read_bytes() for path in files.weights)
    found = {name: array for name, array in read_variables(joined, "model.bin").items() if array is not None}
    expected, tokens = whisper(found, find_body_entry(body).architecture)
    spec = RunSpec(task="bit-xor", body=body, dropout=0.0, body_execution=execution)
    ours, record = build_body(spec, LENGTH)
    mask = torch.arange(LENGTH) < torch.tensor([[LENGTH], [7]])
    with torch.no_grad():
        said = ours.eval()(tokens, mask, 7)
    for row, length in enumerate((LENGTH, 7)):
        torch.testing.assert_close(said[row], expected[row, length - 7 : length], rtol=0, atol=2e-5)
    assert record.pinned
    assert record.bytes_kept == 2 * sum(p.numel() for p in ours.parameters()) + 2 * found_width(found) * (1445 - LENGTH)


def found_width(found: dict[str, NDArray[np.floating]]) -> int:
    return len(found["encoder/layer_norm/gamma"])


def whisper(found: dict[str, NDArray[np.floating]], sizes: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the library's layers make of (2, LENGTH, H) tokens, the second of length 7, and the tokens."""
    width, heads, count = sizes["hidden_size"], sizes["num_attention_heads"], sizes["num_hidden_layers"]
    config = WhisperConfig(d_model=width, encoder_attention_heads=heads, encoder_ffn_dim=4 * width, dropout=0.0)
    config._attn_implementation = "eager"

    def get(name: str) -> torch.Tensor:
        return torch.from_numpy(found[f"encoder/{name}"].astype(np.float32))

    tokens = torch.randn(2, LENGTH, width, generator=torch.Generator().manual_seed(0))
    hidden = tokens + get("position_encodings/encodings")[:LENGTH]
    mask = torch.zeros(2, 1, LENGTH, LENGTH)
    mask[1, :, :, 7:] = -1e9
    for number in range(count):
        layer, at = WhisperEncoderLayer(config).eval(), f"layer_{number}"
        names = {"self_attn_layer_norm": "self_attention/layer_norm", "final_layer_norm": "ffn/layer_norm"}
        state = {
            f"{ours}.{new}": get(f"{at}/{theirs}/{old}")
            for ours, theirs in names.items()
            for new, old in (("weight", "gamma"), ("bias", "beta"))
        }
        linear = {"self_attn.out_proj": "self_attention/linear_1", "fc1": "ffn/linear_0", "fc2": "ffn/linear_1"}
        state |= {f"{ours}.{a}": get(f"{at}/{n}/{a}") for ours, n in linear.items() for a in ("weight", "bias")}
        for place, name in enumerate("qkv"):
            rows = slice(place * width, (place + 1) * width)
            state[f"self_attn.{name}_proj.weight"] = get(f"{at}/self_attention/linear_0/weight")[rows]
            bias = get(f"{at}/self_attention/linear_0/bias")[rows]
            if name == "k":
                assert not bias.any(), "the library's has none"
            else:
                state[f"self_attn.{name}_proj.bias"] = bias
        layer.load_state_dict(state)
        with torch.no_grad():
            out = layer(hidden, mask)
        hidden = out[0] if isinstance(out, tuple) else out
    norm = (width,), get("layer_norm/gamma"), get("layer_norm/beta")
    return torch.nn.functional.layer_norm(hidden, *norm, eps=1e-5), tokens


UNTRAINED = [init for init in map(example_of, INITS) if not init.startswith("task:")]


@pytest.mark.parametrize("init", [*UNTRAINED, f"random-fanin+{'+'.join(PARTS)}"])
def test_every_init_makes_a_body_of_it(init: str) -> None:
    _, record = build_body(RunSpec(task="bit-xor", body="speech", init=init, layers=2), LENGTH)
    assert bool(record.bytes_kept) is read_init(init).reads_weights
    assert "Whisper tiny.en" in record.source


def test_a_tiny_file_by_hand(tmp_path: Path) -> None:
    path, stored = tmp_path / "model.bin", tiny_encoder()
    path.write_bytes(model_bin(stored))
    found = read_speech_encoder(path)
    joined = stored["encoder/layer_1/self_attention/linear_0/weight"]
    assert found["layers.1.attention.k_proj.weight"].tolist() == joined[4:8].tolist()
    assert found["layers.1.mlp.fc2.bias"].tolist() == stored["encoder/layer_1/ffn/linear_1/bias"].tolist()
    places = stored["encoder/position_encodings/encodings"]
    assert found["embeddings.position_embeddings"][0].tolist() == [[0.0] * 4, *places[:4].tolist()]
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert len(found) == 1 + 2 * 16 + 2
    whole = path.read_bytes()
    pieces = [tmp_path / "one", tmp_path / "two"]
    for piece, part in zip(pieces, (whole[:100], whole[100:]), strict=True):
        piece.write_bytes(part)
    assert all(torch.equal(found[name], tensor) for name, tensor in read_speech_encoder(*pieces).items())


def without(name: str) -> bytes:
    return model_bin({key: value for key, value in tiny_encoder().items() if key != name})


def changed(name: str, array: NDArray[np.generic]) -> bytes:
    return model_bin({**tiny_encoder(), name: array})


GOOD = model_bin(tiny_encoder())
NORM = "encoder/layer_norm/gamma"
FEW = np.ones(2, np.float16)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected 4 bytes of the version at byte 0, got 0"),
        (b"PK\x03\x04" + GOOD[4:], "expected version 6 of CTranslate2's binary form, got 67324752"),
        (GOOD[:-5], "cut short or damaged"),
        (GOOD + b"x", "expected the end at byte .*, got 1 more"),
        (GOOD[:22] + struct.pack("<I", 2**32 - 1) + GOOD[26:], "expected at most 10,000 variables, got 4,294,967,295"),
        (GOOD.replace(b"encoder/num_heads", b"encoder/num_h\xffads"), "in plain letters"),
        (without("encoder/layer_norm/beta"), "got none called 'encoder/layer_norm/beta'"),
        (GOOD.replace(b"layer_1/ffn/layer_norm", b"layer_0/ffn/layer_norm"), "expected each variable once"),
        (without(NORM), "expected the variables of a speech encoder, got none called 'encoder/layer_norm/gamma'"),
        (changed(NORM, FEW), "expected 'encoder/layer_norm/gamma' of 4 floats, got 2"),
        (changed(NORM, np.ones(4, np.int8)), "got numbers of another type"),
        (changed(NORM, np.full(4, np.nan, np.float16)), "expected finite numbers"),
        (changed("encoder/layer_7/ffn/linear_0/bias", FEW), r"without a gap, got \[0, 1, 7\]"),
        (changed("encoder/layer_0/ffn/adapter", FEW), "such as 'encoder/layer_0/ffn/adapter'"),
        (changed("encoder/conv1/bias", np.ones((1, 1, 1, 1, 1), np.float16)), "expected at most 4 axes"),
        (changed("encoder/conv1/bias", np.ones((2**31, 0), np.float16)), "as many bytes as its shape"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_one_is_one_sentence(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=said) as refused:
        read_speech_encoder(path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("model.bin: expected ")


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """Return a file with bytes changed, cut out, doubled or appended at a random place."""
    place, kind = int(random.integers(len(data))), int(random.integers(4))
    noise = random.bytes(int(random.integers(1, 9)))
    if kind == 0:
        return data[:place] + noise + data[place + len(noise) :]
    if kind == 1:
        return data[:place] + noise + data[place:]
    if kind == 2:
        return data[:place] + data[place + len(noise) :]
    return data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :]


def test_200_mutated_files_are_a_sentence_each_in_bounded_memory_and_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    watching = [True]
    sys.addaudithook(lambda event, _: ran.append(event) if watching and event in FORBIDDEN else None)
    random, path = np.random.default_rng(0), tmp_path / "model.bin"
    pinned = SPEECH.packaged
    assert pinned is not None
    monkeypatch.setattr(metadata.PathDistribution, "locate_file", lambda *_: path)
    shapes = said_of(path, GOOD)
    tracemalloc.start()
    try:
        said = [said_of(path, mutated(GOOD, random)) for _ in range(200)]
        assert tracemalloc.get_traced_memory()[1] < 40 * len(GOOD) + 2**20
    finally:
        tracemalloc.stop()
        watching.clear()
    sentences = [found for found in said if isinstance(found, str)]
    assert all("\n" not in sentence and len(sentence) < 400 for sentence in sentences)
    assert all(found == shapes for found in said if not isinstance(found, str)), "numbers, or what is read past"
    assert len(sentences) > 100
    assert not ran
    # As a body no mutated file gets as far as that: its checksum is looked at first.
    with pytest.raises(ValueError, match=f"expected sha256:{pinned.sha256}"):
        find_body("speech")


FORBIDDEN = {"exec", "compile", "pickle.find_class", "os.system", "subprocess.Popen", "marshal.loads"}


def said_of(path: Path, data: bytes) -> str | dict[str, torch.Size]:
    """Return the shapes that are read from a file, or why none are."""
    path.write_bytes(data)
    try:
        return {name: tensor.shape for name, tensor in read_speech_encoder(path).items()}
    except ValueError as error:
        return str(error)


def test_an_optional_package_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("datamodules.sources.packages.distribution", missing)
    with pytest.raises(FileNotFoundError, match="--requirement requirements-bodies-optional"):
        find_body("speech-base")
    with pytest.raises(FileNotFoundError, match="`make bodies` tries to have it"):
        find_body("speech")


def test_variables_are_views_of_the_bytes_and_not_copies() -> None:
    data = model_bin({"decoder/embeddings/weight": np.zeros((1000, 1000), np.float16)})
    tracemalloc.start()
    found = read_variables(data, "model.bin")["decoder/embeddings/weight"]
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert held < 2**17
    assert variable("decoder/embeddings/weight", found) in data
