"""Mixed languages in a run: each language is tokenised once, and the model says what it says of pairs encoded whole."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from xrobust import load_model, load_result
from xrobust.config.run_spec import EvaluationRequest
from xrobust.errors import UserError
from xrobust.evaluate_trained import evaluate
from xrobust.results.store import load_predictions

Copied = Callable[[Path], Path]
LANGUAGES = ("de", "en", "fr")


def columns(data: Path, language: str) -> list[list[str]]:
    lines = (data / "pawsx" / f"test-{language}.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines]


def test_all_pairs(trained_pair_run: Path, copied: Copied, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    folder = copied(trained_pair_run)
    texts: list[str] = []
    original = PreTrainedTokenizerFast._encode_plus

    def counting(self: Any, text: Any, text_pair: Any = None, **options: Any) -> Any:
        texts.extend(text if isinstance(text, list) else [text])
        return original(self, text, text_pair, **options)

    monkeypatch.setattr(PreTrainedTokenizerFast, "_encode_plus", counting)
    result = evaluate(folder, request=EvaluationRequest(pairs="all"))
    monkeypatch.undo()
    given = [text for code in LANGUAGES for row in columns(tiny_data, code) for text in row[:2]]
    # Each sentence once, whatever the number of pairs; besides, one probe of how a pair is joined.
    assert Counter(given) <= Counter(texts) and len(texts) - len(given) == 1

    assert result.spec.evaluation.pairs == tuple(permutations(LANGUAGES, 2))
    model, tokenizer = load_model(folder)
    for pair in result.spec.evaluation.pairs:
        first, second = pair
        rows = list(zip(columns(tiny_data, first), columns(tiny_data, second), strict=True))
        encoded = tokenizer(
            [a[0] for a, _ in rows], [b[1] for _, b in rows], padding=True, truncation=True, return_tensors="pt"
        )
        with torch.inference_mode():
            best = model(**encoded).logits.argmax(dim=-1).tolist()
        expected = [model.config.id2label[k] for k in best]
        said = load_predictions(folder, f"{first}:{second}")
        assert [p["prediction"] for p in said] == expected
        assert [p["label"] for p in said] == [a[2] for a, _ in rows]
        (row,) = [r for r in result.main_scores() if r.pair == pair]
        assert row.value == sum(p["prediction"] == p["label"] for p in said) / len(said)
    assert result.summary is not None and (result.summary.languages, result.summary.pairs) == (3, 6)
    values = [r.value for r in result.main_scores() if r.pair is not None]
    assert result.summary.average_pairs == pytest.approx(sum(values) / 6)


def test_nothing_is_scored_twice_and_new_rows_are_scored_anew(
    trained_pair_run: Path, copied: Copied, tiny_data: Path, tmp_path: Path
) -> None:
    folder = copied(trained_pair_run)
    before = evaluate(folder, request=EvaluationRequest(pairs=("en:de", "de:de")))
    again = evaluate(folder, request=EvaluationRequest(pairs=("en:de", "fr:de")))
    kept = {r.name: r.seconds for r in before.scores}
    assert {r.name: r.seconds for r in again.scores if r.name in kept} == kept
    assert [r.name for r in again.main_scores()] == ["de", "en", "fr", "en:de", "fr:de"]

    shutil.copytree(tiny_data, tmp_path / "data")
    path = tmp_path / "data" / "pawsx" / "test-de.tsv"
    path.write_text("\n".join(path.read_text().splitlines()[:15]) + "\n")
    ids = path.with_suffix(".ids")
    ids.write_text("\n".join(ids.read_text().splitlines()[:15]) + "\n")
    fewer = evaluate(folder, request=EvaluationRequest(languages=("en",), pairs=("en:de",)), data_dir=tmp_path / "data")
    (rows,) = [r for r in fewer.data.pairs if r.pair == ("en", "de")]
    assert (rows.rows, rows.unaligned, rows.disagreeing) == (15, 9, 0)
    assert {r.pair: r.n for r in fewer.scores}["en", "de"] == 15


def test_ids_that_do_not_align_are_counted_before_anything_is_scored(
    trained_pair_run: Path, copied: Copied, tiny_data: Path, tmp_path: Path
) -> None:
    folder = copied(trained_pair_run)
    shutil.copytree(tiny_data, tmp_path / "data")
    ids = tmp_path / "data" / "pawsx" / "test-de.ids"
    ids.write_text("\n".join(["1", "2", *(f"x{i}" for i in range(22))]) + "\n")
    with pytest.raises(UserError, match="pair en:de: 2 of 24 ids"):
        evaluate(folder, request=EvaluationRequest(pairs=("en:de",)), data_dir=tmp_path / "data")
    assert load_result(folder) == load_result(trained_pair_run)
