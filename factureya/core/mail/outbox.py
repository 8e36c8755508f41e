"""Queue mails inside a transaction and send them after it: at least once, and recognisably.

`enqueue` renders the mail at once and writes a row with a unique key. After the commit it wakes a worker through the
broker; if that fails, the sweep finds the row. `deliver` claims a mail by a conditional UPDATE. A mail goes out twice
only if the process dies between the mail server's yes and our commit, and then with the same Message-ID.
"""

import logging
from datetime import timedelta
from email.header import Header
from email.utils import format_datetime
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F, QuerySet
from django.template import engines
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.encoding import force_str
from django.utils.module_loading import import_string

from factureya.core import audit, clock
from factureya.core.mail import heads, sending
from factureya.core.models import OutboxMessage
from factureya.core.running.waking import Waker

logger = logging.getLogger(__name__)
Status = OutboxMessage.Status
DELIVER_TASK = "factureya.core.tasks.deliver"
MAX_ADDRESS: int = OutboxMessage._meta.get_field("to").max_length or 0
WIPED = "(borrado)\n"
SWEEP_MAILS, SWEEP_SECONDS = (1000, 50)  # of one pass, so that a server that hangs does not pile passes up
_waker = Waker(DELIVER_TASK)


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
    mail twice (IntegrityError). `is_secret` wipes the text once the mail is sent or given up: it holds a code.
    `automatic` is False for what a person wrote; all other mails say `Auto-Submitted`, so that no machine answers them
    (RFC 3834). `about` names what the mail is about, as ticket:FY-…; `headers` are added to the mail's own. Raises
    ValidationError if `to` is not one address.
    """
    validate_email(to)
    if len(to) > MAX_ADDRESS:
        raise ValidationError(f"an address has {MAX_ADDRESS} characters at most")
    subject, _, body = engines["mail"].get_template(f"{kind}.txt").render(context).partition("\n")
    message = OutboxMessage.objects.create(
        key=key,
        message_id=make_message_id(key).strip("<>"),
        kind=kind,
        about=about,
        to=to,
        is_secret=is_secret,
        # A header holds one line of printable characters (RFC 5322).
        subject="".join(c for c in " ".join(subject.split()) if c.isprintable())[:200],
        body=body.strip() + "\n",
        headers={"Auto-Submitted": "auto-generated" if automatic else "no", **(headers or {})},
    )
    transaction.on_commit(_waker.wake, robust=True)
    return message


def drop_mail(pk: int) -> None:
    """Cancel a mail that is no longer needed; one that was sent stays as it is.

    A mail that is being sent now may still leave (then it is *sent*), but a failure does not queue it again.
    """
    unsent = OutboxMessage.objects.filter(pk=pk, status__in=[Status.QUEUED, Status.SENDING, Status.FAILED])
    unsent.update(status=Status.DROPPED, claimed_at=None)


def retry(pk: int) -> bool:
    """Queue a failed mail again and return True; return False if it has not failed or its secret text was wiped."""
    failed = OutboxMessage.objects.filter(pk=pk, status=Status.FAILED, is_secret=False)
    is_queued = bool(failed.update(status=Status.QUEUED, attempts=0, due_at=clock.now(), last_error=""))
    if is_queued:
        transaction.on_commit(_waker.wake, robust=True)
    return is_queued


def retry_by(actor: Any, pk: int) -> bool:
    """Queue a failed mail again because a member of staff (`actor`) asked, and record that as an event.

    Returns False, without an event, if the mail has not failed or its text was wiped.
    """
    with transaction.atomic():
        if is_queued := retry(pk):
            audit.record("outbox.retried", OutboxMessage(pk=pk), actor=actor)
    return is_queued


def deliver(pk: int, connection: sending.MailConnection | None = None) -> bool:
    """Send one queued mail that is due, over `connection` or a new one; return True if this call sent it.

    A failure queues the mail again with a growing delay. After OUTBOX_MAX_ATTEMPTS it is *failed* and stays visible.
    """
    message = _claim_mail(pk)
    if message is None:
        return False
    connection = connection or sending.MailConnection()
    try:
        connection.send(_build_email(message))
    except Exception as error:  # whatever the mail server does, the row must not stay claimed
        logger.warning("mail %s not sent (try %s): %s", message.key, message.attempts, error)
        _mark_failed(message, error)
        return False
    try:
        _mark_sent(message)
    except Exception:  # it stays *sending*; `requeue_stuck` will send it again with the same Message-ID
        logger.exception("mail %s was sent and could not be marked so", message.key)
        return False
    return True


def sweep() -> int:
    """Queue again the mails of a process that died, send the mails that are due, and return how many were sent."""
    requeue_stuck()
    return send_due()


def send_due() -> int:
    """Send the mails that are due, for SWEEP_SECONDS at most, and return how many; 0 if another process sends (M6).

    After each round it looks for due mails again: a task that began meanwhile found the lock taken and sent nothing.
    """
    sent, until = 0, monotonic() + SWEEP_SECONDS
    while monotonic() < until and (due := _list_due()):
        with sending.only_sender() as is_only_sender:
            if not is_only_sender:
                break
            sent += _send_mails(due, until)
    return sent


def _list_due() -> list[int]:
    """Return the keys of at most SWEEP_MAILS queued mails that are due, the oldest first."""
    due = OutboxMessage.objects.filter(status=Status.QUEUED, due_at__lte=clock.now())
    return list(due.order_by("due_at").values_list("pk", flat=True)[:SWEEP_MAILS])


def _send_mails(due: list[int], until: float) -> int:
    """Send these mails over one connection until the instant `until`, and return how many were sent.

    If the connection cannot be opened, each other mail gets a failed try at once, without waiting EMAIL_TIMEOUT.
    """
    connection, sent = sending.MailConnection(), 0
    for pk in due:
        if monotonic() > until:
            break
        if connection.open_error is None:
            sent += deliver(pk, connection)
        elif message := _claim_mail(pk):
            _mark_failed(message, connection.open_error)
    connection.close()
    return sent


def requeue_stuck() -> int:
    """Queue the mails again that a process claimed before it died, and return how many.

    A mail with OUTBOX_MAX_ATTEMPTS tries is given up instead, because it may be what kills the process.
    """
    latest = clock.now() - settings.OUTBOX_STUCK_AFTER
    stuck = OutboxMessage.objects.filter(status=Status.SENDING, claimed_at__lt=latest)
    exhausted = stuck.filter(attempts__gte=settings.OUTBOX_MAX_ATTEMPTS)
    _give_up(exhausted, "el proceso que lo enviaba terminó sin avisar")
    return stuck.update(status=Status.QUEUED, claimed_at=None)


def handle_undelivered(message: OutboxMessage) -> None:
    """Tell the app that queued the mail that it cannot be delivered, by the hook for its kind in MAIL_UNDELIVERED."""
    if hook := settings.MAIL_UNDELIVERED.get(message.kind):
        import_string(hook)(message)


def make_message_id(key: str) -> str:
    """Return the Message-ID, in brackets, of the mail with this unique key; the same at each try and in replies."""
    domain = settings.SUPPORT_EMAIL.partition("@")[2]
    digest = salted_hmac("outbox.message-id", key, algorithm="sha256").hexdigest()
    return f"<{digest[:40]}@{domain}>"


def _build_email(message: OutboxMessage) -> EmailMessage:
    """Return the mail of an outbox row as it is sent, with its files; Message-ID and Date are the same at every try."""
    headers = {
        **message.headers,
        "Date": format_datetime(timezone.localtime(message.created_at)),
        "Message-ID": f"<{message.message_id}>",
        "X-Factureya-Loop": "1",  # by which we know our own mail if it comes back, and do not answer it
    }
    subject = _encode_subject(message.subject)
    email = EmailMultiAlternatives(subject, message.body, to=[message.to], headers=headers)
    _add_head(email, message)
    for name, content, content_type in _load_files(message):
        email.attach(name, content, content_type)
    return email


def _add_head(email: EmailMultiAlternatives, message: OutboxMessage) -> None:
    """Add the HTML with the head of the reader's company, if it has one; the mail leaves without it if that fails."""
    try:
        if head := heads.find_head(message):
            heads.add_html(email, head, message.subject)
    except Exception:
        logger.exception("mail %s leaves without its head", message.key)


