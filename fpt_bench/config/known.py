"""What has a name, and where it is: tasks and bodies as `module:attribute`. Looking a name up here imports nothing.

So a mistake in a name is found before torch is loaded. An init's name has a grammar of its own: `config/inits.py`.
"""

from collections.abc import Mapping

from fpt_bench.config.inits import require_init
from fpt_bench.config.places import expanded, one_name
from fpt_bench.config.plugins import BODIES_GROUP, TASKS_GROUP, comes_from_outside, offered
from fpt_bench.config.spec import RunSpec
from fpt_bench.names import require_known

TASKS: Mapping[str, str] = {
    "bit-memory": "datamodules.bits:BitMemoryDataModule",
    "bit-xor": "datamodules.bits:BitXorDataModule",
    "listops": "datamodules.listops.listops:ListOpsDataModule",
    "listops-as-published": "datamodules.listops.listops:ListOpsAsPublishedDataModule",
    "mnist": "datamodules.images.mnist:MnistDataModule",
    "cifar": "datamodules.images.cifar:CifarDataModule",
    "cifar-lra": "datamodules.images.cifar:CifarLraDataModule",
    "homology": "datamodules.proteins.homology:HomologyDataModule",
    "needle": "datamodules.needle:NeedleDataModule",
    "modular-addition": "datamodules.modular_addition:ModularAdditionDataModule",
    "peptides": "datamodules.proteins.peptides:PeptidesDataModule",
    "identity": "datamodules.procedural:IdentityDataModule",
    "set": "datamodules.procedural:SetDataModule",
    "dyck": "datamodules.procedural:DyckDataModule",
    "listops-masked": "datamodules.listops.masked:ListOpsMaskedDataModule",
    "homology-scope": "datamodules.proteins.homology_scope:HomologyScopeDataModule",
}
"""Every task by the name that users type: the class of its datamodule."""

BODIES: Mapping[str, str] = {
    name: f"fpt_bench.bodies.catalog:{name.upper().replace('-', '_')}"
    for name in (
        "minilm", "paraphrase", "smollm2", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "vit-saliency",
        "speech", "speech-base", "dinov2-small", "vit-base", "bert-base", "t5-encoder", "longformer", "lstm",
        "lstm-768", "none", "none-768", "attention", "attention-768", "block", "block-768",
        "causal-128", "causal-256",
        "norms-last-3", "norms-last-6", "norms-last-12", "norms-first-3", "norms-first-6", "norms-first-12",
    )
}  # fmt: skip
"""Every named body by the name that users type: its entry in the catalog, a constant of the same name."""


def known_tasks() -> list[str]:
    """Return the names of all tasks, those that installed packages offer included."""
    return [*TASKS, *offered(TASKS_GROUP)]


def known_bodies() -> list[str]:
    """Return the names of all bodies, those that installed packages offer included."""
    return list(dict.fromkeys([*BODIES, *offered(BODIES_GROUP)]))


def is_known_body(name: str) -> bool:
    """Return whether a body's name is built in or a package's: it means that one, whatever folders lie around."""
    return name in BODIES or name in offered(BODIES_GROUP)


def body_folder(folder: str) -> str:
    """Return the one name that a body's folder has in a spec; one that is called as a named body is `./name`."""
    name = one_name(folder)
    return f"./{name}" if is_known_body(name) else name


def is_hub_name(body: str) -> bool:
    """Return whether a body's name has the form of a repository on the Hugging Face Hub, `owner/model`."""
    return body.count("/") == 1 and not body.startswith((".", "/", "~"))


def require_task(name: str) -> None:
    """Raise a ValueError with the nearest task unless this is one, or a `module:attribute`."""
    if name not in TASKS and not comes_from_outside(name, TASKS_GROUP):
        require_known("task", name, known_tasks())


def require_body(name: str) -> None:
    """Raise a ValueError with the nearest body unless this is one, a `module:attribute`, a folder or a Hub name."""
    if name not in BODIES and not (
        comes_from_outside(name, BODIES_GROUP) or is_hub_name(name) or expanded(name).is_dir()
    ):
        require_known("body", name, known_bodies())


def require_names(spec: RunSpec) -> None:
    """Raise a ValueError unless task, body and init of a run that somebody asks for are names of something.

    Not a validator of RunSpec: a kept result stays readable where the package that brought its task is gone.
    """
    require_task(spec.task)
    if spec.body_path is None:
        require_body(spec.body)
    require_init(spec.init)
