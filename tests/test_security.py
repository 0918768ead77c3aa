"""What files and names that users bring cannot do."""

import ast
import pickle
from pathlib import Path

import pytest
import torch

from fpt_bench.bodies.find import find_body
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.checkpoints import AtomicCheckpoints
from tests.paths import ROOT

SOURCES = sorted([*(ROOT / "fpt_bench").rglob("*.py"), *(ROOT / "datamodules").rglob("*.py")])
LOADERS = {"pickle.load", "pickle.loads", "torch.load", "yaml.load", "joblib.load", "dill.load", "yaml.unsafe_load"}
NAMES = ["../../etc/x", "..", "/etc/x", "a/../../b", "a\\..\\b", ".", "x\x00y", "~root", "a\nb"]


class _Bomb:
    """Unpickling it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("field", ["task", "body", "init"])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder_of_runs(tmp_path: Path, field: str, name: str) -> None:
    spec = RunSpec(**{"task": "bit-xor", field: name})
    folder = tmp_path / spec.run_id
    assert folder.resolve().parent == tmp_path.resolve()
    folder.mkdir()


def unsafe_calls(tree: ast.AST) -> list[str]:
    """Return the calls that unpickle, or read YAML that may build anything."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        named = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
        call = ast.unparse(node.func)
        if (call in LOADERS and named.get("weights_only") is not True) or named.get("allow_pickle"):
            found.append(f"{call} in line {node.lineno}")
    return found


@pytest.mark.parametrize(
    "code", ["torch.load(p)", "torch.load(p, weights_only=False)", "pickle.loads(b)", "np.load(p, allow_pickle=True)"]
)
def test_an_unsafe_call_is_seen(code: str) -> None:
    assert len(unsafe_calls(ast.parse(code))) == 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_unpickles(path: Path) -> None:
    """The two unpicklers of ours admit plain values only; tests of the data sets hold them to it."""
    assert unsafe_calls(ast.parse(path.read_text())) == []


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"global_step": _Bomb(trace)}, tmp_path / "last.ckpt")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        AtomicCheckpoints().load_checkpoint(tmp_path / "last.ckpt")
    assert not trace.exists()


def test_a_body_that_would_run_code_is_refused(tmp_path: Path) -> None:
    trace, folder = tmp_path / "trace", tmp_path / "body"
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": 8, "vocab_size": 8}'
    )
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Bomb(trace)))
    files = find_body("gpt2", str(folder))
    with pytest.raises(FileNotFoundError, match=r"safetensors"):
        files.load(files.config(offline=True), "eager", offline=True)
    assert not trace.exists()
