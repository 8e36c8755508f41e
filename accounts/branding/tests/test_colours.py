"""Colours that people could not read are corrected, in every place where they are shown (M33, WCAG AA)."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.branding import colours, stylesheets
from factureya.core.refusals import Refused

pytestmark = [pytest.mark.once, pytest.mark.clause("M33")]
TOKENS = (Path(__file__).parents[3] / "static/css/tokens.css").read_text()
# Every ground on which our pages write links, by day and by night.
LIGHT_GROUNDS, DARK_GROUNDS = (
    re.findall(r"--fy-(?:paper|surface|surface-2|[a-z]+-bg): (#[0-9a-f]{6})", part)
    for part in TOKENS.partition("@media screen")[0].split('html[data-theme="dark"]')
)
COLOUR = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_contrast_is_that_of_wcag():
    assert colours.measure_contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colours.measure_contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert colours.measure_contrast("#1f5f8b", "#ffffff") == colours.measure_contrast("#ffffff", "#1f5f8b")


@pytest.mark.parametrize(
    ("typed", "read"), [("#1F5F8B", "#1f5f8b"), (" 1f5f8b ", "#1f5f8b"), ("#fff", "#ffffff"), ("0aF", "#00aaff")]
)
def test_a_colour_is_read_as_people_type_it(typed: str, read: str):
    assert colours.read_colour(typed) == read


@pytest.mark.parametrize("typed", ["", "#", "azul", "#12345", "#1234567", "#１２３４５６", "#12345\n;", "##123456"])
def test_what_is_no_colour_is_refused(typed: str):
    with pytest.raises(Refused):
        colours.read_colour(typed)


def test_a_good_colour_stays_and_a_pale_one_keeps_its_hue():
    assert not colours.check_main("#1f5f8b").is_corrected
    check = colours.check_accent("#f2a33a")
    assert check.is_corrected
    assert check.chosen_ratio < 3 <= check.shown_ratio < 3.1
    assert check.shown.startswith("#c") or check.shown.startswith("#d")  # a darker orange


@settings(max_examples=300, deadline=None)
@given(COLOUR)
def test_every_colour_becomes_readable_by_day(colour: str):
    main, accent = colours.check_main(colour), colours.check_accent(colour)
    for ground in ("#ffffff", "#f6f5f0", "#faf9f5"):
        assert colours.measure_contrast(main.shown, ground) >= 4.5
    assert colours.measure_contrast(accent.shown, "#f6f5f0") >= 3
    assert main.is_corrected == (main.chosen_ratio < 4.5)
    assert colours.check_main(main.shown).shown == main.shown  # once corrected, it stays


def test_the_grounds_of_our_pages_are_found():
    assert len(LIGHT_GROUNDS) == len(DARK_GROUNDS) == 11


def values_of(css: str, name: str) -> list[str]:
    return re.findall(rf"{name}:(#[0-9a-f]{{6}})", css)


@settings(max_examples=300, deadline=None)
@given(COLOUR, COLOUR)
def test_every_stylesheet_is_readable_by_day_and_by_night(main: str, accent: str):
    css = stylesheets.write_portal_css(main, accent)
    brand, soft, hover = (values_of(css, name) for name in ("--fy-brand", "--fy-brand-soft", "--fy-brand-hover"))
    day, *nights = zip(brand, soft, hover, strict=True)
    assert len(nights) == 2
    assert nights[0] == nights[1]
    for text in (day[0], day[2]):
        for ground in (*LIGHT_GROUNDS, day[1]):
            assert colours.measure_contrast(text, ground) >= 4.5
    for text in (nights[0][0], nights[0][2]):
        for ground in (*DARK_GROUNDS, nights[0][1], "#07211e"):
            assert colours.measure_contrast(text, ground) >= 4.5
    for strong in values_of(css, "--fy-brand-strong"):
        assert colours.measure_contrast(strong, "#ffffff") >= 4.5
        line = values_of(css, "border-bottom-color")[0]
        assert colours.measure_contrast(line, strong) >= 3


def test_a_slug_is_two_colours_and_nothing_else():
    assert stylesheets.read_slug(stylesheets.write_slug("#1f5f8b", "#f2a33a")) == ("#1f5f8b", "#f2a33a")
    for slug in ("", "1f5f8b", "1f5f8b-f2a33", "1F5F8B-f2a33a", "1f5f8b-f2a33a\n", "1f5f8b-f2a33a}"):
        with pytest.raises(Refused):
            stylesheets.read_slug(slug)
