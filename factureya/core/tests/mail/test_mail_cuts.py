"""The database is cut off at every step of taking a mail: after the redelivery there is exactly one entry (M6)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import time_machine
from django.db import connection

from factureya.core import audit, clock
from factureya.core.mail import intake, smtp
from factureya.core.mail.intake import Outcome
from factureya.core.models import Heartbeat, InboundMessage, OutboxMessage
from factureya.testing.mails import mail
from factureya.testing.people import make_contact, own_provider
from factureya.testing.pg_relay import PLAIN, Relay
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M6")]


def accept(inbound: InboundMessage, _mail: Any) -> Any:
    def write() -> Outcome:
        Heartbeat.objects.create(name=f"entrada {inbound.pk}", at=clock.now())
        return Outcome("accept-new")

    return write


@contextmanager
def through(port: int) -> Iterator[None]:
    """This thread's connection goes to another port, without a pool and without encryption."""
    connection.settings_dict = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": port, "OPTIONS": PLAIN}
    try:
        yield
    finally:
        connection.close()


def in_thread(call: Callable[[], Any]) -> Any:
    """What the call returns in a thread of its own, so with a connection of its own."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(call())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return results[0]


def bring(raw: bytes, *, at: int, is_after: bool, steps: bool) -> bool:
    """A mail server brings a mail until it is told 250; then the sweep of a minute later. False: nothing was cut."""
    host, port = connection.settings_dict["HOST"], int(connection.settings_dict["PORT"])
    relay = Relay(host, port, at=at, is_after=is_after, steps=steps)

    def deliver() -> str:
        with through(relay.port):
            return smtp.take_mail(raw, ["soporte@factureya.com"])

    answers = [in_thread(deliver)]
    if answers[0] != smtp.KEPT:
        assert answers[0] == smtp.TRY_AGAIN
        answers.append(in_thread(deliver))
    assert answers[-1] == smtp.KEPT
    with time_machine.travel(clock.now().timestamp() + 60):
        intake.sweep()
    relay.close()
    return relay.has_cut


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_cut_at_every_message_of_the_protocol(settings, is_after):
    settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: [f"{__name__}.accept"]}
    at, was_cut = 0, True
    while was_cut:
        at += 1
        was_cut = bring(mail(Message_ID=f"<{at}@x>"), at=at, is_after=is_after, steps=False)
        kept = InboundMessage.objects.order_by("pk")
        assert [m.disposition for m in kept] == ["accept-new"] * at
        assert Heartbeat.objects.count() == at
    assert at > 12


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_cut_at_every_statement_while_a_ticket_is_opened(settings, is_after):
    settings.MAIL_IN_REQUIRE_VERDICT = False
    own_provider()
    ana = make_contact()
    at, was_cut = 0, True
    while was_cut:
        at += 1
        raw = mail(f"Problema {at}", From=ana.email, Subject=f"Problema {at}", Message_ID=f"<{at}@x>")
        with time_machine.travel(clock.now().timestamp() + at * 86_400):  # past the caps of an hour
            was_cut = bring(raw, at=at, is_after=is_after, steps=True)
        assert [m.disposition for m in InboundMessage.objects.order_by("pk")] == ["accept-new"] * at
        assert Ticket.objects.count() == Message.objects.count() == at
        assert OutboxMessage.objects.filter(kind="tickets/opened").count() == at
    assert at > 20
    assert list(audit.find_flaws()) == []


def test_without_a_database_the_mail_server_keeps_the_mail():
    def deliver() -> str:
        with through(1):
            return smtp.take_mail(mail(), [])

    assert in_thread(deliver) == smtp.TRY_AGAIN
    assert not InboundMessage.objects.exists()
