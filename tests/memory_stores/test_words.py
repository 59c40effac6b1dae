"""Words in all scripts, and the searches that go by them."""

import pytest

from memory_stores import Bm25Store, GraphStore, Link, Retrieve, TokenStore, Write
from memory_stores.words import asked_words, words, words_in_a_row


def cost(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The KEY's in box_2, no. 31-a!", ("the", "key", "s", "in", "box_2", "no", "31", "a")),
        ("naïve café", ("naive", "cafe")),
        ("cafe\u0301", ("cafe",)),
        ("Straße ÅNGSTRÖM łódź", ("strasse", "angstrom", "lodz")),
        ("ＩＮＶ ２０９１ ﬁne", ("inv", "2091", "fine")),
        ("我住巴黎", ("我", "住", "巴", "黎", "我住", "住巴", "巴黎")),
        ("猫 cat", ("猫", "cat")),
        ("が", ("が",)),
        ("한국어 공부", ("한국어", "공부")),
        ("हिन्दी", ("हिन्दी",)),
        ("Мёд", ("мед",)),
        ("… —", ()),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_words_in_a_row_have_no_pairs():
    assert words_in_a_row("我住 in Zürich") == ("我", "住", "in", "zurich")


def test_an_unknown_word_is_looked_for_as_it_may_have_been_written():
    held = {"inv", "2091", "inv77", "ana"}.__contains__
    assert asked_words(words("Where is INV2091"), held) == ("where", "is", "inv", "2091")
    assert asked_words(words("inv-77, ana"), held) == ("inv", "inv77", "ana")
    assert asked_words(words("inv 2091 inv77"), held) == ("inv", "2091", "inv77")  # all known: left as they are
    assert asked_words(words("A4 paper"), held) == ("a4", "paper")


STORES = [lambda: TokenStore(99, cost), lambda: Bm25Store(99, cost)]


@pytest.mark.parametrize("make", STORES)
@pytest.mark.parametrize(
    ("held", "query"),
    [
        ("Invoice INV-2091 is paid", "INV2091"),
        ("Invoice INV2091 is paid", "inv-2091?"),
        ("the naïve café opens", "naive cafe"),
        ("the naive cafe opens", "naïve café"),
        ("the cafe\u0301 opens", "café"),
        ("我住在巴黎", "巴黎在哪里"),
        ("我的猫叫小白", "猫"),
        ("東京タワーに行った", "タワー"),
        ("seat ４２", "42"),
    ],
)
def test_a_text_is_found_however_it_is_written(make, held, query):
    store = make()
    name = store.store
    store.apply(Write("a lamp in the attic", name))
    store.apply(Write(held, name))
    assert [hit.text for hit in store.apply(Retrieve(query, name)).hits] == [held]


def test_neighbouring_characters_count_for_more_than_characters_apart():
    store = Bm25Store(99, cost)
    for text in ("黎明 的 巴士", "我住在巴黎啊"):
        store.apply(Write(text, "archive"))
    assert store.apply(Retrieve("巴黎", k=1)).hits[0].text == "我住在巴黎啊"


@pytest.mark.parametrize(
    ("name", "query"),
    [("José", "where is jose?"), ("Jose", "José"), ("東京", "東京タワー"), ("INV-2091", "who paid INV2091?")],
)
def test_an_entity_is_mentioned_however_it_is_written(name, query):
    store = GraphStore(99, cost)
    store.apply(Link("Bob", "knows", "Cyd"))
    store.apply(Link(name, "near", "box"))
    assert [hit.id for hit in store.apply(Retrieve(query, "graph", hops=1)).hits] == ["g2"]
