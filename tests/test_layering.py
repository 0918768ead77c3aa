"""The spec flows down, the result flows up, nothing flows sideways: read off the imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH_FREE = ["spec", "results", "statistics", "tables", "check", "names", "launch", "display", "bodies.catalog"]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the arrow"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "datamodules").rglob("*.py")), ids=lambda path: path.name)
def test_data_knows_no_models(path: Path) -> None:
    assert {name.partition(".")[0] for name in imported(path)}.isdisjoint({"fpt_bench", "transformers"})


@pytest.mark.parametrize("module", TORCH_FREE)
def test_specs_results_and_tables_never_load_torch(module: str) -> None:
    code = f"import sys, fpt_bench.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_the_harness_builds_a_trainer() -> None:
    builders = [path.name for path in (ROOT / "fpt_bench").rglob("*.py") if "pl.Trainer(" in path.read_text()]
    assert builders == ["harness.py"]


def test_no_branch_on_a_task_or_body_name() -> None:
    for path in [*(ROOT / "fpt_bench").rglob("*.py"), *(ROOT / "datamodules").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                attributes = {s.attr for s in sides if isinstance(s, ast.Attribute)} & {"task", "body", "init"}
                texts = {s.value for s in sides if isinstance(s, ast.Constant) and isinstance(s.value, str)}
                allowed = {"pretrained"}  # the record's sentence on where weights come from
                assert not (attributes and texts - allowed), f"{path.name}:{node.lineno}"
