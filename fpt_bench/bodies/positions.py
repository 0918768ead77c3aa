"""Learned position tables, fitted to the length a task can reach."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def fit_positions(table: Tensor, length: int) -> Tensor:
    """Return a position table of exactly `length` rows: the first rows, or all of them stretched linearly.

    Rows that no position of the task reaches would only be carried along by the optimizer, so they are cut. From (P, H)
    to (length, H) float; first and last row stay as they are when the table is stretched.

    Example:
        >>> fit_positions(torch.tensor([[0.0], [1.0]]), 3).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    if length <= len(table):
        return table[:length].clone()
    return functional.interpolate(table.T[None], size=length, mode="linear", align_corners=True)[0].T.contiguous()


def fit_model_positions(model: nn.Module, name: str, length: int, reserved: bool = False) -> str | None:
    """Fit the position table called `name` (and the index buffers beside it) to `length` positions, in place.

    Return a sentence for the record where the table had to be stretched, else None. Where rows are `reserved`, the
    first ones, up to the padding's, stand for no position and stay as they are; so do those before the table's own
    `offset`, where it has one.

    Raises:
        ValueError: the table is not a plain embedding that counts from position 0.
    """
    path, _, leaf = name.rpartition(".")
    embedding = model.get_submodule(path)
    kept = _reserved_rows(embedding, reserved)
    if kept is None or not isinstance(embedding, nn.Embedding):
        raise ValueError(
            f"position table '{name}': expected one whose row 0 is position 0, got {embedding}, "
            "which may keep rows for something else"
        )
    table: Tensor = getattr(embedding, leaf).detach()
    old = len(table) - kept
    setattr(embedding, leaf, nn.Parameter(torch.cat([table[:kept], fit_positions(table[kept:], length)])))
    embedding.num_embeddings = kept + length
    parent = model.get_submodule(path.rpartition(".")[0])
    for buffer_name, buffer in list(parent.named_buffers(recurse=False)):
        if buffer.shape == (1, old):
            counts_up = torch.equal(buffer[0], torch.arange(old))
            fitted = torch.arange(length) if counts_up else buffer[0, :1].expand(length)
            parent.register_buffer(buffer_name, fitted[None].clone().to(buffer.dtype), persistent=False)
    return f"position table stretched from {old} to {length} rows by linear interpolation" if length > old else None


def _reserved_rows(embedding: nn.Module, reserved: bool) -> int | None:
    """Return how many rows of a position table stand for no position; None where that cannot be told."""
    offset = getattr(embedding, "offset", None)
    if isinstance(embedding, nn.Embedding) and type(offset) is int and offset >= 0:
        return offset  # OPT's and BART's tables say themselves where position 0 is
    if type(embedding) is not nn.Embedding or (embedding.padding_idx is not None and not reserved):
        return None
    return 0 if embedding.padding_idx is None else embedding.padding_idx + 1
