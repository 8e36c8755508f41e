"""Queue mails inside a transaction and send them after it: at least once, and recognisably.

`enqueue` renders the mail at once and writes a row with a unique key. After the commit it wakes a worker through the
broker; if that fails, the sweep finds the row. `deliver` claims a mail by a conditional UPDATE, so that any number of
workers send it once. A mail goes out twice only if the process dies between the mail server's yes and our commit, and
then with the same Message-ID.
"""

import logging
from datetime import timedelta
from email.header import Header
from email.utils import format_datetime
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from time import monotonic
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F, QuerySet
from django.template import engines
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from factureya.core import audit, clock
from factureya.core.mail import sending
from factureya.core.models import OutboxMessage

logger = logging.getLogger(__name__)
Status = OutboxMessage.Status
DELIVER_TASK = "factureya.core.tasks.deliver"
MAX_ADDRESS: int = OutboxMessage._meta.get_field("to").max_length or 0
WIPED = "(borrado)\n"
SWEEP_MAILS, SWEEP_SECONDS = (
    1000,
    50,
)  # of one pass, so that a server that hangs does not pile passes up
BELL_REST_SECONDS = 30  # a broker that failed is left alone this long: it costs one request, not each
BELL_EXPIRES_SECONDS = 300  # an older bell says nothing the sweep has not done


def enqueue(
    kind: str,
    *,
    key: str,
    to: str,
    context: dict[str, Any],
    about: str = "",
    is_secret: bool = False,
    automatic: bool = True,
    headers: dict[str, str] | None = None,
) -> OutboxMessage:
    """Render `templates/mail/<kind>.txt` (its first line is the subject) into the outbox, and return the row.

    It runs in the caller's transaction. `key` is unique, made of the event that caused the mail: the same event cannot
    mail twice (IntegrityError). `is_secret` wipes the text once the mail is sent or given up (codes). `automatic` is
    False for what a person wrote; all other mails say `Auto-Submitted`, so that no machine answers them (RFC 3834).
    `headers` are those of its thread. Raises ValidationError if `to` is not one address.
    """
    validate_email(to)
    if len(to) > MAX_ADDRESS:
        raise ValidationError(f"an address has {MAX_ADDRESS} characters at most")
    subject, _, body = engines["mail"].get_template(f"{kind}.txt").render(context).partition("\n")
    message = OutboxMessage.objects.create(
        key=key,
        message_id=message_id(key).strip("<>"),
        kind=kind,
        about=about,
        to=to,
        is_secret=is_secret,
        subject=_one_line(subject),
        body=body.strip() + "\n",
        headers={"Auto-Submitted": "auto-generated" if automatic else "no", **(headers or {})},
    )
    _ring_on_commit(message.pk)
    return message


def drop(pk: int) -> None:
    """Cancel a mail that is no longer needed; one that was sent stays as it is.

    A mail that is being sent at this moment may still leave (then it is *sent*), but a failure does not queue it again.
    """
    pending = [Status.QUEUED, Status.SENDING, Status.FAILED]
    unsent = OutboxMessage.objects.filter(pk=pk, status__in=pending)
    unsent.update(status=Status.DROPPED, claimed_at=None)


def retry(pk: int) -> bool:
    """Queue a failed mail again with all its tries and return True; return False if that is not possible.

    It is not possible if the mail has not failed, or if its text was wiped.
    """
    failed = OutboxMessage.objects.filter(pk=pk, status=Status.FAILED, is_secret=False)
    again = failed.update(status=Status.QUEUED, attempts=0, due_at=clock.now(), last_error="")
    if again:
        _ring_on_commit(pk)
    return bool(again)


def retry_by(actor: Any, pk: int) -> bool:
    """Queue a failed mail again for a member of staff, and record that as an event; return as `retry` does."""
    with transaction.atomic():
        queued = retry(pk)
        if queued:
            audit.record("outbox.retried", OutboxMessage(pk=pk), actor=actor)
    return queued


def deliver(pk: int, line: sending.Line | None = None) -> bool:
    """Send one queued mail that is due, over `line` or a new connection; return True if this call sent it.

    A failure queues the mail again with a growing delay. After OUTBOX_MAX_ATTEMPTS it is *failed* and stays visible.
    """
    message = _claimed(pk)
    if message is None:
        return False
    line = line or sending.Line()
    try:
        line.send(_as_email(message))
    except Exception as error:  # whatever the mail server does, the row must not stay claimed
        logger.warning("mail %s not sent (try %s): %s", message.key, message.attempts, error)
        _failed(message, error)
        return False
    try:
        _sent(message)
    except Exception:  # it left, but we could not write so: it hangs in *sending* and repeats recognisably
        logger.exception("mail %s was sent and could not be marked so", message.key)
        return False
    return True


