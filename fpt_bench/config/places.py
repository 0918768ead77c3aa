"""Folders of a machine in what others will read: by names in which no user is."""

import os
from pathlib import Path


def one_name(folder: str) -> str:
    """Return the one name that a folder has in a spec, however it was typed.

    Within the working directory it is the path from there, within the home directory the path from `~`.

    Example:
        >>> one_name("./weights/../weights/mine"), one_name(f"{Path.cwd()}/mine")
        ('weights/mine', 'mine')
    """
    whole = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - a link keeps its own name
    for place, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if whole != place and whole.is_relative_to(place):
            return f"{prefix}{whole.relative_to(place).as_posix()}"
    return str(whole)


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