def _load_files(message: OutboxMessage) -> list[tuple[str, bytes, str]]:
    """Return the files (name, bytes, type) to attach, which a hook of the mail's kind makes; none if the hook fails."""
    hook = settings.OUTBOX_FILES.get(message.kind)
    try:
        return list(import_string(hook)(message)) if hook else []
    except Exception:
        logger.exception("mail %s leaves without its file", message.key)
        return []


def _encode_subject(text: str) -> str:
    """Return a mail's subject for its header, with all after its first word (the ticket's number) encoded if needed.

    Django would encode the first word too. Then that word may go to a new line, and some programs show a gap there.
    """
    first, _, rest = text.partition(" ")
    if text.isascii() or not first.isascii():
        return text  # nothing to encode, or Django encodes it all
    return f"{first} {Header(rest, 'utf-8').encode(linesep='')}"


def _claim_mail(pk: int) -> OutboxMessage | None:
    """Claim a queued mail that is due for one try, and return it; None if another process has it, or it is not due."""
    claimed = OutboxMessage.objects.filter(pk=pk, status=Status.QUEUED, due_at__lte=clock.now()).update(
        status=Status.SENDING, claimed_at=clock.now(), attempts=F("attempts") + 1
    )
    return OutboxMessage.objects.get(pk=pk) if claimed else None


