"""A body is tried on two layers: ours against the model's own forward, and whether it holds still."""

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from fpt_bench.bodies.architecture_fingerprint import config_fingerprint
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.find import find_body
from fpt_bench.bodies.trial import tried
from fpt_bench.bodies.weights import BodyFiles
from fpt_bench.config.spec import RunSpec
from tests.bodies import saved

TURNED = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}


@pytest.mark.parametrize(
    "config",
    [saved.llama(is_causal=False), saved.gpt2(is_causal=False)],
    ids=["llama both ways", "gpt2 both ways"],
)
def test_where_a_config_says_what_ours_does_not_do_the_models_own_forward_runs(
    tmp_path: Path, config: PretrainedConfig
) -> None:
    model = saved.save(tmp_path, config)
    spec = RunSpec(task="bit-xor", body=str(tmp_path), dropout=0.0)
    body, record = build_body(spec, 10)
    assert record.execution == "reference"
    assert record.notes[0].startswith("run by the model's own forward: for this config.json our transformer's states")
    embeddings, mask = torch.randn(2, 10, 16), torch.ones(2, 10, dtype=torch.bool)
    with torch.no_grad():
        expected = model(inputs_embeds=embeddings).last_hidden_state
        torch.testing.assert_close(body(embeddings, mask, 10), expected, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"'native' was asked for, and for this config\.json"):
        build_body(spec.model_copy(update={"body_execution": "native"}), 10)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (saved.gpt2(add_cross_attention=True), "it does not name h.0.crossattention.c_attn.bias"),
        (saved.bert(chunk_size_feed_forward=0, add_cross_attention=True, is_decoder=False), "it cannot be run"),
    ],
    ids=["gpt2 with more tensors", "bert with more options"],
)
def test_a_body_that_cannot_be_tried_says_why(config: PretrainedConfig, why: str) -> None:
    trial = tried(config)
    assert not trial.agrees
    assert str(trial.failure).endswith(why)


@pytest.mark.parametrize("name", ["minilm", "gpt2", "smollm2", "vit-saliency", "vit-base", "bert-base", "block"])
def test_named_bodies_run_as_ours(name: str) -> None:
    config = find_body(name).config(offline=True)
    config.max_position_embeddings = 16
    assert tried(config).agrees, tried(config)


class OwnConfig(PretrainedConfig):
    model_type = "restless"

    def __init__(self, kind: str = "", hidden_size: int = 8, num_hidden_layers: int = 1, **rest: object) -> None:
        self.kind, self.hidden_size, self.num_hidden_layers, self.vocab_size = kind, hidden_size, num_hidden_layers, 1
        super().__init__(**rest)


def functional_dropout(model: "OwnModel", hidden: Tensor) -> Tensor:
    return functional.dropout(hidden, 0.3, model.training)


def noise(model: "OwnModel", hidden: Tensor) -> Tensor:
    return hidden + torch.randn_like(hidden) if model.training else hidden


def counter(model: "OwnModel", hidden: Tensor) -> Tensor:
    if model.training:
        model.seen += 1
    return hidden * (1 + model.seen)


def module_dropout(model: "OwnModel", hidden: Tensor) -> Tensor:
    return model.drop(hidden)


def running_mean(model: "OwnModel", hidden: Tensor) -> Tensor:
    return model.layers[0]["mlp_norm"](hidden.transpose(1, 2)).transpose(1, 2)


KINDS: dict[str, Callable[["OwnModel", Tensor], Tensor]] = {
    made.__name__: made for made in (functional_dropout, noise, counter, module_dropout, running_mean)
}


class OwnModel(PreTrainedModel):
    """A body of one's own with something that moves in training mode."""

    config_class = OwnConfig

    def __init__(self, config: OwnConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.embed_tokens = nn.Embedding(1, width)
        self.layers = nn.ModuleList([nn.ModuleDict({"mlp": nn.Linear(width, width)})])
        if config.kind == "running_mean":
            self.layers[0]["mlp_norm"] = nn.BatchNorm1d(width, affine=False)
        self.drop = nn.Dropout(0.3)
        self.register_buffer("seen", torch.zeros(()))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embed_tokens = value

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None = None) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=KINDS[self.config.kind](self, self.layers[0]["mlp"](inputs_embeds)))


