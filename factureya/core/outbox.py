"""Mails are decided inside a transaction and sent after it, at least once and recognisably.

`enqueue` renders now and writes a row with a unique key; after the commit a bell rings at the broker. If the bell
is lost the sweep finds the row. `deliver` claims by a conditional UPDATE, so any number of workers send it once;
it repeats only if the process died between the mail server's yes and our commit, with the same Message-ID.
"""

import logging
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.template import engines
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from factureya.core import clock
from factureya.core.models import OutboxMessage

logger = logging.getLogger(__name__)
Status = OutboxMessage.Status
DELIVER_TASK = "factureya.core.tasks.deliver"


def enqueue(
    kind: str,
    *,
    key: str,
    to: str,
    context: dict[str, Any],
    about: str = "",
    is_secret: bool = False,
) -> OutboxMessage:
    """Render `templates/mail/<kind>.txt` (first line = subject) into the outbox, in the caller's transaction.

    `key` is unique, made of the event that caused the mail: the same event cannot mail twice (IntegrityError).
    `is_secret` wipes the text once it is sent (codes).
    """
    subject, _, body = engines["mail"].get_template(f"{kind}.txt").render(context).partition("\n")
    message = OutboxMessage.objects.create(
        key=key, kind=kind, about=about, to=to, is_secret=is_secret,
        subject=" ".join(subject.split())[:200], body=body.strip() + "\n",
    )  # fmt: skip
    # A lambda and not a partial: Django's log of a failed robust hook asks for its __qualname__.
    transaction.on_commit(lambda: _ring(message.pk), robust=True)
    return message


def drop(pk: int) -> None:
    """A mail that is no longer needed will not be sent, nor tried again; one that left already stays as it is.

    One that is being sent at this moment may still leave (then it is *sent*), but a failure does not queue it again.
    """
    pending = [Status.QUEUED, Status.SENDING, Status.FAILED]
    unsent = OutboxMessage.objects.filter(pk=pk, status__in=pending)
    unsent.update(status=Status.DROPPED, claimed_at=None)


def retry(pk: int) -> bool:
    """Queue a failed mail again from the first try; False when it was not failed."""
    again = OutboxMessage.objects.filter(pk=pk, status=Status.FAILED)
    return bool(again.update(status=Status.QUEUED, attempts=0, due_at=clock.now(), last_error=""))


def deliver(pk: int) -> bool:
    """Send one queued mail that is due; True when this call sent it.

    A failure queues it again with a growing delay; after OUTBOX_MAX_ATTEMPTS it is *failed* and stays visible.
    """
    claimed = OutboxMessage.objects.filter(
        pk=pk, status=Status.QUEUED, due_at__lte=clock.now()
    ).update(status=Status.SENDING, claimed_at=clock.now(), attempts=F("attempts") + 1)
    if not claimed:
        return False
    message = OutboxMessage.objects.get(pk=pk)
    try:
        _as_email(message).send()
    except (
        Exception
    ) as error:  # whatever the mail server or the network does, the row must not stay claimed
        logger.warning("mail %s not sent (try %s): %s", message.key, message.attempts, error)
        _failed(message, error)
        return False
    _sent(message)
    return True


def sweep() -> int:
    """Send everything that is due, after queueing again what hangs; the number sent."""
    requeue_stuck()
    due = OutboxMessage.objects.filter(status=Status.QUEUED, due_at__lte=clock.now()).order_by(
        "due_at"
    )
    return sum(deliver(pk) for pk in list(due.values_list("pk", flat=True)[:1000]))


def requeue_stuck() -> int:
    """Queue again what was claimed by a process that died; the number of mails."""
    before = clock.now() - settings.OUTBOX_STUCK_AFTER
    stuck = OutboxMessage.objects.filter(status=Status.SENDING, claimed_at__lt=before)
    return stuck.update(status=Status.QUEUED, claimed_at=None)


def message_id(key: str) -> str:
    """The stable Message-ID of the mail with this key."""
    domain = settings.SUPPORT_EMAIL.partition("@")[2]
    return (
        f"<{salted_hmac('outbox.message-id', key, algorithm='sha256').hexdigest()[:40]}@{domain}>"
    )


def _ring(pk: int) -> None:
    current_app.send_task(DELIVER_TASK, args=[pk], ignore_result=True, retry=False)


def _as_email(message: OutboxMessage) -> EmailMessage:
    headers = {"Message-ID": message_id(message.key), "X-Factureya-Loop": "1", **message.headers}
    return EmailMessage(message.subject, message.body, to=[message.to], headers=headers)


def _sent(message: OutboxMessage) -> None:
    """Mark it sent; a kind that something depends on (the reminder of M15) is told in the same transaction."""
    sent_at = clock.now()
    with transaction.atomic():
        if hook := settings.OUTBOX_ON_SENT.get(message.kind):
            import_string(hook)(message, sent_at)
        body = "(borrado después de enviarse)\n" if message.is_secret else message.body
        OutboxMessage.objects.filter(pk=message.pk).update(
            status=Status.SENT, sent_at=sent_at, claimed_at=None, last_error="", body=body
        )


def _failed(message: OutboxMessage, error: Exception) -> None:
    final = message.attempts >= settings.OUTBOX_MAX_ATTEMPTS
    OutboxMessage.objects.filter(pk=message.pk, status=Status.SENDING).update(
        status=Status.FAILED if final else Status.QUEUED,
        due_at=clock.now() + timedelta(minutes=2 ** (message.attempts - 1)),
        claimed_at=None,
        last_error=f"{type(error).__name__}: {error}"[:500],
    )
