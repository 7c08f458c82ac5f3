"""Methods that give what cannot be trained: one line with the method's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from xrobust import RunError, RunSpec, UserError, load_result, run
from xrobust.cli.main import main
from xrobust.contracts import Example, Method, MethodInfo, Output
from xrobust.errors import PluginError
from xrobust.kinds import TokenClassification
from xrobust.pipeline import execute
from xrobust.plan import make_plan
from xrobust.registry.plugins import Plugins
from xrobust.results.host_free import host_free
from xrobust.training.augmented import Augmented
from xrobust.training.objective import Place, build_objective

METHOD = """
import pydantic
from xrobust.contracts import Method, MethodInfo


class Lazy:
    def __init__(self, train, change):
        self.train, self.change = train, change

    def __len__(self):
        return len(self.train)

    def __getitem__(self, index):
        example = dict(self.train[index % len(self.train)])
        if index == 5:
            self.change(example)
        return example


def _squared(loss):
    doubled = 2 * loss
    return doubled, doubled * doubled


class Faulty(Method):
    info = MethodInfo(name="faulty", summary="gives what cannot be trained")

{body}
"""
OBJECTIVE = """    def objective(self, inner, ctx):
        def own(forward, batch):
            return {}
        return own"""
BODIES = {
    "no example": "    def augment(self, train, ctx):\n        return []",
    "another tag": "    def augment(self, train, ctx):\n"
    "        return Lazy(train, lambda e: e.update(tags=['BAD'] * len(e['tokens'])))",
    "no tags": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e.pop('tags'))",
    "no text": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e.update(tokens=None))",
    "no id": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e.pop('id'))",
    "a number": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e.update(id=5))",
    "one id twice": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e.update(id='en:2'))",
    "raises": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e['title'])",
    "os error": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: open('/nowhere/it/is'))",
    "no row": "    def augment(self, train, ctx):\n        return [*train[:5], 'a text']",
    "none": "    def augment(self, train, ctx):\n        train.clear()",
    "generator": "    def augment(self, train, ctx):\n        yield from train",
    "by name": "    def augment(self, train, ctx):\n        return {e['id']: e for e in train}",
    "augment": "    def augment(self, train, ctx):\n        return train['de']",
    "frozen": "    def adapt(self, model, ctx):\n        return model.requires_grad_(False)",
    "no model": "    def adapt(self, model, ctx):\n        model.train()\n        return None",
    "adapt": "    def adapt(self, model, ctx):\n        return model.roberta",
    "30 outputs": "    def adapt(self, model, ctx):\n        import torch\n"
    "        model.classifier = torch.nn.Linear(16, 30)\n        return model",
    "3 outputs": "    def adapt(self, model, ctx):\n        import torch\n"
    "        model.classifier = torch.nn.Linear(16, 3)\n        return model",
    "no pass": "    def adapt(self, model, ctx):\n        import torch\n"
    "        model.classifier = torch.nn.Linear(5, 17)\n        return model",
    "frozen head": "    def adapt(self, model, ctx):\n"
    "        model.classifier.requires_grad_(False)\n        return model",
    "no values": "    def adapt(self, model, ctx):\n        return model.to('meta')",
    "another each time": "    def adapt(self, model, ctx):\n        import torch\n"
    "        Faulty.calls = getattr(Faulty, 'calls', 0) + 1\n"
    "        model.more = torch.nn.Linear(Faulty.calls, 2)\n        return model",
    "conflict": "    def conflict(self, other):\n        return True",
    "language 3": "    def language_problem(self, language):\n        return 3",
    "drawn anew": "    def augment(self, train, ctx):\n        import random\n"
    "        return Lazy(train, lambda e: e.update(tokens=[str(random.random()) for _ in e['tokens']]))",
    "a constant": OBJECTIVE.format("__import__('torch').zeros((), requires_grad=True)"),
    "on meta": OBJECTIVE.format("__import__('torch').zeros((), device='meta', requires_grad=True)"),
    "not a number": OBJECTIVE.format("inner(forward, batch) * float('nan')"),
    "no objective": "    def objective(self, inner, ctx):\n        pass",
    "objective": "    def objective(self, inner, ctx):\n        return ctx.nothing",
    "is none": OBJECTIVE.format("None"),
    "a float": OBJECTIVE.format("inner(forward, batch).item()"),
    "a vector": OBJECTIVE.format("inner(forward, batch).reshape(1)"),
    "detached": OBJECTIVE.format("inner(forward, batch).detach()"),
    "fails": OBJECTIVE.format("inner(forward, batch) / nothing"),
    "exits": OBJECTIVE.format("exit('enough')"),
    "a wrong shape": OBJECTIVE.format("inner(forward.shifted(batch.noise_mask[:, :1, :].repeat(1, 1, 3)), batch)"),
    "changed in place": OBJECTIVE.format("(lambda x, y: (y, x.zero_())[0])(*_squared(inner(forward, batch)))"),
    "params": "    class Params(Method.Params):\n"
    "        @pydantic.field_validator('rate', check_fields=False)\n        @classmethod\n"
    "        def _rate(cls, value): return 1 / 0\n        rate: float = 1.0\n"
    "    @classmethod\n    def defaults(cls, task):\n        return {'rate': 2.0}",
    "defaults": "    @classmethod\n    def defaults(cls, task):\n        return {'rate': 2.0}",
    "no defaults": "    @classmethod\n    def defaults(cls, task):\n        pass",
    "refused default": "    class Params(Method.Params):\n        rate: float = pydantic.Field(default=0.5, lt=1)\n"
    "    @classmethod\n    def defaults(cls, task):\n        return {'rate': 2.0}",
    "init": "    def __init__(self, params):\n        self.rate = params.rate",
    "language": "    def language_problem(self, language):\n        return {'en': None}[language.upper()]",
    "files": "    def files(self, data_dir, offline):\n        return [data_dir]",
    "no file": "    def files(self, data_dir, offline):\n        return {'words': data_dir / 'words.txt'}",
    "every epoch": "    @property\n    def every_epoch(self):\n        return self.params.often",
    "good": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e)",
    "in place": "    def augment(self, train, ctx):\n        for e in train:\n"
    "            e['tokens'][0] = 'xx'\n            e['id'] = 'x' + e['id']\n        return train",
}


@pytest.fixture
def spec(tmp_path: Path, tiny_model: Path, tiny_data: Path, request: pytest.FixtureRequest) -> RunSpec:
    plugin = tmp_path / "faulty.py"
    plugin.write_text(METHOD.format(body=BODIES[request.param]))
    return spec_of(plugin, tmp_path, tiny_model, tiny_data)


def spec_of(plugin: Path, tmp_path: Path, tiny_model: Path, tiny_data: Path) -> RunSpec:
    return RunSpec(
        task="pos",
        method="faulty",
        plugins=(plugin,),
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path / "runs",
        languages=("de",),
        limit=12,
        training={"epochs": 1},
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no example", "method faulty: its augment left no example to train on"),
        ("frozen", "method faulty: its adapt left no parameter to be trained"),
    ],
    indirect=["spec"],
)
def test_what_a_user_may_have_asked_for(spec: RunSpec, message: str) -> None:
    with pytest.raises(UserError) as caught:
        run(spec)
    assert str(caught.value) == message
    assert not spec.output.exists(), "nothing is written"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("params", "its Params failed: ZeroDivisionError: division by zero (faulty.py:"),
        ("defaults", "its defaults failed at task pos: there is no parameter 'rate'"),
        ("no defaults", "its defaults failed at task pos: TypeError: 'NoneType' object is not iterable"),
        ("refused default", "its defaults failed at task pos: 'rate' is 2.0: input should be less than 1"),
        ("init", "its __init__ failed: AttributeError: 'Params' object has no attribute 'rate' (faulty.py:"),
        ("language", "its language_problem failed at language en: KeyError: 'EN' (faulty.py:"),
        ("files", "its files failed: AttributeError: 'list' object has no attribute 'items'"),
        ("no file", "/words.txt, which it calls 'words', is no file"),
        ("every epoch", "its every_epoch failed: AttributeError: 'Params' object has no attribute 'often' (faulty.py:"),
        ("none", "its augment failed at epoch 1: it returned None, not a sequence with __len__ and __getitem__"),
        ("generator", "its augment failed at epoch 1: it returned a generator, not a sequence with __len__ and"),
        ("by name", "its augment failed at epoch 1: it returned a dict, not a sequence with __len__ and __getitem__"),
        ("augment", "its augment failed at epoch 1: TypeError: list indices must be integers or slices, not str (faul"),
        ("no model", "its adapt failed: it returned None, not the model"),
        ("adapt", "its adapt failed: AttributeError: 'BertForTokenClassification' object has no attribute 'roberta'"),
        ("30 outputs", "its adapt failed: its model gives 30 outputs where the task has 17"),
        ("3 outputs", "its adapt failed: its model gives 3 outputs where the task has 17"),
        ("no pass", "its adapt failed at a first pass of its model: RuntimeError: mat1 and mat2 shapes cannot be mult"),
        ("frozen head", "its adapt failed: it left classifier untrained: train ctx.modules_to_save whole"),
        ("no values", "tensors of its model have no values ("),
        (
            "another each time",
            "its adapt failed: a second call builds another model (more.weight): the trained one coul",
        ),
        (
            "language 3",
            "its language_problem failed at language en: it returned 3; a reason in a few words, or None, is ",
        ),
        ("no objective", "its objective failed: it returned None, not a function of (forward, batch)"),
        ("objective", "its objective failed: AttributeError: 'ModelContext' object has no attribute 'nothing' (faulty"),
    ],
    indirect=["spec"],
)
def test_what_is_found_before_training(spec: RunSpec, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        run(spec)
    said = str(caught.value)
    assert said.startswith("method 'faulty' (faulty.py): its ") and message in said
    assert "\n" not in said
    assert not spec.output.exists(), "nothing is written"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("another tag", "its augment failed at epoch 1, example 5 (id en:5): tag 'BAD' is none of ADJ, "),
        ("no tags", "its augment failed at epoch 1, example 5 (id en:5): no 'tags'"),
        ("no text", "its augment failed at epoch 1, example 5 (id en:5): 'tokens' is None; text is expected"),
        ("no id", "its augment failed at epoch 1, example 5 (id None): its id is None; a string that is not empty is"),
        ("a number", "its augment failed at epoch 1, example 5 (id 5): its id is 5; a string that is not empty is exp"),
        ("one id twice", "its augment failed at epoch 1, example 5 (id en:2): example 2 has this id too"),
        ("raises", "its augment failed at epoch 1, example 5: KeyError: 'title' (faulty.py:"),
        ("os error", "its augment failed at epoch 1, example 5: FileNotFoundError: [Errno 2] No such file or director"),
        (
            "drawn anew",
            "its augment failed at epoch 1, example 5: it is another example each time that it is read: dra",
        ),
        (
            "a constant",
            "its backward pass failed at step 1: the loss depends on no parameter that is trained: nothing ",
        ),
        (
            "on meta",
            "its backward pass failed at step 1: the loss depends on no parameter that is trained: nothing wou",
        ),
        ("no row", "its augment failed at epoch 1, example 5: it is a str, not a mapping of columns"),
        ("is none", "its objective failed at step 1: it returned None, not a tensor"),
        ("a float", "its objective failed at step 1: it returned a float, not a tensor"),
        ("a vector", "its objective failed at step 1: it returned a tensor of shape (1,), not a scalar: sum over the "),
        ("detached", "its objective failed at step 1: it returned a loss without a gradient: was it detached, or comp"),
        ("fails", "its objective failed at step 1: NameError: name 'nothing' is not defined (faulty.py:"),
        ("exits", "its objective failed at step 1: SystemExit: enough (faulty.py:"),
        ("a wrong shape", "its objective failed at step 1: RuntimeError: The size of tensor a "),
        ("changed in place", "its backward pass failed at step 1: RuntimeError: one of the variables needed for gradi"),
    ],
    indirect=["spec"],
)
def test_what_is_found_in_training(spec: RunSpec, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        run(spec)
    said = str(caught.value)
    assert said.startswith(f"method 'faulty' (faulty.py): {message}")
    assert "\n" not in said
    (document,) = spec.output.rglob("result.json")
    result = load_result(document)
    assert (result.status, result.error) == ("failed", host_free(said))


@pytest.mark.parametrize("spec", ["not a number"], indirect=True)
def test_a_loss_that_is_no_number_may_be_a_methods(spec: RunSpec) -> None:
    with pytest.raises(RunError, match=r"^the loss is nan at step 1 of") as caught:
        run(spec)
    assert str(caught.value).endswith("may help, or it comes from method 'faulty' (faulty.py)")


def test_methods_of_xrobust_are_not_suspected() -> None:
    plugins = Plugins()
    assert Place([plugins.load("methods", name)(None) for name in ("rs_random", "lora")]).suspects() == ""


class Drawn(Sequence[Example]):
    """Of 9 examples the last two have one id, or another when it is read again."""

    def __init__(self, *ids: str) -> None:
        self.ids = iter(ids)

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: Any) -> Example:
        return {"id": next(self.ids) if index == 8 else f"en:{index}", "tokens": ["a"], "tags": ["X"]}


def test_an_id_that_was_there_twice_and_is_not_any_more(tmp_path: Path) -> None:
    """What was read is what is checked."""
    kind = TokenClassification(("X",))
    for ids, problem in (
        (("en:7", "en:9"), "it is another example each time"),
        (("en:7",) * 9, "example 7 has this id"),
    ):
        examples = Augmented(_Plain(None), Drawn("en:7", "en:7", *ids), kind, ["tokens", "tags"], 0)
        with pytest.raises(PluginError, match=f"its augment failed at epoch 1, example 8.*: {problem}"):
            list(examples.unique())


class _Plain(Method):
    info = MethodInfo("plain", "plain")


def test_a_conflict_is_a_reason(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    plugin = tmp_path / "faulty.py"
    plugin.write_text(METHOD.format(body=BODIES["conflict"]))
    spec = spec_of(plugin, tmp_path, tiny_model, tiny_data).model_copy(update={"method": "faulty+lora"})
    with pytest.raises(PluginError, match="its conflict failed at lora: it returned True; a reason in a few words"):
        run(spec)


@pytest.mark.parametrize("spec", ["good"], indirect=True)
def test_examples_need_a_length_and_an_index_alone(spec: RunSpec) -> None:
    """As `Method.augment` says: the end of the examples is their length, not an IndexError."""
    result = run(spec)
    assert result.training is not None and result.training.budget.examples == 12


@pytest.mark.parametrize("spec", ["in place"], indirect=True)
def test_an_augmentation_in_place_reaches_no_other_method(spec: RunSpec) -> None:
    plan = make_plan(spec)
    before = [dict(example) for example in plan.train]
    execute(plan)
    assert [dict(example) for example in plan.train] == before


def test_the_number_of_examples_stays_the_same(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    plugin = tmp_path / "faulty.py"
    body = "    every_epoch = True\n    def augment(self, train, ctx):\n        return train[ctx.epoch:]"
    plugin.write_text(METHOD.format(body=body))
    spec = spec_of(plugin, tmp_path, tiny_model, tiny_data).model_copy(update={"training": {"epochs": 2}})
    with pytest.raises(RunError, match="its augment gave 11 examples in epoch 2 and 12 before") as caught:
        run(spec)
    assert str(caught.value).startswith("method faulty: ")


def test_the_method_whose_example_it_is_is_blamed(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    """Of composed methods the one that made what cannot be trained on, though another asks for it first."""
    plugin = tmp_path / "faulty.py"
    good = METHOD.format(body=BODIES["good"]).split("class Faulty")[1].replace("faulty", "last")
    plugin.write_text(METHOD.format(body=BODIES["no tags"]) + "\n\nclass Last" + good)
    spec = spec_of(plugin, tmp_path, tiny_model, tiny_data).model_copy(update={"method": "faulty+last"})
    with pytest.raises(PluginError, match=r"^method 'faulty' \(faulty.py\): its augment failed at epoch 1, example 5"):
        run(spec)


def test_memory_that_does_not_suffice_is_nobodys_fault() -> None:
    """It passes as it is, so that smaller micro-batches are tried; so does the end of another process."""
    for error in (
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("Connection closed by peer"),
    ):

        class Method_(Method):
            info = MethodInfo("own", "raises")

            def objective(self, inner, ctx, error=error):
                def own(forward, batch):
                    raise error

                return own

        objective = build_objective([Method_(None)], None, Place())  # type: ignore[arg-type]
        with pytest.raises(RuntimeError) as caught:
            objective(None, None)  # type: ignore[arg-type]
        assert caught.value is error


def test_an_inner_loss_may_be_taken_without_a_gradient() -> None:
    import torch

    class Outer(Method):
        info = MethodInfo("outer", "weighs the loss by itself")

        def objective(self, inner, ctx):
            def own(forward, batch):
                with torch.no_grad():
                    weight = inner(forward, batch)
                return weight * inner(forward, batch)

            return own

    class Inner(Outer):
        info = MethodInfo("inner", "doubles the loss")

    weight = torch.tensor(3.0, requires_grad=True)
    objective = build_objective([Inner(None), Outer(None)], None, Place())  # type: ignore[arg-type]
    assert objective(lambda batch: Output(weight * 1, weight), None).item() == 81.0  # type: ignore[arg-type]


@pytest.mark.parametrize("wanted", [True, False])
def test_the_traceback_of_what_fails_before_there_is_a_log(
    wanted: bool,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plugin = tmp_path / "faulty.py"
    plugin.write_text(METHOD.format(body=BODIES["augment"]))
    monkeypatch.setenv("XROBUST_TRACEBACK", "1" if wanted else "")
    with pytest.raises(SystemExit) as end:
        main(
            [
                *("run", "--task", "pos", "--method", "faulty", "--plugin", str(plugin), "--model", str(tiny_model)),
                *("--data-dir", str(tiny_data), "--output", str(tmp_path / "runs")),
            ]
        )
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert said.splitlines()[-1].startswith(
        "xrobust: method 'faulty' (faulty.py): its augment failed at epoch 1: TypeE"
    )
    assert ("return train['de']" in said and "Traceback (most recent call last)" in said) is wanted
    assert (len(said.splitlines()) == 1) is not wanted
