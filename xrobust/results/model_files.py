"""Files of a run's trained model, compared with what training wrote."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path, PurePosixPath

from xrobust.errors import UserError
from xrobust.results.schema import RunResult
from xrobust.results.store import MODEL
from xrobust.storage.file_memo import cached_by_files
from xrobust.storage.hashing import file_sha256, parse_sha256

logger = logging.getLogger("xrobust")

PROSE = (".md", ".rst")
"""Suffixes of files that a user may put beside a model or edit, such as its card: no library reads them."""
ADVICE = "copy the run's folder anew, or train again with --force"


def require_model(folder: Path) -> None:
    """Raises UserError where the run in a folder has no trained model."""
    if not (folder / MODEL).is_dir():
        raise UserError(f"{folder}: its model was not kept, or training has not ended: there is no {folder / MODEL}")


def check_model_files(folder: Path, result: RunResult) -> None:
    """Raises UserError unless `model/` holds the very files that the document has the sha256 of, and no others.

    A file is hashed once, and again when its size, inode or times have changed.
    """
    files = [file for file in result.artifacts if file.role != "predictions"]
    sums = {file.path: file.sha256 for file in files if PurePosixPath(file.path).suffix.lower() not in PROSE}
    if not sums:
        logger.warning("%s: its document has no sums of the model's files: they are not checked", folder)
        return
    for path in sums:
        if PurePosixPath(path).parts[0] != MODEL or ".." in PurePosixPath(path).parts:
            raise UserError(f"{folder}: its document names {path!r} as a file of the model, which is not in {MODEL}/")
        if not (folder / path).is_file():
            raise UserError(f"{folder / path}: a file of the trained model is missing: {ADVICE}")
    for path in sorted(_present(folder) - sums.keys()):
        raise UserError(
            f"{folder / path}: no file that training wrote (the run's document does not name it): move it elsewhere"
        )
    for path, sha256 in _sha256s(folder, sorted(sums)).items():
        if sha256 != sums[path]:
            raise UserError(
                f"{folder / path}: damaged or replaced since training: its sha256 is {sha256[:12]}..., not "
                f"{sums[path][:12]}...: {ADVICE}"
            )


def _present(folder: Path) -> set[str]:
    """Paths, relative to the run's folder, of what lies in `model/` and may be read when a model is loaded."""
    found = [path for path in (folder / MODEL).rglob("*") if path.is_symlink() or not path.is_dir()]
    return {
        path.relative_to(folder).as_posix()
        for path in found
        if not path.name.startswith(".") and path.suffix.lower() not in PROSE
    }


def _sha256s(folder: Path, paths: list[str]) -> dict[str, str]:
    """sha256 of each file. Raises UserError for one that cannot be read."""
    found = {}
    for path in paths:  # each for itself: one that changes leaves the others hashed
        file = folder / path
        try:
            found[path] = cached_by_files({"sha256": "file"}, [file], partial(file_sha256, file), parse_sha256)
        except OSError as error:
            raise UserError(f"{file}: the file cannot be read: {error.strerror or error}") from error
    return found
