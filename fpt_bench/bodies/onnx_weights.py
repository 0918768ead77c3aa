"""Weights of a DINOv2-shaped backbone out of an ONNX file, under the names of Hugging Face's Dinov2Model."""

import re
from pathlib import Path

import torch
from torch import Tensor

BACKBONE = "backbone."
_ANONYMOUS = "onnx::"
_TODAY = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
}
"""Names in the file -> names in transformers 5."""


def read_dinov2(path: Path) -> dict[str, Tensor]:
    """Return the backbone's tensors, float32.

    Exporting to ONNX folds constants: matrices come out transposed and nameless, and so do the position table's rows
    for the class token and for patches. Each gets the name of the node that uses it.

    Raises:
        ValueError: no such backbone is in the file.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}

    def read(name: str) -> Tensor:
        return torch.from_numpy(numpy_helper.to_array(stored[name]).copy())

    found = {_today(name.removeprefix(BACKBONE)): read(name) for name in stored if name.startswith(BACKBONE)}
    positions = {}
    for node in graph.node:
        module = node.name.strip("/").replace("/", ".")
        for name in node.input:
            if name not in stored or not name.startswith(_ANONYMOUS) or not module.startswith(BACKBONE):
                continue
            if node.op_type == "MatMul":
                layer = module.removeprefix(BACKBONE).rpartition(".MatMul")[0]
                found[_today(f"{layer}.weight")] = read(name).T.contiguous()
            elif module.startswith(f"{BACKBONE}embeddings.") and len(stored[name].dims) == 3:
                positions[node.op_type] = read(name)
    if not found or not {"Concat", "Reshape"} <= positions.keys():
        raise ValueError(f"{path}: expected a DINOv2 backbone with its position table, got {len(found)} of its tensors")
    found["embeddings.position_embeddings"] = torch.cat([positions["Concat"], positions["Reshape"]], dim=1)
    return found


def _today(name: str) -> str:
    return re.sub("|".join(map(re.escape, _TODAY)), lambda old: _TODAY[old[0]], name)
