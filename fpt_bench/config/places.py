"""Folders of a machine in what others will read: by names in which no user is."""

import os
from pathlib import Path


def one_name(folder: str) -> str:
    """Return the one name that a folder has in a spec, however it was typed.

    Within the working directory it is the path from there, within the home directory the path from `~`. A path of
    several parts begins with a dot, so that it is never taken for a repository on a hub.

    Example:
        >>> one_name("./weights/../weights/mine"), one_name(f"{Path.cwd()}/mine")
        ('./weights/mine', 'mine')
    """
    whole = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - a link keeps its own name
    here, home = Path.cwd(), Path.home()
    if _is_within(whole, here):
        inside = whole.relative_to(here).as_posix()
        return f"./{inside}" if "/" in inside else inside
    return f"~/{whole.relative_to(home).as_posix()}" if _is_within(whole, home) else str(whole)


def _is_within(whole: Path, place: Path) -> bool:
    return whole != place != Path(place.anchor) and whole.is_relative_to(place)


def without_places(text: str) -> str:
    """Return a text with the working directory and the home directory as `.` and `~`.

    Example:
        >>> without_places(f"{Path.cwd()}/mine: expected config.json")
        './mine: expected config.json'
    """
    for place, name in ((Path.cwd(), "."), (Path.home(), "~")):
        if place != Path(place.anchor):
            text = text.replace(str(place), name)
    return text
