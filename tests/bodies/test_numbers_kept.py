"""How many numbers of the pretrained body an init keeps: those that run, times their width in the file."""

import torch
from transformers import BloomConfig, BloomModel

from fpt_bench.bodies.build import build_body, plan_body
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.inits.numbers_kept import planned_numbers, used_parameters
from fpt_bench.bodies.loading import unused_tensors
from fpt_bench.config.spec import RunSpec


def test_bytes_kept_are_numbers_times_their_width_in_the_file() -> None:
    spec = RunSpec(task="bit-xor", layers=1)
    sizes = {
        init: build_body(spec.model_copy(update={"init": init}), 10)[1].bytes_kept for init in ("pretrained", "random")
    }
    layer = 4 * 384 * 384 + 2 * 384 * 1536 + 4 * 384 + 1536 + 384 + 4 * 384
    assert sizes == {"pretrained": 4 * (layer + 512 * 384 + 2 * 384 + 2 * 384), "random": 0}


def test_what_is_kept_is_what_runs() -> None:
    def used(body: str) -> set[str]:
        plan = plan_body(RunSpec(task="bit-xor", body=body, init="pretrained"), 10, offline=True)
        with torch.device("meta"):
            model = family_of(plan.config.model_type).build_random(plan.config, "eager")
        kept = set(map(id, used_parameters(model)))
        assert planned_numbers(plan) == sum(p.numel() for p in model.parameters() if id(p) in kept)
        return {name for name, value in model.named_parameters() if id(value) not in kept}

    assert used("t5-encoder") == {"shared.weight"}
    assert {name.split(".")[-2] for name in used("longformer")} == {
        "word_embeddings", "query_global", "key_global", "value_global", "dense"
    }  # fmt: skip
    bloom = BloomModel(BloomConfig(hidden_size=16, n_layer=1, n_head=2, vocab_size=7))
    assert unused_tensors(bloom) == {"word_embeddings.weight"}, "a norm behind the vocabulary runs"
