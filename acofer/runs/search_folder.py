"""The run folder of a search that can be gone on with: while it lasts, it holds a configuration and a checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from acofer.config.search import SearchConfig
from acofer.config.sources import read_toml
from acofer.errors import ConfigError, MissingFileError
from acofer.locks import locked
from acofer.runs.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from acofer.runs.folder import CONFIG, RESULT, RunFolder
from acofer.writing import remove_parts, sync, written_beside

EVERY = 2.0
"""Seconds of work that a kill may cost; less is done again sooner than a reader looks at the folder."""
_SHARE = 0.05
"""Of the time, at most, goes into checkpoints: those of long searches grow."""
_DRAFT = ".draft"


class SearchFolder(RunFolder):
    """A run folder that a killed search can be gone on from.

    Until the first checkpoint nothing stands at its place; then it has ``config.toml`` and ``checkpoint.npz``, is
    locked against other processes, and is filled in the end. `acofer.runs.folder.RunFolder` says the rest.
    """

    def __init__(self, out: str | None, name: str, config_text: str = "") -> None:
        self._is_claimed = False
        super().__init__(out, name)
        self._config_text = config_text
        self._held = ExitStack()
        self._last, self._wait = time.monotonic(), EVERY

    @classmethod
    def unfinished(cls, place: str | Path) -> SearchFolder:
        """Return the folder of a search that was killed, and lock it.

        Raises
        ------
        MissingFileError, ConfigError
            If there is none, or the run is finished.
        StoreError
            If another process is at it, or nothing can be written there.
        """
        folder = Path(place)
        _check_unfinished(folder)
        held = ExitStack()
        held.enter_context(locked(folder))
        try:
            _check_unfinished(folder)  # by who held the lock before
            return cls._opened(folder, held)
        except BaseException:
            held.close()
            raise

    @classmethod
    def _opened(cls, folder: Path, held: ExitStack) -> SearchFolder:
        own = cls.__new__(cls)
        own.place, own._made, own._draft = folder, [], None
        shutil.rmtree(folder / _DRAFT, ignore_errors=True)  # of one that was killed while it wrote
        remove_parts(folder)
        own._config_text, own._is_claimed, own._held = "", True, held
        own._last, own._wait = time.monotonic(), EVERY
        return own

    def config(self) -> SearchConfig:
        """Return the configuration that the search began with."""
        return SearchConfig(**read_toml(self.place / CONFIG, SearchConfig))  # no environment: a run goes on as it began

    def checkpoint(self) -> dict[str, Any]:
        """Return what was kept last; DataError where it is damaged."""
        return read_checkpoint(self.place / CHECKPOINT)

    def keep(self, state: Callable[[], dict[str, Any]]) -> None:
        """Keep a checkpoint, unless the last one is so recent that none is owed.

        Raises
        ------
        StoreError
            If it cannot be written; the one before is still there.
        """
        started = time.monotonic()
        if started - self._last < self._wait:
            return
        if not self._is_claimed:
            self._claim()
        write_checkpoint(self.place / CHECKPOINT, state())
        self._last = time.monotonic()
        self._wait = max(EVERY, (self._last - started) / _SHARE)

    def _claim(self) -> None:
        """Make the folder, lock it, and say in it how the search began."""
        with self.writing():
            self._take(Path.mkdir)
        self._held.enter_context(locked(self.place))
        self._is_claimed = True
        with written_beside(self.place / CONFIG, CONFIG) as beside:
            beside.write_text(self._config_text, encoding="utf-8")

    def _new_draft(self) -> Path:
        if not self._is_claimed:
            return super()._new_draft()
        draft = self.place / _DRAFT
        draft.mkdir()
        return draft

    def finish(self) -> Path:
        """Put all that was written into its place, the result last: it says that the run is whole."""
        if not self._is_claimed:
            return super().finish()
        with self.writing():
            self._sync_draft()
            for path in sorted(self.draft.iterdir(), key=lambda path: (path.name == RESULT, path.name)):
                target = self.place / path.name
                if target.is_dir():  # left by one that was killed while it did this
                    shutil.rmtree(target)
                path.replace(target)
            sync(self.place)
            (self.place / CHECKPOINT).unlink(missing_ok=True)
            self.draft.rmdir()
        self._held.close()
        return self.place

    def discard(self) -> None:
        """Leave nothing behind but what a checkpoint needs."""
        if self._is_claimed and not self.has_checkpoint:
            shutil.rmtree(self.place, ignore_errors=True)
        self._held.close()
        super().discard()

    @property
    def has_checkpoint(self) -> bool:
        """Whether the search can be gone on with."""
        return self._is_claimed and (self.place / CHECKPOINT).exists()


def _check_unfinished(folder: Path) -> None:
    if (folder / RESULT).exists():
        raise ConfigError(
            f"resume: {folder} is finished, and its test labels are open; search anew with: "
            f"acofer search --config {folder / CONFIG}"
        )
    if not (folder / CHECKPOINT).exists():
        raise MissingFileError(
            f"resume: expected the folder of an interrupted search at {folder}; it has no {CHECKPOINT}; "
            "begin anew with: acofer search"
        )
