"""The house: rooms on layers, two wings that never meet. Read off the imports, lazy ones included."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

LAYERS: list[set[str]] = [
    {"datamodules"}, {"names"}, {"config"}, {"results"}, {"bodies", "analysis"}, {"training", "report"},
    {"launching"}, {"commands"}, {"cli"},
]  # fmt: skip
"""From the ground up. A room imports itself and lower layers. On one layer stand two rooms of different wings."""
WINGS = {"bodies", "training", "launching"}, {"analysis", "report"}
"""Making numbers and reading numbers."""
NEVER_TORCH = {"names", "config", "results", "analysis", "report"}
"""Rooms that never load torch, in no function either; those above load it when they are used, not when imported."""
DRAWING = {"matplotlib", "jinja2", "markupsafe"}
PYTHON_FILES = sorted([*(ROOT / "fpt_bench").rglob("*.py"), *(ROOT / "datamodules").rglob("*.py")])


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    """Return the room that a module is in; None for the package itself, its door, and for other packages."""
    parts = module.split(".")
    if parts[0] == "datamodules":
        return "datamodules"
    return parts[1] if parts[0] == "fpt_bench" and len(parts) > 1 and parts[1] != "__main__" else None


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every module that a tree imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the arrow"
            yield node.module or ""


def layer_of(room: str) -> int:
    return next(height for height, rooms in enumerate(LAYERS) if room in rooms)


def broken_rules(module: str, tree: ast.AST) -> list[str]:
    """Return a sentence for each import of a module that no room may make."""
    room = room_of(module)
    broken = []
    for name in imported(tree) if room else ():
        other = room_of(name)
        if room in NEVER_TORCH and name.partition(".")[0] in {"torch", "transformers", "pytorch_lightning"}:
            broken.append(f"{module} loads {name}")
        if other is None or other == room:
            continue
        if layer_of(other) > layer_of(room):
            broken.append(f"{module} imports {name} from a layer above")
        if any(room in first and other in second for first, second in (WINGS, WINGS[::-1])):
            broken.append(f"{module} imports {name} from the other wing")
    return broken


def test_every_arrow_leads_down_and_to_no_other_wing() -> None:
    broken = [rule for path in PYTHON_FILES for rule in broken_rules(module_of(path), ast.parse(path.read_text()))]
    assert broken == []


@pytest.mark.parametrize(
    ("module", "planted", "message"),
    [
        ("fpt_bench.report.notes", "from fpt_bench.training.one_run import run_one", "from the other wing"),
        ("fpt_bench.training.module", "def f():\n    import fpt_bench.analysis.cells", "from the other wing"),
        ("fpt_bench.bodies.build", "from fpt_bench.analysis.statistics import Estimate", "from the other wing"),
        ("fpt_bench.config.grid", "from fpt_bench.results.result import RunResult", "from a layer above"),
        ("datamodules.bits", "from fpt_bench.names import require_known", "from a layer above"),
        ("fpt_bench.analysis.gate", "def f():\n    import torch", "fpt_bench.analysis.gate loads torch"),
    ],
)
def test_an_arrow_that_breaks_a_rule_is_seen(module: str, planted: str, message: str) -> None:
    found = broken_rules(module, ast.parse(planted))
    assert len(found) == 1 if "layer" in message else found
    assert message in found[-1]


def test_every_room_has_a_layer() -> None:
    rooms = {room_of(module_of(path)) for path in PYTHON_FILES} - {None}
    assert rooms == set().union(*LAYERS)


def test_datamodules_know_no_models() -> None:
    for path in (ROOT / "datamodules").rglob("*.py"):
        assert "transformers" not in {name.partition(".")[0] for name in imported(ast.parse(path.read_text()))}, path


def test_no_room_loads_torch_or_draws_before_it_must() -> None:
    """One interpreter imports every module that must not, and looks at what is loaded after each."""
    modules = [module_of(path) for path in PYTHON_FILES]
    light = [m for m in modules if room_of(m) not in {"datamodules", "bodies", "training"}]
    light += ["fpt_bench.bodies.catalog", "fpt_bench.training.preemption", "fpt_bench.training.loggers"]
    pages = [m for m in light if m.startswith(("fpt_bench.report.page", "fpt_bench.report.figures"))]
    code = (
        "import importlib, json, sys\n"
        "light, heavy = json.loads(sys.argv[1])\n"
        "found = {}\n"
        "for name in light:\n"
        "    importlib.import_module(name)\n"
        "    found |= {word: name for word in heavy if word in sys.modules and word not in found}\n"
        "print(json.dumps(found))"
    )
    for names, heavy in (([m for m in light if m not in pages], ["torch", *sorted(DRAWING)]), (pages, ["torch"])):
        command = [sys.executable, "-c", code, json.dumps([names, heavy])]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert json.loads(done.stdout) == {}, "what was loaded, and the first module that brought it"


def test_only_the_report_draws() -> None:
    drawing = {room_of(module_of(p)) for p in PYTHON_FILES if DRAWING & set(roots(p))}
    assert drawing == {"report"}
    rest = [p for p in (ROOT / "fpt_bench" / "report").glob("*.py") if DRAWING & set(roots(p))]
    assert rest == [], "in figures/ and page/ alone"


def roots(path: Path) -> Iterator[str]:
    return (name.partition(".")[0] for name in imported(ast.parse(path.read_text())))


def test_inits_of_packages_are_empty() -> None:
    full = [path.parent.name for path in PYTHON_FILES if path.name == "__init__.py" and path.read_text().strip()]
    assert full == ["fpt_bench"], "the notebook's door"


def test_no_two_files_of_different_rooms_have_one_name() -> None:
    """A command's file is called as the command; every other name is in the house once."""
    names: dict[str, list[Path]] = {}
    for path in PYTHON_FILES:
        if path.name != "__init__.py" and path.parent.name != "commands":
            names.setdefault(path.name, []).append(path)
    assert {name: paths for name, paths in names.items() if len(paths) > 1} == {}


