"""`python -m fpt_bench.results.fresh FOLDER`: remove what an earlier bench left in a folder of runs, no more."""

import shutil
import sys
from pathlib import Path

from fpt_bench.config.places import expanded, home
from fpt_bench.results.folder import entries_in, is_of_a_bench


def remove_runs(named: str) -> None:
    """Remove a folder of runs, whole; one that is empty or not there is nothing to do.

    Raises:
        ValueError: it is something else, or holds what no bench writes; nothing has been removed.
        OSError: it cannot be read or removed.
    """
    if not named.strip():
        raise ValueError("expected the folder of runs to begin anew, got nothing")
    folder = expanded(named)
    whole = folder.resolve()
    if whole in (Path(whole.anchor), home(), Path.cwd()) or whole in Path.cwd().parents:
        raise ValueError(f"{folder}: expected a folder of runs, got one that holds more than that")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"{folder}: expected a folder of runs, got {'a link' if folder.is_symlink() else 'a file'}")
    strange = [entry.name for entry in entries_in(folder) if not is_of_a_bench(entry)]
    if strange:
        raise ValueError(
            f"{folder}: expected what a bench leaves and nothing else, got {', '.join(strange[:5])} too; nothing was "
            "removed. Move it away, or name another folder"
        )
    if folder.exists():
        shutil.rmtree(folder)


if __name__ == "__main__":
    try:
        remove_runs(sys.argv[1] if len(sys.argv) == 2 else "")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
