"""The mails of the bench: the same words for us and for the peer, each with its own ids and numbers.

Half of them are new and half replies, by id and by number in the subject in turn; one in five is HTML alone, one in
ten brings an image of 20 kB.
"""

from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from io import BytesIO
from random import Random

from django.conf import settings
from PIL import Image

AUTHSERV = "mx.bench.example"
CYCLE = 20  # after which the mix repeats
IMAGES, HTML_EVERY = {4, 13}, 5  # of a cycle: a new mail and a reply
WORDS = [
    "Desde ayer por la tarde el portal rechaza el timbrado de nuestras facturas de público en general.",
    "El mensaje dice que el certificado no corresponde al emisor, pero no lo hemos cambiado.",
    "Ya cerramos la sesión, probamos en otro equipo y con otro usuario, y el resultado es el mismo.",
    "Necesitamos emitir hoy las del cierre de mes; por favor díganos qué revisar de nuestro lado.",
]
QUOTED = [
    "Gracias por escribirnos. Revise por favor que el certificado esté vigente y que la serie",
    "coincida con la que dio de alta. Si el error continúa, envíenos la captura y la hora exacta.",
    "Quedamos al pendiente de su respuesta; el ticket se cierra si no la tenemos en tres días.",
]
INTRODUCTION = "El mar, 24 nov 2026 a las 10:15, Factureya Soporte (<soporte@factureya.com>) escribió:"


@dataclass(frozen=True)
class Seed:
    """Hold a ticket that waits for an answer: who asked, its mark in a subject, what a reply refers to."""

    sender: str
    tag: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class PlannedMail:
    """Hold one mail before it is written; `seed` is the place of the ticket it answers, None for a new one."""

    serial: int
    sender: str
    seed: int | None
    by_number: bool = False

    @property
    def is_html(self) -> bool:
        """Return True for one mail in five."""
        return self.serial % HTML_EVERY == 0

    @property
    def has_image(self) -> bool:
        """Return True for one mail in ten."""
        return self.serial % CYCLE in IMAGES


def plan(first: int, count: int, senders: list[str]) -> list[PlannedMail]:
    """Plan `count` mails from this serial on; senders of new ones take turns, a reply is of whoever opened its seed."""
    planned_mails = []
    for serial in range(first, first + count):
        turn = serial // 2  # of the new ones, and of the replies
        seed = turn if serial % 2 else None
        planned_mails.append(PlannedMail(serial, senders[turn % len(senders)], seed, by_number=turn % 2 == 1))
    return planned_mails


def write(planned: PlannedMail, seeds: list[Seed]) -> bytes:
    """Return the mail as our mail server hands it on, with the verdict that it wrote."""
    domain = planned.sender.rpartition("@")[2]
    mail = EmailMessage()
    mail["Authentication-Results"] = f"{AUTHSERV}; dmarc=pass (p=none) header.from={domain}"
    mail["From"] = f"Contacto {planned.serial} <{planned.sender}>"
    mail["To"] = settings.SUPPORT_EMAIL
    mail["Date"] = "Tue, 24 Nov 2026 10:30:00 -0600"
    mail["Message-ID"] = f"<bench.{planned.serial}@{domain}>"
    subject = f"No podemos timbrar la serie {planned.serial:05d}"
    if planned.seed is not None:
        seed = seeds[planned.seed]
        if planned.by_number:
            subject = f"{seed.tag} {subject}"
        else:
            mail["In-Reply-To"] = f"<{seed.references[-1]}>"
            mail["References"] = " ".join(f"<{name}>" for name in seed.references)
        subject = f"Re: {subject}"
    mail["Subject"] = subject
    _fill(mail, planned)
    return mail.as_bytes().replace(b"\n", b"\r\n")


def _fill(mail: EmailMessage, planned: PlannedMail) -> None:
    """Give the mail its text or HTML, its quote and its image, as planned."""
    own = [f"Serie {planned.serial:05d}.", *WORDS]
    quoted = QUOTED if planned.seed is not None else []
    if planned.is_html:
        mail.set_content(_page(own, quoted), subtype="html", cte="quoted-printable")
    else:
        lines = ["\n\n".join(own), "", "Saludos,", "Contabilidad"]
        if quoted:
            lines += ["", INTRODUCTION, *(f"> {line}" for line in quoted)]
        mail.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    if planned.has_image:
        mail.add_attachment(image(), maintype="image", subtype="png", filename="captura.png")


def _page(own: list[str], quoted: list[str]) -> str:
    """Return an HTML page with these lines, and with the quoted ones below."""
    said = "".join(f"<p>{line}</p>\n" for line in own)
    quote = "<br>\n".join(quoted)
    quote = f'<p>{INTRODUCTION}</p>\n<blockquote type="cite">{quote}</blockquote>' if quoted else ""
    return f"<html><head><meta charset='utf-8'></head><body>\n{said}{quote}\n</body></html>\n"


@cache
def image() -> bytes:
    """Return a PNG of 20 kB: a white page with noise where its text would be."""
    page, source = Image.new("RGB", (640, 480), "white"), Random(20)  # noqa: S311 - no secret
    page.paste(Image.frombytes("RGB", (80, 76), source.randbytes(80 * 76 * 3)), (40, 40))
    file = BytesIO()
    page.save(file, "PNG")
    return file.getvalue()
