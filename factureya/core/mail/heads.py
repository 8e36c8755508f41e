"""Write a mail also as HTML, with the image of the reader's company at its head (M33).

The text stays the mail's first part and says everything. The HTML is that text, escaped, under the head; it loads
nothing from anywhere: the logo travels inside the mail. A mail without a head of a company is text alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from email.mime.image import MIMEImage
from itertools import groupby

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.module_loading import import_string

from factureya.core.models import OutboxMessage

LOGO = "logo"  # the content ID of the picture
SCREEN_SHARE = 2  # the picture has twice the pixels that are shown, for dense screens


@dataclass(frozen=True)
class Head:
    """Hold the head of a mail: the company's name, its colour under white text, and its logo (PNG, or empty)."""

    name: str
    colour: str
    logo: bytes = b""
    logo_width: int = 0  # pixels as shown
    needs_plate: bool = True  # the logo is shown on white


@dataclass(frozen=True)
class Paragraph:
    """Hold the lines of one paragraph of a mail; one that is a link of ours alone has its address in `url`."""

    lines: tuple[str, ...]
    url: str = ""


def find_head(message: OutboxMessage) -> Head | None:
    """Return the head that a company has chosen for this mail, by the hook OUTBOX_HEAD; None for Factureya's."""
    hook = settings.OUTBOX_HEAD
    head: Head | None = import_string(hook)(message) if hook else None
    return head


def add_html(email: EmailMultiAlternatives, head: Head, subject: str) -> None:
    """Add to a mail its text as HTML under this head, with the logo as a part of the mail."""
    context = {"head": head, "paragraphs": list(_split_paragraphs(str(email.body))), "subject": subject}
    email.attach_alternative(render_to_string("mail/head.html", context), "text/html")
    if head.logo:
        picture = MIMEImage(head.logo, "png")
        picture["Content-ID"] = f"<{LOGO}>"
        picture["Content-Disposition"] = 'inline; filename="logo.png"'
        email.attach(picture)
        # The picture belongs to the HTML: mail programs list it as no attachment.
        email.mixed_subtype = "related"  # type: ignore[attr-defined]


def _split_paragraphs(body: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a mail's text. A link is made only of a line that is an address of our own site."""
    for is_blank, group in groupby(body.splitlines(), key=lambda line: not line.strip()):
        if is_blank:
            continue
        for is_own, lines in groupby(group, key=_is_own_address):
            texts = tuple(lines)
            yield from (Paragraph((text,), text) for text in texts) if is_own else [Paragraph(texts)]


def _is_own_address(line: str) -> bool:
    """Return True if a line of a mail is an address of our own site and nothing else."""
    return line.startswith(f"{settings.SITE_URL}/") and len(line.split()) == 1
