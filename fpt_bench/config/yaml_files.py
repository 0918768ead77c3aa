"""The YAML files in configs/: found by name, read, and checked against what they describe."""

import copy
import difflib
import functools
import math
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fpt_bench.config.spec import explain
from fpt_bench.names import require_known

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"

MOST_BYTES, MOST_VALUES = 1_000_000, 100_000
"""Of a YAML file, a thousand times what ours have; aliases can make few bytes more values than there is memory for."""

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        FileNotFoundError: there is no such file; the message names the neighbour of the nearest name.
        ValueError: the file is not YAML or not a mapping, or says one thing twice.
    """
    try:
        content = copy.deepcopy(_construct(_read_text(path)))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: expected YAML, got {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: expected what a reader can follow, got lists within lists without end") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        got = "nothing" if content is None else type(content).__name__
        raise ValueError(f"{path}: expected a mapping of names to values, got {got}")
    return content


def _read_text(path: Path) -> str:
    if not path.exists():
        there = {file.stem: file for file in path.parent.glob("*.y*ml")}
        near = difflib.get_close_matches(path.stem, there, n=1)
        hint = f". Did you mean '{there[near[0]]}'?" if near else ""
        raise FileNotFoundError(f"{path} does not exist{hint}")
    if not path.is_file():
        raise ValueError(f"expected a YAML file, got {'a folder' if path.is_dir() else 'a pipe or a device'}")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES:,} bytes of YAML, got {path.stat().st_size:,}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8, got another encoding at byte {error.start}; save it as UTF-8") from error


@functools.lru_cache(maxsize=256)
def _construct(text: str) -> Any:
    """Return what YAML says, unless it says a key twice, or unfolds to more than anybody writes.

    The same text is parsed once: a report asks for the same few files for every run's command.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if (count := _count(root, {})) > MOST_VALUES:
            got = "a list that holds itself" if math.isinf(count) else f"{count:,.0f} with aliases (`*`) written out"
            raise ValueError(f"expected at most {MOST_VALUES:,} values, got {got}")
        return loader.construct_document(root)
    except (LookupError, AttributeError) as error:
        # So PyYAML answers some tags before a text that is none of theirs, such as `!!bool x`.
        raise ValueError(f"expected values that fit the tags (`!!`) before them, got {error!r}") from error
    finally:
        loader.dispose()


def _count(node: yaml.Node, counts: dict[yaml.Node, float]) -> float:
    """Return how many values a node has when every alias in it is written out; infinitely many where it holds itself.

    Raises:
        ValueError: a mapping has a key twice.
    """
    if node in counts:
        return counts[node]
    counts[node] = math.inf
    if isinstance(node, yaml.MappingNode):
        _require_keys_once(node)
    below = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    counts[node] = 1 + (0 if isinstance(node, yaml.ScalarNode) else sum(_count(part, counts) for part in below))
    return counts[node]


def _require_keys_once(node: yaml.MappingNode) -> None:
    keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    for (_, key), times in Counter(keys).items():
        if times > 1:
            line = node.start_mark.line + 1
            raise ValueError(f"expected each key once, got '{key}' {times} times in the mapping from line {line} on")


def load(model: type[Model], path: Path) -> Model:
    """Return the checked content of a YAML file, named after the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: what the file says is wrong; the message names it.
    """
    content = read_yaml(path)
    if "name" in content:
        raise ValueError(f"{path}: expected no key 'name': the name is the file's, {path.stem}")
    try:
        return model.model_validate({**content, "name": path.stem})
    except ValidationError as error:
        raise ValueError(f"{path}: {explain(error.errors(), model)}") from error


def config_names(kind: str, configs: Path = CONFIGS) -> list[str]:
    """Return the names of the YAML files in `configs/<kind>/`."""
    return sorted(path.stem for path in (configs / kind).glob("*.yaml"))


def listed_experiments(names: str) -> list[str]:
    """Return the experiments that are meant by names separated by commas, each once, or by `all`.

    Example:
        >>> listed_experiments("norms, depth,norms")
        ['norms', 'depth']
    """
    wanted = config_names("experiments") if names == "all" else [name.strip() for name in names.split(",")]
    return list(dict.fromkeys(wanted))


def find_config(kind: str, name: str, configs: Path = CONFIGS) -> Path:
    """Return the file that `name` means: a path to a YAML file, or a name in `configs/<kind>/`."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    require_known(kind.removesuffix("s"), name, config_names(kind, configs))
    return configs / kind / f"{name}.yaml"
