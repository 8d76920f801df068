"""
The output: answers in the format of OpenAI's Batch API, appended as they come.

Each line is handed to the system at once, so that a killed process loses none, and is
brought to the disk a few times a second. What a kill or a power cut tore is cut off
when the file is opened again: only whole lines count as answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from paceline._errors import ConfigError, PacelineError

if TYPE_CHECKING:
    from types import TracebackType

_BEGIN = b'{"id": "batch_req_'
# O_BINARY is Windows's, which would else write other ends of lines.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_SYNC_SECONDS = 0.2
_SYNC_ROWS = 100


class Output:
    """
    A file of answers, open for appending; a context manager.

    Args:
        path: The file; made if it is not there.

    Raises:
        ConfigError: If it cannot be written (P703), holds something else than answers
            (P704), or another process writes it (P705).
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._unsynced = 0
        try:
            self._fd = os.open(path, _FLAGS, 0o666)
        except OSError as error:
            raise _not_written(path, error) from error
        try:
            _lock(self._fd, path)
            self.answered: set[str] = _recover(self._fd, path)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            os.fsync(self._fd)
        finally:
            os.close(self._fd)

    def add(self, custom_id: str, response: Mapping[str, object]) -> None:
        """
        Append an answer.

        Raises:
            PacelineError: If the file cannot be written (P703).
        """
        line = _line(custom_id, response)
        try:
            while line:
                line = line[os.write(self._fd, line) :]
        except OSError as error:
            raise _not_written(self.path, error) from error
        self.answered.add(custom_id)
        self._unsynced += 1

    async def keep_synced(self) -> None:
        """Bring lines to the disk every 0.2 s, or 100 rows; until cancelled."""
        waited = 0.0
        while True:
            await asyncio.sleep(_SYNC_SECONDS / 4)
            waited += _SYNC_SECONDS / 4
            if self._unsynced >= _SYNC_ROWS or (
                self._unsynced and waited >= _SYNC_SECONDS
            ):
                self._unsynced, waited = 0, 0.0
                await asyncio.to_thread(os.fsync, self._fd)


def _line(custom_id: str, response: Mapping[str, object]) -> bytes:
    row = {
        "id": f"batch_req_{uuid.uuid4().hex}",
        "custom_id": custom_id,
        "response": response,
        "error": None,
    }
    return json.dumps(row).encode() + b"\n"


def _recover(fd: int, path: Path) -> set[str]:
    """Cut a torn end off, and return the rows that were answered."""
    answered: set[str] = set()
    end = 0
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        for number, line in enumerate(file, 1):
            if not line.strip():
                end += len(line)
                continue
            custom_id = _answered(line)
            whole = line.endswith(b"\n")
            if custom_id is None and not whole and _torn(line):
                break
            if custom_id is None:
                raise ConfigError(
                    f"{path}:{number}: this is no answer of a batch; the file was left "
                    "as it is",
                    code="P704",
                    hint="Give the output of an earlier run of this batch, or a new "
                    "file.",
                )
            answered.add(custom_id)
            end += len(line)
            if not whole:
                os.write(fd, b"\n")
                end += 1
                break
    if end != os.fstat(fd).st_size:
        os.ftruncate(fd, end)
    return answered


def _answered(line: bytes) -> str | None:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("response"), dict):
        return None
    custom_id = row.get("custom_id")
    return custom_id if isinstance(custom_id, str) else None


def _torn(line: bytes) -> bool:
    """Tell whether a last line is the beginning of one of ours, or never came."""
    text = line.rstrip(b"\0")  # what a power cut leaves of a file that was growing
    return text.startswith(_BEGIN) or _BEGIN.startswith(text)


def _lock(fd: int, path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 -- not on Windows
    except ModuleNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            f"another process is writing {path}",
            code="P705",
            hint="Wait until it is done, or give each run an output of its own.",
        ) from error
    except OSError:
        return  # a file system without locks


def _not_written(path: Path, error: OSError) -> PacelineError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}",
        code="P703",
        hint="Make room, or give another file. What it holds is kept; the same command "
        "goes on from there.",
    )


class Errors:
    """
    The file of the rows that failed: rows as they came, with what went wrong.

    It can be used as input again. It is written beside and put in place at the end, so
    that the input itself may be replaced by what is left of it.

    Args:
        path: The file. One from an earlier run is replaced, or removed if no row
            failed.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        # Always the same name: a killed run leaves it behind, the next one takes it.
        self._beside = path.with_name(f".{path.name}.part")
        self._count = 0
        try:
            self._file = self._beside.open("w", encoding="ascii")
        except OSError as error:
            raise _not_written(path, error) from error

    def add(
        self,
        fields: Mapping[str, object],
        *,
        response: Mapping[str, object] | None,
        error: Mapping[str, str] | None,
    ) -> None:
        """Add a row. Without an error it is one that was not sent."""
        row = {name: fields[name] for name in fields if name not in _TOLD}
        if error is not None:
            row |= {"response": response, "error": error}
        try:
            self._file.write(json.dumps(row) + "\n")
        except OSError as failure:
            raise _not_written(self.path, failure) from failure
        self._count += 1

    def finish(self) -> Path | None:
        """Put the file in place; return where, or None if no row failed."""
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
            if not self._count:
                self._beside.unlink()
                self.path.unlink(missing_ok=True)
                return None
            self._beside.replace(self.path)
        except OSError as error:
            raise _not_written(self.path, error) from error
        return self.path

    def discard(self) -> None:
        """Leave the file as it was."""
        self._file.close()
        self._beside.unlink(missing_ok=True)


_TOLD = frozenset({"response", "error"})
