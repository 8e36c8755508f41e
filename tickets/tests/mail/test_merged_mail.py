"""A mail to a merged number lands in the ticket that takes its messages, whichever way it names it (M11)."""

from datetime import timedelta

import pytest

from accounts.models import User
from factureya.core import clock
from factureya.core.mail import outbox
from factureya.testing.inbound_mails import ANA, became, bounce_of, deliver, last_inbound, proven
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import let_it_close, mails_about, make_inbound, make_ticket
from tickets import notifications, operations
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db, pytest.mark.clause("M11")]


def make_pair(ana: User, status: str = "open") -> tuple[Ticket, Ticket]:
    ticket = make_ticket(status, requester=ana, subject="Sello revocado")
    survivor = make_ticket("waiting", requester=ana, subject="Tampoco timbra")
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    return ticket, survivor


HOW = {
    "subject": lambda ticket: {"Subject": f"Re: {ticket.number} Sello revocado"},
    "address": lambda ticket: {"To": notifications.make_reply_address(ticket.number)},
    "root id": lambda ticket: {"In-Reply-To": f"<{notifications.make_root_id(ticket.number)}>"},
    "our mail": lambda ticket: {"In-Reply-To": f"<{mails_about(ticket)[0].message_id}>"},
    "same subject": lambda _ticket: {"Subject": "Sello revocado"},
}


@pytest.mark.parametrize("how", HOW)
def test_a_mail_to_the_merged_number_lands_in_the_survivor(ana: User, how: str):
    ticket, survivor = make_pair(ana)
    outcome = deliver(proven("Sigo igual", **HOW[how](ticket)))
    assert became(outcome) == survivor
    assert survivor.messages.latest("seq").body == "Sigo igual"
    assert ticket.messages.count() == 1
    assert (Ticket.objects.get(pk=survivor.pk).status, Ticket.objects.count()) == ("open", 2)


def test_a_mail_after_the_survivor_closed_continues_it(ana: User):
    ticket, survivor = make_pair(ana)
    operations.confirm_resolved(survivor.pk, author=ana)
    following = became(deliver(proven("Sigue", Subject=f"Re: {ticket.number}")))
    assert following.follows == survivor
    assert became(deliver(proven("Y más", Subject=f"Re: {ticket.number}"))) == following
    other = make_ticket(requester=ana, subject="Uno más")
    operations.merge_ticket(following.pk, agent=make_agent(), into_pk=other.pk)
    assert became(deliver(proven("Todavía", Subject=f"Re: {ticket.number}"))) == other
    operations.confirm_resolved(other.pk, author=ana)
    assert became(deliver(proven("Otra vez", Subject=f"Re: {ticket.number}"))).follows == survivor


def test_a_new_mail_with_the_subject_of_one_whose_survivor_closed_is_new(ana: User):
    ticket, survivor = make_pair(ana)
    operations.confirm_resolved(survivor.pk, author=ana)
    opened = became(deliver(proven("Otro día", Subject=ticket.subject)))
    assert opened not in (ticket, survivor)
    assert opened.follows is None


def test_a_mail_in_time_voids_the_silent_close_of_the_survivor(ana: User):
    ticket, survivor = make_pair(ana, "waiting")
    survivor = let_it_close(Ticket.objects.get(pk=survivor.pk))
    outcome = deliver(proven("A tiempo", Subject=f"Re: {ticket.number}"), received_at=survivor.closed_at)
    assert (became(outcome), outcome.reason) == (survivor, "void")
    assert Ticket.objects.get(pk=survivor.pk).status == "open"


def test_who_may_not_see_the_survivor_gets_a_ticket_of_his_own(ana: User):
    ticket, survivor = make_pair(ana)
    Ticket.objects.filter(pk=survivor.pk).update(requester=make_contact(ana.contact.customer))
    ana.contact.own_tickets_only = True
    ana.contact.save()
    opened = became(deliver(proven("Sigo igual", Subject=f"Re: {ticket.number} otra vez")))
    assert opened not in (ticket, survivor)
    assert opened.messages.get().body == "Sigo igual"


