"""Store every mail before it is read, and handle it exactly once, whichever way it came (M5, M6).

`keep` commits the raw bytes. `dispose` reads them and asks the handlers of `settings.MAIL_ROUTES` (address -> dotted
paths, in order). A handler is `receive(inbound, mail) -> Plan | Aside | None`. It runs outside of any transaction,
decides whether the mail is its own, and prepares slow work such as files. The Plan that it returns does the writing, in
the one transaction that also stores the mail's disposition and its reading (`readings`).

So a crash, a second delivery, or two processes at once leave one entry; `sweep` handles the mails of a process that
died. Two deliveries with different bytes are one mail if Message-ID, sender, decoded text and files are the same.
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
from factureya.core.mail.headers import compute_fingerprint
from factureya.core.mail.parse import InboundMail
from factureya.core.mail.parts import LimitExceeded
from factureya.core.mail.verdicts import Verdict
from factureya.core.models import InboundCopy, InboundMessage, InboundReading

logger = logging.getLogger(__name__)
Source, Disposition = InboundMessage.Source, InboundMessage.Disposition
MAX_KEPT = 50 * 1024 * 1024  # bytes of a mail that is kept; what is larger is left to its server
MAX_ATTEMPTS = 3  # of a mail that fails or kills its process; then it lies in the tray
SWEEP_AFTER = timedelta(seconds=20)  # younger ones are being disposed of by who kept them
SWEEP_MAILS = 200  # of one pass
MAX_SAME_ID = 20  # mails under one Message-ID that are compared
_OUTCOME_FIELDS = ("disposition", "reason", "about", "content")


@dataclass(frozen=True)
class Outcome:
    """Say what became of a mail; `about` is the chain of its ticket (ticket:FY-…), `accepted` has a value per file."""

    disposition: str
    reason: str = ""
    about: str = ""
    accepted: tuple[bool, ...] = ()


Plan = Callable[[], Outcome]


@dataclass(frozen=True)
class Aside:
    """Hold what a handler adds to a mail that it leaves to the next one; `act` runs in that one's transaction."""

    act: Callable[[Outcome], None]


Handler = Callable[[InboundMessage, InboundMail], Plan | Aside | None]


class TooLarge(Exception):
    """Say that a mail has more than MAX_KEPT bytes and was not stored; its sender or server must keep it."""


class Postponed(Exception):
    """Say that a mail is stored and could not be handled now; it is tried again."""


def keep(
    raw: bytes, *, source: str, received_at: datetime | None = None, recipients: Sequence[str] = ()
) -> tuple[InboundMessage, bool]:
    """Store a mail as it came, and commit; return its row, and True if it is new or False if it was stored before.

    `received_at` is when our first server got the mail; None means now (M15). A mail that was refused because nothing
    proved its sender counts as new if it comes again with proof. Raises TooLarge or DatabaseError: nothing was stored.
    """
    if len(raw) > MAX_KEPT:
        raise TooLarge(f"{len(raw)} bytes")
    message_id, digest = compute_fingerprint(raw)
    now = clock.now()
    inbound = InboundMessage(
        source=source,
        received_at=received_at or now,
        kept_at=now,
        message_id=message_id,
        digest=digest,
        # Without NUL and halves of characters, which no database takes.
        recipients=[address.replace("\0", "").encode("utf-8", "replace").decode() for address in recipients],
        attempts=1,
        attempted_at=now,
    )
    try:
        _insert(inbound, raw)
    except IntegrityError:
        earlier = _find_same(inbound)
        if earlier is None:
            raise
        if not _is_refused(earlier) or not _is_first_proof(earlier, _read_verdict(raw)):
            return earlier, False
        # The same mail came before without proof of its sender. With proof it is another mail: another digest.
        inbound.digest = hashlib.sha256(f"{digest} proven".encode()).hexdigest()
        try:
            _insert(inbound, raw)
        except IntegrityError:
            return _find_same(inbound) or earlier, False
    inbound.raw = raw  # so that it need not be read back
    return inbound, True


def _insert(inbound: InboundMessage, raw: bytes) -> None:
    """Commit the row of a new mail and its bytes."""
    with transaction.atomic(durable=True):
        inbound.save(force_insert=True)
        sql.insert_original(inbound.pk, raw)


def _find_same(inbound: InboundMessage) -> InboundMessage | None:
    """Return the stored mail that has the Message-ID and digest of this one, or None."""
    return InboundMessage.objects.filter(message_id=inbound.message_id, digest=inbound.digest).first()


