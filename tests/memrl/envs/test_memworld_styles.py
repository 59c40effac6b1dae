"""The styles of MemWorld: what is in them, what is held out, and that they change words only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import astuple, replace
from hashlib import sha256
from pathlib import Path
from string import Formatter

import pytest
from memworld_said import fact_tables, pattern

from memrl.envs.memworld import backward, phrasings, phrasings_noise, presets
from memrl.envs.memworld.env import UNTRUSTED, MemWorldTasks, shown
from memrl.envs.memworld.events import (
    QUERIES,
    AskAct,
    AskPath,
    Assert,
    Cancel,
    Contradict,
    Distract,
    Link,
    Plan,
    Retract,
    Unlink,
    Update,
)
from memrl.envs.memworld.gates import leak_in
from memrl.envs.memworld.names import NAMES, NUMBERS, is_person
from memrl.envs.memworld.program import Program, write_program
from memrl.envs.memworld.render import allowed
from memrl.envs.memworld.styles.alias import PERSON_BYNAMES, THING_BYNAMES
from memrl.envs.memworld.styles.book import BOOK
from memrl.envs.memworld.styles.style import BARE, Style
from memrl.envs.memworld.theta import STYLES, Theta
from memrl.envs.memworld.voice import Voice
from memrl.testing import check_env

NATURAL = presets.natural()
WILD = replace(
    presets.everything(), train_styles=NATURAL.train_styles, eval_styles=NATURAL.eval_styles, disguise_rate=0.5
)
"""Every kind of event and question, said as in ``natural``."""
HELD_OUT = {name: BOOK[name] for name in NATURAL.eval_styles}
ERRANDS = replace(presets.errands(), train_styles=NATURAL.train_styles, eval_styles=NATURAL.eval_styles)
BY_STYLE = sorted(BOOK.items())
ALL_NAMES = {name for names in NAMES.values() for pool in astuple(names) for name in pool}


def in_style(theta: Theta, *styles: str, **axes: float) -> Theta:
    """``theta`` with both splits said in these styles."""
    return replace(theta, train_styles=styles, eval_styles=styles, **axes)


def whole(style: Style, table: str) -> int:
    """In how many ways a table's kind of event may be said."""
    frames = style.ask_frames if table.startswith("ask") else style.frames
    return len(style.tables()[table]) * len(frames)


def literal(text: str) -> str:
    """A phrasing in lower case without punctuation, so that two that differ in little else are one."""
    return re.sub(r"[^a-z{} ']", "", text.lower()).strip()


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def plain_tables() -> Iterator[str]:
    for module in (phrasings, phrasings_noise):
        for name, table in vars(module).items():
            if isinstance(table, tuple) and name != "DAY":
                yield from table
            elif name == "LINK":
                yield from (phrasing for tuples in table.values() for phrasing in tuples)


def test_every_style_is_in_the_book_and_natural_plays_each_in_one_split():
    assert {"plain", *BOOK} == set(STYLES) and len(STYLES) >= 8
    assert not set(NATURAL.train_styles) & set(NATURAL.eval_styles)
    assert set(NATURAL.train_styles) | set(NATURAL.eval_styles) == set(STYLES)


@pytest.mark.parametrize(("name", "style"), BY_STYLE)
def test_there_are_twelve_ways_to_say_each_kind_of_event(name: str, style: Style):
    for table, phrases in style.tables().items():
        assert len(set(phrases)) == len(phrases), (name, table)
        if table not in ("frames", "ask_frames"):
            assert whole(style, table) >= 12, (name, table)


def test_no_two_styles_share_a_phrasing_that_either_split_could_leak():
    where = defaultdict(set)
    for phrasing in plain_tables():
        where[literal(phrasing)].add("plain")
    for name, style in BOOK.items():
        for table in style.tables().values():
            for phrasing in table if table != BARE else ():
                where[literal(phrasing)].add(name)
    for phrasing, names in where.items():
        assert len(names) == 1 or not names & set(HELD_OUT), (phrasing, names)


@pytest.mark.parametrize(("name", "style"), BY_STYLE)
def test_no_word_of_a_phrasing_is_a_name(name: str, style: Style):
    phrases = [phrase for table in style.tables().values() for phrase in table]
    for phrase in (*phrases, *THING_BYNAMES, *PERSON_BYNAMES):
        assert not ALL_NAMES & set(re.findall(r"[A-Za-z]+", re.sub(r"{\w}", " ", phrase))), phrase


