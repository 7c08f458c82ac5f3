"""Files of a pre-trained model, in a folder or on the hub, and its identity."""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub import errors as hub

from xrobust.errors import OutOfReach, UserError, did_you_mean, first_line, nearest
from xrobust.registry import bundles
from xrobust.runtime.libraries import HUB_TIMEOUT, quiet
from xrobust.storage.file_memo import cached_by_files
from xrobust.storage.hashing import parse_sha256

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
WEIGHT_PATTERNS = ("model*.safetensors", "pytorch_model*.bin", "*.index.json")
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
TOKENIZER_FILES = (
    *VOCABULARIES,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def model_identity(path_or_id: str, revision: str | None, offline: bool) -> dict[str, str | None]:
    """Identity of a base model: `id`, `revision` (a hub model's commit), `sha256` (a folder's content)."""
    folder = folder_of(path_or_id)
    if folder is not None:
        return {"id": folder.name, "revision": None, "sha256": _folder_sha256(folder)}
    commit = config_file(path_or_id, revision, offline)[1]
    return {"id": path_or_id, "revision": commit, "sha256": None}


def _folder_sha256(folder: Path) -> str:
    """sha256 over the names and contents of the files that make the model: configuration, weights, tokenizer."""
    names = {p.name for pattern in (*WEIGHT_PATTERNS, *TOKENIZER_FILES) for p in folder.glob(pattern)}
    files = [folder / name for name in sorted(names | {"config.json"})]

    def sha256() -> str:
        total = hashlib.sha256()
        for path in files:
            with path.open("rb") as file:
                total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return total.hexdigest()

    return str(cached_by_files({"sha256": "model"}, files, sha256, parse_sha256))


def folder_of(path_or_id: str) -> Path | None:
    """The folder of a model, or None for a hub id. Raises UserError for a folder that does not exist.

    The name of a bundled model is that model, whatever lies in the working folder; `./name` is a folder.
    """
    if bundled := bundles.find_asset("models", path_or_id):
        return bundled
    path = Path(path_or_id).expanduser()
    if path.is_dir():
        path = path.resolve()
        if not (path / "config.json").is_file():
            raise UserError(f"model {path_or_id!r}: the folder has no config.json, so it holds no transformers model")
        return path
    if path_or_id.startswith((".", "/", "~")) or path_or_id.count("/") > 1 or path.exists():
        # A glob, because it takes a folder that is not there, or may not be read, for an empty one.
        near = get_close_matches(path.name, (p.name for p in path.parent.glob("*/")), n=2)
        hint = f"; in {path.parent}: did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UserError(f"model {path_or_id!r}: there is no such folder{hint}")
    return None


def cache_only(path_or_id: str, offline: bool) -> bool:
    """True if only the cache may be used for a model: the user wants it so, or the hub does not answer.

    The hub's client tries five times, half a minute for each file, before it says so.
    """
    return offline or (folder_of(path_or_id) is None and not _hub_answers())


@cache
def _hub_answers() -> bool:
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT)
    except Exception:  # of the HTTP library, which is the hub client's choice
        return False
    return True


def config_file(path_or_id: str, revision: str | None, offline: bool) -> tuple[Path, str | None]:
    """Path of config.json on this machine, and the commit of a hub model. Downloads it if needed."""
    folder = folder_of(path_or_id)
    if folder is not None:
        if revision is not None:
            raise UserError(f"model {path_or_id!r} is a folder: a revision is for hub models, leave it out")
        return folder / "config.json", None
    from huggingface_hub import hf_hub_download

    what = f"model {path_or_id!r}"
    near = nearest(path_or_id, bundles.assets("models"))
    hint = f" ({did_you_mean(path_or_id, near)})" if near else ""
    advice = "give a folder with the model"
    with quiet():
        try:
            path = Path(
                hf_hub_download(
                    path_or_id, "config.json", revision=revision, local_files_only=cache_only(path_or_id, offline)
                )
            )
        except hub.HFValidationError as error:
            raise UserError(f"{what} is neither a folder that exists nor a hub id (owner/name)") from error
        except hub.GatedRepoError as error:
            raise UserError(
                f"{what} is gated: accept its terms on its hub page and log in with `hf auth login`"
            ) from error
        except hub.RepositoryNotFoundError as error:
            raise UserError(
                f"{what}: no such folder here and no such model on the hub (or it is private){hint}"
            ) from error
        except hub.RevisionNotFoundError as error:
            raise UserError(f"{what} has no revision {revision!r} on the hub") from error
        except (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled) as error:
            told = offline or constants.HF_HUB_OFFLINE
            why = "is not in the cache of this machine" + ("" if told else " and the hub cannot be reached")
            raise OutOfReach(f"{what} {why}{hint}", advice) from error
        except hub.EntryNotFoundError as error:
            raise UserError(f"{what} has no config.json on the hub, so it is no transformers model") from error
        except (OSError, ConnectionError) as error:
            raise OutOfReach(f"{what} cannot be fetched from the hub ({first_line(error)}){hint}", advice) from error
    return path, path.parent.name  # the cache keeps a file under the commit that it belongs to
