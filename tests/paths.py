"""Where things of the repository are that tests look at."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT_RESULTS = ROOT / "docs" / "results" / "before"
EXAMPLES = ROOT / "docs" / "examples"