@pytest.mark.parametrize(("name", "style"), BY_STYLE)
def test_every_phrasing_has_the_slots_that_state_its_fact(name: str, style: Style):
    for table, needed in fact_tables().items():
        for phrase in style.tables()[table]:
            slots = {slot.lower() for _, slot, _, _ in Formatter().parse(phrase) if slot}
            for either in needed:
                assert slots & set(either), (table, phrase)
    for phrase in (*style.ask_frames, *style.ask_count):
        assert not set(NUMBERS) & words_of(phrase), f"{phrase}: a count may be the answer"
    for frame in (*style.frames, *style.ask_frames):
        assert len(re.findall(r"{[xX]}", frame)) == 1, frame


def programs(theta: Theta, split: str, count: int) -> list[Program]:
    return [write_program(theta, seed, split) for seed in range(count)]


def test_the_training_split_renders_no_phrasing_and_no_frame_of_a_held_out_style():
    held_out = [pattern(text) for style in HELD_OUT.values() for text in pieces(style)]
    training = {t for theta in (NATURAL, WILD, ERRANDS) for p in programs(theta, "train", 25) for t in p.texts}
    for text in training:
        bare = re.sub(r"^(On day|Day|It is day) \d+(, noted)?: ", "", text)
        assert not [p.pattern for p in held_out if p.fullmatch(bare)], text
    # The patterns do see what they are for: everything that the held-out split says.
    for text in {t for theta in (NATURAL, WILD, ERRANDS) for p in programs(theta, "eval", 5) for t in p.texts}:
        bare = re.sub(r"^(On day|Day|It is day) \d+(, noted)?: ", "", text)
        assert any(p.fullmatch(bare) for p in held_out), text


def pieces(style: Style) -> Iterator[str]:
    """What a whole text of the style looks like: its frames where it has any, else its phrasings."""
    for name, table in style.tables().items():
        frames = style.ask_frames if name.startswith("ask") else style.frames
        if table != BARE and (frames == BARE or name in ("frames", "ask_frames")):
            yield from table


def test_the_splits_share_no_name_in_any_style():
    for split, other in (("train", "eval"), ("eval", "train")):
        foreign = {n for pool in astuple(NAMES[other]) for n in pool} - {"dinner"}
        for program in programs(WILD, split, 10):
            for text in program.texts:
                assert not foreign & set(re.findall(r"[A-Za-z]+", text)), text


@pytest.mark.parametrize("name", STYLES)
def test_a_style_changes_words_only(name: str):
    for split in ("train", "eval"):
        plain = write_program(presets.everything(), 4, split)
        styled = write_program(in_style(presets.everything(), name, typos=0.2, lower_case=0.5), 4, split)
        assert styled.events == plain.events and styled.answers == plain.answers and styled.cast == plain.cast
        assert styled.texts != plain.texts


@pytest.mark.parametrize("name", STYLES)
def test_what_supports_an_answer_says_it(name: str):
    said = 0
    for seed in range(8):
        theta = presets.errands() if seed % 2 else presets.everything()
        program = write_program(in_style(theta, name, typos=0.3), seed, "eval")
        for query, steps in backward.supports(program.events).items():
            texts = {step: program.texts[step] for step in steps}
            for step, text in texts.items():
                event = program.events[step]
                words = words_of(text)
                stated = (event.subject, event.value) if isinstance(event, Assert | Link | Plan) else (event.subject,)
                assert {name.lower() for name in stated} <= words, text
                said += 1
            answer = program.answers[query]
            if steps and not isinstance(program.events[query], AskPath) and answer in ALL_NAMES:
                assert any(re.search(rf"\b{answer}\b", text, re.I) for text in texts.values())
    assert said > 50


@pytest.mark.parametrize("name", STYLES)
def test_every_event_names_what_it_is_about_and_leaves_no_slot_open(name: str):
    for program in programs(in_style(WILD, name), "train", 8) + programs(in_style(ERRANDS, name), "train", 8):
        for event, text in zip(program.events, program.texts, strict=True):
            assert not set("{}") & set(text) and text == text.strip() and "  " not in text
            assert text[0].isupper() or text[0] in '"(0123456789'
            if isinstance(event, Retract | Unlink | Contradict):
                assert {event.subject.lower(), event.value.lower()} <= words_of(text), text
            if isinstance(event, Plan):
                assert {event.subject, event.value.lower(), event.signal} <= words_of(text), text
            if isinstance(event, Cancel | AskAct):
                assert event.signal in words_of(text), text
            elif isinstance(event, QUERIES):
                assert getattr(event, "subject", getattr(event, "place", "")).lower() in text.lower()


@pytest.mark.parametrize("split", ["train", "eval"])
def test_no_question_stands_in_what_is_told_and_none_holds_its_answer(split: str):
    for theta in (NATURAL, WILD, ERRANDS, replace(WILD, typos=0.1, lower_case=1.0)):
        for program in programs(theta, split, 30):
            asked = [(program.texts[query.step], program.answers[query.step]) for query in program.queries]
            told = [t for t, e in zip(program.texts, program.events, strict=True) if not isinstance(e, QUERIES)]
            assert leak_in(asked, told) is None


