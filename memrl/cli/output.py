"""What every command shares: where results go, and where everything else goes."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import typer

JSON_HELP = "Print one JSON object on standard output and nothing else there."
CHECKPOINT_HELP = "Weights of a run: last, or best by its checkpoints.keep_best."
SET_HELP = "A knob, by its place in the config; may be given several times."


def print_json(data: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(data, allow_nan=False))


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Whatever a library prints goes to standard error: standard output is for results."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
