"""Where things of the repository are that tests look at."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "docs" / "results"
"""Kept results of today's profile."""
KEPT_RESULTS = MEASURED / "before"
"""Those that were set aside."""
HEADLINE = MEASURED / "headline"
"""The headline's, of the lock file's release: others there have some of its runs from another."""
DROWNED = MEASURED / "drowned-positions"
"""Those of bodies trained here that had not learned their own task."""
EXAMPLES = ROOT / "docs" / "examples"