def test_a_bounce_of_a_mail_about_the_merged_number_holds_the_survivor(ana: User):
    ticket, survivor = make_pair(ana, "waiting")
    mail = mails_about(ticket)[0]
    assert outbox.deliver(mail.pk)
    deliver(bounce_of(mail))
    assert Ticket.objects.get(pk=survivor.pk).close_held_reason == "bounce"


def test_a_robot_that_answers_the_merged_number_is_noted_in_the_survivor(ana: User):
    ticket, survivor = make_pair(ana)
    deliver(proven("Estoy de vacaciones", Subject=f"Re: {ticket.number}", **{"Auto-Submitted": "auto-replied"}))
    root = f"<{notifications.make_root_id(ticket.number)}>"
    deliver(proven("De vacaciones", **{"Auto-Submitted": "auto-replied", "In-Reply-To": root}))
    assert [event.verb for event in survivor.events()].count("ticket.robot_answered") == 1


@pytest.mark.parametrize("as_words", [True, False])
def test_a_mail_of_the_tray_goes_to_the_survivor(ana: User, as_words: bool):
    ticket, survivor = make_pair(ana)
    mail = make_inbound(disposition="reject-unregistered", sender=ANA)
    contact = ana if as_words else None
    operations.link_mail(ticket.pk, agent=make_agent(), inbound_pk=mail.pk, body="Del correo", contact=contact)
    assert (survivor.messages if as_words else survivor.notes).latest("pk").body == "Del correo"
    mail.refresh_from_db()
    assert mail.about == survivor.chain


def test_twenty_mails_to_both_numbers_are_all_there_once(ana: User):
    ticket, survivor = make_pair(ana)
    for number in range(20):
        to = (ticket, survivor)[number % 2]
        deliver(proven(f"Correo {number}", Subject=f"Re: {to.number}"))
    written = Message.objects.filter(body__startswith="Correo ")
    assert sorted(written.values_list("body", flat=True)) == sorted(f"Correo {number}" for number in range(20))
    assert set(written.values_list("ticket", flat=True)) == {survivor.pk}
    assert last_inbound().about == survivor.chain


@pytest.mark.clause("M11", "M15")
def test_who_opened_the_merged_ticket_gets_what_is_sent_in_the_other(ana: User):
    beto, blind = make_contact(ana.contact.customer), make_contact(ana.contact.customer)
    survivor = make_ticket(requester=ana, subject="Tampoco timbra")
    for person in (beto, beto, blind, ana):
        merged = make_ticket(requester=person)
        operations.merge_ticket(merged.pk, agent=make_agent(), into_pk=survivor.pk)
    blind.contact.own_tickets_only = True
    blind.contact.save()
    operations.answer(survivor.pk, agent=make_agent(), body="¿Y el XML?", wait_reason="detail")
    closed = let_it_close(Ticket.objects.get(pk=survivor.pk))
    assert closed.closed_reason == "unanswered"
    for kind in ("tickets/answered", "tickets/reminder", "tickets/closed"):
        mails = {mail.to: mail.body for mail in mails_about(survivor) if mail.kind == kind}
        assert set(mails) == {ana.email, beto.email}
        assert len([mail for mail in mails_about(survivor) if mail.kind == kind]) == 2
        assert beto.get_full_name() in mails[beto.email]
        assert "/enlace/" in mails[beto.email]


def test_who_writes_in_the_other_gets_no_mail_of_it_and_a_late_reminder_goes_to_nobody(ana: User):
    beto = make_contact(ana.contact.customer)
    ticket, survivor = make_ticket(requester=beto), make_ticket("waiting", requester=ana)
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    survivor = operations.answer(survivor.pk, agent=make_agent(), body="¿Y?", wait_reason="detail")
    with clock.at(survivor.closes_at - timedelta(hours=24)):
        operations.warn_before_close(survivor.pk)
        operations.add_information(survivor.pk, author=ana, body="Va")
    reminders = [mail for mail in mails_about(survivor) if mail.kind == "tickets/reminder"]
    assert [mail.status for mail in reminders] == ["dropped", "dropped"]
    operations.confirm_resolved(survivor.pk, author=beto)
    assert [mail.to for mail in mails_about(survivor) if mail.kind == "tickets/closed"] == [ana.email]
