"""Examples tokenised once: kept in the user's cache by what they were made from, and mapped from there.

Not by `datasets.map`, which makes Python objects of every row again, and whose keys are hashes of pickled functions.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from typing import Any

from xrobust.contracts import Example, Kind
from xrobust.contracts.encoded import Encoded
from xrobust.encoding.files import FORMAT, Damaged, EncodedWriter, open_encoded
from xrobust.storage import cache
from xrobust.storage.code_hash import code_hash
from xrobust.storage.hashing import canonical_json

logger = logging.getLogger("xrobust")

SECTION = "encoded"
"""Where encoded examples are kept, in the cache."""
BLOCK = 20_000
"""Examples encoded at a time on their way to the disk: what is in memory, however many there are."""


Blocks = Callable[[], Iterator[tuple[Encoded, int]]]
"""Gives encodings of examples, block after block, and the number of examples in each."""


class EncodingCache:
    """What a kind, a tokenizer and a length make of examples.

    All processes of a run call `of` for the same examples in the same order: the main one encodes, the others map what
    it wrote; on machines with caches of their own the first process of each does.
    """

    def __init__(self, kind: Kind, tokenizer: Any, max_length: int, accelerator: Any) -> None:
        self._kind = kind
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._accelerator = accelerator
        self._told = False

    def encode(self, made_from: Mapping[str, Any], examples: Callable[[], Iterable[Example]]) -> Encoded:
        """The encoded examples, from the cache where they are in it.

        Args:
            made_from: what determines the examples: plain values, such as the sha256 of rows.
            examples: gives them, from the first each time it is called. They may be more than fit into memory.
        """
        return self._encode(made_from, lambda: self._blocks(examples()), lambda: self.encode_uncached(examples))

    def encode_joined(self, made_from: Mapping[str, Any], examples: int, join: Callable[[], Encoded]) -> Encoded:
        """The same of `examples` examples that need not be tokenised: `join` gives what encoding them would give."""
        return self._encode(made_from, lambda: iter([(join(), examples)]), join)

    def encode_uncached(self, examples: Callable[[], Iterable[Example]]) -> Encoded:
        """Encoded in memory and not kept: for examples that no later run will have."""
        return self._kind.encode(examples(), self._tokenizer, self._max_length)

    def _encode(self, made_from: Mapping[str, Any], blocks: Blocks, whole: Callable[[], Encoded]) -> Encoded:
        key = self._key(made_from)
        if key is None or cache.max_bytes() == 0:
            return whole()
        # The main process first; then one on each machine whose cache is another; then the rest.
        with self._accelerator.main_process_first(), self._accelerator.local_main_process_first():
            found = self._kept(key)
            found = self._made(key, blocks) if found is None else found
            return whole() if found is None else found

    def _kept(self, key: str) -> Encoded | None:
        folder = cache.entry(SECTION, key)
        try:
            if not folder.exists():
                return None
            found = open_encoded(folder)
        except OSError as error:
            logger.warning("%s cannot be read (%s)", folder, error.strerror or error)
            return None
        except Damaged as error:
            logger.warning("%s is damaged and is made anew (%s)", folder, " ".join(str(error).split()))
            shutil.rmtree(folder, ignore_errors=True)
            return None
        cache.touch(folder)
        return found

    def _made(self, key: str, blocks: Blocks) -> Encoded | None:
        """Encodes onto the disk; None where it does not take it."""
        try:
            with cache.new_entry(SECTION, key) as folder, EncodedWriter(folder) as writer:
                for block, examples in blocks():
                    writer.append(block, examples)
                writer.finish()
                cache.commit(folder, SECTION, key)
                return open_encoded(cache.entry(SECTION, key))
        except (cache.NotCached, Damaged, OSError) as error:  # the last: another run may delete what it takes for old
            if not self._told:
                logger.warning("encoded in memory: %s does not take it (%s)", cache.cache_folder() / SECTION, error)
                self._told = True
            return None

    def _blocks(self, examples: Iterable[Example]) -> Iterator[tuple[Encoded, int]]:
        """Encodings of BLOCK examples each, the last of what is left; one at least, that of nothing."""
        stream = _Counted(examples)
        while True:
            encoded = self._kind.encode(islice(stream, BLOCK), self._tokenizer, self._max_length)
            yield encoded, stream.taken
            if stream.taken < BLOCK:
                return
            stream.taken = 0

    def _key(self, made_from: Mapping[str, Any]) -> str | None:
        """Names what these examples become; None where the kind has something that cannot be named."""
        if self._encoder is None:
            return None
        return hashlib.sha256(canonical_json({**self._encoder, "made_from": dict(made_from)}).encode()).hexdigest()

    @cached_property
    def _encoder(self) -> dict[str, Any] | None:
        """What the outcome depends on besides the examples."""
        code = code_hash(type(self._kind))
        if code is None:
            return None
        try:
            settings = canonical_json(vars(self._kind))
            tokenizer = tokenizer_sha256(self._tokenizer)
        except Exception:  # the tokenizers library raises bare Exception for parts that are written in Python
            return None
        return {
            "format": FORMAT,
            "kind": {"name": f"{type(self._kind).__module__}.{type(self._kind).__qualname__}", "code": code},
            "settings": settings,
            "tokenizer": tokenizer,
            "max_length": self._max_length,
            "packages": {name: version(name) for name in ("tokenizers", "transformers")},
        }


class _Counted(Iterator[Example]):
    """Examples, and how many were taken."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self._examples = iter(examples)
        self.taken = 0

    def __next__(self) -> Example:
        example = next(self._examples)
        self.taken += 1
        return example


def tokenizer_sha256(tokenizer: Any) -> str:
    """sha256 over all that decides what a fast tokenizer makes of text: its backend, and what transformers adds."""
    backend = tokenizer.backend_tokenizer
    # Set anew at each call, so no part of what it is.
    backend.no_truncation()
    backend.no_padding()
    added = {
        "class": type(tokenizer).__qualname__,
        "model_input_names": list(tokenizer.model_input_names),
        "truncation_side": tokenizer.truncation_side,
        "split_special_tokens": tokenizer.split_special_tokens,
        "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
    }
    return hashlib.sha256(backend.to_str().encode() + b"\0" + canonical_json(added).encode()).hexdigest()
