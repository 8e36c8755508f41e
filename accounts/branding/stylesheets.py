"""Write the stylesheets of a company's two colours: for the frame of its pages, and for the previews (M33).

Each is made of the two colours in its address alone, so it holds nothing private and never changes.
"""

import re

from accounts.branding import colours
from factureya.core.refusals import Refused

_SLUG = re.compile(r"([0-9a-f]{6})-([0-9a-f]{6})")


def write_slug(main: str, accent: str) -> str:
    """Return how two colours stand in an address: «1f5f8b-f2a33a»."""
    return f"{main}-{accent}".replace("#", "")


def read_slug(slug: str) -> tuple[str, str]:
    """Return the two colours of an address. Raises Refused if it does not hold two colours."""
    match = _SLUG.fullmatch(slug)
    if match is None:
        raise Refused("no such colours")
    return f"#{match[1]}", f"#{match[2]}"


def write_portal_css(main: str, accent: str) -> str:
    """Return the stylesheet that gives our pages these colours, by day and by night.

    A colour that could not be read is corrected here too, whoever wrote the address.
    """
    shown, detail = colours.check_main(main).shown, colours.check_accent(accent).shown
    line = accent if colours.measure_contrast(accent, shown) >= colours.DETAIL_RATIO else colours.WHITE
    common = f"--fy-brand-strong:{shown};--fy-on-brand-2:#fff;--fy-on-dark-2:#fff;--fy-on-dark-line:#fff"
    light = f"{common};{_list_light_values(shown)}"
    dark = f"{common};{_list_dark_values(shown)}"
    return (
        f":root{{{light}}}\n"
        f'html[data-theme="dark"]{{{dark}}}\n'
        f'@media screen and (prefers-color-scheme:dark){{html[data-theme="auto"]{{{dark}}}}}\n'
        f".fy-top{{border-bottom:4px solid {detail}}}\n"
        f".fy .fy-top nav [aria-current]{{border-bottom-color:{line}}}\n"
    )


def write_preview_css(main: str, accent: str) -> str:
    """Return the stylesheet that gives these colours to the printed invoice alone, which is white paper always."""
    shown, detail = colours.check_main(main).shown, colours.check_accent(accent).shown
    return f".fy-inv{{--fy-inv-main:{shown};--fy-inv-detail:{detail}}}\n"


def _list_light_values(main: str) -> str:
    """Return the values of our light pages: links and buttons in the colour, a little darker if a note needs it."""
    deep = colours.darken(main, colours.LIGHT_NOTE, colours.TEXT_RATIO)
    soft, hover = colours.find_tint(deep, colours.WHITE), colours.mix(deep, "#000000", 80)
    return f"--fy-brand:{deep};--fy-brand-hover:{hover};--fy-brand-soft:{soft};--fy-on-brand:#fff"


def _list_dark_values(main: str) -> str:
    """Return the values of our dark pages: links and buttons in a lighter tone of the colour."""
    bright = colours.lighten(main, colours.DARK_NOTE, colours.TEXT_RATIO)
    soft = colours.find_tint(bright, colours.DARK_SURFACE)
    hover = colours.mix(bright, colours.WHITE, 75)
    ink = colours.DARK_INK
    return f"--fy-brand:{bright};--fy-brand-hover:{hover};--fy-brand-soft:{soft};--fy-on-brand:{ink}"