LAYOUT = {
    "result.json", "run.claim", "grid.json", "table.json", "tables", "checkpoints", "logs",
    "predictions.json", "body.safetensors", "bodies", "features", "slurm",
}  # fmt: skip
"""Names of files and folders in a folder of runs."""


def test_only_one_file_knows_the_layout_of_a_folder_of_runs() -> None:
    for path in (ROOT / "fpt_bench").rglob("*.py"):
        text = path.read_text()
        assert "parents[" not in text, path
        if path.name == "folder.py":
            continue
        joined = [
            part.value
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            for part in (node.left, node.right)
            if isinstance(part, ast.Constant)
        ]
        assert not LAYOUT & set(joined), path


def test_only_export_knows_columns() -> None:
    """Frames are nowhere else, so there is nothing whose columns could be named."""
    with_frames = {path.name for path in (ROOT / "fpt_bench").rglob("*.py") if "pandas" in set(roots(path))}
    assert with_frames == {"export.py"}


def test_only_one_file_builds_a_trainer() -> None:
    builders = [path.name for path in (ROOT / "fpt_bench").rglob("*.py") if "pl.Trainer(" in path.read_text()]
    assert builders == ["trainers.py"]


def branches_on_a_name(tree: ast.AST) -> list[int]:
    """Return the lines that compare something called task, body or init with a written-out name."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Match):
            sides, rest = [node.subject], [case.pattern for case in node.cases]
        elif isinstance(node, ast.Compare):
            sides, rest = [node.left, *node.comparators], [node.left, *node.comparators]
        else:
            continue
        named = {getattr(side, "attr", getattr(side, "id", "")) for side in sides}
        parts = [part for found in rest for part in ast.walk(found)]
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


def test_no_branch_on_a_task_or_body_name() -> None:
    found = {path: branches_on_a_name(ast.parse(path.read_text())) for path in PYTHON_FILES}
    assert {path: lines for path, lines in found.items() if lines} == {}
