"""The YAML files in configs/: found by name, read, and checked against what they describe."""

import copy
import difflib
import functools
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fpt_bench.config.places import expanded
from fpt_bench.config.spec import explain
from fpt_bench.names import require_known

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"

MOST_BYTES, MOST_VALUES = 1_000_000, 100_000
"""Of a YAML file, a thousand times what ours have; aliases can make few bytes more values than there is memory for."""

_AS_WRITTEN = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9]\d*)"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?|[-+]?\.(inf|nan)", re.IGNORECASE),
    "tag:yaml.org,2002:bool": re.compile(r"true|false", re.IGNORECASE),
}
"""How a value is written that all readers of YAML take for the same one: `no`, `012`, `1_0` and `1:30` are none."""
_TEXT, _MERGE, _DATE = (f"tag:yaml.org,2002:{name}" for name in ("str", "merge", "timestamp"))

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        FileNotFoundError: there is no such file; the message names the neighbour of the nearest name.
        ValueError: the file is not YAML or not a mapping, says one thing twice, or what readers take for other things.
    """
    try:
        # The same text is parsed once, and each caller has a copy of his own.
        content = copy.deepcopy(read_value(_read_text(path)))
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
def read_value(text: str) -> Any:
    """Return what YAML says: keys are text, and so are dates; the only reader of YAML here, and nobody changes it.

    Raises:
        ValueError: it is not YAML, says a key twice, unfolds to more than anybody writes, or has a value that readers
            take for different ones.

    Example:
        >>> read_value("{007: 7, no: 0.5, 1e5: 2020-01-01}")
        {'007': 7, 'no': 0.5, '1e5': '2020-01-01'}
    """
    try:
        return _construct(text)
    except yaml.YAMLError as error:
        raise ValueError(f"expected YAML, got {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ValueError("expected what a reader can follow, got lists within lists without end") from error


def _construct(text: str) -> Any:
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

    On the way, keys and dates become the text that they are written as.

    Raises:
        ValueError: a mapping has a key twice, or a value can be read in two ways.
    """
    if node in counts:
        return counts[node]
    counts[node] = math.inf
    if isinstance(node, yaml.ScalarNode):
        _require_one_meaning(node)
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT
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


def _require_one_meaning(node: yaml.ScalarNode) -> None:
    if node.tag == _DATE:
        node.tag = _TEXT
    written = _AS_WRITTEN.get(node.tag)
    if written is not None and not written.fullmatch(node.value) and node.value.strip():
        raise ValueError(
            f"expected what all readers of YAML take for the same, got {node.value} in line "
            f"{node.start_mark.line + 1}: write a number in digits alone, or `true` or `false`; quote a word"
        )


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


ALL_EXPERIMENTS = "all"
"""Every experiment; those whose data are not there are left out with a sentence, where one that is named is refused."""


def listed_experiments(names: str) -> list[str]:
    """Return the experiments that are meant by names separated by commas, each once, or by `all`: headline first.

    Where runs are shared, it is the first that they count for.

    Example:
        >>> listed_experiments("norms, depth,norms")
        ['norms', 'depth']
    """
    known = sorted(config_names("experiments"), key=lambda name: name != "headline")
    wanted = known if names == ALL_EXPERIMENTS else [name.strip() for name in names.split(",")]
    return list(dict.fromkeys(wanted))


def is_a_path(name: str) -> bool:
    """Return whether a name is that of somebody's own YAML file, not of one in `configs/`."""
    return name.endswith((".yaml", ".yml"))


def find_config(kind: str, name: str, configs: Path = CONFIGS) -> Path:
    """Return the file that `name` means: a path to a YAML file, or a name in `configs/<kind>/`."""
    if is_a_path(name):
        return expanded(name)
    require_known(kind.removesuffix("s"), name, config_names(kind, configs))
    return configs / kind / f"{name}.yaml"