def _find_claimed(message: OutboxMessage) -> QuerySet[OutboxMessage]:
    """Return a queryset of the claimed mail; it is empty once another try has claimed it or the mail was sent."""
    return OutboxMessage.objects.filter(pk=message.pk, attempts=message.attempts, sent_at__isnull=True)


def _mark_sent(message: OutboxMessage) -> None:
    """Mark a mail as sent, wipe a secret text, and call the hook of its kind (the reminder of M15), all or nothing.

    Nothing is written if another try has claimed the mail meanwhile.
    """
    sent_at = clock.now()
    body = WIPED if message.is_secret else message.body
    with transaction.atomic():
        # Operations lock first the ticket, then the mail. The hook and then the update do so too: no deadlock.
        if hook := settings.OUTBOX_ON_SENT.get(message.kind):
            import_string(hook)(message, sent_at)
        marked = _find_claimed(message).update(
            status=Status.SENT, sent_at=sent_at, claimed_at=None, last_error="", body=body
        )
        if not marked:  # the other try will mark it
            transaction.set_rollback(True)


def _mark_failed(message: OutboxMessage, error: Exception) -> None:
    """After a failed try queue a mail again, due in 1, 2, 4… minutes; after OUTBOX_MAX_ATTEMPTS tries give it up."""
    claimed = _find_claimed(message).filter(status=Status.SENDING)  # none if it was dropped, or claimed again
    description = _describe_error(error)[:500]
    if message.attempts >= settings.OUTBOX_MAX_ATTEMPTS:
        _give_up(claimed, description)
        return
    due_at = clock.now() + timedelta(minutes=2 ** (message.attempts - 1))  # `attempts` counts the failed one too
    claimed.update(status=Status.QUEUED, due_at=due_at, claimed_at=None, last_error=description)


def _describe_error(error: Exception) -> str:
    """Return what the mail server answered (550 5.1.1 …) as text for a person, else the error with its name."""
    answers: list[tuple[int, bytes | str]] = []
    if isinstance(error, SMTPRecipientsRefused):
        answers = list(error.recipients.values())
    elif isinstance(error, SMTPResponseException):
        answers = [(error.smtp_code, error.smtp_error)]
    texts = [f"{code} {force_str(text, errors='replace')}" for code, text in answers]
    return "; ".join(texts) or f"{type(error).__name__}: {error}"


def _give_up(messages: QuerySet[OutboxMessage], error: str) -> None:
    """Mark mails as failed (they stay visible), wipe secret texts, and tell the apps that queued them (hooks)."""
    with transaction.atomic():
        # Operations lock first the ticket or request, then its mail. Hooks and update keep this order: no deadlock.
        for message in messages.filter(kind__in=settings.MAIL_UNDELIVERED):
            handle_undelivered(message)
        messages.filter(is_secret=True).update(body=WIPED)
        messages.update(status=Status.FAILED, claimed_at=None, last_error=error)
