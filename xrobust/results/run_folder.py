"""The folder of one run, and what happens to its document when the run ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.errors import RunError, UserError
from xrobust.results import store
from xrobust.results.host_free import host_free
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import Artifact
from xrobust.runtime import early_log, signals
from xrobust.runtime.observers import Observers
from xrobust.runtime.processes import PeerLost, is_lost_process
from xrobust.storage.atomic import flush, follow_umask, writing
from xrobust.storage.regular_file import kind

logger = logging.getLogger("xrobust")

LOCK = ".lock"
RESERVE = ".reserve"
RESERVED = 1 << 20
"""Bytes kept free for the last document: more than those of a run of 100,000 steps in 50 languages."""


class _Log(logging.FileHandler):
    """A log that a full disk cuts short: what matters then is said by the document and on the screen."""

    def handleError(self, record: logging.LogRecord) -> None:
        """In place of a traceback for every line."""

    def close(self) -> None:
        """Closes the file; the rest of the buffer may not fit either."""
        with contextlib.suppress(OSError):
            super().close()


class RunFolder:
    """`<output>/<task>/<method>/<run id>/`: `result.json`, `predictions/`, `model/`, `checkpoints/`, `run.log`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / store.MODEL
        self.checkpoints = path / store.CHECKPOINTS
        self.lock = path / LOCK

    @property
    def has_checkpoint(self) -> bool:
        """True if training can go on from a checkpoint, as far as it is whole."""
        return any(self.checkpoints.glob("step-*"))

    def result(self) -> RunResult | None:
        """The document there is, verified, or None. Raises UserError for one that is damaged."""
        if not (self.path / store.RESULT).exists():
            return None
        return store.load_result(self.path)

    @contextlib.contextmanager
    def locked(self, *, main: bool) -> Iterator[None]:
        """The folder, made where it is missing, for this process and those it works with alone. The main one locks.

        The kernel gives the lock back when the process ends, whatever ends it. Folders in which nothing was written
        are gone afterwards. Raises UserError where the folder cannot be written or has links in it, RunError where
        another process works.
        """
        if not main:
            yield
            return
        self._require_own_files()
        made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        try:
            with self._lock():
                yield
        finally:
            with contextlib.suppress(OSError):  # the first that is not empty
                for path in made:
                    path.rmdir()

    def _require_own_files(self) -> None:
        """Raises UserError for a link, a pipe or a device in the folder: what is written to it would land elsewhere.

        The folder may be a link itself. The model is only read, and replaced as a whole: `model/` is not looked into.
        """
        for folder, folders, files in os.walk(self.path):
            for path in (Path(folder, name) for name in (*folders, *files)):
                what = "a link" if path.is_symlink() else kind(path)
                if what not in (None, "a folder"):
                    raise UserError(
                        f"{path} is {what}, and nothing is written by way of it: put a file or folder there, or copy "
                        "the run with what its links point to (cp -rL)"
                    )
            if Path(folder) == self.path and store.MODEL in folders:
                folders.remove(store.MODEL)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        path = self.path / LOCK
        try:
            lock = _locked(path)
        except Timeout as error:
            raise RunError(
                f"another process{_holder(path)} {AT_WORK} ({self.path}): wait until it has ended"
            ) from error
        except OSError as error:
            raise UserError(
                f"cannot write to {self.path}: {error.strerror or error} (--output says where runs are written)"
            ) from error
        with contextlib.suppress(OSError):  # a full disk: then the second command is told less
            path.write_text(f"{os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()  # while it is locked: it cannot be another's
            lock.release()

    def clear(self) -> None:
        """Deletes what an earlier run left, its document first: a kill in between leaves no complete run with parts.

        Raises RunError where it cannot be deleted.
        """
        with writing(self.path):
            (self.path / store.RESULT).unlink(missing_ok=True)
            for path in self.path.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name != LOCK:
                    path.unlink()

    def require_space(self, needed: int, *, anew: bool = False) -> None:
        """Raises UserError unless the disk has `needed` free bytes: found before hours of training, not after.

        With `anew` what is in the folder counts as free, for it will be deleted.
        """
        old = sum(p.stat().st_size for p in self.path.rglob("*") if p.is_file()) if anew else 0
        free = shutil.disk_usage(self.path).free + old
        if free < needed:
            raise UserError(
                f"{self.path}: the run needs up to {_gigabytes(needed)} for checkpoints and model, and the disk has "
                f"{_gigabytes(free)} free: {NO_ROOM}"
            )

    def save(self, result: RunResult) -> None:
        """Writes the document, atomically."""
        store.save_result(self.path, result)

    def save_model(self, write: Callable[[Path], None]) -> None:
        """Writes `model/` whole or not at all."""
        temporary = self.path / f".{store.MODEL}.{os.getpid()}.tmp"
        with writing(self.model):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            try:
                write(temporary)
                follow_umask(temporary)
                for path in temporary.iterdir():
                    flush(path)
                shutil.rmtree(self.model, ignore_errors=True)
                temporary.rename(self.model)
                flush(self.path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def save_predictions(
        self, under: ScoreKey, kind: Kind, examples: Sequence[Example], predictions: Sequence[Prediction]
    ) -> Artifact:
        """Writes the predictions of a test set under a condition, atomically."""
        return store.save_predictions(self.path, under, kind, examples, predictions)

    @contextlib.contextmanager
    def recording(self, result: RunResult, observers: Observers, *, main: bool, adding: bool = False) -> Iterator[None]:
        """Keeps `run.log` and the document's status while a run goes on. Only the main process writes.

        A failure while scores are added (`adding`) leaves a run that has all that it was itself asked for complete.
        Raises RunError in place of anything unforeseen, with the traceback in `run.log`.
        """
        if not main:
            yield
            return
        observers.watch(result.run_id, str(self.path))
        with self._logging(), self._reserve():
            logger.info("run %s, %s", result.run_id, self.path)
            self._clear_half_written()
            self.save(result)
            try:
                try:
                    yield
                except (UserError, RunError) as error:
                    logger.debug("the run ended early", exc_info=True)
                    self._fail(result, str(error), observers, adding)
                    raise
                except Exception as error:
                    logger.debug("the run ended early", exc_info=True)
                    if (number := signals.asked()) is not None:
                        # Another process got the signal too, and ended while this one waited for its answer.
                        signals.stop(number)
                    reason = _reason(error)
                    self._fail(result, reason, observers, adding)
                    where = f" (traceback in {self.path / store.LOG})"
                    raise (PeerLost(where) if is_lost_process(error) else RunError(f"{reason}{where}")) from error
            except KeyboardInterrupt as stop:  # also one that comes while another end is being written down
                logger.info("stopped by %s", "SIGTERM" if isinstance(stop, signals.Terminated) else "Ctrl-C")
                if result.status != "complete" or not result.is_scored():
                    self._end(result, "interrupted", None, observers)
                raise

    def _clear_half_written(self) -> None:
        """Deletes what a kill left of a write: nobody else writes here now."""
        for path in (*self.path.glob(".*.tmp"), *(self.path / store.PREDICTIONS).rglob(".*.tmp")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _fail(self, result: RunResult, error: str, observers: Observers, adding: bool) -> None:
        if adding:
            result.give_up(error)
        complete = adding and result.is_scored()
        self._end(result, "complete" if complete else "failed", error, observers)

    def _end(self, result: RunResult, status: str, error: str | None, observers: Observers) -> None:
        result.status = status  # type: ignore[assignment]
        result.error = None if error is None or status == "complete" else host_free(error)
        # On a disk that has been full from the start this fails too; the reason that matters is on its way to the user.
        with contextlib.suppress(RunError):
            (self.path / RESERVE).unlink(missing_ok=True)
            self.save(result)
        if status == "interrupted":
            observers.call("run_interrupted")
        else:
            observers.call("run_failed", error=error or status)

    @contextlib.contextmanager
    def _reserve(self) -> Iterator[None]:
        """Holds space that `_end` gives back, so that a disk that fills does not leave the document at `running`."""
        reserve = self.path / RESERVE
        with contextlib.suppress(OSError):  # no room: then the first document that does not fit says so
            reserve.write_bytes(os.urandom(RESERVED))  # which no file system can store in less
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                reserve.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _logging(self) -> Iterator[None]:
        try:
            handler = _Log(self.path / store.LOG, encoding="utf-8")
        except OSError as error:
            raise RunError(f"cannot write {self.path / store.LOG}: {error.strerror or error}") from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        level = logger.level
        logger.setLevel(logging.DEBUG)
        try:
            with early_log.written_to(handler):
                yield
        finally:
            logger.setLevel(level)
            handler.close()


def _locked(path: Path) -> FileLock:
    """A lock on the file at `path`, made where it is missing. Raises Timeout where another process holds it.

    `filelock` writes nobody's name into the file and leaves it there: who holds it, and deleting it, stays with
    `RunFolder`. No soft lock in place of a missing one: it would outlive a process that is killed.
    """
    # Not 0 seconds: one that ends just now deletes the file, and a lock on a deleted file is tried again.
    lock = FileLock(path, timeout=0.2, poll_interval=0.02, thread_local=False, fallback_to_soft=False)
    for _ in range(10):
        # It deletes its folder too, if that is empty: then all is made once more.
        with contextlib.suppress(FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except OSError as error:
                # Some file systems of clusters have no locks: better to work without than not at all.
                if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                    raise
            return lock
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def at_work(folder: Path) -> bool:
    """True if a process is at work on the run in `folder`. Changes nothing there."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(lock)
    return False


AT_WORK = "is at work on this run"
"""Words in the error of a run that another process has."""


def says_at_work(reason: str) -> bool:
    """True if an error of a run says that another process has it."""
    return AT_WORK in reason


NO_ROOM = "make room or choose another --output"
"""Advice in the error of a run that does not fit onto the disk."""


def says_disk_is_full(reason: str) -> bool:
    """True if an error of a run says that the disk has no room for it."""
    return NO_ROOM in reason or os.strerror(errno.ENOSPC) in reason


def _holder(path: Path) -> str:
    """Who wrote a lock file, as in ` (id 4321 on node7)`; nothing where that is not known."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if text := path.read_text().strip():
            return f" (id {text})"
    return ""


def _reason(error: Exception) -> str:
    """One line. What gloo and NCCL say when another process is gone is about sockets."""
    if is_lost_process(error):
        return str(PeerLost())
    return " ".join(f"{type(error).__name__}: {error}".split())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
