"""The YAML files in configs/: found by name, read, and checked against what they describe."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fpt_bench.config.spec import explain
from fpt_bench.names import require_known

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        FileNotFoundError: there is no such file; the message lists its neighbours.
        ValueError: the file is not YAML or not a mapping.
    """
    if not path.is_file():
        siblings = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise FileNotFoundError(f"{path} does not exist. Known there: {', '.join(siblings) or 'nothing'}")
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: expected YAML, got {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping of names to values, got {type(content).__name__}")
    return content


def load(model: type[Model], path: Path) -> Model:
    """Return the checked content of a YAML file, named after the file."""
    content = read_yaml(path)
    try:
        return model(name=path.stem, **content)
    except (ValidationError, TypeError) as error:
        sentence = explain(error, tuple(model.model_fields)) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"{path}: {sentence}") from error


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
