"""Shared fixtures: tiny seeded models, tiny data, and the real data where it is present."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fork_server import Pythons
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" not in os.environ:  # whose workers have it from the process that starts them
    _cache = tempfile.TemporaryDirectory(prefix="xrobust-cache-")  # for no test reads or writes the user's own
    os.environ["XDG_CACHE_HOME"] = os.environ["XDG_STATE_HOME"] = _cache.name

# No test asserts a wall-clock time.
settings.register_profile("xrobust", deadline=None)
settings.load_profile("xrobust")

SHARED = Path(__file__).resolve().parents[2] / "shared"

WORDS = {
    "en": "the cat dog house runs sees big small in on Anna Paris Berlin Otto likes old .".split(),
    "de": "die Katze Hund Haus rennt sieht große kleine in auf Anna Paris Berlin Otto mag alt .".split(),
    "fr": "le chat chien maison court voit grand petit dans sur Anna Paris Berlin Otto aime vieux .".split(),
}
TAGS = "DET NOUN NOUN NOUN VERB VERB ADJ ADJ ADP ADP PROPN PROPN PROPN PROPN VERB ADJ PUNCT".split()
NER = "O O O O O O O O O O B-PER B-LOC B-LOC B-PER O O O".split()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets; the test is skipped, visibly, where it is not there."""
    if not (SHARED / "data").is_dir():
        pytest.skip("real data are not here (../shared/data)")
    return SHARED / "data"


@pytest.fixture(scope="session")
def few_real_rows(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 150 rows of each split in a few languages: whole files take longer to read than a small run takes."""
    folder = tmp_path_factory.mktemp("few-real-rows")
    (folder / "synonyms").symlink_to(real_data / "synonyms")
    for task, end in (("pawsx", "\n"), ("xnli", "\n"), ("wikiann", "\n\n"), ("pos", "\n\n")):
        for split, language in itertools.product(("train", "dev", "test"), "en ar de fr sw tr".split()):
            source = real_data / task / f"{split}-{language}.tsv"
            for path, terminator in ((source, end), (source.with_suffix(".ids"), "\n")):
                if path.is_file():
                    rows = path.read_text(encoding="utf-8").split(terminator, 150)[:150]
                    _write(folder / task / path.name, terminator.join(rows).rstrip("\n") + "\n")
    return folder


@pytest.fixture(scope="session")
def real_model() -> Path:
    """The small real encoder; the test is skipped, visibly, where it is not there."""
    if not (SHARED / "models" / "xmini").is_dir():
        pytest.skip("the real encoder is not here (../shared/models/xmini)")
    return SHARED / "models" / "xmini"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded BERT with two layers and the vocabulary of `WORDS`, saved as a masked language model."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model") / "tiny-bert"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = sorted({c for words in WORDS.values() for w in words for c in w} | set("abcdefghijklmnopqrstuvwxyz"))
    pieces = [*special, *letters, *(f"##{c}" for c in letters), *dict.fromkeys(w for ws in WORDS.values() for w in ws)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        pad_token_id=vocabulary["[PAD]"],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def no_dropout(tmp_path: Path, tiny_model: Path) -> Path:
    """The tiny model without dropout, whose masks no two programs draw alike: then both compute the same function."""
    folder = tmp_path / "no-dropout"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_tiny_data(folder: Path, rows: int = 48) -> None:
    """All four tasks in three languages, in the XTREME layout; parallel, so that ids align."""
    rng = random.Random(0)
    for split, count in (("train", rows), ("dev", rows // 2), ("test", rows // 2)):
        picks = [[rng.randrange(len(TAGS)) for _ in range(rng.randint(3, 9))] for _ in range(count)]
        labels = [rng.randrange(6) for _ in range(count)]
        for language, words in WORDS.items():
            if split == "train" and language != "en":
                continue
            sentences = [[words[i] for i in pick] for pick in picks]
            for task, tags in (("pos", TAGS), ("wikiann", NER)):
                lines = ["\n".join(f"{words[i]}\t{tags[i]}" for i in pick) for pick in picks]
                _write(folder / task / f"{split}-{language}.tsv", "\n\n".join(lines) + "\n")
            pairs = [(" ".join(s), " ".join(s if k % 2 else s[::-1])) for s, k in zip(sentences, labels, strict=True)]
            pawsx = [f"{a}\t{b}\t{k % 2}" for (a, b), k in zip(pairs, labels, strict=True)]
            _write(folder / "pawsx" / f"{split}-{language}.tsv", "\n".join(pawsx) + "\n")
            _write(folder / "pawsx" / f"{split}-{language}.ids", "\n".join(str(i + 1) for i in range(count)) + "\n")
            names = ("contradiction", "entailment", "neutral")
            xnli = [f"{a}\t{b}\t{names[k % 3]}" for (a, b), k in zip(pairs, labels, strict=True)]
            _write(folder / "xnli" / f"{split}-{language}.tsv", "\n".join(xnli) + "\n")
    _write(
        folder / "synonyms" / "counterfitted_neighbors.json",
        '{"cat": ["dog"], "big": ["old", "small"], "runs": [], "sees": ["likes"]}\n',
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `write_tiny_data`. Shared by tests: not to be written to."""
    folder = tmp_path_factory.mktemp("tiny-data")
    write_tiny_data(folder)
    return folder


@pytest.fixture(scope="session")
def pythons() -> Iterator[Pythons]:
    """Starts `python <arguments>` in processes of their own, most of them in less than a second."""
    pythons = Pythons()
    yield pythons
    pythons.close()


@pytest.fixture
def xrobust(tmp_path: Path, pythons: Pythons) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in a process of its own, in an empty folder; with `fresh`, from an interpreter of its own too."""
    work = tmp_path / "work"
    work.mkdir()

    def command(
        *arguments: object, env: dict[str, str] | None = None, fresh: bool = False
    ) -> subprocess.CompletedProcess[str]:
        return pythons.run("-m", "xrobust", *arguments, cwd=work, env={**os.environ, **(env or {})}, fresh=fresh)

    return command


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: Path) -> Path:
    """The folder of a complete run (pos, vanilla, three languages). Shared by tests: copy it to change it."""
    from xrobust import RunSpec, run

    output = tmp_path_factory.mktemp("finished")
    spec = RunSpec(
        task="pos",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=output,
        training={"epochs": 2, "learning_rate": 5e-3},
    )
    result = run(spec)
    return output / "pos" / "vanilla" / result.run_id
