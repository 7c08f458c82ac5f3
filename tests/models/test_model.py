"""Loading encoders: heads, what is new, identities, and what is said of models that cannot be used."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from tiny_encoders import (
    ARCHITECTURES,
    POSITIONS,
    TinyChoiceTask,
    TinySequenceTask,
    TinyTokenTask,
    batch,
    checkpoint,
    config,
    tokenizer,
)

from xrobust.errors import UserError
from xrobust.models.files import model_identity
from xrobust.models.pretrained import Encoder, check_model, load_encoder
from xrobust.models.trained import load_trainable_state, trainable_state
from xrobust.models.word_vectors import word_vectors

SEQUENCE, TOKEN, CHOICE = TinySequenceTask.kind, TinyTokenTask.kind, TinyChoiceTask.kind
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of a base model that a test may damage."""

    def make(architecture: str = "bert") -> Path:
        return Path(shutil.copytree(checkpoint(architecture), tmp_path / "model"))

    return make


def load(path: Path | str, kind: Any = SEQUENCE, seed: int = 0) -> Encoder:
    return load_encoder(kind, str(path), revision=None, seed=seed)


# ------------------------------------------------------------------------------------------------------- the model


@every_architecture
def test_pretrained_weights_are_loaded_and_the_rest_is_called_new(architecture: str) -> None:
    stored = load_file(checkpoint(architecture) / "model.safetensors")
    for kind in (SEQUENCE, TOKEN, CHOICE):
        encoder = load(checkpoint(architecture), kind)
        for name, parameter in encoder.model.named_parameters():
            new = any(name.startswith(f"{module}.") for module in encoder.modules_to_save)
            assert new == (name not in stored), name
            if not new:
                assert np.array_equal(parameter.detach().numpy(), stored[name])
        assert not any(
            a != b and a.startswith(f"{b}.") for a in encoder.modules_to_save for b in encoder.modules_to_save
        )
        assert all(p.dtype == torch.float32 for p in encoder.model.parameters())


@pytest.mark.parametrize(
    ("architecture", "sequence"),
    [
        ("bert", {"bert.pooler", "classifier"}),
        ("xlm-roberta", {"classifier"}),
        ("distilbert", {"pre_classifier", "classifier"}),
        ("deberta-v2", {"pooler", "classifier"}),
        ("modernbert", {"classifier"}),
    ],
)
def test_modules_to_save_of_a_base_model(architecture: str, sequence: set[str]) -> None:
    assert load(checkpoint(architecture)).modules_to_save == sequence
    assert load(checkpoint(architecture), TOKEN).modules_to_save == {"classifier"}


def test_a_pooler_that_the_checkpoint_has_is_not_new(tmp_path: Path) -> None:
    transformers.BertModel(config("bert", 57)).save_pretrained(tmp_path)
    tokenizer("bert").save_pretrained(tmp_path)
    assert load(tmp_path).modules_to_save == {"classifier"}


def test_a_head_of_another_size_is_replaced(tmp_path: Path) -> None:
    transformers.BertForSequenceClassification(config("bert", 57)).save_pretrained(tmp_path)
    tokenizer("bert").save_pretrained(tmp_path)
    encoder = load(tmp_path)
    assert encoder.modules_to_save == {"classifier"}
    assert encoder.model.classifier.weight.shape == (3, 16)


@every_architecture
def test_the_head_depends_on_the_seed_alone(architecture: str) -> None:
    def head(seed: int) -> list[torch.Tensor]:
        encoder = load(checkpoint(architecture), seed=seed)
        return [encoder.model.get_submodule(name) for name in sorted(encoder.modules_to_save)]

    def flat(modules: list[Any]) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for module in modules for p in module.parameters()])

    torch.manual_seed(1)
    first = flat(head(0))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = flat(head(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, flat(head(1)))


@every_architecture
def test_embedding_norm_is_that_of_the_stored_rows(architecture: str) -> None:
    stored = load_file(checkpoint(architecture) / "model.safetensors")
    (rows,) = [v for k, v in stored.items() if k.endswith(("word_embeddings.weight", "tok_embeddings.weight"))]
    expected = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1)).mean()
    assert load(checkpoint(architecture)).embedding_norm() == pytest.approx(expected, rel=1e-5)


