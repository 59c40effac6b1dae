"""Packages that only some sinks need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from memrl.contracts.errors import MissingExtra


def extra(module: str, name: str) -> Any:
    """The module of an optional package.

    Raises:
        MissingExtra: it is not installed; the message names the pip command.
    """
    try:
        return import_module(module)
    except ImportError as error:
        cure = f"pip install 'memrl[{name}]'"
        raise MissingExtra(f"logging.sinks = {name!r}: it needs a package that is not installed; {cure}") from error
