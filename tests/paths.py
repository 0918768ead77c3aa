"""Where things of the repository are that tests look at."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "docs" / "results"
"""Kept results of today's profile."""
KEPT_RESULTS = MEASURED / "before"
"""Those that were set aside."""
EXAMPLES = ROOT / "docs" / "examples"
