r"""Poll a mailbox by IMAP (M6): each mail is stored, then marked as seen, then handled; nothing is removed.

A stored mail is remembered by its UID (`MailFolder`) and not by \Seen, because anybody who opens the mailbox sets that.
Of the mails that were there at the first poll only unread ones are taken. If UIDVALIDITY changes, mails that came since
the first poll are read again, and those stored before count as duplicates.
"""

import logging
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from imaplib import IMAP4, Internaldate2tuple
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from imap_tools.consts import MailMessageFlags
from imap_tools.mailbox import BaseMailBox, MailBox, MailBoxUnencrypted
from imap_tools.query import AND

from factureya.core import clock
from factureya.core.mail import intake, mailbox
from factureya.core.models import Heartbeat, MailFolder

logger = logging.getLogger(__name__)
TIMEOUT = 30.0  # seconds of one answer of the server
PASS_MAILS, PASS_SECONDS = 500, 50.0  # of one pass; the next goes on
ASKED_AT_ONCE = 200  # mails of a rebuilt mailbox whose dates are asked for in one command
CLOCKS_DIFFER = timedelta(hours=1)  # the mail server's and ours: a new mail must not pass for an old one
RECEIVED_BYTES = 4000  # of the fields Received; the first is the newest
PORTS = {"imaps": 993, "imap+tls": 143, "imap": 143}
UID = re.compile(rb"\bUID (\d{1,10})\b")
SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,20})\b")
FLAGS = re.compile(rb"\bFLAGS \(([^()]{0,2000})\)")
ANSWER_BEGINS = re.compile(rb"\d{1,10} \(")  # the answer about one mail
RECEIVED = f"BODY.PEEK[HEADER.FIELDS (RECEIVED)]<0.{RECEIVED_BYTES}>"


class BadCertificate(Exception):
    """Say that the mail server did not prove its name; no password was sent."""


def fetch() -> int:
    """Store and handle the new mails of MAIL_IN_IMAP_URL, and return how many were looked at.

    After PASS_MAILS mails or PASS_SECONDS it ends early; the next call goes on. Raises the errors of the mail server.
    """
    began, until = clock.now(), time.monotonic() + PASS_SECONDS
    with _connect(urlsplit(settings.MAIL_IN_IMAP_URL)) as box:
        folder = _load_folder(box, began)
        uids = _list_new_uids(box, folder)
        for looked_at, uid in enumerate(uids):
            if looked_at >= PASS_MAILS or time.monotonic() > until:
                return looked_at
            _take_mail(box, folder, uid)
    # Nothing is written if the mailbox was rebuilt meanwhile.
    unchanged = MailFolder.objects.filter(pk=folder.pk, uid_validity=folder.uid_validity)
    unchanged.update(read_until=began, wanted=[])
    return len(uids)


@contextmanager
def _connect(url: SplitResult) -> Iterator[BaseMailBox]:
    """Yield the mailbox that the address names, with its folder selected; the connection is closed in any case."""
    if url.scheme not in PORTS or not url.hostname:
        raise ImproperlyConfigured(f"MAIL_IN_IMAP_URL: {', '.join(PORTS)}://user:password@host/folder")
    box = _open_verified(url)
    folder = unquote(url.path.strip("/")) or "INBOX"
    try:
        box.login(unquote(url.username or ""), unquote(url.password or ""), initial_folder=folder)
        yield box
    finally:
        with suppress(OSError, IMAP4.error):  # what was done is done, however the server says goodbye
            box.client.logout()
        with suppress(OSError):
            box.client.shutdown()


def _open_verified(url: SplitResult) -> BaseMailBox:
    """Return a connection to the mail server. A refused certificate raises BadCertificate and is noted for /readyz."""
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    try:
        box = _open_connection(url.scheme, host, port)
    except ssl.SSLCertVerificationError as error:
        Heartbeat.beat(mailbox.BAD_CERTIFICATE)
        raise BadCertificate(f"{host}: {error.verify_message}; the password was not sent") from error
    Heartbeat.objects.filter(name=mailbox.BAD_CERTIFICATE).delete()
    return box


