"""A run's weights in the formats of others: a PEFT adapter, a whole model, a controller file.

adapter      adapter_model.safetensors, adapter_config.json, tokenizer   peft.PeftModel.from_pretrained(base, DIR)
merged       config.json, model.safetensors, tokenizer                   transformers, vLLM: the folder is a model
controller   controller.safetensors, controller.json                     ``read_controller``

Each folder holds ``memrl.json``: which run it came from, with every knob.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from memory_stores.files import write_json
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import config_to_dict
from memrl.contracts.errors import ConfigError, DataError, InputError
from memrl.policies.adapters import CARD as ADAPTER_CARD
from memrl.policies.adapters import is_adapter
from memrl.policies.models import KNOWN, resolve
from memrl.training.checkpoints import writing
from memrl.training.run_folder import load_run

What = Literal["adapter", "merged", "controller"]
WHATS: tuple[What, ...] = ("adapter", "merged", "controller")
CONTROLLER_FORMAT = "memrl_controller/1"


def export(
    run: str | Path, what: What = "merged", to: str | Path | None = None, checkpoint: Literal["last", "best"] = "last"
) -> Path:
    """Write a run's weights as others read them; returns the folder, which appears whole or not at all.

    Args:
        run: a run folder.
        to: where; None for ``export/WHAT`` inside the run folder. It must not exist, or be empty.
        checkpoint: the run's newest weights, or its best.

    Raises:
        InputError: there is no such run or checkpoint, the folder is taken, or the run's policy is no language model.
        StorageError: the folder cannot be written.
    """
    if what not in WHATS:
        raise ConfigError("what", what, f"it is none of {', '.join(WHATS)}")
    config, parts = load_run(run, checkpoint)
    target = Path(to) if to is not None else Path(run) / "export" / what
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"export to {target}: something is there already, which stays; name another folder")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
        try:
            scratch.chmod(0o755)
            if what == "controller":
                _write_controller(scratch, config, parts["controller"])
            else:
                _write_model(scratch, target, config, parts["policy"], what)
            card = {"from": str(Path(run).resolve()), "what": what, "checkpoint": checkpoint}
            write_json(scratch / "memrl.json", card | {"config": config_to_dict(config)})
            scratch.replace(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    return target


def write_controller(folder: Path, config: TrainConfig, state: Mapping[str, Any], card: Mapping[str, Any]) -> None:
    """A controller that was trained outside a run, as ``export`` writes one; the folder must not exist, or be empty.

    Args:
        card: where it comes from, for ``memrl.json``.

    Raises:
        InputError: the folder is taken.
        StorageError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"export to {folder}: something is there already, which stays; name another folder")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write_controller(folder, config, state)
        write_json(folder / "memrl.json", {"what": "controller", **card})


def read_controller(folder: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """An exported controller: its card (name, options, budgets, embedder) and what ``load_state_dict`` takes.

    Raises:
        DataError: no controller is there, or one of another format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        card = json.loads((folder / "controller.json").read_bytes())
        tensors = load_file(folder / "controller.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{folder}: no controller can be read there ({error}); `memrl export` writes one") from error
    if not isinstance(card, dict) or card.get("format") != CONTROLLER_FORMAT:
        raise DataError(f"{folder}: its controller is not of format {CONTROLLER_FORMAT}; export it again")
    return card, _joined(card["state"], tensors, set(card["arrays"]), "")


def _write_model(scratch: Path, target: Path, config: TrainConfig, state: Mapping[str, Any], what: What) -> None:
    if config.policy.name != "hf":
        way_out = "`--what controller` writes its controller alone"
        raise InputError(
            f"export: the policy of this run, {config.policy.name!r}, is no transformers model of memrl's; {way_out}"
        )
    from memrl.policies.hf import HFPolicy  # Who begins with a controller need not load a model's library.

    policy = HFPolicy(config.policy, seed=config.seed)
    policy.load_state_dict(state)
    if what == "merged":
        policy.merged_model().save_pretrained(scratch)
        policy.tokenizer.save_pretrained(scratch)
        return
    policy.save_pretrained(scratch)
    (scratch / "README.md").unlink(missing_ok=True)
    base = _base_name(config.policy.model)
    if base is None:
        # A base that lies nowhere goes along; the path is the one it will have.
        policy.model.unload().save_pretrained(scratch / "base")
        policy.tokenizer.save_pretrained(scratch / "base")
        base = str(target.resolve() / "base")
    adapter = json.loads((scratch / ADAPTER_CARD).read_bytes())
    write_json(scratch / ADAPTER_CARD, adapter | {"base_model_name_or_path": base})


def _base_name(model: str) -> str | None:
    """What peft can load the base by; None for one that was built or folded in memory."""
    if model == "tiny" or is_adapter(model):
        return None
    name = resolve(model)
    return str(Path(name).resolve()) if model in KNOWN or Path(name).is_dir() else name


def _write_controller(folder: Path, config: TrainConfig, state: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    arrays: list[str] = []
    plain = _split(state, tensors, arrays, "")
    save_file(tensors, folder / "controller.safetensors")
    # It is written by way of a file for its owner's eyes alone; who may read what stands beside it may read it.
    (folder / "controller.safetensors").chmod(folder.stat().st_mode & 0o666)
    whole = config_to_dict(config)
    card = {"format": CONTROLLER_FORMAT, "controller": whole["controller"], "memory": whole["memory"], "state": plain}
    write_json(folder / "controller.json", card | {"arrays": arrays})


def _split(value: Any, tensors: dict[str, Any], arrays: list[str], path: str) -> Any:
    """A state as plain JSON with ``{"tensor": path}`` where a tensor or an array was."""
    import torch

    if isinstance(value, Mapping):
        return {str(name): _split(inner, tensors, arrays, f"{path}/{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_split(inner, tensors, arrays, f"{path}/{i}") for i, inner in enumerate(value)]
    if isinstance(value, np.ndarray):
        arrays.append(path)
        value = torch.from_numpy(value.copy())
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"tensor": path}
    return value


def _joined(value: Any, tensors: Mapping[str, Any], arrays: set[str], path: str) -> Any:
    if isinstance(value, dict) and value.keys() == {"tensor"} and value["tensor"] == path:
        return tensors[path].numpy() if path in arrays else tensors[path]
    if isinstance(value, dict):
        return {name: _joined(inner, tensors, arrays, f"{path}/{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [_joined(inner, tensors, arrays, f"{path}/{i}") for i, inner in enumerate(value)]
    return value
