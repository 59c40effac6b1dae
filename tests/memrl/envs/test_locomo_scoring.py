"""LoCoMo's scoring, with every number worked by hand."""

import pytest

from memrl.envs.locomo.porter import stem
from memrl.envs.locomo.scoring import abstains, f1, score, stems


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"), ("ponies", "poni"), ("ties", "tie"), ("cats", "cat"), ("feed", "feed"),
        ("agreed", "agre"), ("plastered", "plaster"), ("motoring", "motor"), ("sing", "sing"), ("hopping", "hop"),
        ("falling", "fall"), ("filing", "file"), ("happy", "happi"), ("enjoy", "enjoy"), ("relational", "relat"),
        ("vietnamization", "vietnam"), ("hopefulness", "hope"), ("analogies", "analog"), ("radically", "radic"),
        ("electrical", "electr"), ("adoption", "adopt"), ("dying", "die"), ("dried", "dri"), ("tied", "tie"),
        ("controlling", "control"), ("probate", "probat"), ("cease", "ceas"), ("us", "us"), ("2022", "2022"),
    ],
)  # fmt: skip
def test_stems_are_those_of_nltk(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_normalisation_drops_case_punctuation_articles_and_and() -> None:
    assert stems("The Dogs, AND a self-care plan!") == ["dog", "selfcar", "plan"]


def test_f1_counts_shared_stems_of_both_sides() -> None:
    # Shared: "adopt", "agenc"; 3 stems said, 2 meant: precision 2/3, recall 1, F1 = 0.8.
    assert f1("some adoption agency", "Adoption agencies") == pytest.approx(0.8)


def test_f1_counts_a_repeated_word_as_often_as_both_have_it() -> None:
    # Said dog x3, meant dog x1: shared 1, F1 = 2 * 1 / (3 + 1).
    assert f1("dog dog dog", "dog") == pytest.approx(0.5)


@pytest.mark.parametrize(("answer", "gold"), [("", "dog"), ("cat", "dog"), ("", ""), ("the", "a")])
def test_nothing_shared_scores_zero(answer: str, gold: str) -> None:
    assert f1(answer, gold) == 0.0


def test_multi_hop_averages_the_best_match_of_each_gold_part() -> None:
    # "camping" finds itself (1.0), "lake trip" finds "a trip" (2 * 1 / 3), "museum" finds nothing (0).
    assert score("a trip, camping", "camping, lake trip, museum", 1) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_multi_hop_passes_over_empty_parts_of_the_gold() -> None:
    assert score("camping", "camping, ", 1) == 1.0
    assert score("camping", " , ", 1) == 0.0


def test_open_domain_ignores_the_reason_after_the_semicolon() -> None:
    assert score("likely no", "Likely no; since she was hurt", 3) == 1.0
    assert score("likely no", "Likely no; since she was hurt", 4) == pytest.approx(2 * 2 / (2 + 6))


@pytest.mark.parametrize(
    "answer",
    ["No information available", "unknown", "Unknown.", "It is not mentioned.", "I don't know", "not specified"],
)
def test_an_adversarial_question_is_right_when_the_answer_abstains(answer: str) -> None:
    assert abstains(answer)
    assert score(answer, "whatever", 5) == 1.0


@pytest.mark.parametrize("answer", ["", "self-care", "an unknown painter", "Yes", "no"])
def test_an_adversarial_question_is_wrong_otherwise(answer: str) -> None:
    assert score(answer, "self-care", 5) == 0.0


def test_only_the_first_line_of_an_answer_counts() -> None:
    assert score("\n 7 May 2023\nbecause she said so", "7 May 2023", 2) == 1.0
    assert score("yes\nnot mentioned", "", 5) == 0.0
