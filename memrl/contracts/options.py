"""A mapping of a config to a part's own options, a frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, get_args, get_origin

from memrl.contracts.checks import knob_types, nearest, wrong_with
from memrl.contracts.errors import ConfigError, InputError


def options_from(options: type | None, values: Mapping[str, Any], knob: str, owner: str) -> Any:
    """``options(**values)``, checked against its annotations; None for a part without options.

    Args:
        options: the dataclass, or None.
        knob: where the mapping stands, such as "env.options".
        owner: the part in words, such as "env 'keydoor'".

    Raises:
        ConfigError: an option that there is not, or a value of another type, or one that the class itself refuses.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(knob, values, "give options as a mapping")
    if options is None:
        for name, value in values.items():
            raise ConfigError(f"{knob}.{name}", value, f"{owner} takes no options")
        return None
    kinds = _kinds(options, knob, owner)
    fitted = {name: _fitted(value, kinds.get(name)) for name, value in values.items()}
    for name, value in fitted.items():
        if name not in kinds:
            raise ConfigError(
                f"{knob}.{name}", value, f"{owner} has no such option; {told(options)}{nearest(name, list(kinds))}"
            )
        if wrong := wrong_with(value, kinds[name]):
            raise ConfigError(f"{knob}.{name}", value, wrong)
    try:
        return options(**fitted)
    except InputError as error:
        if str(error).startswith(knob):
            raise
        raise ConfigError(knob, dict(values), str(error)) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(knob, dict(values), f"{owner} refuses them: {error}") from error


def told(options: type) -> str:
    """What may be set, each with its default: ``it has width = 32, hidden = 128``."""
    return "it has " + (", ".join(map(_default, fields(options))) or "none at all")


def _default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return f"{field.name} = {field.default_factory()!r}"
    return field.name if field.default is MISSING else f"{field.name} = {field.default!r}"


def _kinds(options: type, knob: str, owner: str) -> dict[str, Any]:
    try:
        return knob_types(options)
    except NameError as error:
        raise ConfigError(
            knob, options.__name__, f"the options class of {owner} names an unknown type: {error}"
        ) from error


def _fitted(value: Any, kind: Any) -> Any:
    """A list where a tuple is meant, alone or among others: JSON has no other."""
    takes_tuple = any(one is tuple or get_origin(one) is tuple for one in (kind, *get_args(kind)))
    return tuple(value) if takes_tuple and isinstance(value, list) else value
