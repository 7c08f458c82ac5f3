"""lora, adapter and peft: what they train, where they go, and what cannot be combined."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
import torch
import transformers
from pydantic import ValidationError
from tiny_encoders import ARCHITECTURES, HIDDEN, TinySequenceTask, TinyTokenTask, batch, checkpoint

from xrobust import UserError
from xrobust.contracts import Method, ModelContext
from xrobust.models.pretrained import load_encoder
from xrobust_methods.adapter import Adapter
from xrobust_methods.adversarial import Adversarial
from xrobust_methods.lora import Lora
from xrobust_methods.peft_any import PeftAny
from xrobust_methods.rs_aug import RsAug
from xrobust_methods.rs_random import RsRandom
from xrobust_methods.shared.layers import find_layers
from xrobust_methods.vanilla import Vanilla

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
FEW: dict[str, Method] = {
    "lora": Lora(Lora.Params(rank=1)),
    "pfeiffer": Adapter(Adapter.Params(reduction=8)),
    "houlsby": Adapter(Adapter.Params(reduction=8, placement="houlsby")),
    "peft": PeftAny(PeftAny.Params(type="IA3")),
}


def adapted(architecture: str, method: Method, seed: int = 0, task: Any = None) -> tuple[Any, Any, Any]:
    """(model in eval mode, its context, a batch)."""
    task = task or TinySequenceTask()
    encoder = load_encoder(task.kind, str(checkpoint(architecture)), revision=None, seed=0)
    context = ModelContext(task, seed, encoder.modules_to_save, encoder.embedding_norm())
    return method.adapt(encoder.model, context).eval(), context, batch(task, encoder.tokenizer)


def trained_names(model: Any) -> list[str]:
    return [name for name, p in model.named_parameters() if p.requires_grad]


@pytest.mark.parametrize("name", FEW)
@every_architecture
def test_few_parameters_are_trained_and_all_modules_to_save(name: str, architecture: str) -> None:
    model, context, _ = adapted(architecture, FEW[name])
    names = trained_names(model)
    for module in context.modules_to_save:
        inside = [n for n, _ in model.named_parameters() if f"{module}." in n and "original_module" not in n]
        assert inside
        assert set(inside) <= set(names)
    head = sum(p.numel() for n, p in model.named_parameters() if (n in names and "classifier" in n) or "pooler" in n)
    total = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for n, p in model.named_parameters() if n in names) - head < 0.25 * total
    assert not any("embedding" in n for n in names)


@pytest.mark.parametrize("name", FEW)
@every_architecture
def test_training_starts_at_or_near_the_pretrained_model(name: str, architecture: str) -> None:
    model, _, b = adapted(architecture, FEW[name])
    encoder = load_encoder(TinySequenceTask.kind, str(checkpoint(architecture)), revision=None, seed=0)
    expected = encoder.model.eval()(**b.inputs).logits
    torch.testing.assert_close(model(**b.inputs).logits, expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("name", ["lora", "pfeiffer", "houlsby"])
def test_new_weights_depend_on_the_seed_alone(name: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        model = adapted("bert", FEW[name], seed)[0]
        found = [p.flatten() for n, p in model.named_parameters() if "lora_A" in n or "adapter" in n]
        return torch.cat(found).detach()

    torch.manual_seed(5)
    first = weights(0)
    torch.manual_seed(6)
    before = torch.get_rng_state()
    assert torch.equal(weights(0), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(weights(1), first)


# ------------------------------------------------------------------------------------------------------------- lora


@pytest.mark.parametrize(
    ("architecture", "linears"),
    [
        ("bert", {"query", "key", "value", "dense"}),
        ("xlm-roberta", {"query", "key", "value", "dense"}),
        ("distilbert", {"q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"}),
        ("deberta-v2", {"query_proj", "key_proj", "value_proj", "pos_key_proj", "pos_query_proj", "dense"}),
        ("modernbert", {"Wqkv", "Wo", "Wi", "dense"}),
    ],
)
def test_lora_finds_every_linear_module(architecture: str, linears: set[str]) -> None:
    model, context, _ = adapted(architecture, FEW["lora"])
    wrapped = {n.partition(".lora_A")[0] for n in trained_names(model) if "lora_A" in n}
    assert {n.rpartition(".")[2] for n in wrapped} == linears
    assert not any(module in n for n in wrapped for module in context.modules_to_save)
    assert len(wrapped) == len([m for m in model.modules() if hasattr(m, "lora_A")])


def test_lora_targets_can_be_named() -> None:
    model, _, _ = adapted("bert", Lora(Lora.Params(targets=("query", "attention.output.dense"))))
    wrapped = {re.sub(r"\d+", "N", n.partition(".lora_A")[0]) for n in trained_names(model) if "lora_A" in n}
    layer = "base_model.model.bert.encoder.layer.N.attention"
    assert wrapped == {f"{layer}.self.query", f"{layer}.output.dense"}
    with pytest.raises(UserError, match=r"no pre-trained Linear module .* is called 'qeury': did you mean 'query'"):
        adapted("bert", Lora(Lora.Params(targets=("qeury",))))
    with pytest.raises(UserError, match="is called 'classifier'"):
        adapted("bert", Lora(Lora.Params(targets=("classifier",))))


def test_lora_is_what_its_equation_says() -> None:
    method = Lora(Lora.Params(rank=2, alpha=6, targets=("query",), dropout=0))
    model, _, _ = adapted("bert", method)
    layer = model.base_model.model.bert.encoder.layer[0].attention.self.query
    with torch.no_grad():
        layer.lora_B["default"].weight.normal_()
    x = torch.randn(3, HIDDEN)
    update = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * (6 / 2)
    expected = x @ (layer.base_layer.weight + update).T + layer.base_layer.bias
    torch.testing.assert_close(layer(x), expected)


# ---------------------------------------------------------------------------------------------------------- adapter


@pytest.mark.parametrize(
    ("architecture", "attention", "feed_forward"),
    [
        ("bert", "bert.encoder.layer.N.attention.output.dense", "bert.encoder.layer.N.output.dense"),
        ("xlm-roberta", "roberta.encoder.layer.N.attention.output.dense", "roberta.encoder.layer.N.output.dense"),
        ("distilbert", "distilbert.transformer.layer.N.attention.out_lin", "distilbert.transformer.layer.N.ffn.lin2"),
        ("deberta-v2", "deberta.encoder.layer.N.attention.output.dense", "deberta.encoder.layer.N.output.dense"),
        ("modernbert", "model.layers.N.attn.Wo", "model.layers.N.mlp.Wo"),
    ],
)
@pytest.mark.parametrize("placement", ["pfeiffer", "houlsby"])
def test_adapters_sit_on_the_sublayers_outputs(
    architecture: str, attention: str, feed_forward: str, placement: Any
) -> None:
    model, _, _ = adapted(architecture, Adapter(Adapter.Params(placement=placement, reduction=4)))
    places = {n.partition(".adapter.")[0] for n in trained_names(model) if ".adapter." in n}
    expected = {feed_forward} if placement == "pfeiffer" else {attention, feed_forward}
    assert places == {place.replace("N", str(layer)) for place in expected for layer in (0, 1)}
    norms = [n for n in trained_names(model) if "norm" in n.lower()]
    assert bool(norms) == (placement == "houlsby")
    assert not any("embeddings" in n or "final_norm" in n for n in norms)


def test_adapter_is_what_its_equation_says() -> None:
    method = Adapter(Adapter.Params(reduction=4, activation="tanh"))
    model, _, _ = adapted("bert", method)
    projection = model.bert.encoder.layer[0].output.dense
    down, _, up = projection.adapter
    with torch.no_grad():
        up.weight.normal_()
        down.weight.normal_()
    assert down.out_features == HIDDEN // 4
    x = torch.randn(3, projection.in_features)
    h = x @ projection.weight.T + projection.bias
    expected = h + (h @ down.weight.T + down.bias).tanh() @ up.weight.T + up.bias
    torch.testing.assert_close(projection(x), expected)


def test_adapter_starts_as_in_the_released_code() -> None:
    model, _, _ = adapted("bert", Adapter(Adapter.Params(reduction=1, placement="houlsby")))
    weights = torch.cat([p.flatten() for n, p in model.named_parameters() if ".adapter." in n and "weight" in n])
    weights = weights.detach()
    biases = torch.cat([p.flatten() for n, p in model.named_parameters() if ".adapter." in n and "bias" in n])
    # A normal distribution cut at two standard deviations has 0.88 of its standard deviation.
    assert weights.std() == pytest.approx(0.00088, rel=0.05)
    assert weights.abs().max() <= 0.002
    assert not biases.any()


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 30}
OTHERS: dict[str, tuple[Any, list[str]]] = {
    "electra": (
        transformers.ElectraConfig(**SMALL, embedding_size=8),
        ["electra.encoder.layer.0.output.dense", "electra.encoder.layer.1.output.dense"],
    ),
    # All layers share their weights: one adapter.
    "albert": (
        transformers.AlbertConfig(**SMALL, embedding_size=8),
        ["albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output"],
    ),
    "mpnet": (
        transformers.MPNetConfig(**SMALL),
        ["mpnet.encoder.layer.0.output.dense", "mpnet.encoder.layer.1.output.dense"],
    ),
    "roformer": (
        transformers.RoFormerConfig(**SMALL),
        ["roformer.encoder.layer.0.output.dense", "roformer.encoder.layer.1.output.dense"],
    ),
    "funnel": (
        transformers.FunnelConfig(
            vocab_size=30, block_sizes=[1, 2], num_decoder_layers=1, d_model=16, n_head=2, d_head=8, d_inner=24
        ),
        [f"funnel.encoder.blocks.{block}.{layer}.ffn.linear_2" for block, layer in ((0, 0), (1, 0), (1, 1))],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_layers_of_other_encoders_are_found(name: str) -> None:
    config, expected = OTHERS[name]
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    assert [layer.feed_forward for layer in find_layers(model)] == expected


def test_an_encoder_built_otherwise_is_refused_in_one_line() -> None:
    config = transformers.XLMConfig(vocab_size=30, emb_dim=16, n_layers=2, n_heads=2)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(UserError, match=r"layers of XLM\w+ are not built as attention followed by") as caught:
        find_layers(model)
    assert "\n" not in str(caught.value)


def test_a_bottleneck_needs_at_least_one_unit() -> None:
    with pytest.raises(UserError, match="reduction is 17, more than the hidden size, 16"):
        adapted("bert", Adapter(Adapter.Params(reduction=17)))


# ------------------------------------------------------------------------------------------------------------- peft


def test_ia3_knows_the_feed_forward_outputs() -> None:
    model, _, _ = adapted("xlm-roberta", FEW["peft"])
    layer = model.base_model.model.roberta.encoder.layer[0]
    assert layer.output.dense.is_feedforward
    assert not layer.attention.output.dense.is_feedforward


def test_ln_tuning_trains_the_normalisations() -> None:
    model, _, _ = adapted("bert", PeftAny(PeftAny.Params(type="LN_TUNING")))
    names = [n for n in trained_names(model) if "classifier" not in n and "pooler" not in n]
    assert names
    assert all("LayerNorm" in n for n in names)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"type": "LORRA"}, r"peft has no method 'LORRA': did you mean .*'LORA'"),
        ({"type": "ADALORA"}, "ADALORA cannot be used"),
        ({"type": "CPT"}, "CPT cannot be used"),
        ({"type": "MULTITASK_PROMPT_TUNING"}, "cannot be used: it wants a task number with every input"),
        ({"type": "LOHA", "config": {"rank": 3}}, "peft LOHA has no setting 'rank'"),
        ({"type": "LOHA", "config": {"alphaa": 3}}, r"did you mean 'alpha'"),
        ({"type": "LOHA", "config": {"task_type": "SEQ_CLS"}}, "has no setting 'task_type'"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_loaded(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        PeftAny.Params(**values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "values", "message"),
    [
        ("bert", {"type": "LOHA", "config": {"r": 0}}, "peft cannot apply LOHA"),
        ("modernbert", {"type": "PREFIX_TUNING", "config": {"num_virtual_tokens": 2}}, "cannot apply PREFIX_TUNING"),
        ("bert", {"type": "LOHA", "config": {"target_modules": ["nothing"]}}, "peft cannot apply LOHA"),
    ],
)
def test_what_peft_refuses_is_one_line(architecture: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        adapted(architecture, PeftAny(PeftAny.Params(**values)))
    assert "\n" not in str(caught.value)


def test_names_are_taken_in_any_case() -> None:
    assert PeftAny.Params(type="ia3") == PeftAny.Params(type="IA3")
    assert PeftAny.Params(type="ln-tuning").type == "LN_TUNING"


def test_virtual_tokens_do_not_go_with_tags() -> None:
    method = PeftAny(PeftAny.Params(type="PROMPT_TUNING", config={"num_virtual_tokens": 3}))
    with pytest.raises(UserError, match="puts virtual tokens before the text"):
        adapted("bert", method, task=TinyTokenTask())


@pytest.mark.parametrize("name", ["PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING"])
def test_the_number_of_virtual_tokens_is_asked_for(name: str) -> None:
    with pytest.raises(UserError, match=rf"^peft {name} needs num_virtual_tokens, .*config=.num_virtual_tokens: 20"):
        adapted("bert", PeftAny(PeftAny.Params(type=name)))
    model, _, b = adapted("bert", PeftAny(PeftAny.Params(type=name, config={"num_virtual_tokens": 3})))
    assert model(**b.inputs).logits.shape[0] == len(b.labels)


def test_which_virtual_tokens_go_with_tags() -> None:
    for name in ("PROMPT_TUNING", "P_TUNING"):
        with pytest.raises(UserError, match=r"tags would no longer belong to their words: PREFIX_TUNING does not"):
            adapted("bert", PeftAny(PeftAny.Params(type=name)), task=TinyTokenTask())
    method = PeftAny(PeftAny.Params(type="PREFIX_TUNING", config={"num_virtual_tokens": 3}))
    model, _, b = adapted("bert", method, task=TinyTokenTask())
    assert model(**b.inputs).logits.shape[:2] == b.labels.shape


def test_what_the_user_sets_wins() -> None:
    method = PeftAny(PeftAny.Params(type="LOHA", config={"r": 3, "target_modules": ["query"]}))
    model, _, _ = adapted("bert", method)
    assert model.peft_config["default"].r == 3
    assert {n.split(".hada")[0].rpartition(".")[2] for n in trained_names(model) if "hada" in n} == {"query"}


# -------------------------------------------------------------------------------------------------------- conflicts


def method(cls: type[Method]) -> Method:
    return cls(cls.Params())


@pytest.mark.parametrize(("a", "b"), combinations((Lora, Adapter, PeftAny), 2))
def test_two_adaptations_cannot_be_combined(a: type[Method], b: type[Method]) -> None:
    for one, other in ((a, b), (b, a)):
        reason = method(one).conflict(method(other))
        assert reason is not None
        assert "one alone can be saved" in reason


def test_vanilla_combines_with_nothing_and_noise_with_everything() -> None:
    others = [Adversarial, RsRandom, RsAug, Lora, Adapter, PeftAny]
    for other in others:
        assert method(Vanilla).conflict(method(other)) == "vanilla changes nothing: leave it out"
    for a, b in combinations(others, 2):
        if {a, b} <= {Lora, Adapter, PeftAny}:
            continue
        assert method(a).conflict(method(b)) is None
        assert method(b).conflict(method(a)) is None


@pytest.mark.parametrize(
    ("cls", "stages"),
    [
        (Vanilla, ()),
        (Adversarial, ("objective",)),
        (RsRandom, ("objective",)),
        (RsAug, ("augment",)),
        (Lora, ("adapt",)),
        (Adapter, ("adapt",)),
        (PeftAny, ("adapt",)),
    ],
)
def test_stages(cls: type[Method], stages: tuple[str, ...]) -> None:
    assert cls.stages() == stages
    for name, field in cls.Params.model_fields.items():
        assert field.description, name
    with pytest.raises(ValidationError):
        cls.Params(nonsense=1)  # type: ignore[call-arg]
