"""Store what a mail says as values when it is handled, so that no page parses a mail again (M6, M16, M17).

The files stay in the original: a reading holds their places, and a file is taken by slicing and decoding.
"""

import hashlib
from dataclasses import astuple
from typing import Any

from django.conf import settings

from factureya.core.mail import copies
from factureya.core.mail.headers import BLANK
from factureya.core.mail.parse import InboundMail, MailFile, with_line_feeds
from factureya.core.mail.parts import Place
from factureya.core.mail.verdicts import Verdict, read_verdict
from factureya.core.models import InboundCopy, InboundMessage, InboundReading


def find_sender_verdict(mail: InboundMail) -> Verdict:
    """Return what our own mail server found out about the sender of the mail (M5)."""
    if not mail.sender:
        return Verdict.NONE  # there is nobody to vouch for
    domain = mail.sender.rpartition("@")[2]
    return read_verdict(mail.authentication, authserv=settings.MAIL_TRUSTED_AUTHSERV, domain=domain)


def compute_content_digest(mail: InboundMail) -> str:
    """Return the SHA-256 of the senders, the decoded text and the decoded files, which is the same in every delivery.

    Headers of a server on the way, another transfer encoding, folded lines and other line ends do not change it (M6).
    """
    digest = hashlib.sha256()
    for text in (" ".join(mail.senders), mail.text):
        digest.update("".join(text.split()).encode() + b"\0")
    for file in mail.files:
        digest.update("".join(file.name.split()).encode() + b"\0" + _digest_without_blanks(file.content))
    return digest.hexdigest()


def _digest_without_blanks(content: bytes, size: int = 1024 * 1024) -> bytes:
    """Return the SHA-256 of the content without blanks; it is read in pieces, because it may be large."""
    digest = hashlib.sha256()
    for at in range(0, len(content), size):
        digest.update(content[at : at + size].translate(None, BLANK))
    return digest.digest()


def store_reading(inbound: InboundMessage, mail: InboundMail, *, is_id_reused: bool) -> None:
    """Store what the mail says as values, so that no page parses it again; it runs in the caller's transaction.

    `is_id_reused` is True if a mail that says something else had the same Message-ID.
    """
    InboundReading.objects.create(
        message_id=inbound.pk,  # not `message=inbound`: the two would keep the bytes in memory
        subject=mail.subject,
        senders=list(mail.senders),
        recipients=list(mail.recipients),
        date=mail.date,
        verdict=find_sender_verdict(mail),
        text=mail.text,
        new_text=mail.new_text if mail.was_cut else "",  # if nothing was cut, it is the whole text
        was_cut=mail.was_cut,
        is_id_reused=is_id_reused,
        files=[_describe_file(file) for file in mail.files],
    )


def make_copy_without_links(raw: bytes, mail: InboundMail | None) -> bytes | None:
    """Return the copy of the mail that a person may download, without our links; None if nothing is cut (M16).

    `mail` is None if the bytes are beyond the limits and were not read; then there always is a copy.
    """
    copy = copies.cut_mail(raw) if mail else copies.cut_whole(raw)
    return None if mail and copy is raw else copy


def read_for_download(inbound: InboundMessage) -> bytes:
    """Return the bytes of the mail that a person may download: its copy, or the original if it has no copy (M16).

    A mail that was not read gives no bytes: only the command `export_mail` may show such a mail.
    """
    if copy := InboundCopy.objects.filter(message=inbound).first():
        return bytes(copy.raw)
    return inbound.raw if InboundReading.objects.filter(message=inbound).exists() else b""


def read_files(reading: InboundReading, raw: bytes) -> list[MailFile]:
    """Return a mail's files from its bytes `raw`, at the places in `reading`; of a returned mail, only the head."""
    source = with_line_feeds(raw)
    files = []
    for file in reading.files:
        start, end, encoding, inner = file["place"]  # `inner`: where uuencoded lines lie in the decoded bytes
        place = Place(start, end, encoding, tuple(inner) if inner else None)
        content = place.read(source)
        if file["is_returned"]:
            content = copies.cut_to_head(content)
        files.append(MailFile(file["name"], file["type"], content, place, file["is_returned"]))
    return files


def _describe_file(file: MailFile) -> dict[str, Any]:
    """Return what the database keeps of a mail's file, so that it can be cut out of the mail's bytes again."""
    return {
        "name": file.name,
        "type": file.content_type,
        "size": len(file.content),
        "place": astuple(file.place),  # where its bytes lie in those of the mail
        "is_returned": file.is_returned,  # True for the mail that a delivery report returns to us
    }