AutoConfig.register("restless", OwnConfig)
AutoModel.register(OwnConfig, OwnModel)


def loaded(folder: Path, code: str) -> PretrainedConfig:
    """Import a module with somebody's configuration class from a folder of its own."""
    folder.mkdir()
    (folder / "theirs.py").write_text(code)
    description = spec_from_file_location("theirs", folder / "theirs.py")
    assert description is not None
    module = module_from_spec(description)
    assert description.loader is not None
    sys.modules["theirs"] = module
    description.loader.exec_module(module)
    made: PretrainedConfig = module.TheirConfig()
    return made


def test_an_own_architecture_is_known_by_the_code_of_its_classes(tmp_path: Path) -> None:
    head = "from transformers import PretrainedConfig\n{}\nclass TheirConfig(PretrainedConfig):\n"
    body = "    model_type = 'theirs'\n    def layer(self, hidden):\n        return hidden {} 1\n"
    codes = (
        head.format("") + body.format("+"),
        head.format("ENTRY = 1") + body.format("+"),
        head.format("") + body.format("-"),
    )
    first, beside, changed = (
        config_fingerprint(loaded(tmp_path / str(place), code)) for place, code in enumerate(codes)
    )
    assert first == beside != changed, "what else is in the file does not matter"
    typed_in = type("TypedIn", (PretrainedConfig,), {"model_type": "typed-in", "__module__": "__main__"})
    assert config_fingerprint(typed_in()) == config_fingerprint(typed_in())


def test_an_own_architecture_of_a_repository_has_its_commit_in_the_fingerprint() -> None:
    files = [BodyFiles("me/m", "a body", revision=revision) for revision in ("a", "b")]
    assert len({each.fingerprint(OwnConfig()) for each in files}) == 2


@pytest.mark.parametrize("init", ["pretrained", "random"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("functional_dropout", "two passes in training mode at dropout 0 to agree"),
        ("noise", "two passes in training mode at dropout 0 to agree"),
        ("counter", "changes, such as seen"),
    ],
)
def test_what_draws_without_a_rate_or_changes_a_buffer_is_refused(
    tmp_path: Path, kind: str, said: str, init: str
) -> None:
    OwnModel(OwnConfig(kind)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=said):
        build_body(RunSpec(task="bit-xor", body=str(tmp_path), train="feedforward", dropout=0.0, init=init), 10)


@pytest.mark.parametrize("init", ["pretrained", "random"])
@pytest.mark.parametrize("dropout", [0.0, 0.6])
def test_a_module_of_dropout_that_no_configuration_knows_goes_by_the_spec(
    tmp_path: Path, init: str, dropout: float
) -> None:
    OwnModel(OwnConfig("module_dropout")).save_pretrained(tmp_path)
    spec = RunSpec(task="bit-xor", body=str(tmp_path), train="feedforward", dropout=dropout, init=init)
    assert build_body(spec, 10)[0].model.drop.p == dropout


@pytest.mark.parametrize("init", ["pretrained", "random"])
def test_running_statistics_stay_as_they_are(tmp_path: Path, init: str) -> None:
    OwnModel(OwnConfig("running_mean")).save_pretrained(tmp_path)
    body, _ = build_body(RunSpec(task="bit-xor", body=str(tmp_path), train="feedforward", init=init), 10)
    before = {name: buffer.clone() for name, buffer in body.named_buffers()}
    body.train()(3 + torch.randn(2, 10, 8), torch.ones(2, 10, dtype=torch.bool), 10)
    for name, buffer in body.named_buffers():
        assert torch.equal(buffer, before[name]), name
