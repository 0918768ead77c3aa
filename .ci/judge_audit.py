"""What `pip-audit --format json` printed, on standard input: known holes fail the run, and no data does not.

pip-audit ends with 1 for findings and for its own errors alike; only what it prints tells them apart.
"""

import json
import sys


def judge(printed: str) -> tuple[int, str]:
    """Return the exit code, and the lines that say why."""
    try:
        audited = [package for package in json.loads(printed)["dependencies"] if "vulns" in package]
    except (ValueError, KeyError, TypeError):
        audited = []
    if not audited:
        return 0, "pip-audit: its data could not be had, so nothing was judged"
    holes = [
        f"pip-audit: {package['name']} {package['version']} has {hole['id']}, "
        f"mended in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for package in audited
        for hole in package["vulns"]
    ]
    return int(bool(holes)), "\n".join([*holes, f"pip-audit: {len(holes)} known holes in {len(audited)} packages"])


if __name__ == "__main__":
    code, lines = judge(sys.stdin.read())
    print(lines)
    sys.exit(code)
