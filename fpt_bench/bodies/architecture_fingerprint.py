"""What an architecture is known by: its configuration, and the code of one that is somebody's own."""

import functools
import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import Any

from transformers import MODEL_MAPPING, PretrainedConfig

from fpt_bench.bodies.dropout import is_branch_rate, is_random_rate

_NOT_ARCHITECTURE = ("_name_or_path", "_commit_hash", "transformers_version", "dtype", "torch_dtype", "architectures")
_NOT_OWN = frozenset({"abc", "builtins", "fpt_bench", "huggingface_hub", "torch", "transformers", "typing"})


def config_fingerprint(config: PretrainedConfig) -> str:
    """Return the SHA-256 of an architecture, 64 hexadecimal digits: the same in every folder and at every dropout."""
    entries = config.to_diff_dict()
    content = {key: value for key, value in _without_rates(entries).items() if key not in _NOT_ARCHITECTURE}
    # The library writes these down wherever a family has them, whether they are on or off.
    content |= dict.fromkeys(filter(is_branch_rate, entries), 0.0)
    if code := own_code(type(config)):  # type: ignore[arg-type]  # its types call no class hashable
        content["code"] = code
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


@functools.cache  # as it was loaded: an edit in the meantime changes what runs in no process that is at work
def own_code(kind: type[PretrainedConfig]) -> str:
    """Return the SHA-256 of the classes of somebody's own architecture: changed, it is another body; "" of others'.

    Those of the configuration and its model with what they inherit; not the layers that they call.
    """
    kinds = (kind, MODEL_MAPPING.get(kind, None))  # type: ignore[no-untyped-call]
    bases = dict.fromkeys(base for each in kinds if isinstance(each, type) for base in each.__mro__)
    own = [base for base in bases if base.__module__.split(".")[0] not in _NOT_OWN]
    try:
        sources = [inspect.getsource(base) for base in own]
    except (OSError, TypeError):  # of a class that no file holds, as one that was typed in
        return ""
    return hashlib.sha256("\n".join(sources).encode()).hexdigest() if sources else ""


def _without_rates(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what `--dropout` sets, and what is empty without."""
    kept = {key: value for key, value in entries.items() if not is_random_rate(str(key))}
    inner = {key: _without_rates(value) if isinstance(value, dict) else value for key, value in kept.items()}
    return {key: value for key, value in inner.items() if value != {} or kept[key] == {}}
