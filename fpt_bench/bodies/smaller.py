"""Configurations of which less is built than they say: fewer layers, and no table of words."""

from transformers import PretrainedConfig

from fpt_bench.bodies.families.registry import family_of


def keep_layers(config: PretrainedConfig, count: int) -> None:
    """Let a configuration have its first `count` layers, in its lists of an entry a layer, too."""
    whole = getattr(config, "num_hidden_layers", None)
    for name, value in list(vars(config).items()):
        if isinstance(value, list | tuple) and whole and len(value) == whole > count:
            setattr(config, name, value[:count])
    config.num_hidden_layers = count


def forget_words(config: PretrainedConfig) -> None:
    """Let a configuration have no more words than it must: the table is thrown away.

    Where rows of the table of positions are reserved for padding, its id says how many: it stays.
    """
    if hasattr(config, "vocab_size"):
        padding = getattr(config, "pad_token_id", None)
        kept = padding if padding is not None and family_of(config.model_type).reserved_positions else 0
        config.vocab_size, config.bos_token_id, config.eos_token_id = kept + 1, None, None
        config.pad_token_id = None if padding is None else kept
