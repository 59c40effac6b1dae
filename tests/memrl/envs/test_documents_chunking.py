"""Sentences, chunks, and evidence that follows them."""

from __future__ import annotations

from memrl.envs.documents.chunking import chunked, count, cut
from memrl.envs.documents.records import Question, Stream, Unit
from memrl.envs.documents.spans import sentences, spans

LONG = Unit(id="u", text="The lamp is red. Ana bought it. It stands on a shelf.", speaker="Ben")
SHORT = Unit(id="v", text="Ana left.")


def asked(*evidence: str, answers: tuple[str, ...] = ("red",), **more) -> Question:
    return Question(id="q", question="?", answers=answers, evidence=evidence, **more)


def stream(*questions: Question) -> Stream:
    return Stream(id="s", units=(LONG, SHORT), questions=questions)


def test_sentences_end_where_a_reader_would_end_them() -> None:
    text = 'Dr. Ames left. "Why?" he said. J. Reek stayed!\nNobody knew'
    assert sentences(text) == ["Dr. Ames left.", '"Why?"', "he said.", "J. Reek stayed!", "Nobody knew"]
    assert sentences("Newton D . Baker came . He stayed .") == ["Newton D . Baker came .", "He stayed ."]
    assert [text[a:b] for a, b in spans(text)][-1] == "Nobody knew" and spans("  ") == []


def test_pieces_hold_as_many_sentences_as_fit() -> None:
    # Words and marks: 5, 4 and 6 in the three sentences.
    assert [count(one) for one in sentences(LONG.text)] == [5, 4, 6]
    assert cut(LONG.text, 9) == ["The lamp is red. Ana bought it.", "It stands on a shelf."]
    assert cut(LONG.text, 8) == ["The lamp is red.", "Ana bought it.", "It stands on a shelf."]
    assert cut("one two three four five", 2) == ["one two", "three four", "five"]


def test_evidence_names_the_pieces_that_hold_the_answer_or_all_of_them() -> None:
    made = chunked(stream(asked("u"), asked("u", answers=("green",)), asked("v", "u", answers=("Ana",))), 6)
    assert [(unit.id, unit.speaker) for unit in made.units] == [
        ("u#0", "Ben"),
        ("u#1", "Ben"),
        ("u#2", "Ben"),
        ("v", ""),
    ]
    assert [question.supports for question in made.questions] == [
        (("u#0",),),
        (("u#0", "u#1", "u#2"),),
        (("v", "u#1"),),
    ]


def test_any_of_several_pieces_with_the_answer_is_enough() -> None:
    unit = Unit(id="u", text="Red it is. Blue it was. Red again.")
    question = asked("u", evidence_alt=(("u",),), outdated=(("u",),), after_unit="u", region=("u",))
    made = chunked(Stream(id="s", units=(unit,), questions=(question,)), 4).questions[0]
    assert made.supports == (("u#0",), ("u#2",))
    assert (made.after_unit, made.region) == ("u#2", ("u#0", "u#1", "u#2"))
    assert made.outdated == (("u#0", "u#1", "u#2"),)


def test_a_stream_of_short_units_stays_as_it_is_and_ids_stay_apart() -> None:
    assert chunked(stream(asked("u")), 0) == stream(asked("u")) == chunked(stream(asked("u")), 15)
    odd = Stream(id="s", units=(Unit(id="u#0", text="Ana."), LONG), questions=(asked("u#0"),))
    assert [unit.id for unit in chunked(odd, 9).units] == ["u#0", "u##0", "u##1"]


def test_text_without_blanks_is_cut_too() -> None:
    text = "灯笼在阁楼里。钥匙在花盆下面！它在哪里？" * 3
    assert sentences(text)[:3] == ["灯笼在阁楼里。", "钥匙在花盆下面！", "它在哪里？"] and count("灯笼在阁楼里。") == 7
    assert all(count(one) <= 16 for one in cut(text, 16)) and "".join(cut(text, 16)).replace(" ", "") == text
    assert cut("灯笼在阁楼里", 4) == ["灯笼在阁", "楼里"] and cut("a-b-c-d", 4) == ["a-b-", "c-d"]