def test_every_style_of_a_split_is_played_about_as_often():
    theta = replace(NATURAL, train_styles=("chat", "note"), contradict_rate=0.0)
    texts = [text for program in programs(theta, "train", 30) for text in program.texts]
    chat = sum(bool(re.match(r"[A-Z][a-z]+: ", text)) and text.split(":")[0] in ALL_NAMES for text in texts)
    assert 0.45 < chat / len(texts) < 0.55


def test_a_disguised_report_is_said_as_a_fact_and_only_trust_tells():
    theta = in_style(WILD, "question_tag", disguise_rate=1.0, contradict_rate=0.3, retract_rate=0.0)
    seen = 0
    for program in programs(theta, "eval", 6):
        voice = Voice(theta, "eval", program.cast)
        for event, observation in zip(program.events, shown(program), strict=True):
            if not isinstance(event, Contradict):
                assert observation.trust == 1.0
                continue
            stamp = {"step": event.step, "wording": event.wording, "day": event.day}
            own = {"subject": event.subject, "value": event.value}
            actors = program.cast.bystanders if event.relation == "location" else ("",)
            facts = [
                Update(**stamp, **own, actor=actor)
                if event.relation == "location"
                else Link(**stamp, **own, relation=event.relation)
                for actor in actors
            ]
            assert observation.text in {voice.say(fact) for fact in facts}
            assert observation.trust == UNTRUSTED
            seen += 1
    assert seen > 20


def test_half_of_the_untrusted_reports_of_natural_are_disguised():
    bare = replace(NATURAL, contradict_rate=0.3, disguise_rate=0.0)
    pairs = zip(programs(bare, "train", 30), programs(replace(bare, disguise_rate=0.5), "train", 30), strict=True)
    said = [
        one != two
        for honest, mixed in pairs
        for event, one, two in zip(honest.events, honest.texts, mixed.texts, strict=True)
        if isinstance(event, Contradict)
    ]
    assert len(said) > 200 and 0.4 < sum(said) / len(said) < 0.6


def test_a_style_of_both_splits_holds_out_every_fourth_phrasing():
    theta = in_style(Theta(distractor_level=1), "question_tag")
    table = BOOK["question_tag"].update_thing
    for split in ("train", "eval"):
        ours = [pattern(text) for text in allowed(table, split)]
        others = [pattern(text) for text in table if text not in allowed(table, split)]
        texts = [
            text
            for program in programs(theta, split, 15)
            for event, text in zip(program.events, program.texts, strict=True)
            if isinstance(event, Update)
        ]
        assert all(any(p.fullmatch(text) for p in ours) for text in texts)
        assert not any(p.fullmatch(text) for p in others for text in texts)


def test_bynames_stay_with_their_things_and_differ():
    theta = in_style(Theta(objects=8, horizon=96), "alias")
    for program in programs(theta, "eval", 6):
        bynames = defaultdict(set)
        for event, text in zip(program.events, program.texts, strict=True):
            about = event.subject if isinstance(event, Assert) else getattr(event, "thing", "")
            if isinstance(event, Assert | Distract) and getattr(event, "flavour", "") != "chatter":
                bynames[about] |= {name for name in THING_BYNAMES if name in text.lower().replace("grandma", "Grandma")}
        assert all(len(names) <= 1 for names in bynames.values())
        found = [name for names in bynames.values() for name in names]
        assert len(found) == len(set(found)) >= 8
    assert len(THING_BYNAMES) >= 15 and len(PERSON_BYNAMES) >= 15
    assert not any(map(is_person, THING_BYNAMES[:2]))


@pytest.mark.parametrize("split", ["train", "eval"])
@pytest.mark.parametrize("theta", [NATURAL, WILD, ERRANDS, replace(NATURAL, typos=0.1, lower_case=1.0)])
def test_the_natural_world_keeps_every_promise(theta: Theta, split):
    source = MemWorldTasks(theta)
    check_env(source, source.task(5, split))


def test_the_page_shows_a_true_line_of_each_style_and_where_it_is_played():
    page = (Path(__file__).parents[3] / "docs" / "memworld.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.M))
    assert set(rows) == set(STYLES)
    for name, row in rows.items():
        line, where = row.split(" | ")
        assert where == ("held out" if name in HELD_OUT else "training")
        of_style = plain_tables() if name == "plain" else pieces(BOOK[name])
        assert any(pattern(text).fullmatch(line) for text in of_style), line


def test_the_default_says_what_it_always_said():
    texts = [p.texts for split in ("train", "eval") for p in programs(Theta(), split, 3)]
    assert sha256(repr(texts).encode()).hexdigest()[:16] == "61c7ad2493c42fc6"
