"""The notebook of the docs: its code, cell by cell, as a kernel would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if "outputs" in cell)


@pytest.mark.slow
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    (tmp_path / "cells.py").write_text("\n".join(code_cells()) + "\nassert again.spec == spec\nassert len(wide) == 2\n")
    place = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "cells.py"], cwd=tmp_path, env=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
