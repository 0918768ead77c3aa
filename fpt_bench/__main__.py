"""`python -m fpt_bench`."""

import os
import sys


def working_directory_last() -> None:
    """Let Python look in the working directory last: for tasks and bodies that users name, and for nothing of ours.

    A folder may come from somebody else, and hold a file that is called as a library of ours. Only where the working
    directory is the checkout that this package is imported from does it stay where it is.
    """
    here = os.getcwd()  # noqa: PTH109  # nothing may be imported yet that is not loaded anyway
    if here in sys.path and __file__ == f"{here}{os.sep}fpt_bench{os.sep}__main__.py":
        return
    sys.path[:] = [*(path for path in sys.path if path not in ("", ".", here)), here]
    # Workers, and jobs of a cluster, are given this path or call this too; until then they look there no sooner.
    os.environ["PYTHONSAFEPATH"] = "1"


if __name__ == "__main__":
    working_directory_last()
    from fpt_bench.cli import main

    main()
