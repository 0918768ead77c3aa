"""Folders of a machine in what others will read: by names in which no user is."""

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return a path with `~` and `~user` at its beginning as the folders that a shell makes of them.

    Shells leave `--runs=~/x` as it is. A folder that is really called `~` is `./~`.

    Raises:
        ValueError: nobody knows that folder, as for a user id without an entry where HOME is not set.

    Example:
        >>> expanded("~/runs") == Path.home() / "runs", expanded("./~")
        (True, PosixPath('~'))
    """
    try:
        return Path(path).expanduser() if str(path).startswith("~") else Path(path)
    except RuntimeError as error:
        raise ValueError(
            f"{path}: expected a home directory to stand for `~`, got none: set HOME, or write the whole path"
        ) from error


def home() -> Path | None:
    """Return the home directory; None where there is none, as for a user id without an entry and without HOME."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def one_name(folder: str) -> str:
    """Return the one name that a folder has in a spec, however it was typed.

    Within the working directory it is the path from there, within the home directory the path from `~`. A path of
    several parts begins with a dot, so that it is never taken for a repository on a hub.

    Example:
        >>> one_name("./weights/../weights/mine"), one_name(f"{Path.cwd()}/mine")
        ('./weights/mine', 'mine')
    """
    whole = Path(os.path.abspath(expanded(folder)))  # noqa: PTH100 - a link keeps its own name
    here, own = Path.cwd(), home()
    if _is_within(whole, here):
        inside = whole.relative_to(here).as_posix()
        return f"./{inside}" if "/" in inside else inside
    return f"~/{whole.relative_to(own).as_posix()}" if own and _is_within(whole, own) else str(whole)


def _is_within(whole: Path, place: Path) -> bool:
    return whole != place != Path(place.anchor) and whole.is_relative_to(place)


def without_places(text: str) -> str:
    """Return a text with the working directory and the home directory as `.` and `~`.

    Example:
        >>> without_places(f"{Path.cwd()}/mine: expected config.json")
        './mine: expected config.json'
    """
    for place, name in ((Path.cwd(), "."), (home(), "~")):
        if place is not None and place != Path(place.anchor):
            text = text.replace(str(place), name)
    return text
