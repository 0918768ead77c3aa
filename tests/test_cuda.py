"""The same module on a GPU, where there is one."""

from pathlib import Path

import pytest
import torch

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from fpt_bench.training.resolve import resolve

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that CUDA can use is here")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("execution", ["native", "reference"])
def test_a_gpu_learns_bit_xor(execution: str, precision: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "runs", offline=True)
    asked = RunSpec(task="bit-xor", max_steps=200, eval_every=50, precision=precision, body_execution=execution)
    spec, _ = resolve(asked, workspace)
    result = run_one(spec, workspace)
    assert result.status == "ok"
    assert result.test_accuracy is not None
    assert result.test_accuracy > 0.9
