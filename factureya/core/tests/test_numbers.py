"""Tracking numbers: dictated by phone, checked without a query, disclosing no count (M10)."""

import re
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from factureya.core import numbers
from factureya.core.numbers import ALPHABET, InvalidNumber, complete_number, make_number, parse_number

pytestmark = pytest.mark.clause("M10")
PREFIXES = ["FY", "SA", "SC", "EM", "PC"]
characters = st.text(ALPHABET, min_size=7, max_size=7)
prefixes = st.sampled_from(PREFIXES)
places = st.integers(0, 7)


def compact(number: str) -> str:
    """The 8 characters after the prefix."""
    return number[3:].replace("-", "")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_new_number_reads_back_and_none_repeats(prefix):
    drawn = {make_number(prefix) for _ in range(2000)}
    assert len(drawn) == 2000
    assert all(re.fullmatch(rf"{prefix}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", n) for n in drawn)
    assert all(parse_number(prefix, number) == number for number in drawn)


def test_the_numbers_are_spread_over_the_whole_alphabet():
    drawn = [compact(make_number("FY"))[:7] for _ in range(2000)]
    for place in range(7):
        assert len({number[place] for number in drawn}) == 32


def test_no_character_can_be_taken_for_another():
    assert len(ALPHABET) == 32
    assert not set(ALPHABET) & set("OILU")


def test_a_known_number():
    assert complete_number("FY", "7K3M9QX") == "FY-7K3M-9QX1"


@given(prefixes, characters, places, st.sampled_from(ALPHABET))
def test_any_mistyped_character_is_found(prefix, random, place, wrong):
    right = compact(complete_number(prefix, random))
    assume(right[place] != wrong)
    typed = right[:place] + wrong + right[place + 1 :]
    with pytest.raises(InvalidNumber):
        parse_number(prefix, f"{prefix}-{typed}")


@given(characters)
def test_two_neighbours_swapped_are_found_except_0_and_z(random):
    right = compact(complete_number("FY", random))
    for place, pair in enumerate(pairwise(right)):
        typed = right[:place] + pair[1] + pair[0] + right[place + 2 :]
        if pair[0] == pair[1] or set(pair) == {"0", "Z"}:  # 2 of the 992 unequal pairs: what Luhn leaves
            continue
        with pytest.raises(InvalidNumber):
            parse_number("FY", typed)


@given(prefixes, characters, st.data())
def test_case_hyphens_blanks_and_lookalikes_are_forgiven(prefix, random, data):
    number = complete_number(prefix, random)
    typed = ""
    for character in number:
        alike = {"0": "0Oo", "1": "1IiLl", "-": ["-", "", " ", " – ", "—", "‑", "."]}
        typed += data.draw(st.sampled_from(alike.get(character, [character, character.lower()])))
    assert parse_number(prefix, f"  {typed}\t") == number


@given(prefixes, characters)
def test_the_prefix_is_optional(prefix, random):
    number = complete_number(prefix, random)
    assert parse_number(prefix, number[3:]) == number
    assert parse_number(prefix, compact(number).lower()) == number


@given(st.text(ALPHABET, min_size=5, max_size=5))
def test_a_number_that_begins_like_its_prefix(random):
    number = complete_number("FY", f"FY{random}")
    assert parse_number("FY", number) == number
    assert parse_number("FY", compact(number)) == number


@given(st.text(max_size=40))
def test_anything_else_is_refused_with_its_own_error(text):
    try:
        number = parse_number("FY", text)
    except InvalidNumber:
        return
    assert parse_number("FY", number) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FY",
        "FY-",
        "FY-7K3M-9QX",
        "FY-7K3M-9QX11",
        "FY-7K3M-9QXU",
        "SA-7K3M-9QX1",
        "ñ" * 8,
        "FYFY-7K3M-9QX1",
        "٧K3M9QX1",
    ],
)
def test_garbage(text):
    with pytest.raises(InvalidNumber):
        parse_number("FY", text)


def test_the_check_character_alone_decides():
    good = sum(numbers._compute_check_character("7K3M9QX") == c for c in ALPHABET)
    assert good == 1
