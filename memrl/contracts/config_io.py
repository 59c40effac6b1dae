"""A config as plain JSON-ready data, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, TypeVar

from memrl.contracts.checks import nearest
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError

_Section = TypeVar("_Section")


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """Sections as dictionaries, tuples as lists: what ``json`` writes and reads back unchanged."""
    return _plain(asdict(config))


def config_from_dict(data: Mapping[str, Any]) -> TrainConfig:
    """The config that ``config_to_dict`` was given; a knob that is not there keeps its default.

    Raises:
        ConfigError: there is no such knob, or no run can have its value.
    """
    return changed(TrainConfig(), data)


def changed(section: _Section, changes: Mapping[str, Any], prefix: str = "") -> _Section:
    """A frozen section with other values; a mapping under a section's name changes single knobs of that section.

    Options belong to the part that they were given to: where another part is named and no options, it has none.

    Raises:
        ConfigError: there is no such knob, or no run can have its value.
    """
    known = [knob.name for knob in fields(section)]  # pyright: ignore[reportArgumentType]
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in known:
            way_out = f"there is no such knob; choose from {', '.join(known)}{nearest(str(name), known)}"
            raise ConfigError(f"{prefix}{name}", value, way_out)
        values[name] = _fitted(getattr(section, name), value, f"{prefix}{name}")
    for name in list(values):
        options = "options" if name == "name" else f"{name}_options"
        if options in known and options not in values and values[name] != getattr(section, name):
            values[options] = {}
    try:
        return replace(section, **values)  # pyright: ignore[reportArgumentType]
    except TypeError as error:
        name = f"{prefix.removesuffix('.')}" or "config"
        raise ConfigError(name, dict(changes), f"a value is of the wrong type ({error})") from error


def _fitted(old: Any, value: Any, knob: str) -> Any:
    """``value`` in the shape of what it replaces."""
    if is_dataclass(old) and not is_dataclass(value):
        if not isinstance(value, Mapping):
            raise ConfigError(knob, value, "it is a section: give its knobs as a mapping")
        return changed(old, value, f"{knob}.")
    return tuple(value) if isinstance(old, tuple) and isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
