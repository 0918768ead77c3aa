"""Names into things: by `module:attribute`, or by an installed package's entry points."""

import importlib
import traceback
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from fpt_bench.names import require_known

TASKS_GROUP, BODIES_GROUP = "fpt_bench.tasks", "fpt_bench.bodies"
"""Entry point groups in which packages offer theirs."""


def offered(group: str) -> list[str]:
    """Return the names that installed packages offer in an entry point group; imports none of them."""
    return sorted({entry.name for entry in _installed(group)})


def _installed(group: str) -> list[EntryPoint]:
    """Return entry points of installed packages: what lies in the working directory is not installed by that."""
    here = Path.cwd()
    return [
        e for e in entry_points(group=group) if e.dist is None or Path(str(e.dist.locate_file(""))).resolve() != here
    ]


def comes_from_outside(name: str, group: str) -> bool:
    """Return whether a name is a path of the form `module:attribute` or offered by an installed package."""
    return is_path(name) or name in offered(group)


def is_path(name: str) -> bool:
    """Return whether a name says itself what to import: `module:attribute`."""
    return ":" in name


def look_up(kind: str, name: str, built_in: Mapping[str, str], group: str | None = None) -> Any:
    """Return what a name stands for: a built-in's `module:attribute`, the name's own, or an entry point's.

    Args:
        kind: what the name is of, for the error.
        name: as users type it.
        built_in: `module:attribute` by name.
        group: entry point group in which packages offer more.

    Raises:
        ValueError: there is none, and the message names the nearest; or it cannot be imported.
    """
    if name in built_in:
        return import_attribute(kind, built_in[name])
    if is_path(name):
        return import_attribute(kind, name)
    for entry in _installed(group) if group else ():
        if entry.name == name:
            try:
                return entry.load()
            except (Exception, SystemExit) as error:
                package = "an installed package" if entry.dist is None else f"package {entry.dist.name}"
                raise ValueError(f"{kind} '{name}' of {package}: cannot be had: {in_one_line(error)}") from error
    require_known(kind, name, [*built_in, *(offered(group) if group else ())])
    raise AssertionError("unreachable: the name is neither built in nor offered")


def import_attribute(kind: str, name: str) -> Any:
    """Return the attribute at `module:attribute`.

    Raises:
        ValueError: the module cannot be imported or has no such attribute; the message names the nearest.
    """
    path, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise ValueError(
            f"{kind} '{name}': expected a module that can be imported, got: {error}. "
            "Python looks in the working directory and in the folders that PYTHONPATH names."
        ) from error
    except (Exception, SystemExit) as error:  # a script that ends the process when it is imported
        raise ValueError(
            f"{kind} '{name}': expected a module that can be imported, got {in_one_line(error)}"
        ) from error
    if not hasattr(module, attribute):
        own = [n for n, thing in vars(module).items() if n[:1] != "_" and _is_made_here(thing, path)]
        require_known(f"attribute of {path}", attribute, own)
    return getattr(module, attribute)


def _is_made_here(thing: object, path: str) -> bool:
    """Return whether a module's attribute is likely its own: no module, and no class or function of another."""
    if isinstance(thing, ModuleType):
        return False
    return not (isinstance(thing, type) or callable(thing)) or getattr(thing, "__module__", path) == path


def in_one_line(error: BaseException) -> str:
    """Return an error of somebody's code in one line: what it is, and where it was raised."""
    words = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError):
        return words  # says its file and line
    frames = traceback.extract_tb(error.__traceback__)
    return f"{words} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else words
