"""Parts by name: what is found where, what loads, and what a name or an option that does not fit is told."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from memory_stores.embed import HashEmbedder
from memrl.contracts import registry
from memrl.contracts.errors import ConfigError, MissingExtra

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyOptions:
    size: int = 3
    share: float = 0.5
    names: tuple[str, ...] = ("a",)
    extra: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size > 9:
            raise ValueError("size may be 9 at most")


class Anything:
    """Has whatever a kind asks for."""

    def __getattr__(self, name: str) -> str:
        return name


class Toy(Anything):
    Options = ToyOptions

    def __init__(self, options: ToyOptions) -> None:
        self.options = options


@dataclass
class Thawed:
    size: int = 3


class Plain(Anything):
    pass


class Door:
    name = "door"

    def make(self, task: object) -> None:
        """Of a task source, one of five things."""


@pytest.fixture(autouse=True)
def clean():
    """What a test registers is gone after it; what was there stays: ours, and those of other test files."""
    before = {key for key in registry._PARTS if registry.origin(*key)}
    yield
    for key in [key for key in registry._PARTS if registry.origin(*key) and key not in before]:
        del registry._PARTS[key]
    registry._HOMES.clear()


def package(folder: Path, points: str = "", **modules: str) -> Path:
    """An installed package ``lodge`` of version 0.1: modules, and a dist-info folder with entry points."""
    (folder / "lodge").mkdir(parents=True)
    for name, text in {"__init__": "", **modules}.items():
        (folder / "lodge" / f"{name}.py").write_text(text)
    info = folder / "lodge-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lodge\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(points)
    return folder


@pytest.fixture
def lodge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def install(points: str = "", **modules: str) -> None:
        monkeypatch.syspath_prepend(str(package(tmp_path / "site", points, **modules)))
        for name in [name for name in sys.modules if name.partition(".")[0] == "lodge"]:
            monkeypatch.delitem(sys.modules, name)

    yield install
    for name in [name for name in sys.modules if name.partition(".")[0] == "lodge"]:
        del sys.modules[name]


def test_a_registered_part_is_made_with_its_options():
    registry.register("linker", "toy", Toy, ToyOptions)
    made = registry.make("linker", "toy", {"size": 4, "names": ["x", "y"]}, "memory.linker")
    assert made.options == ToyOptions(size=4, names=("x", "y"))


def test_options_of_the_class_itself_need_no_second_naming():
    registry.register("linker", "toy", Toy)
    assert registry.find("linker", "toy", "memory.linker").options is ToyOptions


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 4}, r"env.options.sise = 4: env 'toy' has no such option; it has size = 3, share = 0.5, names = "
                      r"\('a',\), extra = {}; did you mean size\?"),
        ({"size": "big"}, r"env.options.size = 'big': it must be a whole number"),
        ({"size": True}, r"env.options.size = True: it must be a whole number"),
        ({"share": float("nan")}, r"env.options.share = nan: it must be a finite number"),
        ({"names": [1]}, r"env.options.names = \(1,\): of each in the list: it must be a text"),
        ({"size": 10}, r"env.options = {'size': 10}: env 'toy' refuses them: size may be 9 at most"),
    ],
)  # fmt: skip
def test_an_option_that_does_not_fit_is_named(values: dict, message: str):
    registry.register("env", "toy", Toy)
    with pytest.raises(ConfigError, match=message):
        registry.make("env", "toy", values, "env.name")


def test_a_part_without_options_refuses_any():
    registry.register("env", "plain", Plain)
    assert isinstance(registry.make("env", "plain", {}, "env.name"), Plain)
    with pytest.raises(ConfigError, match=r"env.options.size = 1: env 'plain' takes no options"):
        registry.make("env", "plain", {"size": 1}, "env.name")


def test_a_make_that_cannot_be_called_so_is_told_how_it_is_called():
    registry.register("controller", "plain", Plain)
    with pytest.raises(ConfigError, match=r"controller.name = 'plain'.*it is called with \(int\), which it does not"):
        registry.make("controller", "plain", {}, "controller.name", 3)


def test_what_is_made_must_be_of_its_kind():
    registry.register("env", "door", Door)
    with pytest.raises(ConfigError, match=r"env.name = 'door': an env has cells, train, held_out, and Door does not"):
        registry.make("env", "door", {}, "env.name")


def test_a_name_is_held_by_one_part_and_the_same_may_come_twice():
    registry.register("env", "toy", Toy)
    registry.register("env", "toy", Toy)
    with pytest.raises(
        ConfigError, match=r"'toy': that name of an env is held by .*\.Toy; choose another for .*\.Plain"
    ):
        registry.register("env", "toy", Plain)
    registry.register("controller", "toy", Plain)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("enviroment", "toy", Toy), "kind = 'enviroment': there is no such kind of part; it is none of env, policy"),
        (("env", "a:b", Toy), "without a colon"),
        (("env", "", Toy), "without a colon"),
        (("env", "toy", 3), "cannot be called"),
        (("env", "toy", Toy, dict), "frozen dataclass"),
        (("env", "toy", Toy, Thawed), "frozen dataclass"),
    ],
)
def test_what_cannot_be_a_part_is_refused(arguments: tuple, message: str):
    with pytest.raises(ConfigError, match=message):
        registry.register(*arguments)


def test_an_unknown_name_lists_what_there_is_the_near_ones_first_and_how_to_bring_one():
    with pytest.raises(ConfigError) as caught:
        registry.find("linker", "patern", "memory.linker")
    told = str(caught.value)
    assert told.startswith("memory.linker = 'patern': choose from pattern, comention, none, spacy; ")
    assert "'module:attr'" in told and "group memrl.linkers" in told and "memrl.register('linker', name, make)" in told
    assert "\n" not in told


def test_an_empty_name_asks_for_one():
    with pytest.raises(ConfigError, match=r"memory.linker = '': name one; choose from comention, none, pattern, spacy"):
        registry.find("linker", "", "memory.linker")


def test_asking_for_one_of_ours_loads_no_torch():
    code = (
        "from memrl.contracts.registry import find; import sys; find('embedder', 'hash', 'x'); "
        "find('controller', 'fifo', 'x'); find('env', 'memworld', 'x'); print(*sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "faiss", "sentence_transformers"}.intersection(out.split())


def test_one_new_file_is_all_that_a_part_of_ours_takes(tmp_path: Path):
    import memrl.curricula

    text = "from memrl.contracts.registry import register\nregister('curriculum', 'lazy', lambda context: 'mine')\n"
    (tmp_path / "idle.py").write_text(text)
    memrl.curricula.__path__.append(str(tmp_path))
    try:
        assert registry.find("curriculum", "lazy", "curriculum.name").make(None) == "mine"
        assert "lazy" in registry.names("curriculum")
    finally:
        memrl.curricula.__path__.remove(str(tmp_path))
        sys.modules.pop("memrl.curricula.idle", None)
        registry._PARTS.pop(("curriculum", "lazy"), None)


def test_every_part_of_ours_is_found_by_its_name_and_has_options_with_a_default_each():
    for kind in registry.KINDS:
        for name in registry.names(kind):
            part = registry.find(kind, name, "x")
            assert part.options is None or registry.make_options(part, {}, "x") == part.options()


def test_an_attribute_of_a_module_stands_in_place_of_a_name(lodge):
    room = "class House:\n    class Room:\n        def link(self, text):\n            return ()\n"
    lodge(game=f"class Cabin:\n    pass\n{room}")
    made = registry.make("linker", "lodge.game:House.Room", {}, "memory.linker")
    assert type(made).__qualname__ == "House.Room"
    assert registry.find("linker", "lodge.game:Cabin", "memory.linker").name == "lodge.game:Cabin"


def test_an_attribute_that_is_registered_brings_its_options(lodge):
    registry.register("linker", "toy", Toy, ToyOptions)
    lodge(game=f"from {__name__} import Toy\n")
    assert registry.find("linker", "lodge.game:Toy", "memory.linker").options is ToyOptions


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.game:Cabin", r"there is no module 'nowhere' here: install package 'nowhere', or set PYTHONPATH"),
        ("lodge.gane:Cabin", r"there is no module 'lodge.gane' here: install package 'lodge'"),
        ("lodge.game:Cabinn", r"lodge.game of package lodge has no 'Cabinn'; it has Cabin$"),
        ("lodge.game:seven", r"it is 7, which cannot be called to make a linker"),
        (
            "lodge.broken:Cabin",
            r"importing lodge.broken of package 'lodge' failed: ZeroDivisionError: division by zero",
        ),
        ("lodge.needy:Cabin", r"lodge.needy of package 'lodge' needs more: ModuleNotFoundError: No module named 'nowh"),
        ("lodge.game:", r"write it as 'module:attr'"),
        (":Cabin", r"write it as 'module:attr'"),
    ],
)
def test_an_attribute_that_is_not_there_is_one_clear_line(lodge, name: str, message: str):
    lodge(game="class Cabin:\n    pass\nseven = 7\n", broken="1 / 0\n", needy="import nowhere_at_all\n")
    with pytest.raises(ConfigError, match=message) as caught:
        registry.find("linker", name, "memory.linker")
    assert str(caught.value).startswith(f"memory.linker = {name!r}: ") and "\n" not in str(caught.value)


def test_an_entry_point_is_a_name(lodge):
    lodge("[memrl.linkers]\ncabin = lodge.game:Cabin\n", game="class Cabin:\n    pass\n")
    part = registry.find("linker", "cabin", "memory.linker")
    assert (part.name, part.holder) == ("cabin", "package lodge 0.1")
    assert "cabin" in registry.names("linker")
    assert registry.origin("linker", "cabin") == "package lodge 0.1"
    assert registry.origin("linker", "pattern") == ""


@pytest.mark.parametrize("register", [
    "import memrl\nclass Cabin:\n    pass\nmemrl.register('linker', 'cabin', Cabin)\n",
    "class Cabin:\n    pass\nPARTS = (('linker', 'cabin', Cabin, None),)\n",
])  # fmt: skip
def test_an_entry_point_may_be_a_module_that_registers(lodge, register: str):
    lodge("[memrl.linkers]\ncabin = lodge.game\n", game=register)
    assert registry.find("linker", "cabin", "memory.linker").make.__name__ == "Cabin"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "lodge.game:Gone",
            r"package lodge 0.1 offers it as 'lodge.game:Gone', which cannot be loaded: AttributeError",
        ),
        ("lodge.broken:Cabin", r"package lodge 0.1 offers it .*cannot be loaded: ZeroDivisionError: division by zero"),
        ("lodge.game", r"package lodge 0.1 offers it as the module 'lodge.game', which registers no linker of that na"),
    ],
)
def test_an_entry_point_that_fails_names_its_package(lodge, target: str, message: str):
    lodge(f"[memrl.linkers]\ncabin = {target}\n", game="", broken="1 / 0\n")
    with pytest.raises(ConfigError, match=message):
        registry.find("linker", "cabin", "memory.linker")


def test_two_packages_of_one_name_are_told_apart(lodge, tmp_path, monkeypatch):
    lodge("[memrl.linkers]\ncabin = lodge.game:Cabin\n", game="class Cabin:\n    pass\n")
    other = tmp_path / "other" / "inn-2.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: inn\nVersion: 2\n")
    (other / "entry_points.txt").write_text("[memrl.linkers]\ncabin = inn:Cabin\n")
    monkeypatch.syspath_prepend(str(other.parent))
    with pytest.raises(ConfigError, match=r"package inn 2 \(inn:Cabin\).*package lodge 0.1 \(lodge.game:Cabin\) offer"):
        registry.find("linker", "cabin", "memory.linker")


def test_ours_comes_before_an_entry_point_of_the_same_name(lodge):
    lodge("[memrl.linkers]\npattern = lodge.game:Cabin\n", game="class Cabin:\n    pass\n")
    assert registry.find("linker", "pattern", "memory.linker").holder == "memory_stores.pattern_linker"


def test_a_lost_part_is_told_where_it_came_from():
    registry.remember_origin("embedder", "cabin", "package lodge 0.1")
    with pytest.raises(
        ConfigError, match=r"'cabin': this embedder came from package lodge 0.1, which is not here; ins"
    ):
        registry.find("embedder", "cabin", "memory.embedder")


def test_ours_are_made_by_name_too():
    made = registry.make("embedder", "hash", {"dim": 8}, "memory.embedder")
    assert isinstance(made, HashEmbedder) and made.dim == 8


def test_a_part_that_lacks_its_package_says_which_knob_asked_for_it_and_the_cure():
    def lacking() -> None:
        raise ImportError("the linker 'deep' needs depths: pip install depths")

    registry.register("linker", "deep", lacking)
    with pytest.raises(MissingExtra, match=r"^memory.linker = 'deep': the linker 'deep' needs depths: pip install"):
        registry.make("linker", "deep", {}, "memory.linker")
