"""A mail of ours that comes back: marked, the contact flagged, the close held until an agent says so (M6, M15)."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from factureya.core import clock
from factureya.core.mail import intake, outbox, parse
from factureya.core.models import MailFolder, OutboxMessage
from factureya.testing.desk import QUEUE, agent_in, page_of
from factureya.testing.inbound_mails import bounce_of, deliver, last_inbound
from factureya.testing.mails import mail as plain
from factureya.testing.pages import log_in, text_of
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import mails_about, make_ticket, remind
from tickets import operations, policy, tasks
from tickets.inbound import receive
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M6", "M15")]
WAITING, OPEN = Ticket.Status.WAITING, Ticket.Status.OPEN


def test_a_bounce_marks_the_mail_flags_the_contact_and_holds_the_close(ana: User):
    ticket = make_ticket(WAITING, requester=ana)
    mail = mails_about(ticket)[-1]
    outcome = deliver(bounce_of(mail))
    assert (outcome.disposition, outcome.about) == ("ignore-bounce", ticket.chain)
    mail.refresh_from_db()
    ana.refresh_from_db()
    ticket.refresh_from_db()
    assert mail.bounced_at is not None
    assert ana.mail_bounced_at is not None
    assert (ticket.status, ticket.close_held_reason) == (WAITING, "bounce")
    assert ticket.close_held_at is not None
    event = ticket.events().last()
    assert (event.verb, event.data["to"], event.data["is_held"]) == ("ticket.mail_bounced", ana.email, True)
    assert [e.verb for e in ana.events()] == ["person.joined", "person.mail_bounced"]
    assert last_inbound().is_in_tray
    # The same bounce again, and another one for the same mail, say nothing new.
    deliver(bounce_of(mail))
    deliver(bounce_of(mail, X="y", Subject="otra vez"))
    assert ticket.events().last() == event


def test_two_reports_of_one_mail_at_the_same_instant_say_it_once(ana: User):
    ticket = make_ticket(WAITING, requester=ana)
    mail = mails_about(ticket)[-1]
    plans = []
    for name in ("a", "b"):  # both are read before either is written
        raw = bounce_of(mail, Subject=name)
        inbound, _ = intake.keep(raw, source="smtp")
        plans.append(receive(inbound, parse.parse(raw)))
    for plan in plans:
        assert plan().about == ticket.chain
    said = [event.verb for event in ticket.events()]
    assert said.count("ticket.mail_bounced") == 1
    assert [event.verb for event in ana.events()] == ["person.joined", "person.mail_bounced"]


def test_the_pages_say_that_a_close_is_held_and_an_agent_lets_it_run(ana: User, client: Client):
    ticket = make_ticket(WAITING, requester=ana)
    log_in(client, ana)
    page = f"/tickets/{ticket.number}/"
    assert "Si no responde, se cierra" in text_of(client.get(page))
    deliver(bounce_of(mails_about(ticket)[-1]))
    held = text_of(client.get(page))
    assert "El plazo está detenido" in held
    assert "se cierra el" not in held
    assert "El plazo está detenido" in text_of(client.get("/tickets/"))
    agent_in(client)
    assert "Cierre detenido un agente decide" in text_of(client.get(f"{QUEUE}?vista=en-espera"))
    shown = client.get(page_of(ticket))
    assert "El cierre está detenido. Un correo al cliente no se entregó." in text_of(shown)
    assert "Sus correos se devuelven desde" in text_of(shown)
    released = client.post(page_of(ticket, "release_close"), follow=True)
    assert "corre de nuevo: sin respuesta, se cierra" in text_of(released)
    assert "El cierre está detenido" not in text_of(released)
    again = client.post(page_of(ticket, "release_close"), follow=True)
    assert "no está detenido" in text_of(again)


def test_a_held_close_does_not_come_and_an_agent_lets_it_run_again(ana: User):
    ticket = make_ticket(WAITING, requester=ana)
    deliver(bounce_of(mails_about(ticket)[-1]))
    assert ticket.closes_at is not None
    long_after = ticket.closes_at + timedelta(days=30)
    with clock.at(long_after):
        assert (tasks.warn_before_close(), tasks.close_unanswered()) == (0, 0)
        with pytest.raises(policy.NotAllowed):
            operations.release_close(ticket.pk, agent=ana)
        ticket = operations.release_close(ticket.pk, agent=make_agent())
        assert (ticket.status, ticket.close_held_at) == (WAITING, None)
        assert ticket.closes_at == long_after + timedelta(hours=24)
        assert tasks.close_unanswered() == 0
        assert tasks.warn_before_close() == 1
        ticket.refresh_from_db()
        assert ticket.reminder_id is not None
        assert outbox.deliver(ticket.reminder_id)
    with clock.at(long_after + timedelta(hours=24, seconds=1)):
        assert tasks.close_unanswered() == 1


@pytest.mark.parametrize("end", ["answer", "reply", "confirm"])
def test_what_ends_the_wait_ends_the_hold(ana: User, end: str):
    ticket = make_ticket(WAITING, requester=ana)
    deliver(bounce_of(mails_about(ticket)[-1]))
    if end == "answer":
        operations.answer(ticket.pk, agent=make_agent(), body="Ya", wait_reason="detail")
    elif end == "reply":
        operations.add_information(ticket.pk, author=ana, body="Aquí está")
    else:
        operations.confirm_resolved(ticket.pk, author=ana)
    ticket.refresh_from_db()
    assert (ticket.close_held_at, ticket.close_held_reason) == (None, None)


@pytest.mark.parametrize("action", ["delayed", "relayed"])
def test_a_delay_is_only_stored(ana: User, action: str):
    ticket = make_ticket(WAITING, requester=ana)
    outcome = deliver(bounce_of(mails_about(ticket)[-1], action))
    ticket.refresh_from_db()
    assert (outcome.disposition, outcome.reason, ticket.close_held_at) == ("ignore-bounce", "delayed", None)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Warning: message 1rXy-0001 delayed 24 hours", "A message that you sent"),
        ("Warning: could not send message for past 4 hours", "Warning"),
        ("Delivery Status Notification (Delay)", "Your message has not yet been delivered."),
        ("Mail delivery", "THIS IS A WARNING MESSAGE ONLY"),
    ],
)
def test_attack_a2_a_delay_that_is_said_in_words_is_only_stored(ana: User, subject: str, text: str):
    mail = mails_about(make_ticket(WAITING, requester=ana))[-1]
    warning = plain(
        text,
        Subject=subject,
        From="Mail Delivery System <Mailer-Daemon@mx.ejemplo.mx>",
        References=f"<{mail.message_id}>",
        Message_ID=None,
    )
    outcome = deliver(warning)
    mail.refresh_from_db()
    assert (outcome.reason, mail.bounced_at) == ("delayed", None)
    given_up = plain(
        "User unknown",
        Subject="Undeliverable: retraso, message delayed",
        Message_ID=None,
        From="Mail Delivery System <Mailer-Daemon@mx.ejemplo.mx>",
        References=f"<{mail.message_id}>",
    )
    assert deliver(given_up).reason == ""
    mail.refresh_from_db()
    assert mail.bounced_at is not None


def test_a_bounce_of_what_we_never_sent_moves_nothing(ana: User):
    ticket = make_ticket(WAITING, requester=ana)
    forged = OutboxMessage(to=ana.email, message_id=f"{'0' * 40}@factureya.com")
    outcome = deliver(bounce_of(forged, Subject=f"Undelivered: {ticket.number}"))
    ticket.refresh_from_db()
    ana.refresh_from_db()
    assert (outcome.disposition, outcome.about) == ("ignore-bounce", "")
    assert (ticket.close_held_at, ana.mail_bounced_at) == (None, None)


@pytest.mark.parametrize("status", [OPEN, Ticket.Status.CLOSED])
def test_a_bounce_is_said_in_a_ticket_that_does_not_wait(ana: User, status: str):
    ticket = make_ticket(status, requester=ana)
    deliver(bounce_of(mails_about(ticket)[0]))
    ticket.refresh_from_db()
    assert (ticket.status, ticket.close_held_at) == (status, None)
    assert ticket.events().last().data["is_held"] is False


def test_an_agents_mail_that_bounces_holds_nothing_and_flags_no_customer(ana: User):
    ticket = make_ticket(WAITING, requester=ana)
    operations.add_information(ticket.pk, author=ana, body="Aquí está")
    mail = mails_about(ticket)[-1]
    assert mail.kind == "tickets/new_message"
    operations.answer(ticket.pk, agent=make_agent(), body="Ya", wait_reason="detail")
    events = ticket.events().count()
    deliver(bounce_of(mail))
    mail.refresh_from_db()
    ticket.refresh_from_db()
    assert (mail.bounced_at is None, ticket.close_held_at, ticket.events().count()) == (False, None, events)


def test_a_mail_about_no_ticket_bounces_too(ana: User):
    mail = outbox.enqueue("tickets/forged", key="k", to=ana.email, context={"address": "x@y.mx"})
    assert deliver(bounce_of(mail)).disposition == "ignore-bounce"
    ana.refresh_from_db()
    assert ana.mail_bounced_at is not None


# -- Late polling ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read_until", "closes"), [(None, False), (timedelta(seconds=-1), False), (timedelta(0), True)], ids=str
)
def test_no_silence_while_the_mailbox_is_read_behind_the_due_instant(
    settings: Any, read_until: timedelta | None, closes: bool
):
    settings.MAIL_IN_IMAP_URL = "imaps://so%40porte:clave@imap.ejemplo.mx/INBOX"
    ticket = remind(make_ticket(WAITING, requester=make_contact()))
    assert ticket.closes_at is not None
    until = ticket.closes_at + read_until if read_until is not None else None
    MailFolder.objects.create(name="so@porte@imap.ejemplo.mx/INBOX", uid_validity=1, read_until=until)
    MailFolder.objects.create(
        name="otro@x/INBOX", uid_validity=1, read_until=clock.now().astimezone(UTC).replace(year=2100)
    )
    with clock.at(ticket.closes_at + timedelta(hours=1)):
        assert tasks.close_unanswered() == closes


def test_a_mailbox_nobody_has_read_yet_holds_too_and_none_holds_nothing(settings: Any):
    ticket = remind(make_ticket(WAITING))
    assert ticket.closes_at is not None
    with clock.at(ticket.closes_at + timedelta(hours=1)):
        settings.MAIL_IN_IMAP_URL = "imap://imap.ejemplo.mx"
        assert tasks.close_unanswered() == 0
        settings.MAIL_IN_IMAP_URL = ""
        assert tasks.close_unanswered() == 1
