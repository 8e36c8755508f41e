"""Machines are stored and shown, move nothing, and are answered never; people have caps (M6; security.md, row 8)."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from factureya.core import clock, tasks
from factureya.core.models import MailQuota, OutboxMessage
from factureya.testing.inbound_mails import ANA, became, deliver, last_inbound, passed, proven, to_customers
from factureya.testing.people import make_agent
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations
from tickets.models import Ticket

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db, pytest.mark.clause("M6")]
OPEN, WAITING = Ticket.Status.OPEN, Ticket.Status.WAITING
MARKS: dict[str, dict[str, Any]] = {
    "auto-replied": {"Auto-Submitted": "auto-replied"},
    "auto-generated": {"Auto-Submitted": "Auto-Generated; type=x"},
    "x-autoreply": {"X-Autoreply": "yes"},
    "precedence": {"Precedence": "bulk"},
    "list": {"List-Id": "<lista.ejemplo.mx>"},
    "empty return path": {"Return-Path": "<>"},
    "our own loop mark": {"X-Factureya-Loop": "1"},
    "out of office": {"Subject": "Respuesta automática: Falla"},
    "receipt": {"Content-Type": 'multipart/report; report-type="disposition-notification"; boundary="x"'},
}


@pytest.mark.parametrize("mark", MARKS)
def test_nine_marks_get_no_answer_and_move_nothing(ana: User, mark: str):
    ticket = make_ticket(WAITING, requester=ana)
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    sent = OutboxMessage.objects.count()
    reply = {"In-Reply-To": f"<{mails_about(ticket)[-1].message_id}>", "Subject": "Re: Falla"}
    outcome = deliver(proven("Estoy de vacaciones", **reply | MARKS[mark]))
    assert (outcome.disposition, outcome.about) == ("ignore-auto", ticket.chain)
    assert Ticket.objects.filter(pk=ticket.pk).values().get() == before
    assert [event.verb for event in ticket.events()][-1] == "ticket.robot_answered"  # shown to the agent
    assert OutboxMessage.objects.count() == sent
    assert last_inbound().is_in_tray


def test_a_machine_that_nobody_vouches_for_leaves_no_line_in_a_ticket(ana: User):
    ticket = make_ticket(WAITING, requester=ana)
    known = {"In-Reply-To": f"<{mails_about(ticket)[-1].message_id}>", **MARKS["auto-replied"]}
    outcome = deliver(proven("Estoy fuera", **known | {"Authentication-Results": None}))
    assert (outcome.disposition, outcome.about) == ("ignore-auto", "")
    assert "ticket.robot_answered" not in [event.verb for event in ticket.events()]
    assert last_inbound().is_in_tray


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("who", ["stranger", "failing", "ours"])
def test_a_marked_stranger_is_told_nothing(ana: User, mark: str, who: str):
    sender = {"stranger": "x@otra.mx", "failing": ANA, "ours": "soporte@factureya.com"}[who]
    verdict = passed(result="fail") if who == "failing" else passed(sender.partition("@")[2])
    outcome = deliver(proven(**{"From": sender, "Authentication-Results": verdict} | MARKS[mark]))
    assert outcome.disposition == ("reject-unregistered" if who == "failing" else "ignore-auto")
    assert not OutboxMessage.objects.exclude(kind="tickets/forged").exists()
    assert not Ticket.objects.exists()


def test_suppressing_automatic_answers_is_a_persons_wish(ana: User):
    outcome = deliver(proven(X_Auto_Response_Suppress="All", Auto_Submitted="no"))
    assert outcome.disposition == "accept-new"
    assert len(to_customers()) == 1


def test_a_robot_of_a_stranger_who_knows_an_id_is_not_shown_in_the_ticket(ana: User):
    ticket = make_ticket(requester=ana)
    events = ticket.events().count()
    reply = {"In-Reply-To": f"<{mails_about(ticket)[-1].message_id}>"}
    outcome = deliver(proven(From="x@otra.mx", Auto_Submitted="auto-replied", **reply))
    assert (outcome.disposition, outcome.about, ticket.events().count()) == ("ignore-auto", "", events)


@pytest.mark.parametrize("subject", ["different", "same", "of the ticket"])
def test_an_unmarked_robot_sending_sixty_mails_gets_ten_answers_at_most(ana: User, subject: str):
    start = clock.now()
    ticket = make_ticket(requester=ana)
    before = len(to_customers())
    for turn in range(60):
        texts = {"different": f"Falla {turn}", "same": "Falla", "of the ticket": f"RE: {ticket.number}"}
        with clock.at(start + timedelta(seconds=50 * turn)):
            assert deliver(proven(f"turno {turn}", Subject=texts[subject])).disposition.startswith("accept")
    answers = len(to_customers()) - before
    assert answers == {"different": 10, "same": 1, "of the ticket": 0}[subject]


def test_the_cap_is_of_an_hour_and_of_each_sender(ana: User, settings: Any):
    settings.MAIL_ANSWERS_PER_SENDER = 2
    start = clock.now()
    for turn in range(4):
        deliver(proven(f"a{turn}", Subject=f"Falla {turn}"))
    company = ana.contact.customer.registered_email
    deliver(proven("b", From=company, Subject="Otra"))
    assert [mail.to for mail in to_customers()] == [ANA, ANA, company]
    with clock.at(start + timedelta(hours=1, seconds=1)):
        deliver(proven("c", Subject="Más tarde"))
    assert len(to_customers()) == 4
    assert Ticket.objects.count() == 6


def test_the_cap_of_all_senders(ana: User, settings: Any):
    settings.MAIL_ANSWERS_PER_HOUR = 1
    deliver(proven("a", Subject="Uno"))
    deliver(proven("b", Subject="Dos", From=ana.contact.customer.registered_email))
    assert (len(to_customers()), Ticket.objects.count()) == (1, 2)


# -- State flips -------------------------------------------------------------------------------------


def flip(ticket: Ticket, turn: int) -> Ticket:
    """We answer, and a mail of the customer's comes back at once."""
    operations.answer(ticket.pk, agent=make_agent(), body="¿Cuál?", wait_reason="detail")
    deliver(proven(f"Recibido {turn}", Subject=f"RE: {ticket.number}"))
    ticket.refresh_from_db()
    return ticket