def sweep() -> int:
    """Queue stuck mails again, send the mails that are due, and return how many were sent."""
    requeue_stuck()
    return drain()


def drain() -> int:
    """Send the mails that are due, for SWEEP_SECONDS at most, and return how many; 0 if another process sends (M6).

    It looks once more after it gave the lock back, because a mail that was queued meanwhile found the lock taken.
    """
    sent, until = 0, monotonic() + SWEEP_SECONDS
    while monotonic() < until and (due := _due()):
        with sending.only_sender() as is_mine:
            if not is_mine:
                break
            sent += _send(due, until)
    return sent


def _due() -> list[int]:
    """Return the keys of the mails that are due, the oldest first."""
    due = OutboxMessage.objects.filter(status=Status.QUEUED, due_at__lte=clock.now())
    return list(due.order_by("due_at").values_list("pk", flat=True)[:SWEEP_MAILS])


def _send(due: list[int], until: float) -> int:
    """Send these mails over one connection until the time is over, and return how many were sent.

    If no connection can be had, the one wait for it is a failed try of all of them, so that not each mail waits
    EMAIL_TIMEOUT.
    """
    line, sent = sending.Line(), 0
    for pk in due:
        if monotonic() > until:
            break
        if line.fault is None:
            sent += deliver(pk, line)
        elif message := _claimed(pk):
            _failed(message, line.fault)
    line.close()
    return sent


def requeue_stuck() -> int:
    """Queue the mails again that a process claimed before it died, and return how many.

    A mail that was stuck OUTBOX_MAX_ATTEMPTS times is *failed*, so that a mail that kills its process does not do so
    for ever.
    """
    before = clock.now() - settings.OUTBOX_STUCK_AFTER
    stuck = OutboxMessage.objects.filter(status=Status.SENDING, claimed_at__lt=before)
    hopeless = stuck.filter(attempts__gte=settings.OUTBOX_MAX_ATTEMPTS)
    _give_up(hopeless, "el proceso que lo enviaba terminó sin avisar")
    return stuck.update(status=Status.QUEUED, claimed_at=None)


def undelivered(message: OutboxMessage) -> None:
    """Call the hook of the mail's kind in MAIL_UNDELIVERED, in the caller's transaction."""
    if hook := settings.MAIL_UNDELIVERED.get(message.kind):
        import_string(hook)(message)


def message_id(key: str) -> str:
    """Return the stable Message-ID, with its brackets, of the mail with this key."""
    domain = settings.SUPPORT_EMAIL.partition("@")[2]
    digest = salted_hmac("outbox.message-id", key, algorithm="sha256").hexdigest()
    return f"<{digest[:40]}@{domain}>"


class _Bell:
    """Wake a worker when there is a mail to send. A broker that failed is not asked again for BELL_REST_SECONDS."""

    def __init__(self) -> None:
        self.rests_until = 0.0

    def ring(self, _pk: int) -> None:
        """Ask the broker to start the task that sends mails; a failure is only logged."""
        if monotonic() < self.rests_until:
            return  # the sweep will find the mail
        try:
            current_app.send_task(
                DELIVER_TASK,
                ignore_result=True,
                retry=False,
                expires=BELL_EXPIRES_SECONDS,
            )
        except Exception as error:  # the page has succeeded and says so, whatever the broker does
            self.rests_until = monotonic() + BELL_REST_SECONDS
            logger.warning("the broker does not answer, the sweep will send the mails: %s", error)


_bell = _Bell()


def _one_line(subject: str) -> str:
    """Return a subject as a header may hold it: one line of at most 200 printable characters (RFC 5322)."""
    return "".join(c for c in " ".join(subject.split()) if c.isprintable())[:200]


def _ring_on_commit(pk: int) -> None:
    """Wake a worker once the transaction is committed."""
    # A lambda and not a partial: Django's log of a failed robust hook asks for its __qualname__.
    transaction.on_commit(lambda: _bell.ring(pk), robust=True)


