"""Importing the package loads nothing heavy, and every public name is there."""

import subprocess
import sys

import pytest

import memory_stores

HEAVY = ("torch", "memrl", "faiss", "networkx", "sentence_transformers", "bm25s", "numpy", "scipy", "transformers")


def loaded_by(code: str) -> set[str]:
    code += "; import sys; print(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(out.split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import memory_stores, memory_stores.testing").intersection(HEAVY)


def test_the_search_modules_wait_with_their_libraries_until_a_search():
    loaded = loaded_by("import memory_stores.vector_store, memory_stores.bm25_store, memory_stores.embed")
    assert loaded.intersection(HEAVY) == {"numpy"}


def test_writing_and_walking_need_no_library():
    use = (
        "from memory_stores import *; m = AgentMemory(TokenStore(99, len), GraphStore(99, len), Bm25Store(99, len)); "
        "m.apply(Write('x', 'archive')); m.apply(Link('a', 'b', 'c')); m.apply(Retrieve('a', 'graph', hops=1)); "
        "m.fork().state_hash()"
    )
    assert not loaded_by(use).intersection(set(HEAVY) - {"numpy"})


def test_every_public_name_is_there():
    for name in memory_stores.__all__:
        assert getattr(memory_stores, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Telepathy'"):
        _ = memory_stores.Telepathy
