"""What every command shares: where results go, and where everything else goes."""

from __future__ import annotations

import contextlib
import json
import os
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
    """Whatever a library or a program of somebody's prints goes to standard error: standard output is for results."""
    with contextlib.redirect_stdout(sys.stderr), _diverted():
        yield


@contextlib.contextmanager
def _diverted() -> Iterator[None]:
    """The same for what is written below Python, by programs that were started; as it was where there are no files."""
    try:
        sys.__stdout__.flush()  # pyright: ignore[reportOptionalMemberAccess]
        kept = os.dup(1)
    except (OSError, AttributeError, ValueError):
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