@pytest.mark.clause("M6", "M15")
def test_the_fourth_turn_by_mail_in_an_hour_is_stored_and_holds_the_close(ana: User):
    ticket = make_ticket(requester=ana)
    assert [flip(ticket, turn).status for turn in range(4)] == [OPEN, OPEN, OPEN, WAITING]
    assert (ticket.close_held_reason, ticket.messages.last().body) == ("flips", "Recibido 3")
    assert [event.verb for event in ticket.events()][-1] == "ticket.information_held"
    assert ticket.reply_due_at is not None
    assert ticket.closes_at is not None
    with clock.at(ticket.closes_at + timedelta(days=1)):
        for sweep in (operations.warn_before_close, operations.close_unanswered):
            with pytest.raises(operations.WrongStatus, match="detenido"):
                sweep(ticket.pk)
        assert not Ticket.objects.due_to_close(clock.now()).exists()
        assert not Ticket.objects.due_to_warn(clock.now()).exists()
    # The customer was not silent: whoever looks at it makes it our turn.
    assert operations.release_close(ticket.pk, agent=make_agent()).status == OPEN


@pytest.mark.clause("M6", "M15")
def test_an_answer_ends_the_hold_and_an_hour_later_mail_moves_it_again(ana: User):
    start, ticket = clock.now(), make_ticket(requester=ana)
    for turn in range(4):
        flip(ticket, turn)
    with clock.at(start + timedelta(hours=1, minutes=1)):
        ticket = flip(ticket, 5)
    assert (ticket.status, ticket.close_held_at, ticket.close_held_reason) == (OPEN, None, None)


@pytest.mark.clause("M6")
def test_only_turns_by_mail_count(ana: User):
    ticket, agent = make_ticket(requester=ana), make_agent()
    for turn in range(5):
        operations.answer(ticket.pk, agent=agent, body="¿Cuál?", wait_reason="detail")
        operations.add_information(ticket.pk, author=ana, body=f"Por el portal {turn}")
    assert flip(ticket, 9).status == OPEN
    for turn in range(5):  # what finds it Abierto moves nothing
        deliver(proven(f"Y además {turn}", Subject=f"RE: {ticket.number}"))
    assert became(deliver(proven("fin", Subject=f"RE: {ticket.number}"))).status == OPEN
    assert flip(ticket, 10).status == OPEN


def test_what_strangers_leave_in_the_quotas_is_forgotten_when_it_counts_no_more():
    for number in range(3):
        deliver(proven("Hola", From=f"extrano{number}@otro.example"))
    assert MailQuota.objects.count() == 4  # each stranger's, and the one of all
    assert tasks.forget_quotas() == 0
    with clock.at(clock.now() + timedelta(days=1)):
        deliver(proven("Hola otra vez", From="extrano0@otro.example"))
        assert tasks.forget_quotas() == 2
        assert {quota.name for quota in MailQuota.objects.all()} == {"notice:extrano0@otro.example", "notices"}
