"""Measure the contrast of a company's colours, and correct those that people could not read (M33, WCAG 2.2 AA).

A colour is a text like «#1f5f8b». A corrected colour keeps its hue; only its lightness changes, as little as needed.
"""

import colorsys
import re
from dataclasses import dataclass

from factureya.core.refusals import Refused

DEFAULT_MAIN, DEFAULT_ACCENT = "#073f3a", "#f5b629"  # static/css/tokens.css
WHITE, PAPER = "#ffffff", "#f6f5f0"  # what stands on a dark colour; the darkest of the light grounds of our pages
# Links stand on the grounds of notes and messages too: here the darkest of them by day, and the lightest by night.
LIGHT_NOTE, DARK_NOTE = "#e8e9e4", "#2a3532"
DARK_SURFACE, DARK_INK = "#18221f", "#07211e"
TEXT_RATIO, DETAIL_RATIO = 4.5, 3.0  # WCAG 1.4.3 and 1.4.11
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_STEPS = 400  # of lightness between black and white


@dataclass(frozen=True)
class Check:
    """Hold a chosen colour, the colour that is shown in its place, and how well each is seen on a light ground."""

    chosen: str
    shown: str
    chosen_ratio: float
    shown_ratio: float
    needed: float

    @property
    def is_corrected(self) -> bool:
        """Return True if the chosen colour was too pale, so that another one is shown."""
        return self.shown != self.chosen


def read_colour(text: str) -> str:
    """Return a typed colour as «#1f5f8b»; the «#» may be missing, and «#fff» is «#ffffff». Raises Refused."""
    digits = text.strip().lower().removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    colour = f"#{digits}"
    if not _COLOUR.fullmatch(colour):
        raise Refused("Escriba el color con # y seis cifras o letras de la A a la F, por ejemplo #1f5f8b.")
    return colour


def measure_contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG defines it, from 1 (the same) to 21 (black and white)."""
    darker, lighter = sorted((_measure_luminance(one), _measure_luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def check_main(colour: str) -> Check:
    """Return the check of a main colour (*principal*): white text on it, and text in it on paper, must be readable."""
    return _check_on_paper(colour, TEXT_RATIO)


def check_accent(colour: str) -> Check:
    """Return the check of an accent colour (*acento*), which has no text and only must be seen on paper."""
    return _check_on_paper(colour, DETAIL_RATIO)


def darken(colour: str, ground: str, ratio: float) -> str:
    """Return the colour itself, or the lightest darker one of its hue that has this contrast with a light ground."""
    return _change_lightness(colour, ground, ratio, end=0.0)


def lighten(colour: str, ground: str, ratio: float) -> str:
    """Return the colour itself, or the darkest lighter one of its hue that has this contrast with a dark ground."""
    return _change_lightness(colour, ground, ratio, end=1.0)


def mix(colour: str, ground: str, percent: int) -> str:
    """Return a colour that is `percent` of `colour` and for the rest the ground."""
    pairs = zip(_read_channels(colour), _read_channels(ground), strict=True)
    return _write_channels(*((percent * one + (100 - percent) * other) / 100 for one, other in pairs))


def find_tint(colour: str, ground: str) -> str:
    """Return the strongest tint of the ground on which text in this colour is readable; else the ground itself."""
    tints = (mix(colour, ground, percent) for percent in (14, 12, 10, 8, 6, 4, 2))
    return next((tint for tint in tints if measure_contrast(colour, tint) >= TEXT_RATIO), ground)


def _check_on_paper(colour: str, needed: float) -> Check:
    """Return the check of a colour that must have the contrast `needed` with paper."""
    shown = darken(colour, PAPER, needed)
    return Check(colour, shown, measure_contrast(colour, PAPER), measure_contrast(shown, PAPER), needed)


def _change_lightness(colour: str, ground: str, ratio: float, *, end: float) -> str:
    """Return the colour, moved towards black (`end` 0) or white (1) until it has this contrast with the ground."""
    if measure_contrast(colour, ground) >= ratio:
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*_read_channels(colour))
    for step in range(1, _STEPS + 1):
        changed = lightness + (end - lightness) * step / _STEPS
        candidate = _write_channels(*colorsys.hls_to_rgb(hue, changed, saturation))
        if measure_contrast(candidate, ground) >= ratio:
            return candidate
    return "#ffffff" if end else "#000000"  # the last step, rounded


def _measure_luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 (black) to 1 (white), as WCAG defines it."""
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _read_channels(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _read_channels(colour: str) -> tuple[float, float, float]:
    """Return red, green and blue of a colour, each from 0 to 1."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _write_channels(red: float, green: float, blue: float) -> str:
    """Return the colour of three channels, each from 0 to 1."""
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in (red, green, blue))
