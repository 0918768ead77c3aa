"""Where a body's files are: in a pip package, in a local folder, or on the Hugging Face Hub. Never a pickle."""

import hashlib
import json
import math
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gguf import GGUFReader
from torch import nn
from transformers import AutoConfig, PretrainedConfig

from datamodules.sources.packages import packaged_file, remembered_checksum
from fpt_bench.bodies.catalog import BodyEntry, find_body_entry
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.onnx_weights import read_onnx
from fpt_bench.config.known import BODIES, is_hub_name
from fpt_bench.config.plugins import BODIES_GROUP, comes_from_outside

DROPOUT_KEY = re.compile(r"(?!classifier).*(dropout|dropout_prob|dropout_rate|pdrop)")
"""Names under which the families keep their dropout probabilities."""
_NOT_ARCHITECTURE = ("_name_or_path", "_commit_hash", "transformers_version", "dtype", "torch_dtype", "architectures")
_UNUSED_WEIGHTS = re.compile(r".*(pooler|word_embeddings|embed_tokens|wte)\..*")
"""Parameters that a body fed with embeddings never runs, so that they may be missing."""


@dataclass(frozen=True)
class BodyFiles:
    """A body's architecture and weights, as `transformers` is asked for them."""

    location: str | None
    """A folder, or a repository id on the Hub; None: nobody pretrained this architecture."""
    source: str
    """One sentence for people: what this is and where it lies."""
    gguf: str | None = None
    """Name of the GGUF file in that folder, for weights in that format."""
    weights: tuple[Path, ...] = ()
    """Local weights files; empty for the Hub."""
    architecture: tuple[tuple[str, Any], ...] = ()
    """Configuration that needs no file at all; empty where a file has to be read."""
    revision: str | None = None
    """Commit of a repository on the Hub."""
    is_own: bool = False
    """Whether it is a folder that somebody brought, whose files may change."""
    rules: tuple[tuple[str, str], ...] = ()
    """Of the entry: parameter name -> group, before the family's."""
    absent: frozenset[str] = frozenset()
    """Of the entry: groups that the architecture has not."""

    def config(self, offline: bool) -> PretrainedConfig:
        """Read the architecture; never touches weights, except that GGUF keeps both in one file.

        Raises:
            FileNotFoundError: it cannot be loaded.
        """
        if self.architecture:
            sizes = dict(self.architecture)
            kind = sizes.pop("model_type")
            ours = family_of(kind).config_class
            return ours(**sizes) if ours else AutoConfig.for_model(kind, **sizes)
        try:
            config: PretrainedConfig = AutoConfig.from_pretrained(str(self.location), **self._where(offline))
        except OSError as error:
            raise self._cannot_be_loaded("architecture", error) from error
        return config

    def load(self, config: PretrainedConfig, attention: str, offline: bool) -> nn.Module:
        """Load the pretrained model, in float32.

        Raises:
            FileNotFoundError: the weights cannot be loaded; the message says what to do.
            ValueError: some of the body's weights are not in the file: they would silently be random.
        """
        family = family_of(config.model_type)
        if self.weights and self.weights[0].suffix == ".onnx":
            model = family.build_random(config, attention)
            stored = read_onnx(self.weights[0])
            wanted = [name for name in model.state_dict() if not _UNUSED_WEIGHTS.fullmatch(name)]
            self._require_all(sorted(name for name in wanted if name not in stored))
            model.load_state_dict({name: stored[name] for name in wanted}, strict=False)
            return model
        try:
            model, report = family.model_class.from_pretrained(
                self.location,
                config=config,
                dtype="float32",
                attn_implementation=attention,
                use_safetensors=None if self.gguf else True,
                output_loading_info=True,
                **self._where(offline),
            )
        except OSError as error:
            raise self._cannot_be_loaded("weights", error) from error
        absent = sorted(str(name) for key in ("missing_keys", "mismatched_keys") for name in report[key])
        self._require_all([name for name in absent if not _UNUSED_WEIGHTS.fullmatch(name)])
        loaded: nn.Module = model
        return loaded

    def _require_all(self, absent: list[str]) -> None:
        if absent:
            raise ValueError(
                f"the weights of {self.source}: expected every parameter of the architecture, "
                f"got none that fits for {len(absent)}, such as {absent[0]}"
            )

    def fingerprint(self, config: PretrainedConfig) -> str:
        """Return the SHA-256 of what the body is made of, 64 hexadecimal digits.

        Of a named body the file of its weights, pinned with its architecture; of somebody's folder the weights and
        `config`, the architecture as it will run; of the Hub repository and commit.
        """
        digests = [remembered_checksum(path).removeprefix("sha256:") for path in self.weights]
        if self.is_own:
            digests.append(config_fingerprint(config))
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("".join(digests or [str(self.location), str(self._commit(config))]).encode()).hexdigest()

    def bytes_a_number(self) -> float:
        """Return how many bytes a number of its weights has in its file, on average; 4 without a file to ask."""
        if self.gguf:
            tensors = GGUFReader(self.weights[0]).tensors
            return sum(int(t.n_bytes) for t in tensors) / sum(int(t.n_elements) for t in tensors)
        sizes = [size for path in self.weights if path.suffix == ".safetensors" for size in _stored(path)]
        return sum(count for count, _ in sizes) / sum(numbers for _, numbers in sizes) if sizes else 4.0

    def is_pinned(self, config: PretrainedConfig) -> bool:
        """Return whether its fingerprint is of content or a commit: what a name stands for may change."""
        return bool(self.weights or self.architecture or self._commit(config))

    def _commit(self, config: PretrainedConfig) -> str | None:
        return self.revision or getattr(config, "_commit_hash", None)

    def _where(self, offline: bool) -> dict[str, Any]:
        """Return the arguments of transformers that say which files to read, and whether it may download them."""
        gguf = {"gguf_file": self.gguf} if self.gguf else {}
        revision = {"revision": self.revision} if self.revision else {}
        # A configuration can name code of its own to run; without a word of ours transformers asks whoever sits there.
        code = {"trust_remote_code": False}
        return {"local_files_only": offline or Path(str(self.location)).is_dir(), **code, **gguf, **revision}

    def _cannot_be_loaded(self, what: str, error: OSError) -> FileNotFoundError:
        return FileNotFoundError(
            f"the {what} of {self.source} cannot be loaded: {str(error).splitlines()[0]} "
            "Save the model as safetensors in a folder and pass --body-path FOLDER."
        )


