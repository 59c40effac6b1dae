"""Stories to one HTML file that needs nothing else: no network, no library, no second file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

from memrl.contracts.errors import DataError
from memrl.reporting.pages.story import Story

LOOPBACK = "127.0.0.1"


def page(title: str, stories: Sequence[Story]) -> str:
    """The whole page. What stories hold is data to it: it cannot become markup or script."""
    data = json.dumps({"title": title, "stories": [asdict(one) for one in stories]}, ensure_ascii=True)
    # "<" is written by its number, so that no text in it can end the script element that carries it.
    parts = {"DATA": data.replace("<", "\\u003c"), "STYLE": _file("page.css"), "SCRIPT": _file("page.js")}
    return "".join(parts.get(piece, piece) for piece in _file("page.html").split("%%"))


def write_page(path: Path, title: str, stories: Sequence[Story]) -> Path:
    """Write it and return the path. Raises DataError where that cannot be done."""
    try:
        path.write_text(page(title, stories), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"page {path}: cannot be written ({error.strerror or error}); name another with --out"
        ) from error
    return path


def serving(path: Path, port: int) -> ThreadingHTTPServer:
    """A server of one page on the loopback address, for ``serve_forever``.

    Args:
        port: 0 for any that is free.

    Raises:
        DataError: the port is taken.
    """

    class OnePage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A page elsewhere must not read this one through a name of its own that leads here.
            host = self.headers.get("Host", "").rsplit(":", 1)[0]
            known = self.path.partition("?")[0] == "/" and host in (LOOPBACK, "localhost")
            body = path.read_bytes() if known else b"not found"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8" if known else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    try:
        return ThreadingHTTPServer((LOOPBACK, port), OnePage)
    except (OSError, OverflowError) as error:
        raise DataError(f"--port {port}: cannot be used ({error}); take another, or 0 for any that is free") from error


def _file(name: str) -> str:
    return files("memrl.reporting.pages").joinpath(name).read_text(encoding="utf-8")
