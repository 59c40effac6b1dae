"""Slow environments side by side: calls that wait for something else wait together.

An environment that answers at once is called at once; threads would only cost it time. Calls that have together taken
``LATE`` longer than ``SLOW`` each turn the workers on, and quick ones turn them off again: a busy machine delays a
quick call now and then. Whether a call ran in a thread changes no result: every episode has its own environment, and
needs are served in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from memrl.rollouts.guards import EnvFailed

SLOW = 2e-3
"""Seconds of a call from which on it is worth a thread."""
LATE = 2e-2
"""Seconds over it, of all calls so far, from which on there are threads."""


class EnvWorkers:
    """Threads for the calls of one play.

    Args:
        most: calls that run at the same time; 0 or 1 keeps all calls in the caller's thread.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._late = 0.0
        self.slow = False
        """Whether calls are to be handed over."""

    def timed(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The call's result, here and now; a long one is remembered. Raises what the call raises."""
        if self._most < 2:
            return call(*arguments)
        started = perf_counter()
        try:
            return call(*arguments)
        finally:
            self._took(perf_counter() - started)

    def _took(self, seconds: float) -> None:
        """A leaky bucket: slow calls fill it, quick ones let it run out."""
        if seconds > SLOW or self._late:
            self._late = min(max(self._late + seconds - SLOW, 0.0), 2 * LATE)
            self.slow = self._late > LATE

    def run(self, calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> list[Any]:
        """All results, in order; a call that failed gives its ``EnvFailed``."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="memrl environment")
        answers = list(self._pool.map(_timed, calls))
        for _, seconds in answers:
            self._took(seconds)
        return [result for result, _ in answers]

    def close(self) -> None:
        """Wait for nobody: a call that hangs has been given up by its guard."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _timed(task: tuple[Callable[..., Any], tuple[Any, ...]]) -> tuple[Any, float]:
    """A call's result, or the failure that it gave, and how long it took."""
    call, arguments = task
    started = perf_counter()
    try:
        result = call(*arguments)
    except EnvFailed as failure:
        result = failure
    return result, perf_counter() - started


INLINE = EnvWorkers(0)
"""No threads at all."""
