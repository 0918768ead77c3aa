"""The checkpoint in a folder: which files of it are read, and what tensors they say they hold. Reads no tensor."""

import json
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What the library takes of a folder: the one file if it is there, else the shards that the index names."""
ADAPTER = "adapter_config.json"
"""Where a folder has it, weights beside it are to be added to those of a base."""
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Types of numbers, as safetensors call them, that can be read into float32 as they are."""
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_OTHER_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx")
_LFS = b"version https://git-lfs"
_LONGEST_HEAD = 100_000_000
"""Bytes of a head that safetensors accept."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the head of its file describes it."""

    dtype: str
    """As safetensors call it: F32, BF16, I8, ..."""
    shape: tuple[int, ...]
    stored_bytes: int

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


def checkpoint_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that are read of a folder, in the order of their names; raises nothing about their content."""
    if _is_there(folder / SINGLE):
        return (folder / SINGLE,)
    if not (folder / INDEX).is_file():
        return ()
    try:
        return _shards(folder)
    except ValueError:
        return ()


def files_beside(folder: Path, read: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of weights in a folder that are not read."""
    names = (path.name for path in folder.iterdir() if path.suffix in _OTHER_WEIGHTS and path not in read)
    return tuple(sorted(names))


def require_one_checkpoint(folder: Path) -> None:
    """Refuse a folder that does not say which weights are meant, or whose files are not there or not whole.

    Raises:
        FileNotFoundError: there is no checkpoint, or a shard is missing.
        ValueError: there are two, or a file is damaged.
    """
    shards = sorted(path.name for path in folder.glob("*.safetensors") if _SHARD.fullmatch(path.name))
    others = [INDEX] if (folder / INDEX).exists() else shards[:1]
    if _is_there(folder / SINGLE) and others:
        raise ValueError(
            f"{folder}: expected one checkpoint, got two: {SINGLE} and {others[0]}"
            f"{f' with {len(shards)} shards' if shards else ''}. One is left of an earlier save: remove it"
        )
    adapter = folder / ADAPTER
    if not _is_there(folder / SINGLE) and not (folder / INDEX).exists():
        raise FileNotFoundError(
            f"{folder}: expected {SINGLE}, or {INDEX} and its shards, found neither. {_advice_on_adapter(adapter)}"
            if adapter.is_file()
            else f"{folder}: expected {SINGLE}, or {INDEX} and its shards, found "
            f"{', '.join(files_beside(folder, ())) or 'no weights'}. Save the model there as safetensors"
        )
    files = (folder / SINGLE,) if _is_there(folder / SINGLE) else _shards(folder)
    stored_tensors(files)


def adapter_note(folder: Path) -> str | None:
    """Return a sentence where an adapter lies beside a body that is read without it."""
    return f"an adapter lies beside it and is not applied. {_advice_on_adapter(folder / ADAPTER)}" if (
        (folder / ADAPTER).is_file()
    ) else None  # fmt: skip


def _advice_on_adapter(path: Path) -> str:
    try:
        said = json.loads(path.read_bytes())
        base = said.get("base_model_name_or_path") if isinstance(said, dict) else None
    except (OSError, ValueError, RecursionError):
        base = None
    of_base = f" of {base}" if base else ""
    return f"{path.name} is of an adapter{of_base}: to run it, merge it into its base (peft: merge_and_unload) and save"


def _shards(folder: Path) -> tuple[Path, ...]:
    """Return the shards that an index names, by name.

    Raises:
        FileNotFoundError: one is missing.
        ValueError: it is no index, or names a file outside of the folder.
    """
    index = folder / INDEX
    said = read_json(index)
    named = said.get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        raise ValueError(f"{index}: expected a weight_map from tensors to files, got {str(named)[:80]}")
    names = sorted(set(named.values()))
    for name in names:
        if Path(name).name != name:
            raise ValueError(f"{index}: expected names of files in its folder, got {name[:80]!r}")
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{index}: expected the shard {name} beside it, found none. Copy it there, too")
    return tuple(folder / name for name in names)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it holds something else; the sentence says what.
    """
    content = path.read_bytes()
    _refuse_pointer(path, content)
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, got {_start(content)} ({error}). Copy the file again") from error
    if not isinstance(said, dict):
        raise ValueError(f"{path}: expected a JSON object, got {str(said)[:80]}")
    return said


def stored_tensors(files: Sequence[Path]) -> dict[str, StoredTensor]:
    """Return the tensors of safetensors files, by name, read off the heads.

    Raises:
        ValueError: a file is damaged, or a name is in two of them.
    """
    found: dict[str, StoredTensor] = {}
    homes: dict[str, str] = {}
    for path in files:
        for name, tensor in _read_head(path).items():
            if name in found:
                raise ValueError(f"{path}: expected each tensor in one file, got {name} here and in {homes[name]}")
            found[name], homes[name] = tensor, path.name
    return found


def _read_head(path: Path) -> dict[str, StoredTensor]:
    advice = "Download or copy it again"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file of safetensors, found none. {advice}")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(100)
        _refuse_pointer(path, start)
        length = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else 0
        if not 2 <= length <= _LONGEST_HEAD or start[8:9] != b"{":
            raise ValueError(f"{path}: expected safetensors, got {_start(start)}, {size} bytes. {advice}")
        file.seek(8)
        head = file.read(length)
    if len(head) < length:
        raise ValueError(f"{path}: expected a head of {length} bytes, got {len(head)}: it is cut off. {advice}")
    try:
        said = json.loads(head)
        tensors = {
            name: (StoredTensor(entry["dtype"], tuple(entry["shape"]), end - begin), end)
            for name, entry in said.items()
            if name != "__metadata__"
            for begin, end in [entry["data_offsets"]]
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: expected a head of safetensors, got {_start(head)}. {advice}") from error
    expected = 8 + length + max((end for _, end in tensors.values()), default=0)
    if size != expected:
        how = "it is cut off" if size < expected else "something is appended"
        raise ValueError(f"{path}: expected {expected} bytes, as its head says, got {size}: {how}. {advice}")
    return {name: tensor for name, (tensor, _) in tensors.items()}


def _is_there(path: Path) -> bool:
    """Return whether something lies there, be it a link that leads nowhere: it is what was meant to be read."""
    return path.exists() or path.is_symlink()


def _refuse_pointer(path: Path, start: bytes) -> None:
    if start.startswith(_LFS):
        raise ValueError(
            f"{path}: expected the file, got a Git LFS pointer that stands for it. Run `git lfs pull` in its folder"
        )


def _start(content: bytes) -> str:
    return f"what starts with {content[:20]!r}" if content else "nothing"
