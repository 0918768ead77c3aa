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
        raise _keeps_rows(name, f"got {embedding}, which may keep rows for something else")
    table: Tensor = getattr(embedding, leaf).detach()
    old = len(table) - kept
    parent = model.get_submodule(path.rpartition(".")[0])
    indices = {key: buffer for key, buffer in parent.named_buffers(recurse=False) if _is_index(buffer)}
    for key, buffer in indices.items():
        flat = buffer.flatten()
        if not reserved and not _counts_up(flat) and not torch.equal(flat, flat[:1].expand(len(flat))):
            raise _keeps_rows(name, f"got buffer {key} beside it, which counts {_few(flat)}")
    # Of a family with reserved rows our own forward pass says which rows are taken.
    asked = None if reserved or kept else rows_asked_for(model, embedding, min(old, length))
    if asked is not None and not _counts_up(asked):
        raise _keeps_rows(name, f"got a model that asks for rows {_few(asked)}")
    setattr(embedding, leaf, nn.Parameter(torch.cat([table[:kept], fit_positions(table[kept:], length)])))
    embedding.num_embeddings = kept + length
    for key, buffer in indices.items():
        if buffer.ndim == 2 and buffer.shape[0] == 1 and (buffer.shape[1] == old or not reserved):
            fitted = torch.arange(length) if _counts_up(buffer[0]) else buffer[0, :1].expand(length)
            parent.register_buffer(key, fitted[None].clone().to(buffer.dtype), persistent=False)
    return f"position table stretched from {old} to {length} rows by linear interpolation" if length > old else None


class _AskedForRows(Exception):  # noqa: N818 - it is what is looked for, no error
    """A forward pass came to the position table: what it asked for is known, and the rest of it need not run."""


@torch.no_grad()
def rows_asked_for(model: nn.Module, table: nn.Embedding, length: int) -> Tensor | None:
    """Return the rows of a position table that a model takes for `length` positions, in their order.

    The pass ends at the table. None: it does not come there as to a module, or does not run with embeddings alone.
    """
    asked: list[Tensor] = []

    def ask(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        asked.append(arguments[0].reshape(-1, arguments[0].shape[-1])[0].cpu())
        raise _AskedForRows

    width: int = model.config.hidden_size  # type: ignore[union-attr, assignment]
    was_training = model.training
    handle = table.register_forward_pre_hook(ask)
    try:
        model.eval()(inputs_embeds=torch.zeros(1, length, width), attention_mask=None)
    except _AskedForRows:
        return asked[0]
    except Exception:  # a model that cannot be run says so when it is
        return None
    finally:
        handle.remove()
        model.train(was_training)
    return None


def _keeps_rows(name: str, found: str) -> ValueError:
    return ValueError(
        f"position table '{name}': expected one whose row 0 is position 0, {found}. Take a body whose table counts "
        "from 0 or that has none, such as those of `list bodies`"
    )


def _is_index(buffer: Tensor) -> bool:
    return buffer.numel() > 1 and not buffer.is_floating_point() and buffer.dtype != torch.bool


def _counts_up(indices: Tensor) -> bool:
    return torch.equal(indices, torch.arange(len(indices), dtype=indices.dtype))


def _few(indices: Tensor) -> str:
    return ", ".join(map(str, indices[:3].tolist())) + (", ..." if len(indices) > 3 else "")


def _reserved_rows(embedding: nn.Module, reserved: bool) -> int | None:
    """Return how many rows of a position table stand for no position; None where that cannot be told."""
    offset = getattr(embedding, "offset", None)
    if isinstance(embedding, nn.Embedding) and type(offset) is int and offset >= 0:
        return offset  # OPT's and BART's tables say themselves where position 0 is
    if type(embedding) is not nn.Embedding or (embedding.padding_idx is not None and not reserved):
        return None
    return 0 if embedding.padding_idx is None else embedding.padding_idx + 1
