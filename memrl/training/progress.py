"""Progress on standard error: live bars in a terminal, a plain line every tenth of the way elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[str], None]
"""Moves a bar by one; the text stands beside it."""


class Bars:
    """Bars one after the other. Standard output stays free for results."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: Progress | None = None

    def __enter__(self) -> Bars:
        if self._console.is_terminal:
            self._live = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=self._console,
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """One line, above the bars."""
        self._console.print(text, markup=False, soft_wrap=True)

    def start(self, title: str, total: int, done: int = 0) -> Advance:
        """A new bar that stands at ``done`` of ``total``."""
        return _lines(self.say, title, total, done) if self._live is None else _bar(self._live, title, total, done)


def _bar(live: Progress, title: str, total: int, done: int) -> Advance:
    bar = live.add_task(title, total=total, completed=done, note="")
    return lambda note: live.update(bar, advance=1, note=note)


def _lines(say: Callable[[str], None], title: str, total: int, done: int) -> Advance:
    every = max(1, total // 10)

    def advance(note: str) -> None:
        nonlocal done
        done += 1
        if done % every == 0 or done == total:
            say(f"{title} {done}/{total} {note}".rstrip())

    return advance
