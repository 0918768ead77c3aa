"""Weights of a backbone out of an ONNX file, under the names that transformers gives them today."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class Export:
    """How one kind of file calls what belongs to the backbone."""

    tensors: str
    """What the names of its tensors start with."""
    nodes: str
    """What the names of its nodes start with, dots for slashes."""
    today: Mapping[str, str] = field(default_factory=dict)
    """Names in the file -> names in transformers 5, where they differ."""


EXPORTS = (
    Export(  # Dinov2Model
        "backbone.",
        "backbone.",
        {
            "attention.attention.query": "attention.q_proj",
            "attention.attention.key": "attention.k_proj",
            "attention.attention.value": "attention.v_proj",
            "attention.output.dense": "attention.o_proj",
        },
    ),
    Export(
        "model.0.auto_model.", "model.model.0.auto_model."
    ),  # the first module of sentence-transformers, a BertModel
)
_ANONYMOUS = "onnx::"


def read_onnx(path: Path) -> dict[str, Tensor]:
    """Return the backbone's tensors, float32.

    Exporting to ONNX folds constants: matrices come out transposed and nameless, and so do the rows of a ViT's position
    table for the class token and for patches. Each gets the name of the node that uses it.

    Raises:
        ValueError: no backbone of a known kind is in the file.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    export = next((known for known in EXPORTS if any(name.startswith(known.tensors) for name in stored)), None)
    if export is None:
        known_starts = " or ".join(known.tensors for known in EXPORTS)
        raise ValueError(f"{path}: expected a backbone of tensors named {known_starts}..., got none of {len(stored)}")

    def read(name: str) -> Tensor:
        return torch.from_numpy(numpy_helper.to_array(stored[name]).copy())

    def today(name: str) -> str:
        return re.sub("|".join(map(re.escape, export.today)), lambda old: export.today.get(old[0], ""), name)

    found = {today(name.removeprefix(export.tensors)): read(name) for name in stored if name.startswith(export.tensors)}
    positions = {}
    for node in graph.node:
        module = node.name.strip("/").replace("/", ".")
        for name in node.input:
            if name not in stored or not name.startswith(_ANONYMOUS) or not module.startswith(export.nodes):
                continue
            if node.op_type == "MatMul":
                layer = module.removeprefix(export.nodes).rpartition(".MatMul")[0]
                found[today(f"{layer}.weight")] = read(name).T.contiguous()
            elif module.startswith(f"{export.nodes}embeddings.") and len(stored[name].dims) == 3:
                positions[node.op_type] = read(name)
    if {"Concat", "Reshape"} <= positions.keys():
        found["embeddings.position_embeddings"] = torch.cat([positions["Concat"], positions["Reshape"]], dim=1)
    return found
