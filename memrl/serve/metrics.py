"""What was served, counted, in Prometheus' text form (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections import Counter
from threading import Lock

BUCKETS = (0.01, 0.05, 0.25, 1.0, 5.0, 25.0)
"""Seconds: upper ends of the histogram of how long requests took."""


class Metrics:
    """Counters; threads may share them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._observed: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._open = 0

    def began(self) -> None:
        """A request came in."""
        with self._lock:
            self._open += 1

    def ended(self, route: str, status: int, seconds: float) -> None:
        """A request that came in was answered."""
        with self._lock:
            self._open -= 1
            self._requests[route, status] += 1
            self._seconds[route] += seconds  # pyright: ignore[reportArgumentType]
            self._within.update((route, end) for end in BUCKETS if seconds <= end)

    def observed(self, fate: str) -> None:
        """What became of a text that was to be remembered."""
        with self._lock:
            self._observed[fate] += 1

    def answered(self, prompt: int, completion: int) -> None:
        """Tokens of one answer."""
        with self._lock:
            self._tokens.update({"prompt": prompt, "completion": completion})

    def text(self, users: int) -> str:
        """All of them, one line each.

        Args:
            users: how many have a memory here.
        """
        with self._lock:
            lines = ["# TYPE memrl_requests_total counter"]
            lines += [
                f'memrl_requests_total{{route="{route}",status="{status}"}} {count}'
                for (route, status), count in sorted(self._requests.items())
            ]
            lines += ["# TYPE memrl_request_seconds histogram"]
            for route in sorted({route for route, _ in self._requests}):
                lines += self._histogram(route)
            lines += ["# TYPE memrl_requests_in_progress gauge", f"memrl_requests_in_progress {self._open}"]
            lines += ["# TYPE memrl_observations_total counter"]
            lines += [f'memrl_observations_total{{fate="{one}"}} {n}' for one, n in sorted(self._observed.items())]
            lines += ["# TYPE memrl_tokens_total counter"]
            lines += [f'memrl_tokens_total{{kind="{one}"}} {n}' for one, n in sorted(self._tokens.items())]
            lines += ["# TYPE memrl_users gauge", f"memrl_users {users}"]
        return "\n".join(lines) + "\n"

    def _histogram(self, route: str) -> list[str]:
        count = sum(n for (own, _), n in self._requests.items() if own == route)
        ends = [(f"{end:g}", self._within[route, end]) for end in BUCKETS] + [("+Inf", count)]
        lines = [f'memrl_request_seconds_bucket{{route="{route}",le="{end}"}} {n}' for end, n in ends]
        lines += [f'memrl_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}']
        return [*lines, f'memrl_request_seconds_count{{route="{route}"}} {count}']
