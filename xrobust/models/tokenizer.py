"""Tokenizers of pre-trained models: the fast ones, checked."""

from __future__ import annotations

import json
from typing import Any

import transformers
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

from xrobust.contracts import Kind
from xrobust.errors import UserError, first_line
from xrobust.runtime.libraries import quiet


def load_tokenizer(kind: Kind, path_or_id: str, model_type: str, path: str, commit: str | None, offline: bool) -> Any:
    """The fast tokenizer. For tokens that come already split it puts a space before each where words begin with one."""
    options: dict[str, Any] = {"revision": commit or "main", "local_files_only": offline}
    with quiet():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(path, trust_remote_code=False, **options)
            if kind.pre_split and not _spaces_words(tokenizer):
                # RoBERTa's class builds its pipeline anew from this option, also when the saved tokenizer is loaded.
                tokenizer = transformers.AutoTokenizer.from_pretrained(
                    path, trust_remote_code=False, add_prefix_space=True, **options
                )
        except Exception as error:  # the tokenizers library raises bare Exception
            require_fast(f"model {path_or_id!r}", model_type)
            raise UserError(f"model {path_or_id!r}: its tokenizer cannot be loaded: {_damage(error)}") from error
    if not tokenizer.is_fast:
        require_fast(f"model {path_or_id!r}", model_type)
        raise UserError(f"model {path_or_id!r}: its tokenizer has no fast version (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        raise UserError(f"model {path_or_id!r}: its tokenizer has no padding token")
    if kind.pre_split and tokenizer.unk_token_id is None and tokenizer.mask_token_id is None:
        raise UserError(
            f"model {path_or_id!r}: its tokenizer has no unknown token and no mask token, and tagging needs one for "
            "tokens that it makes nothing of"
        )
    if kind.pre_split and not _spaces_words(tokenizer):
        from tokenizers.normalizers import Prepend, Sequence

        backend = tokenizer.backend_tokenizer
        backend.normalizer = Sequence([Prepend(" "), *([backend.normalizer] if backend.normalizer else [])])
    return tokenizer


def _damage(error: Exception) -> str:
    """Message about a tokenizer's damaged files. The libraries index into their content without checks."""
    if type(error) is Exception or isinstance(
        error, KeyError | TypeError | AttributeError | json.JSONDecodeError | UnicodeDecodeError
    ):
        reason = f"{type(error).__name__}: {first_line(error)}"
        return f"tokenizer.json, or another of its files, is damaged or not a tokenizer's ({reason})"
    return first_line(error)


def _spaces_words(tokenizer: Any) -> bool:
    """True if a sentence split into words becomes the same pieces as the sentence itself.

    Byte-level BPE (RoBERTa, ModernBERT) codes the space before a word as part of it and would take words that come
    alone for continuations.
    """
    if not tokenizer.is_fast:
        return True
    split = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return bool(split == tokenizer(" a a", add_special_tokens=False)["input_ids"])


def require_fast(what: str, model_type: str) -> None:
    """Raises UserError for a type of models whose tokenizer has no fast version."""
    name = TOKENIZER_MAPPING_NAMES.get(model_type)
    found = tokenizer_class_from_name(name) if name else None
    if found is not None and not issubclass(found, transformers.PreTrainedTokenizerFast):
        raise UserError(
            f"{what} is a {model_type} model, whose tokenizer ({name}) has no fast version in "
            "transformers: use one such as bert-base-multilingual-cased or xlm-roberta-base"
        )
