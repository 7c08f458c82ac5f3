"""Disk cache of tokenised examples, keyed by a hash of their inputs; large ones are memory-mapped.

Not `datasets.map`, which makes Python objects of every row again, and whose keys are hashes of pickled functions.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from typing import Any

from xrobust.contracts import Example, Kind
from xrobust.contracts.encoded import Encoded
from xrobust.encoding.files import Damaged, EncodedWriter, open_encoded
from xrobust.encoding.kind_calls import encoded_by, tokenizer_state
from xrobust.runtime.processes import first_of
from xrobust.storage import cache
from xrobust.storage.code_hash import code_hash
from xrobust.storage.hashing import canonical_json

logger = logging.getLogger("xrobust")

SECTION = "encoded"
"""Section of the cache that holds encoded examples."""
BLOCK = 20_000
"""Examples encoded at a time on their way to the disk: memory holds no more of them at once."""


Blocks = Callable[[], Iterator[tuple[Encoded, int]]]
"""Function that yields encodings of examples, block after block, and the number of examples in each."""


class EncodingCache:
    """Disk cache of tokenised examples, keyed by rows, kind, tokenizer and max_length.

    All processes of a run call `encode` for the same examples in the same order: the main one encodes, the others map
    its files; on machines with caches of their own the first process of each encodes.
    """

    def __init__(self, kind: Kind, tokenizer: Any, max_length: int, accelerator: Any) -> None:
        self._kind = kind
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._accelerator = accelerator
        self._state = tokenizer_state(tokenizer)
        self._told = False

    def encode(self, made_from: Mapping[str, Any], examples: Callable[[], Iterable[Example]]) -> Encoded:
        """Encodes examples, or maps their encoding from the cache if it is there.

        Args:
            made_from: what determines the examples: plain values, such as the sha256 of rows.
            examples: iterates over them, from the first at each call; they may be more than fit into memory.
        """
        return self._encode(made_from, lambda: self._blocks(examples()), lambda: self.encode_uncached(examples))

    def encode_joined(self, made_from: Mapping[str, Any], examples: int, join: Callable[[], Encoded]) -> Encoded:
        """Caches the encoding of a number of `examples` that need not be tokenised: `join` returns it."""
        return self._encode(made_from, lambda: iter([(join(), examples)]), join)

    def encode_uncached(self, examples: Callable[[], Iterable[Example]]) -> Encoded:
        """Encodes in memory, without the cache: for examples that no later run will have."""
        return encoded_by(self._kind, examples(), self._tokenizer, self._max_length, self._state)[0]

    def _encode(self, made_from: Mapping[str, Any], blocks: Blocks, whole: Callable[[], Encoded]) -> Encoded:
        key = self._key(made_from)
        if key is None or cache.max_bytes() == 0:
            return whole()
        # The main process first; then one on each machine whose cache is another; then the rest.
        with first_of(self._accelerator), first_of(self._accelerator, of_machine=True):
            encoded = self._kept(key)
            encoded = self._made(key, blocks) if encoded is None else encoded
            return whole() if encoded is None else encoded

    def _kept(self, key: str) -> Encoded | None:
        folder = cache.entry(SECTION, key)
        try:
            if not folder.exists():
                return None
            encoded = open_encoded(folder, key)
        except OSError as error:
            logger.warning("%s cannot be read (%s)", folder, error.strerror or error)
            return None
        except Damaged as error:
            logger.warning("%s is damaged and is made anew (%s)", folder, " ".join(str(error).split()))
            cache.remove(folder)
            return None
        cache.touch(folder)
        return encoded

    def _made(self, key: str, blocks: Blocks) -> Encoded | None:
        """Encodes into the cache; None if the disk refuses it."""
        try:
            with cache.new_entry(SECTION, key) as folder, EncodedWriter(folder, key) as writer:
                for block, examples in blocks():
                    writer.append(block, examples)
                writer.finish()
                cache.commit(folder, SECTION, key)
                return open_encoded(cache.entry(SECTION, key), key)
        except (cache.NotCached, Damaged, OSError) as error:  # OSError: another run may remove the entry as old
            if not self._told:
                logger.warning("encoded in memory: %s does not take it (%s)", cache.cache_folder() / SECTION, error)
                self._told = True
            return None

    def _blocks(self, examples: Iterable[Example]) -> Iterator[tuple[Encoded, int]]:
        """Encodings of BLOCK examples each, the last of the rest; at least one, which may be empty."""
        stream = iter(examples)
        while True:
            block = islice(stream, BLOCK)
            encoded, taken = encoded_by(self._kind, block, self._tokenizer, self._max_length, self._state)
            yield encoded, taken
            if taken < BLOCK:
                return

    def _key(self, made_from: Mapping[str, Any]) -> str | None:
        """Cache key of these examples; None if the kind has a setting that cannot be hashed."""
        if self._encoder is None:
            return None
        return hashlib.sha256(canonical_json({**self._encoder, "made_from": dict(made_from)}).encode()).hexdigest()

    @cached_property
    def _encoder(self) -> dict[str, Any] | None:
        """All that an encoding depends on besides the examples; None if it cannot be hashed."""
        code = code_hash(type(self._kind), EncodedWriter)
        if code is None:
            return None
        try:
            settings = canonical_json(vars(self._kind))
            tokenizer = tokenizer_sha256(self._tokenizer)
        except Exception:  # the tokenizers library raises bare Exception for parts that are written in Python
            return None
        return {
            "kind": {"name": f"{type(self._kind).__module__}.{type(self._kind).__qualname__}", "code": code},
            "settings": settings,
            "tokenizer": tokenizer,
            "max_length": self._max_length,
            "packages": {name: version(name) for name in ("tokenizers", "transformers")},
        }


def tokenizer_sha256(tokenizer: Any) -> str:
    """sha256 over all settings that decide how a fast tokenizer splits text: its backend, and those of transformers."""
    backend = tokenizer.backend_tokenizer
    # Both are set anew at each call, so they are no part of its identity.
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