def test_embedding_norm_of_tokens_counts_each_as_often_as_it_occurs() -> None:
    encoder = load(checkpoint("bert"))
    examples = [{"id": "0", "text": "a a a b", "text_pair": "c", "label": "yes"}]
    encoded = SEQUENCE.encode(examples, encoder.tokenizer, 32)
    rows = load_file(checkpoint("bert") / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    norms = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1))
    a, b, c = encoder.tokenizer.convert_tokens_to_ids(["a", "b", "c"])
    expected = (3 * norms[a] + norms[b] + norms[c]) / 5
    assert encoder.embedding_norm(encoded) == pytest.approx(expected, rel=1e-6)


def test_labels_are_in_the_configuration() -> None:
    stored = load(checkpoint("bert")).model.config
    assert stored.id2label == {0: "no", 1: "maybe", 2: "yes"}
    assert stored.label2id == {"no": 0, "maybe": 1, "yes": 2}


@every_architecture
def test_the_length_limit_is_the_longest_that_works(architecture: str) -> None:
    encoder = load(checkpoint(architecture))
    limit = encoder.max_length_limit
    assert limit == (POSITIONS - 2 if architecture == "xlm-roberta" else POSITIONS)
    assert check_model(SEQUENCE, str(checkpoint(architecture)), None, False) == limit

    def run(length: int) -> None:
        encoder.model(input_ids=torch.full((1, length), 7))

    run(limit)
    if architecture in ("bert", "xlm-roberta", "distilbert"):  # the others have relative positions
        with pytest.raises((IndexError, RuntimeError)):
            run(limit + 1)


def test_a_tokenizer_can_be_the_shorter_one(copy: Callable[[], Path]) -> None:
    folder = copy()
    stored = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**stored, "model_max_length": 12}))
    assert load(folder).max_length_limit == 12


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    checkpoint("bert")
    capfd.readouterr()
    level = transformers.utils.logging.get_verbosity()
    load(checkpoint("bert"))
    assert capfd.readouterr() == ("", "")
    assert transformers.utils.logging.get_verbosity() == level
    assert transformers.utils.logging.is_progress_bar_enabled()


# --------------------------------------------------------------------------------------------------- the tokenizer


@every_architecture
def test_split_words_become_the_pieces_of_the_sentence(architecture: str) -> None:
    pieces = load(checkpoint(architecture), TOKEN).tokenizer
    split = pieces(["the", "quick", "fox"], is_split_into_words=True)
    assert split["input_ids"] == pieces("the quick fox")["input_ids"]
    assert split.word_ids()[1:-1] == [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]


def test_byte_level_words_begin_with_a_space_after_a_reload(tmp_path: Path) -> None:
    pieces = load(checkpoint("modernbert"), TOKEN).tokenizer
    first = pieces.convert_ids_to_tokens(pieces(["quick", "fox"], is_split_into_words=True)["input_ids"])
    assert first[1] == "Ġq"
    assert first[6] == "Ġf"
    pieces.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert again.convert_ids_to_tokens(again(["quick", "fox"], is_split_into_words=True)["input_ids"]) == first
    # A sentence that is not split is tokenised as the model's authors do.
    plain = load(checkpoint("modernbert"), SEQUENCE).tokenizer
    assert plain.convert_ids_to_tokens(plain("quick")["input_ids"])[1] == "q"


