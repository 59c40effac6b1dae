"""A PEFT adapter folder as a model: its base with the adapter folded in, on which a run then trains its own LoRA."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memrl.contracts.errors import ModelError
from memrl.policies.models import KNOWN

CARD = "adapter_config.json"


def is_adapter(name: str) -> bool:
    """True for a folder that ``PeftModel.save_pretrained`` wrote, and no whole model beside it."""
    return (Path(name) / CARD).is_file() and not (Path(name) / "config.json").exists()


def load_adapter(name: str, load_base: Callable[[str], tuple[Any, Any]]) -> tuple[Any, Any]:
    """The adapted model as one plain model, and its tokenizer: the adapter's own, else the base's.

    Args:
        load_base: name -> model and tokenizer; raises ModelError.

    Raises:
        ModelError: the adapter cannot be read or folded in, or its base is not found.
    """
    from peft import PeftModel
    from safetensors import SafetensorError
    from transformers import AutoTokenizer

    base = _base_of(name)
    try:
        model, tokenizer = load_base(base)
    except ModelError as error:
        raise ModelError(
            f"policy.model = {name!r}: the base of this adapter, {base!r}, cannot be loaded; name its folder as "
            f"base_model_name_or_path in {CARD}"
        ) from error
    try:
        adapted: Any = PeftModel.from_pretrained(model, name)
        model = adapted.merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"policy.model = {name!r}: this adapter does not fit {base!r} ({reason})") from error
    # Otherwise peft warns of two adapters where there is now none.
    if hasattr(model, "peft_config"):
        del model.peft_config
    if (Path(name) / "tokenizer_config.json").exists():
        tokenizer = AutoTokenizer.from_pretrained(name)
    return model, tokenizer


def _base_of(name: str) -> str:
    """A known model keeps its name wherever its files lay when the adapter was saved."""
    try:
        base = json.loads((Path(name) / CARD).read_bytes())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"policy.model = {name!r}: its {CARD} cannot be read; save the adapter again") from error
    if not isinstance(base, str) or not base:
        raise ModelError(f"policy.model = {name!r}: its {CARD} names no base; set base_model_name_or_path in it")
    inside = Path(name) / base
    if not Path(base).is_absolute() and inside.is_dir() and inside.resolve() != Path(name).resolve():
        return str(inside)
    if Path(base).resolve() == Path(name).resolve():
        raise ModelError(f"policy.model = {name!r}: its {CARD} names itself as its base; name a whole model there")
    return Path(base).name if Path(base).name in KNOWN and not Path(base).is_dir() else base
