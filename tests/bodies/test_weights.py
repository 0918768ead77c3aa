"""Files of weights: whole, with the right checksum, never a pickle; and what an architecture is known by."""

import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2Model

from datamodules.sources.packages import packaged_file
from fpt_bench.bodies.architecture_fingerprint import config_fingerprint
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.catalog import BERT_BASE, MINILM
from fpt_bench.bodies.checkpoint import read_json, stored_tensors
from fpt_bench.bodies.dropout import set_dropout
from fpt_bench.bodies.find import find_body
from fpt_bench.bodies.onnx_weights import read_onnx
from fpt_bench.bodies.weights import BodyFiles
from fpt_bench.config.picks import picks_from_options
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.resolve import resolve
from tests.bodies import saved


def test_the_fingerprint_of_an_architecture_does_not_depend_on_where_it_lies(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=1)
    prints = []
    for name, dropout, width in (("a", 0.1, 8), ("b", 0.3, 8), ("c", 0.1, 16)):
        folder = tmp_path / name
        config.n_embd = width
        config.save_pretrained(folder)
        spec = RunSpec(task="bit-xor", body=str(folder), init="random", dropout=dropout)
        prints.append(build_body(spec, 10)[1].fingerprint)
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        ("gpt2", "010148e78ad6"),
        ("dinov2-small", "849a2b3d05c9"),
        ("smollm2", "50ae321b765f"),
        ("t5-encoder", "12a65a63d3e4"),
        ("lstm", "c8e21382fb9b"),
    ],
)
def test_the_fingerprints_of_architectures_are_those_of_results_that_are_kept(body: str, begins: str) -> None:
    config = find_body(body).config(offline=True)
    assert config_fingerprint(config).startswith(begins)
    set_dropout(config, 0.7)
    assert config_fingerprint(config).startswith(begins)


def test_weights_that_lack_a_parameter_are_refused(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=3, bos_token_id=0, eos_token_id=0)
    GPT2Model(config).save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    save_file({k: v for k, v in weights.items() if "h.1.attn.c_attn.weight" not in k}, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"got none that fits for 1, such as h\.1\.attn\.c_attn\.weight"):
        build_body(RunSpec(task="bit-xor", body=str(tmp_path)), 10)


def test_a_weights_file_with_a_wrong_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = MINILM.packaged
    assert entry is not None
    fake = tmp_path / "weights.safetensors"
    pinned = (entry.distribution, entry.path, f"sha256:{entry.sha256}")
    shutil.copy(packaged_file(*pinned), fake)
    with fake.open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x00")
    monkeypatch.setattr(metadata.Distribution, "locate_file", lambda *_: fake)
    monkeypatch.setattr(metadata.PathDistribution, "locate_file", lambda *_: fake)
    with pytest.raises(ValueError, match="expected sha256:53aa5117"):
        packaged_file(*pinned)


def test_an_onnx_file_without_a_known_backbone_is_one_sentence(tmp_path: Path) -> None:
    import onnx

    tensor = onnx.numpy_helper.from_array(np.zeros(3, dtype=np.float32), "encoder.weight")
    graph = onnx.helper.make_graph([], "other", [], [], [tensor])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(
        ValueError, match=r"other\.onnx: expected a backbone of tensors named backbone\. or .*, got none of 1"
    ):
        read_onnx(tmp_path / "other.onnx")


def test_weights_without_safetensors_are_refused(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=1)
    config.save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle would be here")
    with pytest.raises(FileNotFoundError, match="safetensors"):
        build_body(RunSpec(task="bit-xor", body="gpt2", body_path=str(tmp_path)), 10)


def test_a_built_in_name_means_the_built_in_one_whatever_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.save(tmp_path / "causal-128", saved.bert())
    (tmp_path / "lstm").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_body("causal-128").config(offline=True).model_type == "gpt2"
    assert find_body("lstm").location is None
    assert find_body("./causal-128").config(offline=True).model_type == "bert"
    spec = RunSpec(task="bit-xor", body="causal-128", init="random")
    here = Workspace(tmp_path, offline=True)
    assert resolve(spec, here)[0].body == "causal-128"
    for folder in ("./causal-128", str(tmp_path / "causal-128")):
        assert resolve(spec.model_copy(update={"body": folder}), here)[0].body == "./causal-128"
    assert picks_from_options(None, None, "./causal-128", ()).body == "./causal-128"


def test_a_folder_called_as_a_repository_is_no_body_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_body("bert-base").location == BERT_BASE.hub
    saved.save(tmp_path / BERT_BASE.hub, saved.bert())
    with pytest.raises(ValueError, match=f"expected {BERT_BASE.hub} to be a repository of the Hugging Face Hub alone"):
        find_body("bert-base")


def test_a_folder_of_another_architecture_does_not_run_under_a_body_s_name(tmp_path: Path) -> None:
    saved.save(tmp_path / "mine", saved.bert())
    assert find_body("bert-base", str(tmp_path / "mine")).location == str(tmp_path / "mine")
    with pytest.raises(
        ValueError, match="expected weights of body 'gpt2', of model_type gpt2, got bert; mean the folder"
    ):
        find_body("gpt2", str(tmp_path / "mine"))
    saved.save(tmp_path / "gpt2", saved.gpt2())
    with pytest.raises(ValueError, match="expected weights of body 'minilm', of model_type bert, got gpt2"):
        find_body("minilm", str(tmp_path / "gpt2"))


def test_a_repository_without_a_commit_is_not_pinned_and_what_reads_no_file_is() -> None:
    config = find_body("bert-base").config(offline=True)
    assert [find_body(name).is_pinned(config) for name in ("bert-base", "minilm", "causal-128")] == [False, True, True]
    _, record = build_body(RunSpec(task="bit-xor", body="bert-base", init="random", layers=1), 10)
    assert record.pinned


def test_what_a_reader_gives_in_another_shape_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = saved.gpt2()
    config.save_pretrained(tmp_path)
    tensors = GPT2Model(config).state_dict()
    words = {"wte.weight": torch.zeros(9, 16)}  # a vocabulary may be of any size
    monkeypatch.setattr("tests.bodies.saved.read_now", lambda *_: {**tensors, **words}, raising=False)
    files = BodyFiles(str(tmp_path), "a body", reader="tests.bodies.saved:read_now")
    files.load(config, "eager", offline=True)
    monkeypatch.setattr("tests.bodies.saved.read_now", lambda *_: {**tensors, "wpe.weight": torch.zeros(9, 16)})
    report = "expected every parameter of the architecture, got none that fits for 1, such as wpe.weight"
    with pytest.raises(ValueError, match=report):
        files.load(config, "eager", offline=True)


def test_an_architecture_without_a_type_is_a_sentence() -> None:
    files = BodyFiles(None, "a body", architecture=(("hidden_size", 8),))
    with pytest.raises(ValueError, match="the architecture of a body: expected it to say model_type, got none"):
        files.config(offline=True)


def test_json_that_nests_too_deeply_is_a_sentence(tmp_path: Path) -> None:
    deep = b'{"a":' + b"[" * 200_000
    (tmp_path / "config.json").write_bytes(deep)
    with pytest.raises(ValueError, match=r"config\.json: expected JSON"):
        read_json(tmp_path / "config.json")
    (tmp_path / "model.safetensors").write_bytes(len(deep).to_bytes(8, "little") + deep)
    with pytest.raises(ValueError, match=r"model\.safetensors: expected a head of safetensors"):
        stored_tensors([tmp_path / "model.safetensors"])
