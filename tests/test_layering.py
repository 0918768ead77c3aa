"""The spec flows down, the result flows up, nothing flows sideways: read off the imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH_FREE = [
    "spec",
    "config_files",
    "experiment",
    "grid",
    "results",
    "statistics",
    "tables",
    "render",
    "notes",
    "latex",
    "sweep",
    "check",
    "verdict",
    "names",
    "launch",
    "display",
    "slurm",
    "status",
    "plan",
    "preemption",
    "claims",
    "contents_cache",
    "resources",
    "workspace",
]


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


REPORT = [f"report.{path.stem}" for path in sorted((ROOT / "fpt_bench" / "report").glob("*.py"))]


@pytest.mark.parametrize("module", [*TORCH_FREE, "bodies.catalog", *REPORT])
def test_specs_results_and_tables_never_load_torch(module: str) -> None:
    code = f"import sys, fpt_bench.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_the_report_draws_and_not_before_it_must() -> None:
    drawing = {"matplotlib", "jinja2", "markupsafe"}
    outside = [path for path in (ROOT / "fpt_bench").rglob("*.py") if path.parent.name != "report"]
    assert [path for path in outside if drawing & {name.partition(".")[0] for name in imported(path)}] == []
    code = f"import sys, fpt_bench.cli; print(sorted({drawing} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_only_one_file_builds_a_trainer() -> None:
    builders = [path.name for path in (ROOT / "fpt_bench").rglob("*.py") if "pl.Trainer(" in path.read_text()]
    assert builders == ["trainers.py"]


def branches_on_a_name(tree: ast.AST) -> list[int]:
    """Give the lines that compare something called task, body or init with a written-out name."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Match):
            sides, rest = [node.subject], [case.pattern for case in node.cases]
        elif isinstance(node, ast.Compare):
            sides, rest = [node.left, *node.comparators], [node.left, *node.comparators]
        else:
            continue
        named = {getattr(side, "attr", getattr(side, "id", "")) for side in sides}
        parts = [part for place in rest for part in ast.walk(place)]
        texts = [part for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if named & {"task", "body", "init"} and texts:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    "code",
    ['if task == "cifar": pass', 'x = spec.body in ("gpt2", "minilm")', 'match spec.init:\n    case "random": pass'],
)
def test_a_branch_on_a_name_is_seen(code: str) -> None:
    assert branches_on_a_name(ast.parse(code)) == [1]


@pytest.mark.parametrize(
    "path", [*(ROOT / "fpt_bench").rglob("*.py"), *(ROOT / "datamodules").rglob("*.py")], ids=lambda path: path.name
)
def test_no_branch_on_a_task_or_body_name(path: Path) -> None:
    assert branches_on_a_name(ast.parse(path.read_text())) == []