def test_roberta_words_begin_with_a_space_after_a_reload(tmp_path: Path) -> None:
    letters = [*"abcdefghij", "Ġ"]
    vocabulary = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters, "Ġa"])}
    pieces = transformers.RobertaTokenizer(vocab=vocabulary, merges=[("Ġ", "a")], model_max_length=30)
    roberta = transformers.RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=POSITIONS,
        pad_token_id=1,
    )
    transformers.RobertaForMaskedLM(roberta).save_pretrained(tmp_path / "base")
    pieces.save_pretrained(tmp_path / "base")
    encoder = load(tmp_path / "base", TOKEN)
    ids = encoder.tokenizer(["a", "a"], is_split_into_words=True)["input_ids"]
    assert encoder.tokenizer.convert_ids_to_tokens(ids) == ["<s>", "Ġa", "Ġa", "</s>"]
    encoder.tokenizer.save_pretrained(tmp_path / "saved")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again(["a", "a"], is_split_into_words=True)["input_ids"] == ids


def test_token_types_go_only_to_models_that_have_them() -> None:
    names = {a: load(checkpoint(a)).tokenizer.model_input_names for a in ARCHITECTURES}
    assert "token_type_ids" in names["bert"]
    assert not any("token_type_ids" in names[a] for a in ARCHITECTURES if a != "bert")
    for architecture in ARCHITECTURES:
        encoder = load(checkpoint(architecture))
        b = batch(TinySequenceTask(), encoder.tokenizer)
        assert b.inputs.keys() == set(encoder.tokenizer.model_input_names)
        encoder.model(**b.inputs)


# ------------------------------------------------------------------------------------------------------- bad models


def edited(folder: Path, **changes: Any) -> Path:
    stored = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**stored, **changes}))
    return folder


def saved(folder: Path, model_config: Any) -> Path:
    model_config.save_pretrained(folder)
    tokenizer("bert").save_pretrained(folder)
    save_file({"x": np.zeros(1, dtype=np.float32)}, folder / "model.safetensors")
    return folder


def without(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).unlink()
    return folder


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