def _open_connection(scheme: str, host: str, port: int) -> BaseMailBox:
    """Return a connection to a mail server, encrypted and with a verified certificate unless the scheme is `imap`."""
    if scheme == "imaps":  # without the context imaplib believes any certificate
        return MailBox(host, port, timeout=TIMEOUT, ssl_context=ssl.create_default_context())
    box = MailBoxUnencrypted(host, port, timeout=TIMEOUT)
    if scheme == "imap+tls":
        try:
            box.client.starttls(ssl.create_default_context())
        except BaseException:
            with suppress(OSError):  # a refused certificate closed it already
                box.client.shutdown()
            raise
    return box


def _load_folder(box: BaseMailBox, began: datetime) -> MailFolder:
    """Return the row of the polled folder: how far it was read, and which old mails are still to be taken.

    The first poll makes the row and takes the unread mails. If the server has renumbered all mails (UIDVALIDITY), the
    mails to take are chosen anew.
    """
    _, (answer, *_) = box.client.response("UIDVALIDITY")
    validity, name = int(answer or 0), mailbox.get_mailbox_name()
    folder = MailFolder.objects.filter(pk=name).first()
    if folder is None:
        # The highest UID first: a mail that comes between the two questions then counts as new, not as old.
        highest, unread = max(_search_uids(box, "ALL"), default=0), _search_uids(box, "UNSEEN")
        return MailFolder.objects.create(
            name=name,
            uid_validity=validity,
            taken_over_at=began.replace(microsecond=0),
            old_uid=highest,  # mails above it are new and taken in any case
            wanted=[uid for uid in unread if uid <= highest],
        )
    if folder.uid_validity != validity:
        logger.warning("the mailbox was rebuilt (UIDVALIDITY): what came since it is ours is read again")
        _choose_from_rebuilt(box, folder)
        folder.uid_validity, folder.last_uid = validity, 0
        folder.save(update_fields=["uid_validity", "last_uid", "old_uid", "wanted"])
    return folder


def _choose_from_rebuilt(box: BaseMailBox, folder: MailFolder) -> None:
    """Set `wanted` after the server renumbered the mailbox: the mails that came since our first poll began."""
    highest = max(_search_uids(box, "ALL"), default=0)
    # A search knows only days, in the server's time zone; the instants are compared below.
    day = folder.taken_over_at.date() - timedelta(days=1)
    recent = [uid for uid in _search_uids(box, str(AND(date_gte=day))) if uid <= highest]
    is_first_poll_done = folder.read_until is not None  # if not, the unread mails are still to be taken
    wanted = set() if is_first_poll_done else set(_search_uids(box, "UNSEEN"))
    for first in range(0, len(recent), ASKED_AT_ONCE):
        uids = ",".join(map(str, recent[first : first + ASKED_AT_ONCE]))
        for uid, (received_fields, answer) in _fetch_answers(box, uids, f"(INTERNALDATE {RECEIVED})").items():
            if not _is_older(folder.taken_over_at, received_fields, answer):
                wanted.add(uid)
    folder.old_uid, folder.wanted = highest, sorted(uid for uid in wanted if uid <= highest)


def _list_new_uids(box: BaseMailBox, folder: MailFolder) -> list[int]:
    """Return the UIDs of the mails to take, in order: old ones chosen at the takeover (`wanted`), then all newer."""
    wanted = [uid for uid in folder.wanted if uid > folder.last_uid]
    last = max(folder.last_uid, folder.old_uid)
    # «n:*» names the last mail even when it is older than n.
    return wanted + [uid for uid in _search_uids(box, f"UID {last + 1}:*") if uid > last]


def _search_uids(box: BaseMailBox, criteria: str) -> list[int]:
    """Return the UIDs that match the criteria, in order."""
    return sorted(map(int, box.uids(criteria)))


def _take_mail(box: BaseMailBox, folder: MailFolder, uid: int) -> None:
    """Store one mail of the mailbox, remember its UID, mark it as seen, and handle it (or quarantine a large one)."""
    downloaded = _download(box, folder, uid)
    if downloaded is not None:  # None: somebody removed it meanwhile, or moved it into this folder
        raw, received_at, is_whole = downloaded
        inbound, is_new = intake.keep(raw, source=intake.Source.IMAP, received_at=received_at)
    MailFolder.objects.filter(pk=folder.pk, uid_validity=folder.uid_validity, last_uid__lt=uid).update(last_uid=uid)
    if downloaded is None:
        return
    # For people who read the mailbox. `BaseMailBox.flag` would also remove the mails that others marked as deleted.
    status, _ = box.client.uid("STORE", str(uid), "+FLAGS", f"({MailMessageFlags.SEEN})")
    if status != "OK":
        logger.warning("mail %s of the mailbox was kept and could not be marked as seen", uid)
    try:
        if is_whole:
            intake.finish(inbound, is_new)
        else:
            intake.quarantine(inbound.pk, "limits")
    except intake.Postponed:
        logger.warning("mail %s is kept and not yet disposed of", inbound.pk)