def _read_verdict(raw: bytes) -> Verdict:
    """Return what our mail server found out about the sender of a mail; NONE if the mail is beyond the limits."""
    try:
        return readings.find_sender_verdict(parse.parse(raw))
    except LimitExceeded:
        return Verdict.NONE


def _is_refused(inbound: InboundMessage) -> bool:
    """Return True if a stored mail was refused because its sender was not proven, and no agent used it for a ticket."""
    return inbound.disposition == Disposition.UNREGISTERED and not inbound.about


def _is_first_proof(refused: InboundMessage, verdict: Verdict) -> bool:
    """Return True if the verdict on a new delivery proves the sender, and the refused delivery has no proof (M5)."""
    earlier_proof = InboundReading.objects.filter(message=refused, verdict=Verdict.PASS)
    return verdict == Verdict.PASS and not earlier_proof.exists()


def receive(raw: bytes, *, source: str, received_at: datetime | None = None, recipients: Sequence[str] = ()) -> Outcome:
    """Store and handle a mail; return what became of it. Raises TooLarge (not stored) or Postponed (only stored)."""
    inbound, is_new = keep(raw, source=source, received_at=received_at, recipients=recipients)
    return finish(inbound, is_new)


def finish(inbound: InboundMessage, is_new: bool) -> Outcome:
    """Handle the mail that `keep` stored, unless it was handled before; return what became of it. Raises Postponed."""
    return _handle_mail(inbound) if is_new else dispose(inbound.pk)


def dispose(pk: int) -> Outcome:
    """Handle a stored mail once, and return what became of it; one that was handled before gives `ignore-duplicate`.

    After MAX_ATTEMPTS failures the mail goes to the agents' tray. Raises Postponed if it must be tried again, and
    DatabaseError if the database is down; then `sweep` handles the mail later.
    """
    inbound = InboundMessage.objects.get(pk=pk)
    if inbound.disposition:
        return _make_duplicate_outcome(inbound)
    now = clock.now()
    waiting = InboundMessage.objects.filter(pk=pk, disposition="", attempted_at__lte=now - SWEEP_AFTER)
    # If it was tried just now, another process may still handle it: no attempt is counted; the first to lock wins.
    inbound.attempts += waiting.update(attempts=F("attempts") + 1, attempted_at=now)
    if inbound.attempts > MAX_ATTEMPTS:
        return _put_in_tray(inbound, "error")
    return _handle_mail(inbound)


def quarantine(pk: int, reason: str) -> Outcome:
    """Put a stored mail into the agents' tray without reading it, because only a part of it came."""
    return _put_in_tray(InboundMessage.objects.get(pk=pk), reason)


def _put_in_tray(inbound: InboundMessage, reason: str) -> Outcome:
    """Put a mail into the agents' tray as unreadable, with the reason; return this outcome."""
    return _write_outcome(inbound, None, lambda: Outcome(Disposition.MALFORMED, reason))


def sweep() -> int:
    """Handle the stored mails that a process left unfinished, and return how many were handled."""
    latest = clock.now() - SWEEP_AFTER
    unfinished = InboundMessage.objects.filter(disposition="", kept_at__lte=latest).order_by("kept_at")
    disposed = 0
    for pk in list(unfinished.values_list("pk", flat=True)[:SWEEP_MAILS]):
        try:
            dispose(pk)
            disposed += 1
        except Postponed:
            continue  # it is logged; the next pass tries again
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # not even the tray takes it: the others must not wait for it
            logger.exception("mail %s cannot be disposed of", pk)
    return disposed


def _handle_mail(inbound: InboundMessage) -> Outcome:
    """Read a stored mail and write what becomes of it; one that failed MAX_ATTEMPTS times goes to the agents' tray.

    Raises Postponed if it must be tried again, and DatabaseError if the database is down. A full disk is no failure.
    """
    try:
        mail, plan = _read_and_plan(inbound)
        return _write_outcome(inbound, mail, plan, readings.make_copy_without_links(inbound.raw, mail))
    except (OperationalError, InterfaceError):
        raise  # the database went away: no fault of the mail's
    except Unstorable as error:  # a full disk is no fault of the mail's either: it waits
        InboundMessage.objects.filter(pk=inbound.pk).update(attempts=inbound.attempts - 1)  # it did not fail
        raise Postponed(str(inbound.pk)) from error
    except Exception as error:
        logger.exception("mail %s failed, attempt %s", inbound.pk, inbound.attempts)
        if inbound.attempts >= MAX_ATTEMPTS:
            return _put_in_tray(inbound, "error")
        raise Postponed(str(inbound.pk)) from error
    finally:
        # Python may free these rows late, as they refer to each other; the bytes of the mail go now (M6).
        inbound.__dict__.pop("raw", None)


