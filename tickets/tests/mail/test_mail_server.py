"""The mail server refuses, defers, hangs, cuts or says 550 for an hour: nothing is lost, no page waits (M6)."""

import re
import smtplib
import socket
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
import time_machine
from django.core import mail as django_mail
from django.core.cache import cache
from django.db import connection

from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.desk import agent_in, page_of, reply
from factureya.testing.inbound_mails import make_ana
from factureya.testing.pages import ANSWERS, key_in, log_in, text_of
from factureya.testing.smtp_server import Mood, Server
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations
from tickets.models import Ticket

pytestmark = pytest.mark.clause("M6", "M16")
NOON = datetime(2030, 3, 4, 18, tzinfo=UTC)
TRIES = [0, 1, 3, 7, 15, 31, 63]  # minutes after it was written: each wait is twice the one before
BAD_MOODS = [mood for mood in Mood if mood != Mood.TAKES]
SAID = {
    Mood.REFUSES: "ConnectionRefusedError",
    Mood.CLOSED: "554 no service",
    Mood.LATER: "451 4.7.1 Intente más tarde",
    Mood.LATER_AFTER_DATA: "451 4.7.1 Intente más tarde",
    Mood.NOBODY: "550 5.1.1 No existe ese buzón",
    Mood.UNWANTED: "550 5.1.1 No existe ese buzón",
}


@pytest.fixture
def server(request, settings, tmp_path):
    """A mail server in the mood of the test's parameter, at the end of Django's own SMTP backend."""
    server = Server(getattr(request, "param", Mood.TAKES))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.MEDIA_ROOT = tmp_path
    yield server
    server.end()


def ids(raws: list[bytes]) -> list[str]:
    """The Message-IDs of mails as the server had them."""
    return [message_from_bytes(raw, policy=policy.default)["Message-ID"].strip("<>") for raw in raws]


def in_mood(mood: Mood) -> Any:
    return pytest.mark.parametrize("server", [mood], indirect=True)


# -- An hour -----------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("server", BAD_MOODS, indirect=True, ids=lambda mood: mood.value)
def test_for_an_hour_and_then_everything_leaves_once(server, settings, client):
    settings.EMAIL_TIMEOUT = 0.1 if server.mood.startswith("hangs") else 20
    with time_machine.travel(NOON, tick=False) as clock:
        agent_in(client)
        ticket = make_ticket("waiting", requester=make_ana())
        mails = OutboxMessage.objects.order_by("pk")
        assert {mail.kind for mail in mails} >= {"tickets/opened", "tickets/answered"}
        tried, before = [], 0
        for minute in range(61):
            clock.move_to(NOON + timedelta(minutes=minute))
            assert outbox.sweep() == 0
            if (tries := set(mails.values_list("attempts", flat=True))) != {before}:
                (before,) = tries
                tried.append(minute)
        assert tried == [at for at in TRIES if at <= 60]
        assert {mail.status for mail in mails} == {"queued"}
        assert server.took == []
        says = text_of(client.get(page_of(ticket)))
        assert f"En cola: no salió ({SAID.get(server.mood, 'SMTPServerDisconnected')}" in says
        # Every copy that it had and did not admit to is the same mail, and its reader's program knows that.
        assert len(set(server.read)) == len(set(ids(server.read))) in {0, len(mails)}

        server.change(Mood.TAKES)
        settings.EMAIL_TIMEOUT = 20
        clock.move_to(NOON + timedelta(minutes=TRIES[len(tried)]))
        assert outbox.sweep() == len(mails)
        assert outbox.sweep() == 0
        assert sorted(ids(server.took)) == sorted(mail.message_id for mail in mails)
        assert not set(server.read) - set(server.took)  # the copies were the same, byte for byte
        assert {mail.status for mail in mails.all()} == {"sent"}
        assert "no salió" not in text_of(client.get(page_of(ticket)))


