"""A body's files, and what is read from them. Never a pickle."""

import copy
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from torch import Tensor, nn
from transformers import AutoConfig, PretrainedConfig
from transformers.initialization import no_init_weights

from datamodules.sources.packages import remembered_checksum
from fpt_bench.bodies.architecture_fingerprint import config_fingerprint, own_code
from fpt_bench.bodies.checkpoint import (
    INDEX,
    SINGLE,
    StoredTensor,
    adapter_note,
    checkpoint_files,
    require_one_checkpoint,
    stored_tensors,
)
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.loading import LibrarySays, LoadingReport, account, copy_unstored, listening
from fpt_bench.config.plugins import import_attribute


@dataclass(frozen=True)
class BodyFiles:
    """A body's architecture and weights, as `transformers` is asked for them."""

    location: str | None
    """A folder, or a repository id on the Hub; None: nobody pretrained this architecture."""
    source: str
    """One sentence for people: what this is and where it lies."""
    weights: tuple[Path, ...] = ()
    """Local weights files that are read; empty for the Hub."""
    architecture: tuple[tuple[str, Any], ...] = ()
    """Configuration that needs no file at all; empty where a file has to be read."""
    revision: str | None = None
    """Commit of a repository on the Hub."""
    reader: str | None = None
    """`module:attribute` of what reads the files, where the library does not."""
    number_bytes: float = 4
    """That a number has in a file with such a reader."""
    is_own: bool = False
    """Whether it is a folder that somebody brought, whose files may change."""
    beside: tuple[str, ...] = ()
    """Names of weights in that folder that are not read."""
    rules: tuple[tuple[str, str], ...] = ()
    """Of the entry: parameter name -> group, before the family's."""
    absent: frozenset[str] = frozenset()
    """Of the entry: groups that the architecture has not."""

    def config(self, offline: bool) -> PretrainedConfig:
        """Read the architecture; never touches weights.

        Raises:
            FileNotFoundError: it cannot be loaded.
        """
        if self.architecture:
            sizes = dict(self.architecture)
            kind = sizes.pop("model_type", None)
            if kind is None:
                raise ValueError(f"the architecture of {self.source}: expected it to say model_type, got none")
            ours = family_of(kind).config_class
            return ours(**sizes) if ours else AutoConfig.for_model(kind, **sizes)
        try:
            config: PretrainedConfig = AutoConfig.from_pretrained(str(self.location), **self._where(offline))
        except OSError as error:
            raise self._cannot_be_loaded("architecture", error, offline) from error
        except Exception as error:  # the library raises what it meets, down to its own parts'
            raise ValueError(f"the architecture of {self.source} cannot be read: {_first_line(error)}") from error
        if not isinstance(getattr(config, "hidden_size", None), int):
            raise ValueError(
                f"the architecture of {self.source}: expected one transformer, with a hidden_size, got "
                f"{config.model_type}, without; of a model of several parts, save the one that is wanted"
            )
        return config

    def require_checkpoint(self) -> None:
        """Refuse a folder that somebody brought where its weights are not there, not whole or not one body's.

        Raises:
            FileNotFoundError: there are none, or not all.
            ValueError: there are two bodies' weights, a damaged file, or one that needs a quantizer.
        """
        if self.is_own:
            require_one_checkpoint(Path(str(self.location)))

    def load(self, config: PretrainedConfig, attention: str | None, offline: bool) -> nn.Module:
        """Load the pretrained model, in float32.

        Raises:
            FileNotFoundError: the weights cannot be loaded; the message says what to do.
            ValueError: some of the body's weights are not in the file: they would silently be random; or the file has
                some that find no place in the body; or numbers that are not finite.
        """
        model, report = self.load_and_account(config, attention, offline)
        report.require_sound(self.source)
        if found := not_finite(model):
            raise ValueError(f"{self.source}: expected finite weights, got others in {found[0]}: a damaged file")
        return model

    def load_and_account(
        self, config: PretrainedConfig, attention: str | None, offline: bool
    ) -> tuple[nn.Module, LoadingReport]:
        """Load the pretrained model, in float32, and say what became of every tensor of its checkpoint.

        Raises:
            FileNotFoundError, ValueError: as `load`, but for what the report says.
        """
        self.require_checkpoint()
        if getattr(config, "quantization_config", None):
            raise ValueError(f"{self.source}: expected weights that are floats, got quantization_config in "
                             "config.json. Save the model in float32, float16 or bfloat16")  # fmt: skip
        if self.reader is not None:
            return self._read(self.reader, config, attention)
        family = family_of(config.model_type)
        try:
            with listening() as heard:
                model = family.model_class.from_pretrained(
                    self.location,
                    config=config,
                    dtype="float32",
                    attn_implementation=attention,
                    use_safetensors=True,
                    # What does not fit is for the report; a vocabulary may be of any size.
                    ignore_mismatched_sizes=True,
                    **self._where(offline),
                )
        except OSError as error:
            raise self._cannot_be_loaded("weights", error, offline) from error
        except Exception as error:  # the library raises what it meets, down to its own parts'
            raise ValueError(f"the weights of {self.source} cannot be loaded: {_first_line(error)}") from error
        report = account(model, self._stored(config), heard, self._left_out(config, offline))
        chances = self._copy_unstored(model, config, attention, heard.missing)
        reason = "drawn at random and stored in no file: what it was is lost. Register it as a persistent buffer"
        return model, replace(report, refused={**report.refused, **dict.fromkeys(chances, reason)})

    def _read(self, reader: str, config: PretrainedConfig, attention: str | None) -> tuple[nn.Module, LoadingReport]:
        model = family_of(config.model_type).build_random(config, attention)
        read: Callable[..., dict[str, Tensor]] = import_attribute("reader", reader)
        stored = read(*self.weights)
        wanted = model.state_dict()
        fitting = {name for name, value in stored.items() if name in wanted and value.shape == wanted[name].shape}
        model.load_state_dict({name: stored[name] for name in fitting}, strict=False)
        # What does not fit is for the report; a vocabulary may be of any size.
        heard = LibrarySays(wanted.keys() - stored.keys(), (wanted.keys() & stored.keys()) - fitting)
        held = {name: StoredTensor("F32", tuple(value.shape), 4 * value.numel()) for name, value in stored.items()}
        return model, account(model, held, heard, self._left_out(config, offline=True))

    def _left_out(self, config: PretrainedConfig, offline: bool) -> range:
        """Return the layers that the files have and `config` leaves out, counted from 0."""
        return range(*(getattr(found, "num_hidden_layers", None) or 0 for found in (config, self.config(offline))))

    def _stored(self, config: PretrainedConfig) -> dict[str, StoredTensor]:
        """Return the tensors of the files that were read."""
        if self.weights:
            return stored_tensors(self.weights)
        commit = self._commit(config)
        for name in (SINGLE, INDEX):  # the library keeps what it fetched from the Hub in one folder a commit
            found = try_to_load_from_cache(str(self.location), name, revision=commit)
            if isinstance(found, str):
                return stored_tensors(checkpoint_files(Path(found).parent))
        return {}

    def _copy_unstored(
        self, model: nn.Module, config: PretrainedConfig, attention: str | None, missing: Collection[str]
    ) -> list[str]:
        """Copy what no file holds from the body as its configuration builds it; return what is there by chance."""
        kept = set(model.state_dict(keep_vars=True)).difference(missing)
        if all(name in kept for name, _ in model.named_buffers()):
            return []
        built, family = [], family_of(config.model_type)
        for seed in (1, 2):
            with torch.random.fork_rng(devices=[]), no_init_weights():
                torch.default_generator.manual_seed(seed)
                built.append(family.build_random(copy.deepcopy(config), attention))
        return copy_unstored(model, built[0], built[1], missing)

    def fingerprint(self, config: PretrainedConfig) -> str:
        """Return the SHA-256 of what the body is made of, 64 hexadecimal digits.

        Of a named body the file of its weights, pinned with its architecture; of somebody's folder the weights and
        `config`, the architecture as it will run; of the Hub repository and commit.
        """
        digests = [remembered_checksum(path).removeprefix("sha256:") for path in self.weights]
        if self.is_own:
            digests.append(config_fingerprint(config))
        digests = digests or [str(self.location), str(self._commit(config))]
        if not self.is_own and own_code(type(config)):  # type: ignore[arg-type]
            digests.append(config_fingerprint(config))
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def bytes_a_number(self) -> float:
        """Return how many bytes a number of its weights has in its file, on average; 4 where nothing says."""
        read = [path for path in self.weights if path.suffix == ".safetensors"]
        held = [tensor for tensor in stored_tensors(read).values() if "F" in tensor.dtype]
        return sum(t.stored_bytes for t in held) / sum(t.numbers for t in held) if held else self.number_bytes

    def is_pinned(self, config: PretrainedConfig) -> bool:
        """Return whether its fingerprint is of content or a commit: what a name stands for may change."""
        return bool(self.weights or not self.location or self._commit(config))

    def note(self) -> str | None:
        """Return a sentence for the record where something in the folder looks like a part of the body and is none."""
        return adapter_note(Path(str(self.location))) if self.is_own else None

    def _commit(self, config: PretrainedConfig) -> str | None:
        return self.revision or getattr(config, "_commit_hash", None)

    def _where(self, offline: bool) -> dict[str, Any]:
        """Return the arguments of transformers that say which files to read, and whether it may download them."""
        revision = {"revision": self.revision} if self.revision else {}
        # A configuration can name code of its own to run; without a word of ours transformers asks whoever sits there.
        code = {"trust_remote_code": False}
        return {"local_files_only": offline or Path(str(self.location)).is_dir(), **code, **revision}

    def _cannot_be_loaded(self, what: str, error: OSError, offline: bool) -> FileNotFoundError:
        if offline and not Path(str(self.location)).is_dir():
            return FileNotFoundError(
                f"the {what} of {self.source} cannot be loaded: offline, so nothing was downloaded. Ask once without "
                "--offline, or save the model as safetensors in a folder and pass --body-path FOLDER."
            )
        return FileNotFoundError(
            f"the {what} of {self.source} cannot be loaded: {str(error).splitlines()[0]} "
            "Save the model as safetensors in a folder and pass --body-path FOLDER."
        )


def not_finite(model: nn.Module) -> list[str]:
    """Return the names of the parameters that hold a number which is none."""
    return [name for name, parameter in model.named_parameters() if not parameter.isfinite().all()]


def _first_line(error: Exception) -> str:
    """Return what an error of the library says, in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