def find_body(name: str, path: str | None = None) -> BodyFiles:
    """Find a body by a key of BODIES, an entry point, `module:attribute`, a folder, or `owner/model` on the Hub.

    The weights in the folder `path` replace those that the name stands for.

    Raises:
        ValueError: unknown name, or a file whose checksum is wrong.
        FileNotFoundError: a folder or package that is not there.
    """
    named, folder = name in BODIES or comes_from_outside(name, BODIES_GROUP), Path(name).expanduser()
    # Looked up before a folder is read: an entry's module may bring the architecture of the weights in the folder.
    entry = find_body_entry(name) if named and not folder.is_dir() else None
    if entry is not None:
        files = _named(entry) if path is None else _in_folder(Path(path).expanduser(), name)
        return replace(files, rules=tuple(entry.rules.items()), absent=frozenset(entry.absent))
    if path is not None:
        return _in_folder(Path(path).expanduser(), name)
    if folder.is_dir():
        return _in_folder(folder, folder.name)
    if is_hub_name(name):
        return BodyFiles(location=name, source=f"{name} from the Hugging Face Hub")
    return _named(find_body_entry(name))


def _named(entry: BodyEntry) -> BodyFiles:
    if entry.packaged is not None:
        pinned = entry.packaged
        weights = packaged_file(pinned.distribution, pinned.path, f"sha256:{pinned.sha256}")
        gguf = weights.name if weights.suffix == ".gguf" else None
        source = f"{entry.description}; from pip package {entry.packaged.distribution}"
        return BodyFiles(str(weights.parent), source, gguf, (weights,), tuple(entry.architecture.items()))
    if not entry.hub and not entry.architecture:
        raise ValueError(f"body '{entry.description}': expected packaged, hub or architecture to be said, got none")
    where = f"; {entry.hub} from the Hugging Face Hub" if entry.hub else ""
    architecture = tuple(entry.architecture.items())
    return BodyFiles(entry.hub, f"{entry.description}{where}", architecture=architecture, revision=entry.revision)


def _in_folder(folder: Path, name: str) -> BodyFiles:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"body '{name}': expected config.json and safetensors in {folder}, found no config.json"
        )
    weights = tuple(sorted(folder.glob("*.safetensors")))
    return BodyFiles(str(folder), f"{name} from folder {folder.name}", weights=weights, is_own=True)


def _stored(path: Path) -> list[tuple[int, int]]:
    """Return bytes and numbers of each tensor of floats in a safetensors file, read off its head."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        head = json.loads(file.read(length))
    entries = [entry for entry in head.values() if "F" in entry.get("dtype", "")]
    return [(entry["data_offsets"][1] - entry["data_offsets"][0], math.prod(entry["shape"])) for entry in entries]


def config_fingerprint(config: PretrainedConfig) -> str:
    """Return the SHA-256 of an architecture, 64 hexadecimal digits: the same in every folder and at every dropout."""
    content = {
        key: value
        for key, value in config.to_diff_dict().items()
        if key not in _NOT_ARCHITECTURE and not DROPOUT_KEY.fullmatch(key)
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