def _download(box: BaseMailBox, folder: MailFolder, uid: int) -> tuple[bytes, datetime | None, bool] | None:
    """Return the mail with this UID (only its head if it is too large), its date of arrival, and whether it is whole.

    Returns None if the mail is gone, or if somebody read it elsewhere and moved it into this folder.
    """
    items = f"(FLAGS INTERNALDATE RFC822.SIZE {RECEIVED})"
    received_fields, answer = _fetch_answers(box, str(uid), items).get(uid, (b"", b""))
    size = SIZE.search(answer)
    if not size or (uid > folder.old_uid and _was_moved_here(folder, received_fields, answer)):  # no size: gone
        return None
    is_whole = int(size.group(1)) <= intake.MAX_KEPT
    section = "" if is_whole else "HEADER"
    raw, _ = _fetch_answers(box, str(uid), f"(BODY.PEEK[{section}])").get(uid, (None, b""))
    # None: somebody removed it between the two questions.
    return None if raw is None else (raw, _parse_internal_date(answer), is_whole)


def _was_moved_here(folder: MailFolder, received_fields: bytes, answer: bytes) -> bool:
    """Return True if the mail was read and arrived before our first poll: somebody moved it here, it is not for us."""
    flags = FLAGS.search(answer)
    is_seen = flags is not None and b"\\seen" in flags.group(1).lower().split()
    return is_seen and _is_older(folder.taken_over_at - CLOCKS_DIFFER, received_fields, answer)


def _is_older(instant: datetime, received_fields: bytes, answer: bytes) -> bool:
    """Return True if our mail server had the mail before `instant`, by its INTERNALDATE or newest Received field."""
    moments = [_parse_internal_date(answer), _parse_received_date(received_fields)]
    return any(moment is not None and moment < instant for moment in moments)


def _parse_internal_date(answer: bytes) -> datetime | None:
    """Return the date of a mail's arrival (INTERNALDATE) from the mail server's answer; None if it has no date."""
    moment = Internaldate2tuple(answer)
    return datetime.fromtimestamp(time.mktime(moment), UTC) if moment else None


def _parse_received_date(fields: bytes) -> datetime | None:
    """Return the instant in a mail's first Received field, which the last server wrote; None if it is no date."""
    first = re.split(rb"\r?\n(?![ \t])", fields[:RECEIVED_BYTES], maxsplit=1)[0]
    try:
        moment = parsedate_to_datetime(first.rpartition(b";")[2].decode("ascii", "replace").strip())
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _fetch_answers(box: BaseMailBox, uids: str, items: str) -> dict[int, tuple[bytes, bytes]]:
    """Ask the mail server for `items` of these mails; return for each UID the literal and the other text.

    The literal, as IMAP calls it, holds the bytes of a mail or of its headers. Answers about one mail are joined.
    Raises IMAP4.error.
    """
    status, data = box.client.uid("FETCH", uids, items)
    if status != "OK":
        raise IMAP4.error(f"UID FETCH {uids}: {status}")
    lines: list[tuple[bytes, bytes]] = []
    for piece in data:
        line, literal = piece if isinstance(piece, tuple) else (piece or b"", b"")  # a tuple has a literal
        if lines and not ANSWER_BEGINS.match(line):  # it continues the answer before it
            earlier_literal, earlier_line = lines.pop()
            lines.append((earlier_literal or literal, earlier_line + b" " + line))
        else:
            lines.append((literal, line))
    answers: dict[int, tuple[bytes, bytes]] = {}
    for literal, line in lines:
        if found := UID.search(line):
            uid = int(found.group(1))
            earlier_literal, earlier_line = answers.get(uid, (b"", b""))
            answers[uid] = (earlier_literal or literal, earlier_line + b" " + line)
    return answers
