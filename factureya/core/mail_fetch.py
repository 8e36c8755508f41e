"""Polling a mailbox by IMAP (M6): what was not there before is kept, then marked as seen, then disposed of.

What was kept is remembered by its UID (`MailFolder`), not by \\Seen, which anybody who opens the mailbox sets.
A UIDVALIDITY that changed makes every UID void: all is read again, and what was kept before is a duplicate.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from imaplib import IMAP4, Internaldate2tuple
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from imap_tools.consts import MailMessageFlags
from imap_tools.mailbox import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted

from factureya.core import clock, intake, mailbox
from factureya.core.models import MailFolder

logger = logging.getLogger(__name__)
TIMEOUT = 30.0  # seconds of one answer of the server
PASS_MAILS, PASS_SECONDS = 500, 50.0  # of one pass; the next goes on
KINDS: dict[str, tuple[Callable[..., BaseMailBox], int]] = {
    "imaps": (MailBox, 993),
    "imap+tls": (MailBoxStartTls, 143),
    "imap": (MailBoxUnencrypted, 143),
}
SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


def fetch() -> int:
    """One pass over MAIL_IN_IMAP_URL; the number of mails kept. Raises what the server or the database raises."""
    began, until = clock.now(), time.monotonic() + PASS_SECONDS
    with _connected(urlsplit(settings.MAIL_IN_IMAP_URL)) as box:
        folder = _memory(box)
        uids = _new_uids(box, folder)
        for done, uid in enumerate(uids):
            if done >= PASS_MAILS or time.monotonic() > until:
                return done
            _take(box, folder, uid)
    MailFolder.objects.filter(pk=folder.pk).update(read_until=began)
    return len(uids)


@contextmanager
def _connected(url: SplitResult) -> Iterator[BaseMailBox]:
    """The mailbox with its folder selected; the connection is closed whatever happens."""
    if url.scheme not in KINDS or not url.hostname:
        raise ImproperlyConfigured(
            f"MAIL_IN_IMAP_URL: {', '.join(KINDS)}://user:password@host/folder"
        )
    kind, port = KINDS[url.scheme]
    box = kind(url.hostname, url.port or port, timeout=TIMEOUT)
    folder = unquote(url.path.strip("/")) or "INBOX"
    try:
        box.login(unquote(url.username or ""), unquote(url.password or ""), initial_folder=folder)
        yield box
    finally:
        with suppress(
            OSError, IMAP4.error
        ):  # what was done is done, however the server says goodbye
            box.client.logout()
        with suppress(OSError):
            box.client.shutdown()


def _memory(box: BaseMailBox) -> MailFolder:
    """What is remembered of the folder. The first time: what somebody read before us was answered before us."""
    _, (answer, *_) = box.client.response("UIDVALIDITY")
    validity = int(answer or 0)
    folder = MailFolder.objects.filter(pk=mailbox.name()).first()
    if folder is None:
        unseen = [int(uid) for uid in box.uids("UNSEEN")]
        last = min(unseen, default=max(map(int, box.uids("ALL")), default=0) + 1) - 1
        return MailFolder.objects.create(name=mailbox.name(), uid_validity=validity, last_uid=last)
    if folder.uid_validity != validity:
        logger.warning("the mailbox was rebuilt (UIDVALIDITY): all of it is read again")
        folder.uid_validity, folder.last_uid = validity, 0
        folder.save(update_fields=["uid_validity", "last_uid"])
    return folder


def _new_uids(box: BaseMailBox, folder: MailFolder) -> list[int]:
    """The UIDs after the last one kept, in order; «n:*» names the last mail even when it is older than n."""
    found = map(int, box.uids(f"UID {folder.last_uid + 1}:*"))
    return sorted(uid for uid in found if uid > folder.last_uid)


def _take(box: BaseMailBox, folder: MailFolder, uid: int) -> None:
    """Keep one mail, remember its UID, mark it as seen, dispose of it."""
    fetched = _download(box, uid)
    if fetched is not None:  # None: somebody removed it meanwhile
        raw, received_at, is_whole = fetched
        inbound, is_new = intake.keep(raw, source=intake.Source.IMAP, received_at=received_at)
    MailFolder.objects.filter(
        pk=folder.pk, uid_validity=folder.uid_validity, last_uid__lt=uid
    ).update(last_uid=uid)
    if fetched is None:
        return
    box.flag(str(uid), MailMessageFlags.SEEN, True)
    try:
        if is_whole:
            intake.finish(inbound, is_new)
        else:
            intake.quarantine(inbound.pk, "limits")
    except intake.Postponed:
        logger.warning("mail %s is kept and not yet disposed of", inbound.pk)


def _download(box: BaseMailBox, uid: int) -> tuple[bytes, datetime | None, bool] | None:
    """The mail, when its server had it, and whether it is whole: of one that is too large only the head is kept."""
    answer = _answer(box, uid, "(RFC822.SIZE)")
    size = SIZE.search(answer[1])
    if not size:
        return None
    is_whole = int(size.group(1)) <= intake.MAX_KEPT
    raw, said = _answer(box, uid, f"(INTERNALDATE BODY.PEEK[{'' if is_whole else 'HEADER'}])")
    moment = Internaldate2tuple(said)
    received_at = datetime.fromtimestamp(time.mktime(moment), UTC) if moment else None
    return raw, received_at, is_whole


def _answer(box: BaseMailBox, uid: int, what: str) -> tuple[bytes, bytes]:
    """The literal of the answer to UID FETCH, and all that stands around it."""
    status, data = box.client.uid("FETCH", str(uid), what)
    if status != "OK":
        raise IMAP4.error(f"UID FETCH {uid}: {status}")
    literal, said = b"", b""
    for piece in data:
        if isinstance(piece, tuple):
            said += piece[0] + b" "
            literal = piece[1]
        else:
            said += piece or b""
    return literal, said
