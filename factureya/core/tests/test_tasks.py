"""Core's tasks are thin: each is one call, leaves its heartbeat, and is safe twice."""

from datetime import timedelta

import pytest
from django.core import mail
from time_machine import travel

from factureya.core import tasks
from factureya.core.clock import now
from factureya.core.models import Attachment, Heartbeat, OutboxMessage

pytestmark = pytest.mark.django_db


def queued(key: str) -> OutboxMessage:
    return OutboxMessage.objects.create(
        key=key, message_id=f"{key}@factureya.com", kind="x", to="ana@ocaso.mx", subject="x", body="x"
    )


def test_a_mail_is_delivered_once():
    message = queued("one")
    assert [tasks.deliver(message.pk), tasks.deliver(message.pk)] == [True, False]
    assert len(mail.outbox) == 1


def test_the_sweep_sends_what_the_bell_missed_and_says_it_ran():
    queued("one")
    queued("two")
    assert [tasks.sweep_outbox(), tasks.sweep_outbox()] == [2, 0]
    assert now() - Heartbeat.objects.get(name="sweep_outbox").at < timedelta(minutes=1)


@pytest.mark.clause("M17")
def test_orphan_files_are_purged_after_a_day(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path  # without the files that other tests left
    Attachment.objects.create(token="t", file="x", name="x", content_type="image/png", size=1, draft="k")
    assert tasks.purge_orphan_attachments() == 0
    with travel(now() + timedelta(hours=25)):
        assert [tasks.purge_orphan_attachments() for _ in range(2)] == [1, 0]