@pytest.mark.django_db
@in_mood(Mood.NOBODY)
def test_550_until_it_is_given_up_is_shown_and_tried_again_by_the_agent(server, client):
    with time_machine.travel(NOON, tick=False) as clock:
        agent_in(client)
        ticket = make_ticket("waiting", requester=make_ana())
        for minute in range(130):
            clock.move_to(NOON + timedelta(minutes=minute))
            assert outbox.sweep() == 0
        answer = mails_about(ticket)[-1]
        assert (answer.kind, answer.status, answer.attempts) == ("tickets/answered", "failed", 8)
        page = client.get(page_of(ticket))
        assert "No entregado: 550 5.1.1 No existe ese buzón" in text_of(page)
        item = re.search(r'<li id="mensaje-2".*?</li>', page.content.decode(), re.DOTALL).group()
        button = re.search(r'formaction="([^"]*/correo/\d+/)[^"]*"[^>]*>Reintentar<', item)
        visits = server.visits
        assert outbox.sweep() == 0
        assert server.visits == visits  # given up is given up: only a person begins again

        server.change(Mood.TAKES)
        client.post(button.group(1))
        assert server.took == []  # pressing it sends nothing either
        assert outbox.sweep() == 1
        assert ids(server.took) == [answer.message_id]
        assert "Enviado" in text_of(client.get(page_of(ticket)))


# -- Meanwhile, the pages ----------------------------------------------------------------------------


def visit_everything(client: Any, ana: Any, agent: Any, ticket: Ticket) -> Ticket:
    """What people do on the pages that causes mail; the ticket that was opened on the way."""
    log_in(client, ana)
    data = {**ANSWERS, "key": key_in(client.get("/tickets/nuevo/"))}
    opened = client.post("/tickets/nuevo/", data)
    assert opened.status_code == 302
    address = f"/tickets/{ticket.number}/"
    key = key_in(client.get(address))
    added = client.post(f"{address}informacion/", {"body": "Va el dato que faltaba.", "key": key})
    assert added.status_code == 302
    client.logout()
    assert client.post("/cuenta/contrasena/restablecer/", {"email": ana.email}).status_code == 302
    log_in(client, agent)
    assert reply(client, ticket, body="Gracias.", after="detalle").status_code == 302
    cache.clear()
    return Ticket.objects.exclude(pk=ticket.pk).latest("pk")


@pytest.mark.django_db(transaction=True)  # so that what waits for the commit is done in the request
@pytest.mark.parametrize("server", [Mood.REFUSES, Mood.HANGS, Mood.NOBODY], indirect=True, ids=lambda mood: mood.value)
def test_no_page_speaks_with_the_mail_server(server, client, monkeypatch):
    """So none takes longer because of it, whatever it does."""
    ana, agent = make_ana(), agent_in(client)
    ticket = make_ticket("waiting", requester=ana)
    met: list[Any] = []

    def note(*arguments: Any, **_options: Any) -> None:
        met.append(arguments[1:])
        raise ConnectionRefusedError

    with monkeypatch.context() as watched:
        watched.setattr(socket.socket, "connect", note)
        watched.setattr(smtplib.SMTP, "__init__", note)
        opened = visit_everything(client, ana, agent, ticket)
    assert met == []
    assert server.visits == 0
    kinds = [mail.kind for mail in mails_about(ticket)]
    assert kinds.count("tickets/answered") == 2
    assert [mail.kind for mail in mails_about(opened)] == ["tickets/opened"]
    assert OutboxMessage.objects.filter(kind="account/password_reset_code").exists()
    assert set(OutboxMessage.objects.values_list("status", flat=True)) == {"queued"}
    assert django_mail.outbox == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@in_mood(Mood.HANGS_AFTER_DATA)
def test_while_a_delivery_hangs_every_page_that_writes_about_its_ticket_succeeds(server, settings, client):
    """The worker holds no lock while it waits for the mail server, not even on the mail that a page drops."""
    settings.EMAIL_TIMEOUT = 20
    ana, agent = make_ana(), agent_in(client)
    ticket = make_ticket("waiting", requester=ana)
    delivered: list[bool] = []

    def work(pk: int) -> None:
        try:
            delivered.append(outbox.deliver(pk))
        finally:
            connection.close()

    with time_machine.travel(ticket.closes_at - timedelta(hours=24)):
        operations.warn_before_close(ticket.pk)
        reminder = mails_about(ticket)[-1]  # which her next word makes needless
        worker = threading.Thread(target=work, args=[reminder.pk])
        worker.start()
        try:
            assert server.met.wait(20)
            visit_everything(client, ana, agent, ticket)
            assert worker.is_alive()
            assert delivered == []
        finally:
            server.let_go.set()
            worker.join(30)
    assert delivered == [False]
    reminder.refresh_from_db()
    assert (reminder.kind, reminder.status) == ("tickets/reminder", "dropped")