def unpadded(folder: Path) -> Path:
    stored = json.loads((folder / "tokenizer_config.json").read_text())
    return written(folder, "tokenizer_config.json", json.dumps({k: v for k, v in stored.items() if k != "pad_token"}))


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no config": (lambda f: without(f, "config.json"), "has no config.json"),
    "broken config": (lambda f: written(f, "config.json", "{"), "not valid JSON"),
    "config is a list": (lambda f: written(f, "config.json", "[]"), "not valid JSON"),
    "unusable config": (lambda f: edited(f, hidden_size=15), "config.json is not usable"),
    "no weights": (lambda f: without(f, "model.safetensors"), "has no weights"),
    "no tokenizer": (lambda f: without(f, "tokenizer.json", "tokenizer_config.json"), "has no tokenizer"),
    "broken tokenizer": (
        lambda f: written(f, "tokenizer.json", "{}"),
        "its tokenizer cannot be loaded: tokenizer.json, or another ",
    ),
    "cut tokenizer": (
        lambda f: written(f, "tokenizer.json", '{"a'),
        "is damaged or not a tokenizer's (JSONDecodeError",
    ),
    "no padding": (unpadded, "no padding token"),
    "unknown type": (lambda f: edited(f, model_type="bertt"), "type 'bertt', which transformers"),
    "own code": (lambda f: edited(f, model_type="mine", auto_map={"AutoModel": "m.M"}), "code of its own"),
    "decoder": (lambda f: saved(f, transformers.GPT2Config()), "is a gpt2 model, not an encoder"),
    "encoder-decoder": (lambda f: saved(f, transformers.BartConfig()), "is a bart model, not an encoder"),
    "t5": (lambda f: saved(f, transformers.T5Config()), "is a t5 model, not an encoder"),
    "bert as decoder": (lambda f: edited(f, is_decoder=True), "not an encoder"),
    "vision": (lambda f: saved(f, transformers.ViTConfig()), "is a vit model, not an encoder"),
    "canine": (
        lambda f: saved(f, transformers.CanineConfig()),
        "is a canine model, whose tokenizer (CanineTokenizer) has no fast version in transformers: use one such as",
    ),
    "bytes, no vocabulary": (
        lambda f: without(saved(f, transformers.PerceiverConfig()), "tokenizer.json"),
        "is a perceiver model, whose tokenizer (PerceiverTokenizer) has no fast version in transformers: use one",
    ),
    "layout": (
        lambda f: saved(f, transformers.LiltConfig()),
        "is a lilt model, of which transformers has no masked language model: use one such as",
    ),
    "no such head": (lambda f: saved(f, transformers.EsmConfig()), "no multiple choice head for models of type esm"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_said_of_a_bad_model_before_its_weights_are_read(case: str, copy: Callable[[], Path]) -> None:
    damage, message = BAD[case]
    folder = damage(copy())
    kind = CHOICE if case == "no such head" else SEQUENCE
    with pytest.raises(UserError) as caught:
        check_model(kind, str(folder), None, False)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "model" in str(caught.value)
    with pytest.raises(UserError):
        load(folder, kind)


def test_a_tokenizer_without_an_unknown_token(tmp_path: Path) -> None:
    """Its mask token stands in for tokens without a piece; where there is neither, tagging is refused."""
    folder = tmp_path / "model"
    shutil.copytree(checkpoint("modernbert"), folder)
    stored = json.loads((folder / "tokenizer_config.json").read_text())
    pipeline = json.loads((folder / "tokenizer.json").read_text())
    pipeline["model"]["unk_token"] = None
    (folder / "tokenizer.json").write_text(json.dumps(pipeline))
    del stored["unk_token"]
    written(folder, "tokenizer_config.json", json.dumps(stored))
    pieces = load(folder, TOKEN).tokenizer
    assert pieces.unk_token_id is None
    sentence = {"id": "0", "tokens": ["a", "", "b"], "tags": ["O", "X", "O"]}
    encoded = TOKEN.encode([sentence], pieces, 16)
    assert encoded.input_ids[encoded.labels == 1].tolist() == [pieces.mask_token_id]

    del stored["mask_token"]
    written(folder, "tokenizer_config.json", json.dumps(stored))
    with pytest.raises(UserError, match="its tokenizer has no unknown token and no mask token, and tagging needs one"):
        check_model(TOKEN, str(folder), None, False)
    check_model(SEQUENCE, str(folder), None, False)


def test_weights_of_another_architecture(copy: Callable[[], Path]) -> None:
    folder = copy()
    shutil.copy(checkpoint("distilbert") / "model.safetensors", folder)
    with pytest.raises(UserError, match=r"weights are not those of the bert encoder"):
        load(folder)


def with_weights(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    stored = load_file(folder / "model.safetensors")
    change(stored)
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    return folder


def in_layer(architecture: str) -> str:
    """Name of a matrix in the last layer of the encoder."""
    stored = load_file(checkpoint(architecture) / "model.safetensors")
    return next(key for key in stored if re.search(r"\.layers?\.1\.", key) and stored[key].ndim == 2)


@every_architecture
def test_an_encoder_that_lacks_weights(architecture: str, copy: Callable[[str], Path]) -> None:
    """transformers would initialise them at random."""
    lost = in_layer(architecture)
    folder = with_weights(copy(architecture), lambda stored: stored.pop(lost))
    with pytest.raises(UserError, match=rf"describes: 1 of \d+ tensors are missing .* the first is {re.escape(lost)}$"):
        load(folder)


@every_architecture
def test_an_encoder_with_a_weight_of_another_shape(architecture: str, copy: Callable[[str], Path]) -> None:
    changed = in_layer(architecture)
    folder = with_weights(copy(architecture), lambda stored: stored.update({changed: stored[changed][:-1]}))
    with pytest.raises(UserError, match=rf"1 of \d+ tensors are missing or of another shape.* {re.escape(changed)}$"):
        load(folder)


def test_an_encoder_with_a_layer_more_than_its_checkpoint(copy: Callable[[], Path]) -> None:
    folder = edited(copy(), num_hidden_layers=3)
    with pytest.raises(UserError, match=r"16 of \d+ tensors are missing .* the first is bert\.encoder\.layer\.2\."):
        load(folder)
    with pytest.raises(UserError, match=r"16 of \d+ tensors are missing"):
        word_vectors(str(folder), None, offline=True)
    word_vectors(str(checkpoint("bert")), None, offline=True)


@every_architecture
def test_an_encoder_with_a_layer_less_than_its_checkpoint(architecture: str, copy: Callable[[str], Path]) -> None:
    """Of a checkpoint for any head, with the names that a bare encoder has, and with those of an older version."""
    name = {"distilbert": "n_layers"}.get(architecture, "num_hidden_layers")
    whole = copy(architecture)
    assert load(whole).unused is None
    folder = edited(whole, **{name: 1})
    if architecture == "modernbert":
        edited(folder, layer_types=json.loads((folder / "config.json").read_text())["layer_types"][:1])
    said = load(folder).unused
    assert said is not None
    assert re.match(
        rf"model '{folder}': (\d+) tensors of the encoder in its weights are not in the {architecture} ", said
    )
    assert ".1." in said and "\n" not in said


def test_a_bare_encoder_with_a_layer_less_than_its_weights(copy: Callable[[], Path]) -> None:
    def bare(stored: dict[str, Any]) -> None:
        for key in list(stored):
            value = stored.pop(key)
            if key.startswith("bert."):
                stored[key.removeprefix("bert.")] = value
        stored["embeddings.position_ids"] = np.arange(4)
        stored["pooler.dense.weight"] = np.ones((16, 16), dtype=np.float32)

    folder = with_weights(copy(), bare)
    assert load(folder).unused is None, "a pooler and a buffer are no loss"
    said = load(edited(folder, num_hidden_layers=1)).unused
    assert said is not None and "16 tensors of the encoder" in said and "encoder.layer.1." in said


@pytest.mark.parametrize("content", [b"plain text", pickle.dumps(print)])
def test_weights_that_are_no_tensors_are_not_to_be_loaded_unsafely(content: bytes, copy: Callable[[], Path]) -> None:
    folder = without(copy(), "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(UserError, match="its weights cannot be loaded: ") as error:
        load(folder)
    assert "weights_only" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_encoder_with_weights_that_are_not_finite(value: float, copy: Callable[[], Path]) -> None:
    broken = in_layer("bert")
    folder = with_weights(copy(), lambda stored: stored[broken].__setitem__((0, 0), value))
    with pytest.raises(UserError, match=rf"damaged: 1 tensors hold values .*not finite, the first is {broken}$"):
        load(folder)


def test_weights_that_are_cut_off(copy: Callable[[], Path]) -> None:
    folder = copy()
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be loaded"):
        load(folder)


def test_a_folder_that_is_not_there(copy: Callable[[], Path]) -> None:
    folder = copy()
    with pytest.raises(UserError, match=r"no such folder; in .*did you mean 'model'"):
        check_model(SEQUENCE, str(folder.parent / "modell"), None, False)
    with pytest.raises(UserError, match=r"there is no such folder$"):
        check_model(SEQUENCE, str(folder.parent / "nothing-like-it"), None, False)
    with pytest.raises(UserError, match="a revision is for hub models"):
        check_model(SEQUENCE, str(folder), "main", False)


# ---------------------------------------------------------------------------------------------------------- the hub


def test_hub_models(tmp_path: Path) -> None:
    """A hub id is resolved to a commit, loaded, and found in the cache when there is no connection."""
    sha = "0123456789abcdef0123456789abcdef01234567"
    files = {p.name: p.read_bytes() for p in checkpoint("xlm-roberta").iterdir()}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            start, _, name = self.path.rpartition("/")
            if start.startswith("/tiny/xlmr/resolve/") and start.rpartition("/")[2] in ("main", sha):
                data, status, headers = files.get(name, b""), 200 if name in files else 404, {"X-Repo-Commit": sha}
                headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
                if status == 404:
                    headers["X-Error-Code"] = "EntryNotFound"
            else:
                tree = start.startswith("/api/models/tiny/xlmr/tree")
                code = "RevisionNotFound" if start.startswith("/tiny/xlmr/resolve") else "RepoNotFound"
                code = "EntryNotFound" if tree else code
                data, status, headers = b"", 404, {"X-Error-Code": code}
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    script = """
import json, sys
from xrobust.models.files import *
from xrobust.models.pretrained import *
from xrobust.kinds import SequenceClassification
kind = SequenceClassification(("no", "maybe", "yes"))
def said(*arguments):
    try:
        return check_model(kind, *arguments)
    except UserError as error:
        return str(error)
encoder = load_encoder(kind, "tiny/xlmr", revision=None, seed=0)
out = {
    "identity": model_identity("tiny/xlmr", None, False),
    "sum": float(sum(p.sum().item() for n, p in encoder.model.named_parameters() if "classifier" not in n)),
    "commit": encoder.model.config._commit_hash,
    "offline": said("tiny/xlmr", None, True),
    "pinned": said("tiny/xlmr", "0123456789abcdef0123456789abcdef01234567", True),
    "unknown": said("tiny/none", None, False),
    "revision": said("tiny/xlmr", "v9", False),
    "not cached": said("tiny/other", None, True),
    "no id": said("tiny xlmr", None, False),
}
print(json.dumps(out))
"""
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path)}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out["identity"] == {"id": "tiny/xlmr", "revision": sha, "sha256": None}
    encoder = load(checkpoint("xlm-roberta"))
    expected = sum(p.sum().item() for n, p in encoder.model.named_parameters() if "classifier" not in n)
    assert out["sum"] == pytest.approx(expected)
    assert out["commit"] == sha
    assert out["offline"] == out["pinned"] == POSITIONS - 2
    assert "no such model on the hub" in out["unknown"]
    assert "no revision 'v9'" in out["revision"]
    assert "not in the cache of this machine" in out["not cached"]
    assert "neither a folder that exists nor a hub id" in out["no id"]
    assert not any(path.endswith(".py") for path in asked)

    # The hub is gone: what is in the cache is used, and the rest is said at once, without a second try.
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    gone = json.loads(done.stdout)
    assert gone["identity"] == out["identity"] and gone["sum"] == out["sum"]
    assert "not in the cache of this machine and the hub cannot be reached" in gone["unknown"]


# --------------------------------------------------------------------------------------------------------- identity


def test_identity_of_a_folder_is_its_content(copy: Callable[[], Path], tmp_path: Path) -> None:
    folder = copy()
    first = model_identity(str(folder), None, False)
    assert first["id"] == "model"
    assert first["revision"] is None
    assert model_identity(str(checkpoint("bert")), None, False)["sha256"] == first["sha256"]
    written(folder, "README.md", "about")
    (folder / "optimizer.bin").write_bytes(b"state")
    assert model_identity(str(folder), None, False) == first

    digests = {first["sha256"]}
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        written(folder, name, (folder / name).read_text() + "\n")
        digests.add(model_identity(str(folder), None, False)["sha256"])
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    digests.add(model_identity(str(folder), None, False)["sha256"])
    assert len(digests) == 5


# -------------------------------------------------------------------------------------------------- trainable state


def test_trainable_state_is_a_copy_and_strict() -> None:
    model = load(checkpoint("bert")).model
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("classifier"))
    state = trainable_state(model)
    assert state.keys() == {"classifier.weight", "classifier.bias"}
    original = {name: tensor.clone() for name, tensor in state.items()}
    with torch.no_grad():
        model.classifier.weight.add_(1.0)
    assert torch.equal(state["classifier.weight"], original["classifier.weight"])
    load_trainable_state(model, state)
    assert torch.equal(model.classifier.weight, original["classifier.weight"])
    assert model.classifier.weight.requires_grad

    with pytest.raises(ValueError, match=r"classifier\.bias"):
        load_trainable_state(model, {"classifier.weight": state["classifier.weight"]})
    with pytest.raises(ValueError, match="shape"):
        load_trainable_state(model, {**state, "classifier.bias": torch.zeros(4)})
    with pytest.raises(ValueError, match="differ in name"):
        load_trainable_state(model, {**state, "extra": torch.zeros(4)})
