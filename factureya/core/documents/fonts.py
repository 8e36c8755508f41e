"""Name the typefaces of our PDF documents: the portal's own, and one of fixed width that every reader has."""

from pathlib import Path

import fontpkg_atkinson_hyperlegible
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

_FILES = Path(fontpkg_atkinson_hyperlegible.__file__).parent / "files"
REGULAR, BOLD, MONO = "Atkinson", "Atkinson-Bold", "Courier"
for _font, _file in ((REGULAR, "AtkinsonHyperlegible-Regular"), (BOLD, "AtkinsonHyperlegible-Bold")):
    pdfmetrics.registerFont(TTFont(_font, _FILES / f"{_file}.ttf"))
