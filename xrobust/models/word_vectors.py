"""Vectors of single words from the pre-trained encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers

from xrobust.engine.order import evaluation_batches
from xrobust.errors import UserError, first_line
from xrobust.models.files import cache_only, config_file, folder_of
from xrobust.models.pretrained import require_encoder
from xrobust.runtime.libraries import quiet


def word_vectors(
    path_or_id: str, revision: str | None, *, offline: bool
) -> Callable[[list[str], int | None], np.ndarray]:
    """A function from words (and the number of pieces that one may have) to float32 (words, dim).

    A word is encoded alone between the special tokens; its vector is the first token's of the last layer, as Manafi &
    Krishnaswamy (LREC-COLING 2024) take it. Raises UserError where the pre-trained weights cannot be loaded.
    """
    folder = folder_of(path_or_id)
    _, commit = config_file(path_or_id, revision, offline)
    place: dict[str, Any] = {
        "pretrained_model_name_or_path": path_or_id if folder is None else folder,
        "revision": commit or "main",
        "local_files_only": cache_only(path_or_id, offline),
    }
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with quiet():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(**place, trust_remote_code=False)
            model, info = transformers.AutoModel.from_pretrained(
                **place, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
            )
        except Exception as error:  # each file format has errors of its own for a damaged file
            raise UserError(f"model {path_or_id!r}: its weights cannot be loaded: {first_line(error)}") from error
    require_encoder(path_or_id, model, set(info["missing_keys"]))
    model.eval().to(device)
    special = tokenizer.num_special_tokens_to_add()
    most = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512)) - special - 2

    def vectors(words: list[str], max_pieces: int | None) -> np.ndarray:
        longest = min(most, max_pieces or most) + special
        encoded = tokenizer(words, truncation=True, max_length=longest, return_attention_mask=False)["input_ids"]
        lengths = np.array([len(pieces) for pieces in encoded])
        output = np.zeros((len(words), model.config.hidden_size), dtype=np.float32)
        with torch.inference_mode():
            for batch in evaluation_batches(lengths, device.type):
                ids = torch.full((len(batch), int(lengths[batch].max())), tokenizer.pad_token_id)
                mask = torch.zeros_like(ids)
                for row, word in enumerate(batch):
                    ids[row, : lengths[word]] = torch.tensor(encoded[word])
                    mask[row, : lengths[word]] = 1
                states = model(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state[:, 0]
                output[batch] = states.float().cpu().numpy()
        return output

    return vectors