def _read_and_plan(inbound: InboundMessage) -> tuple[InboundMail | None, Plan]:
    """Parse a stored mail; return it (None if beyond the limits) and the plan: the function that will act on it.

    The first handler that returns a plan takes the mail. An earlier one may add an Aside, which runs after the plan.
    Quotes and the signature are cut only from an answer to our mail. A mail that no handler takes goes to the tray.
    """
    try:
        mail = parse.parse(inbound.raw)
    except LimitExceeded as limit:
        logger.warning("mail %s is beyond the limits: %s", inbound.pk, limit)
        return None, lambda: Outcome(Disposition.MALFORMED, "limits")
    if import_string(settings.MAIL_ANSWERS_OURS)(inbound, mail):
        mail = mail.shortened()
    asides: list[Aside] = []
    for handler in _find_handlers(inbound, mail):
        decision = handler(inbound, mail)
        if isinstance(decision, Aside):
            asides.append(decision)
        elif decision is not None:
            return mail, partial(_run_with_asides, decision, asides)
    return mail, lambda: Outcome(Disposition.UNREGISTERED, "unclaimed")


def _run_with_asides(plan: Plan, asides: Sequence[Aside]) -> Outcome:
    """Carry out the plan of the handler that took a mail, then what other handlers add; return the plan's outcome."""
    outcome = plan()
    for aside in asides:
        aside.act(outcome)
    return outcome


def _find_handlers(inbound: InboundMessage, mail: InboundMail) -> list[Handler]:
    """Return the handlers of our addresses that got the mail, each once; those of soporte@ if there are none."""
    routes: dict[str, list[str]] = settings.MAIL_ROUTES
    paths: list[str] = []
    for address in [*inbound.recipients, *mail.recipients]:
        local, _, domain = address.lower().rpartition("@")
        paths += routes.get(f"{local.partition('+')[0]}@{domain}", [])  # soporte+x@ is soporte@
    return [import_string(path) for path in dict.fromkeys(paths or routes[settings.SUPPORT_EMAIL])]


def _write_outcome(inbound: InboundMessage, mail: InboundMail | None, plan: Plan, copy: bytes | None = None) -> Outcome:
    """Carry out the plan and store what became of the mail, in one transaction under the lock of its row.

    The plan is not carried out for a duplicate: a mail that was handled before, or one that says the same under the
    same Message-ID. `copy` is what a person may download instead of the original.
    """
    content = readings.compute_content_digest(mail) if mail else None
    with transaction.atomic():
        locked, others = _lock_with_same_id(inbound)
        if locked.disposition:
            return _make_duplicate_outcome(locked)
        with_same_content = [other for other in others if content and other.content == content]
        repeated = next((other for other in with_same_content if not _is_replaced(other, mail)), None)
        outcome = _make_duplicate_outcome(repeated) if repeated else plan()
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
            readings.store_reading(inbound, mail, is_id_reused=bool(others) and not with_same_content)
        if copy is not None:
            InboundCopy.objects.create(message_id=inbound.pk, raw=copy)
    return outcome


def _is_replaced(earlier: InboundMessage, mail: InboundMail | None) -> bool:
    """Return True if the earlier delivery was refused without proof and this one has proof, so it counts (M5, M6)."""
    if mail is None or not _is_refused(earlier):
        return False
    return _is_first_proof(earlier, readings.find_sender_verdict(mail))


def _lock_with_same_id(inbound: InboundMessage) -> tuple[InboundMessage, list[InboundMessage]]:
    """Lock the mail and the first MAX_SAME_ID with its Message-ID; return the mail, and those others that were handled.

    The locks are taken in the order of the keys, so that of two deliveries at once one waits for the other's outcome.
    """
    rows = InboundMessage.objects.select_for_update().only(*_OUTCOME_FIELDS).order_by("pk")
    if not inbound.message_id:
        return rows.get(pk=inbound.pk), []
    same_id = list(rows.filter(message_id=inbound.message_id)[:MAX_SAME_ID])
    own = next((row for row in same_id if row.pk == inbound.pk), None) or rows.get(pk=inbound.pk)
    return own, [row for row in same_id if row.pk != inbound.pk and row.disposition]


def _make_duplicate_outcome(inbound: InboundMessage) -> Outcome:
    """Return the outcome "duplicate" with the reason and the ticket of the mail that was handled before."""
    return Outcome(Disposition.DUPLICATE, inbound.reason, inbound.about)