def _as_email(message: OutboxMessage) -> EmailMessage:
    """Return the mail as it is sent; Message-ID and Date are the same at every try."""
    headers = {
        **message.headers,
        "Date": format_datetime(timezone.localtime(message.created_at)),
        "Message-ID": f"<{message.message_id}>",
        "X-Factureya-Loop": "1",
    }
    email = EmailMessage(_subject(message.subject), message.body, to=[message.to], headers=headers)
    for name, content, content_type in _files(message):
        email.attach(name, content, content_type)
    return email


def _files(message: OutboxMessage) -> list[tuple[str, bytes, str]]:
    """Return the files that go with a mail of this kind, made again at each try; none if that fails."""
    hook = settings.OUTBOX_FILES.get(message.kind)
    try:
        files: list[tuple[str, bytes, str]] = import_string(hook)(message) if hook else []
    except Exception:
        logger.exception("mail %s leaves without its file", message.key)
        return []
    return files


def _subject(text: str) -> str:
    """Return the subject as its first word (the number) in plain text and the rest in encoded words where needed.

    If all of it were encoded, a long subject would be folded before its first word, and some readers show a gap there.
    """
    first, _, rest = text.partition(" ")
    if text.isascii() or not first.isascii():
        return text
    return f"{first} {Header(rest, 'utf-8').encode(linesep='')}"


def _claimed(pk: int) -> OutboxMessage | None:
    """Claim a mail that is due for one try and return it; None if another process has it, or it is not due."""
    claimed = OutboxMessage.objects.filter(pk=pk, status=Status.QUEUED, due_at__lte=clock.now()).update(
        status=Status.SENDING, claimed_at=clock.now(), attempts=F("attempts") + 1
    )
    return OutboxMessage.objects.get(pk=pk) if claimed else None


def _claim(message: OutboxMessage) -> QuerySet[OutboxMessage]:
    """Return a query of the mail that finds it only while no later try claimed it and it was not sent."""
    return OutboxMessage.objects.filter(pk=message.pk, attempts=message.attempts, sent_at__isnull=True)


def _sent(message: OutboxMessage) -> None:
    """Mark a mail as sent, and call the hook of its kind (the reminder of M15) in the same transaction."""
    sent_at = clock.now()
    body = WIPED if message.is_secret else message.body
    with transaction.atomic():
        # Before the update: the hook locks the ticket, and operations lock ticket first, then mail.
        if hook := settings.OUTBOX_ON_SENT.get(message.kind):
            import_string(hook)(message, sent_at)
        marked = _claim(message).update(status=Status.SENT, sent_at=sent_at, claimed_at=None, last_error="", body=body)
        if not marked:  # another try is under way and will tell
            transaction.set_rollback(True)


def _failed(message: OutboxMessage, error: Exception) -> None:
    """Queue a mail again after 1, 2, 4… minutes, or give it up after the last try."""
    mine = _claim(message).filter(status=Status.SENDING)
    said = _answer(error)[:500]
    if message.attempts >= settings.OUTBOX_MAX_ATTEMPTS:
        _give_up(mine, said)
        return
    later = clock.now() + timedelta(minutes=2 ** (message.attempts - 1))
    mine.update(status=Status.QUEUED, due_at=later, claimed_at=None, last_error=said)


def _answer(error: Exception) -> str:
    """Return what the mail server answered (550 5.1.1 …) as text for a person, else the error with its name."""
    answers: list[tuple[int, bytes]] = []
    if isinstance(error, SMTPRecipientsRefused):
        answers = list(error.recipients.values())
    elif isinstance(error, SMTPResponseException):
        text = error.smtp_error
        answers = [(error.smtp_code, text if isinstance(text, bytes) else str(text).encode())]
    if not answers:
        return f"{type(error).__name__}: {error}"
    return "; ".join(f"{code} {text.decode(errors='replace')}" for code, text in answers)


def _give_up(messages: QuerySet[OutboxMessage], error: str) -> None:
    """Mark these mails as failed, which keeps them visible.

    The text of a secret mail is wiped, so that it cannot be sent again: its code is no longer valid.
    """
    with transaction.atomic():
        # Before the update: the hooks lock what the mail is about, and operations lock that first, then mail.
        for message in messages.filter(kind__in=settings.MAIL_UNDELIVERED):
            undelivered(message)
        messages.filter(is_secret=True).update(body=WIPED)
        messages.update(status=Status.FAILED, claimed_at=None, last_error=error)
