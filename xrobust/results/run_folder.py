"""The folder of one run, and what happens to its document when the run ends, however it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.errors import RunError, UserError
from xrobust.observers import Observers
from xrobust.results import store
from xrobust.results.schema import Artifact, RunResult

logger = logging.getLogger("xrobust")


class _Log(logging.FileHandler):
    """A log that a full disk cuts short: what matters then is said by the document and on the screen."""

    def handleError(self, record: logging.LogRecord) -> None:
        """In place of a traceback for every line."""

    def close(self) -> None:
        """What is still in the buffer may not fit either."""
        with contextlib.suppress(OSError):
            super().close()


class RunFolder:
    """`<output>/<task>/<method>/<run id>/`: `result.json`, `predictions/`, `model/`, `checkpoints/`, `run.log`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / store.MODEL
        self.checkpoints = path / store.CHECKPOINTS

    def result(self) -> RunResult | None:
        """The document there is, verified, or None. Raises UserError for one that is damaged."""
        if not (self.path / store.RESULT).exists():
            return None
        return store.load_result(self.path)

    def open(self, *, anew: bool) -> None:
        """Makes the folder and tries it, before anything is computed. Raises UserError where it cannot be written."""
        try:
            if anew and self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".{os.getpid()}.probe"
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"cannot write to {self.path}: {error.strerror or error} (choose another --output)"
            ) from error

    def require_space(self, needed: int) -> None:
        """Raises UserError unless the disk has `needed` free bytes: found before hours of training, not after."""
        free = shutil.disk_usage(self.path).free
        if free < needed:
            raise UserError(
                f"{self.path}: the run needs up to {_gigabytes(needed)} for checkpoints and model, and the disk has "
                f"{_gigabytes(free)} free: make room or choose another --output"
            )

    def save(self, result: RunResult) -> None:
        """Writes the document, atomically."""
        store.save_result(self.path, result)

    def save_model(self, write: Callable[[Path], None]) -> None:
        """Writes `model/` whole or not at all."""
        temporary = self.path / f".{store.MODEL}.{os.getpid()}.tmp"
        with store.writing(self.model):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            try:
                write(temporary)
                shutil.rmtree(self.model, ignore_errors=True)
                temporary.rename(self.model)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def save_predictions(
        self, language: str, kind: Kind, examples: Sequence[Example], predictions: Sequence[Prediction]
    ) -> Artifact:
        """Writes one language's predictions, atomically."""
        return store.save_predictions(self.path, language, kind, examples, predictions)

    @contextlib.contextmanager
    def recording(self, result: RunResult, observers: Observers, *, main: bool) -> Iterator[None]:
        """Keeps `run.log` and the document's status while a run goes on. Only the main process writes.

        Raises RunError in place of anything unforeseen, with the traceback in `run.log`.
        """
        if not main:
            yield
            return
        with self._logging():
            logger.info("run %s, %s", result.run_id, self.path)
            self.save(result)
            try:
                yield
            except KeyboardInterrupt:
                self._end(result, "interrupted", None, observers)
                raise
            except (UserError, RunError) as error:
                logger.debug("the run ended early", exc_info=True)
                self._end(result, "failed", str(error), observers)
                raise
            except Exception as error:
                logger.debug("the run ended early", exc_info=True)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self._end(result, "failed", reason, observers)
                raise RunError(f"{reason} (traceback in {self.path / store.LOG})") from error

    def _end(self, result: RunResult, status: str, error: str | None, observers: Observers) -> None:
        result.status = status  # type: ignore[assignment]
        result.error = error
        # On a full disk this fails too; the reason that matters is already on its way to the user.
        with contextlib.suppress(RunError):
            self.save(result)
        observers.call("run_failed", error=error or status, folder=str(self.path))

    @contextlib.contextmanager
    def _logging(self) -> Iterator[None]:
        try:
            handler = _Log(self.path / store.LOG, encoding="utf-8")
        except OSError as error:
            raise RunError(f"cannot write {self.path / store.LOG}: {error.strerror or error}") from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            handler.close()


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
