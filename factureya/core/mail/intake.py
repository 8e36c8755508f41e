"""Every mail is kept before it is read, and disposed of exactly once, whichever way it came (M5, M6).

`keep` commits the raw bytes; `dispose` reads them and asks the handlers of `settings.MAIL_ROUTES` (address -> dotted
paths, in order). A handler is `receive(inbound, mail) -> Plan | Aside | None`: called outside of any transaction it
decides whether the mail is its own and prepares what is slow (files); the Plan it returns does the writing, inside the
one transaction that also writes what became of the mail, and what it said (`readings`), because no page parses a mail.
So a crash at any instant, a second delivery, or two processes at once leave one entry; what a dead process left,
`sweep` takes up. Two deliveries whose bytes differ are one mail when Message-ID, sender, decoded text and files are
the same.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils.module_loading import import_string

from factureya.core import clock, sql
from factureya.core.files.store import Unstorable
from factureya.core.mail import parse, readings
from factureya.core.mail.headers import fingerprint
from factureya.core.mail.parse import InboundMail, LimitExceeded
from factureya.core.mail.verdicts import Verdict
from factureya.core.models import InboundCopy, InboundMessage, InboundReading

logger = logging.getLogger(__name__)
Source, Disposition = InboundMessage.Source, InboundMessage.Disposition
MAX_KEPT = 50 * 1024 * 1024  # bytes of a mail that is kept; what is larger is left to its server
MAX_ATTEMPTS = 3  # of a mail that fails or kills its process; then it lies in the tray
SWEEP_AFTER = timedelta(seconds=20)  # younger ones are being disposed of by who kept them
SWEEP_MAILS = 200  # of one pass
MAX_SAME_ID = 20  # mails under one Message-ID that are compared
_SETTLED = ("disposition", "reason", "about", "content")


@dataclass(frozen=True)
class Outcome:
    """What became of a mail; `about` is the chain of what it became (ticket:FY-…), `accepted` says it of each file."""

    disposition: str
    reason: str = ""
    about: str = ""
    accepted: tuple[bool, ...] = ()


Plan = Callable[[], Outcome]


@dataclass(frozen=True)
class Aside:
    """What a handler that leaves the mail to the next one has to add: written after it, in the same transaction."""

    act: Callable[[Outcome], None]


Handler = Callable[[InboundMessage, InboundMail], Plan | Aside | None]


class TooLarge(Exception):
    """More than MAX_KEPT bytes: not kept; whoever brought it must keep it."""


class Postponed(Exception):
    """The mail is kept and could not be disposed of now; it is tried again."""


def keep(
    raw: bytes,
    *,
    source: str,
    received_at: datetime | None = None,
    recipients: Sequence[str] = (),
) -> tuple[InboundMessage, bool]:
    """Commit a mail as it came; the row, and whether it is new (False: this very mail was kept before).

    `received_at` is when the first server of ours had it, where it says so; else now (M15). Raises TooLarge and
    DatabaseError: then it was not kept.
    """
    if len(raw) > MAX_KEPT:
        raise TooLarge(f"{len(raw)} bytes")
    message_id, digest = fingerprint(raw)
    now = clock.now()
    inbound = InboundMessage(
        source=source,
        received_at=received_at or now,
        kept_at=now,
        message_id=message_id,
        digest=digest,
        recipients=[_storable(address) for address in recipients],
        attempts=1,
        attempted_at=now,
    )
    try:
        _insert(inbound, raw)
    except IntegrityError:
        known = _known(inbound)
        if known is None:
            raise
        if not _is_refused(known) or not _is_outdone(known, _verdict_of(raw)):
            return known, False
        # It came before by a way that could not prove its sender: what is proven now is no repetition of that.
        inbound.digest = hashlib.sha256(f"{digest} proven".encode()).hexdigest()
        try:
            _insert(inbound, raw)
        except IntegrityError:
            return _known(inbound) or known, False
    inbound.raw = raw  # so that it need not be read back
    return inbound, True


def _insert(inbound: InboundMessage, raw: bytes) -> None:
    with transaction.atomic(durable=True):
        inbound.save(force_insert=True)
        sql.insert_original(inbound.pk, raw)


def _known(inbound: InboundMessage) -> InboundMessage | None:
    kept = InboundMessage.objects.filter(message_id=inbound.message_id, digest=inbound.digest)
    return kept.first()


def _verdict_of(raw: bytes) -> Verdict:
    try:
        return readings.sender_verdict(parse.parse(raw))
    except LimitExceeded:
        return Verdict.NONE


def _is_refused(inbound: InboundMessage) -> bool:
    """Whether it lies in the tray because of its sender, and no agent made anything of it."""
    return inbound.disposition == Disposition.UNREGISTERED and not inbound.about


def _is_outdone(refused: InboundMessage, verdict: Verdict) -> bool:
    """Whether a delivery with this verdict proves a sender whom the refused one did not (M5)."""
    if verdict != Verdict.PASS:
        return False
    return not InboundReading.objects.filter(message=refused, verdict=Verdict.PASS).exists()


def receive(
    raw: bytes,
    *,
    source: str,
    received_at: datetime | None = None,
    recipients: Sequence[str] = (),
) -> Outcome:
    """Keep a mail and dispose of it: what every way in does. Raises TooLarge, Postponed and DatabaseError."""
    inbound, is_new = keep(raw, source=source, received_at=received_at, recipients=recipients)
    return finish(inbound, is_new)


def finish(inbound: InboundMessage, is_new: bool) -> Outcome:
    """Dispose of what `keep` returned; a new one is not read from the database again. Raises as `dispose` does."""
    return _act_on(inbound) if is_new else dispose(inbound.pk)


def dispose(pk: int) -> Outcome:
    """Act on a mail that was kept before, once: one that was disposed of gives `ignore-duplicate` and its entry.

    Raises Postponed, and DatabaseError when the database went away; the mail stays kept and `sweep` takes it up.
    """
    inbound = InboundMessage.objects.get(pk=pk)
    if inbound.disposition:
        return _repeated(inbound)
    inbound.attempts += _claim(pk)
    if inbound.attempts > MAX_ATTEMPTS:
        return _settle(inbound, None, _given_up)
    return _act_on(inbound)


def quarantine(pk: int, reason: str) -> Outcome:
    """Put a kept mail into the tray unread: only part of it was had."""
    return _settle(InboundMessage.objects.get(pk=pk), None, lambda: Outcome(Disposition.MALFORMED, reason))


def sweep() -> int:
    """Dispose of what was kept and then left by a process that died or failed; the number disposed of."""
    before = clock.now() - SWEEP_AFTER
    left = InboundMessage.objects.filter(disposition="", kept_at__lte=before).order_by("kept_at")
    disposed = 0
    for pk in list(left.values_list("pk", flat=True)[:SWEEP_MAILS]):
        try:
            dispose(pk)
            disposed += 1
        except Postponed:
            continue  # logged; the next pass, or the tray
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # not even the tray takes it: the others must not wait for it
            logger.exception("mail %s cannot be disposed of", pk)
    return disposed


def _storable(address: str) -> str:
    """An address of the envelope as any database takes it: bytes that are no text come as halves of characters."""
    return address.replace("\0", "").encode("utf-8", "replace").decode()


def _act_on(inbound: InboundMessage) -> Outcome:
    try:
        mail, plan = _read(inbound)
        return _settle(inbound, mail, plan, readings.copy_without_links(inbound.raw, mail))
    except (OperationalError, InterfaceError):
        raise  # the database went away: no fault of the mail's
    except Unstorable as error:  # nor is a disk that is full: it waits until its files can be kept
        InboundMessage.objects.filter(pk=inbound.pk).update(attempts=inbound.attempts - 1)
        raise Postponed(str(inbound.pk)) from error
    except Exception as error:
        logger.exception("mail %s failed, attempt %s", inbound.pk, inbound.attempts)
        if inbound.attempts >= MAX_ATTEMPTS:
            return _settle(inbound, None, _given_up)
        raise Postponed(str(inbound.pk)) from error
    finally:
        # Rows that know each other live until the collector comes: the bytes must not wait for it (M6).
        inbound.__dict__.pop("raw", None)


def _claim(pk: int) -> int:
    """Count one more attempt before it is made: a mail that kills its process must not do so for ever.

    Not while whoever kept or claimed it may still be at it: eight deliveries at one instant are no eight failures.
    """
    now = clock.now()
    left = InboundMessage.objects.filter(pk=pk, disposition="", attempted_at__lte=now - SWEEP_AFTER)
    return left.update(attempts=F("attempts") + 1, attempted_at=now)


def _given_up() -> Outcome:
    return Outcome(Disposition.MALFORMED, "error")


def _read(inbound: InboundMessage) -> tuple[InboundMail | None, Plan]:
    """The mail as values, and what is to be written for it; nothing is written here."""
    try:
        mail = parse.parse(inbound.raw)
    except LimitExceeded as limit:
        logger.warning("mail %s is beyond the limits: %s", inbound.pk, limit)
        return None, lambda: Outcome(Disposition.MALFORMED, "limits")
    if import_string(settings.MAIL_ANSWERS_OURS)(inbound, mail):
        mail = mail.shortened()
    asides: list[Aside] = []
    for handler in _handlers(inbound, mail):
        said = handler(inbound, mail)
        if isinstance(said, Aside):
            asides.append(said)
        elif said is not None:
            return mail, partial(_with_asides, said, asides)
    return mail, lambda: Outcome(Disposition.UNREGISTERED, "unclaimed")


def _with_asides(plan: Plan, asides: Sequence[Aside]) -> Outcome:
    outcome = plan()
    for aside in asides:
        aside.act(outcome)
    return outcome


def _handlers(inbound: InboundMessage, mail: InboundMail) -> list[Handler]:
    """The handlers of the addresses it was sent to, each once; those of soporte@ when none of them is ours."""
    routes: dict[str, list[str]] = settings.MAIL_ROUTES
    paths: list[str] = []
    for address in [*inbound.recipients, *mail.recipients]:
        local, _, domain = address.lower().rpartition("@")
        paths += routes.get(f"{local.partition('+')[0]}@{domain}", [])
    return [import_string(path) for path in dict.fromkeys(paths or routes[settings.SUPPORT_EMAIL])]


def _settle(inbound: InboundMessage, mail: InboundMail | None, plan: Plan, copy: bytes | None = None) -> Outcome:
    """Carry the plan out and write what became of the mail: one transaction, under the row's lock."""
    content = readings.content_digest(mail) if mail else None
    with transaction.atomic():
        locked, others = _lock(inbound)
        if locked.disposition:
            return _repeated(locked)
        same = [other for other in others if content and other.content == content]
        twin = next((other for other in same if not _is_void(other, mail)), None)
        outcome = _repeated(twin) if twin else plan()
        sender, subject = (mail.sender, mail.subject) if mail else parse.peek(inbound.raw)
        InboundMessage.objects.filter(pk=inbound.pk).update(
            disposition=outcome.disposition,
            reason=outcome.reason,
            about=outcome.about,
            disposed_at=clock.now(),
            sender=sender[:254],
            subject=subject[:300],
            content=content,
        )
        if mail:
            readings.store(inbound, mail, is_id_reused=bool(others) and not same)
        if copy is not None:
            InboundCopy.objects.create(message_id=inbound.pk, raw=copy)
    return outcome


def _is_void(earlier: InboundMessage, mail: InboundMail | None) -> bool:
    """Whether the earlier delivery of the same mail was refused for want of the proof that this one has (M5, M6)."""
    return mail is not None and _is_refused(earlier) and _is_outdone(earlier, readings.sender_verdict(mail))


def _lock(inbound: InboundMessage) -> tuple[InboundMessage, list[InboundMessage]]:
    """Lock the mail and the first ones under its Message-ID; return it and those of them that were disposed of.

    Always in the order of their keys. So of two deliveries at once one waits for the other and sees what it said.
    """
    rows = InboundMessage.objects.select_for_update().only(*_SETTLED).order_by("pk")
    if not inbound.message_id:
        return rows.get(pk=inbound.pk), []
    same = list(rows.filter(message_id=inbound.message_id)[:MAX_SAME_ID])
    own = next((row for row in same if row.pk == inbound.pk), None) or rows.get(pk=inbound.pk)
    return own, [row for row in same if row.pk != inbound.pk and row.disposition]


def _repeated(inbound: InboundMessage) -> Outcome:
    return Outcome(Disposition.DUPLICATE, inbound.reason, inbound.about)
