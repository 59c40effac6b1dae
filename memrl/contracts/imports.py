"""Modules and what stands in them, by name: every failure is one line that names the knob and the package."""

from __future__ import annotations

import difflib
import os
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from memrl.contracts.errors import ConfigError, InputError, MissingExtra


def own_modules(folder: str, first: str) -> Iterator[str]:
    """Modules of ours in a folder: the one of that name and what is inside it, then all others."""
    try:
        here = find_spec(folder)
    except ModuleNotFoundError:
        return
    if here is None or here.submodule_search_locations is None:
        return
    found = list(_walk(folder, list(here.submodule_search_locations)))
    prefix = f"{folder}.{first}"
    yield from (module for module in found if module == prefix or module.startswith(f"{prefix}."))
    yield from (module for module in found if module != prefix and not module.startswith(f"{prefix}."))


def _walk(folder: str, places: list[str]) -> Iterator[str]:
    for info in pkgutil.iter_modules(places):
        if info.name.startswith("_"):
            continue
        yield f"{folder}.{info.name}"
        if info.ispkg:
            yield from _walk(f"{folder}.{info.name}", [os.path.join(place, info.name) for place in places])  # noqa: PTH118


def attribute_of(name: str, knob: str) -> Any:
    """What "module:attr" names. Raises ConfigError where there is no such module, it fails, or it has no such thing."""
    module, _, attribute = name.partition(":")
    is_path = "/" in module or module.startswith(".") or module.endswith(".py")
    if not module or not attribute or is_path:
        also = "; a module is named, not its file, and looked for in the working folder too" if is_path else ""
        raise ConfigError(knob, name, f"write it as 'module:attr', such as 'my_pkg.game:KeyDoor'{also}")
    made: Any = module_of(module, knob, name)
    for step in attribute.split("."):
        if not hasattr(made, step):
            near = difflib.get_close_matches(step, [word for word in dir(made) if not word.startswith("_")])
            hint = f"; it has {', '.join(near)}" if near else ""
            raise ConfigError(knob, name, f"{module} of package {module.partition('.')[0]} has no {step!r}{hint}")
        made = getattr(made, step)
    return made


def module_of(module: str, knob: str, name: str) -> ModuleType:
    """Import it for what a knob names; the working folder is looked in last, as a console script would not.

    Raises:
        ConfigError: there is no such module, or importing it fails.
    """
    if "" not in sys.path and os.getcwd() not in sys.path:  # noqa: PTH109
        sys.path.append(os.getcwd())  # noqa: PTH109
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            way_out = (
                f"there is no module {error.name!r} here: install package {package!r}, or set PYTHONPATH to its folder"
            )
            raise ConfigError(knob, name, way_out) from error
        raise ConfigError(knob, name, f"{module} of package {package!r} needs more: {told(error)}") from error
    except Exception as error:
        raise ConfigError(knob, name, f"importing {module} of package {package!r} failed: {told(error)}") from error


def told(error: Exception) -> str:
    """An error in one line; those that memrl raises on purpose speak for themselves."""
    line = " ".join(str(error).split())
    return line if isinstance(error, InputError | MissingExtra) else f"{type(error).__name__}: {line}"
