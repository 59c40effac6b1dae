"""20 users of one server at once, on loopback: is a write lost, is a memory seen by others, how long it takes.

python benchmarks/serve.py                          # 30 s, the tiny model
python benchmarks/serve.py --model smollm2-135m     # a real one: it is used by one at a time

A server of its own (``memrl serve MODEL --memory FILE --token …``) is started. Each user, over and over: remembers a
fact with a number of its own, asks about it (every second answer streamed), searches for it. What a user is shown must
be its own; at the end every fact that was acknowledged must be in its memory, after the server was stopped and started
again. Figures go to results/serve/MODEL.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from machine import machine

RESULTS = Path(__file__).parent / "results" / "serve"
ROOT = Path(__file__).parents[1]
TOKEN = secrets.token_urlsafe(24)
HEADERS = {"authorization": f"Bearer {TOKEN}"}
FACT = "Parcel {n} of {user} lies on shelf {n}."
OWNER = re.compile(r"of (user\d+) lies")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--model", default="tiny")
    arguments.add_argument("--users", type=int, default=20)
    arguments.add_argument("--seconds", type=float, default=30.0)
    told = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder) / "notes.db"
        with server(told.model, memory) as address:
            users = [User(f"user{n}", address, told.model) for n in range(told.users)]
            seconds = live(users, told.seconds)
            metrics = httpx.get(f"{address}/metrics", headers=HEADERS).text
        with server(told.model, memory) as address:
            lost = sum(user.lost(address) for user in users)
        size = memory.stat().st_size
    figures = report(users, seconds) | {"lost_writes": lost, "file_bytes": size, "load": os.getloadavg()[0]}
    figures |= {"model": told.model, "users": told.users, "machine": machine()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{told.model}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    assert f"memrl_users {told.users + 1}" in metrics


@contextmanager
def server(model: str, memory: Path) -> Iterator[str]:
    """The address of a running ``memrl serve``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "memrl.cli.main", "serve", model, "--memory", str(memory), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MEMRL_TOKEN": TOKEN}
    process = subprocess.Popen(command, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{address}/health")
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise SystemExit(f"the server ended: {process.returncode}") from None
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(30)


class User:
    """One user of the server, and what it saw."""

    def __init__(self, name: str, address: str, model: str) -> None:
        self.name, self._address, self._model = name, address, model
        self.kept: list[str] = []
        self.leaks = self.errors = self.unseen = 0
        self.times: dict[str, list[float]] = {"remember": [], "chat": [], "chat_streamed": [], "search": []}

    def live(self, until: float) -> None:
        with httpx.Client(base_url=self._address, headers=HEADERS, timeout=120) as http:
            number = 0
            while time.perf_counter() < until:
                try:
                    self._round(http, number)
                except (httpx.HTTPError, KeyError, ValueError):
                    self.errors += 1
                number += 1

    def _round(self, http: httpx.Client, number: int) -> None:
        fact = FACT.format(n=number, user=self.name)
        told = self._timed("remember", http, "/v1/memories", {"text": fact, "user": self.name})
        if told["fate"] == "kept":
            self.kept.append(fact)
        question = f"On which shelf lies parcel {number}?"
        stream = bool(number % 2)
        body = {"model": "memrl", "user": self.name, "messages": [{"role": "user", "content": question}]}
        answer = self._timed("chat_streamed" if stream else "chat", http, "/v1/chat/completions",
                             {**body, "stream": stream})  # fmt: skip
        self._check([line["text"] for line in answer["memory"]["used"]], fact)
        found = self._timed("search", http, "/v1/memories/search", {"query": question, "user": self.name, "k": 5})
        self._check([one["text"] for one in found["data"]], fact)

    def _timed(self, kind: str, http: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        answer = http.post(path, json=body)
        answer.raise_for_status()
        self.times[kind].append(time.perf_counter() - began)
        if not body.get("stream"):
            return answer.json()
        events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
        if events[-1] != "[DONE]":
            raise ValueError("the answer broke off")
        return json.loads(events[-2])

    def _check(self, texts: list[str], fact: str) -> None:
        self.leaks += sum(owner != self.name for text in texts for owner in OWNER.findall(text))
        self.unseen += not any(fact in text for text in texts)

    def lost(self, address: str) -> int:
        """Acknowledged facts that are not in memory now, or are there twice."""
        held: list[str] = []
        while True:
            query = {"user": self.name, "limit": "1000", "offset": str(len(held))}
            page = httpx.get(f"{address}/v1/memories", params=query, headers=HEADERS, timeout=60).json()["data"]
            held += [one["text"] for one in page]
            if not page:
                return sum(held.count(fact) != 1 for fact in self.kept)


def live(users: list[User], seconds: float) -> float:
    """All of them at once; returns how long it took."""
    began = time.perf_counter()
    threads = [threading.Thread(target=user.live, args=(began + seconds,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def report(users: list[User], seconds: float) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "acknowledged_writes": sum(len(user.kept) for user in users),
        "leaks": sum(user.leaks for user in users),
        "errors": sum(user.errors for user in users),
        "own_fact_not_shown": sum(user.unseen for user in users),
    }
    for kind in users[0].times:
        times = np.array([one for user in users for one in user.times[kind]]) * 1000
        p50, p95, p99 = np.percentile(times, [50, 95, 99])
        figures[kind] = {"requests": len(times), "per_second": round(len(times) / seconds, 1),
                         "p50_ms": round(p50, 1), "p95_ms": round(p95, 1), "p99_ms": round(p99, 1)}  # fmt: skip
    figures["requests_per_second"] = round(sum(figures[kind]["requests"] for kind in users[0].times) / seconds, 1)
    return figures


if __name__ == "__main__":
    main()
