"""The judge of pip-audit's findings, on outputs written by hand."""

import subprocess
import sys

import pytest

from tests.paths import ROOT

CLEAN = """{"dependencies": [{"name": "numpy", "version": "2.0", "vulns": []},
  {"name": "fpt-bench", "skip_reason": "Dependency not found on PyPI"}], "fixes": []}"""
HOLE = """{"dependencies": [{"name": "numpy", "version": "2.0", "vulns": [
  {"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": [], "description": "x"},
  {"id": "PYSEC-2", "fix_versions": [], "aliases": [], "description": "y"}]}], "fixes": []}"""
SKIPPED = """{"dependencies": [{"name": "fpt-bench", "skip_reason": "Dependency not found on PyPI"}], "fixes": []}"""
NO_DATA = "its data could not be had"


@pytest.mark.parametrize(
    ("printed", "code", "says"),
    [
        (CLEAN, 0, "0 known holes in 1 packages"),
        (HOLE, 1, "numpy 2.0 has PYSEC-1, mended in 2.1\npip-audit: numpy 2.0 has PYSEC-2, mended in no version yet"),
        ("", 0, NO_DATA),
        (HOLE[:60], 0, NO_DATA),
        ("[]", 0, NO_DATA),
        (SKIPPED, 0, NO_DATA),
    ],
    ids=["clean", "holes", "nothing", "cut", "other", "skipped"],
)
def test_known_holes_fail_the_run_and_missing_data_does_not(printed: str, code: int, says: str) -> None:
    judged = subprocess.run(
        [sys.executable, ROOT / ".ci" / "judge_audit.py"], input=printed, capture_output=True, text=True, check=False
    )
    assert judged.returncode == code
    assert says in judged.stdout
    assert judged.stderr == ""
