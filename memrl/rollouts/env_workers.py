"""Slow environments side by side: calls that wait for something else wait together.

An environment that answers at once is called at once; threads would only cost it time. The first call that takes longer
than ``SLOW`` turns the workers on for the rest of a play. Whether a call ran in a thread changes no result: every
episode has its own environment, and needs are served in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from memrl.rollouts.guards import EnvFailed

SLOW = 2e-3
"""Seconds of a call from which on it is worth a thread."""


class EnvWorkers:
    """Threads for the calls of one play.

    Args:
        most: calls that run at the same time; 0 or 1 keeps all calls in the caller's thread.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
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
            self.slow = self.slow or perf_counter() - started > SLOW

    def run(self, calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> list[Any]:
        """All results, in order; a call that failed gives its ``EnvFailed``."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="memrl environment")
        return list(self._pool.map(_result, calls))

    def close(self) -> None:
        """Wait for nobody: a call that hangs has been given up by its guard."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _result(task: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
    call, arguments = task
    try:
        return call(*arguments)
    except EnvFailed as failure:
        return failure


INLINE = EnvWorkers(0)
"""No threads at all."""
