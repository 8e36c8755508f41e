"""Merge, undo and split: pointers alone; each number leads somewhere, nothing is lost or doubled (M11)."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Office, Provider
from factureya.core import audit, clock
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.core.refusals import NotAllowed
from factureya.testing.calls import confirm_by_phone
from factureya.testing.people import make_agent, make_contact, make_customer, make_staff
from factureya.testing.tickets import let_it_close, mails_about, make_inbound, make_ticket
from tickets import operations, tasks
from tickets.merging import family, state_checks
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M11")]

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
DAY = timedelta(days=1)


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def make_pair(first: str = OPEN, second: str = OPEN) -> tuple[Ticket, Ticket]:
    """Two tickets of one requester, in these statuses."""
    ana = make_contact()
    return make_ticket(first, requester=ana), make_ticket(second, requester=ana)


def merge(ticket: Ticket, survivor: Ticket) -> Ticket:
    return operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)


def read(ticket: Ticket, reader: Any = None) -> list[str]:
    """The texts that are read on the ticket's page, in their order."""
    messages = family.read_family(fresh(ticket), reader or ticket.requester).select_messages()
    return [message.body for message in messages.order_by("created_at", "pk")]


def test_a_merge_is_a_pointer_and_nothing_is_written_again():
    ticket, survivor = make_pair(WAITING, OPEN)
    columns = Ticket.objects.filter(pk=ticket.pk).values().get()
    messages = list(Message.objects.order_by("pk").values())
    assert merge(ticket, survivor) == survivor
    after = Ticket.objects.filter(pk=ticket.pk).values().get()
    assert {name for name in after if after[name] != columns[name]} == {"merged_into_id", "merged_at", "touched_at"}
    assert list(Message.objects.order_by("pk").values()) == messages
    assert fresh(ticket).find_survivor() == survivor
    assert [event.verb for event in ticket.events()][-1] == "ticket.merged"
    assert [event.verb for event in survivor.events()][-1] == "ticket.took_in"
    assert mails_about(ticket)[-1].kind == "tickets/merged"
    assert survivor.number in mails_about(ticket)[-1].body
    assert not list(audit.find_flaws())


def test_messages_of_both_are_read_in_the_survivor_once():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    bodies = [message.body for message in Message.objects.order_by("pk")]
    assert sorted(read(survivor)) == sorted(bodies)


@pytest.mark.parametrize("status", [OPEN, WAITING])
def test_what_is_written_to_the_merged_number_lands_in_the_survivor(status: str):
    ticket, survivor = make_pair(OPEN, status)
    merge(ticket, survivor)
    answered = operations.add_information(ticket.pk, author=ticket.requester, body="Sigo sin timbrar")
    assert answered == survivor
    assert survivor.messages.latest("seq").body == "Sigo sin timbrar"
    assert ticket.messages.count() == 1
    assert fresh(survivor).status == OPEN


def test_a_chain_of_merges_leads_to_its_end():
    ticket, second = make_pair()
    third = make_ticket(requester=ticket.requester)
    merge(ticket, second)
    merge(second, third)
    assert operations.add_information(ticket.pk, author=ticket.requester, body="Hola") == third
    assert len(read(third)) == 4
    operations.undo_merge(second.pk, agent=make_agent())
    assert operations.add_information(ticket.pk, author=ticket.requester, body="Otra") == second
    assert (len(read(third)), len(read(second))) == (2, 3)


def test_a_survivor_whose_customer_waits_is_ours_to_answer():
    ticket, survivor = make_pair(OPEN, WAITING)
    merge(ticket, survivor)
    survivor = fresh(survivor)
    assert (survivor.status, survivor.closes_at, survivor.customer_replied) == (OPEN, None, True)
    assert (survivor.reply_due_at, survivor.customer_waits_since) == (ticket.reply_due_at, ticket.customer_waits_since)


def test_a_survivor_en_espera_goes_on_waiting_when_we_owe_nothing():
    ticket, survivor = make_pair(WAITING, WAITING)
    merge(ticket, survivor)
    assert (fresh(survivor).status, fresh(survivor).closes_at) == (WAITING, survivor.closes_at)


def test_the_clock_of_a_merged_ticket_stands_still():
    ticket, survivor = make_pair(WAITING, OPEN)
    merge(ticket, survivor)
    assert ticket.closes_at is not None
    with clock.at(ticket.closes_at - DAY):
        assert tasks.warn_before_close() == 0
        with pytest.raises(operations.TicketMerged):
            operations.warn_before_close(ticket.pk)
    with clock.at(ticket.closes_at + DAY):
        assert tasks.close_unanswered() == 0
        with pytest.raises(operations.TicketMerged, match=survivor.number):
            operations.close_unanswered(ticket.pk)
    assert (fresh(ticket).status, fresh(ticket).closes_at) == (WAITING, ticket.closes_at)


def test_a_queued_reminder_of_a_merged_ticket_is_not_sent():
    ticket, survivor = make_pair(WAITING, OPEN)
    assert ticket.closes_at is not None
    with clock.at(ticket.closes_at - DAY):
        operations.warn_before_close(ticket.pk)
        reminder_pk = fresh(ticket).reminder_id
        merge(ticket, survivor)
        assert not outbox.deliver(reminder_pk)
    assert OutboxMessage.objects.get(pk=reminder_pk).status == OutboxMessage.Status.DROPPED


def test_undo_gives_back_the_rest_of_the_time_and_a_new_reminder():
    ticket, survivor = make_pair(WAITING, OPEN)
    assert ticket.closes_at is not None
    merge(ticket, survivor)
    merged_at = fresh(ticket).merged_at
    assert merged_at is not None
    with clock.at(merged_at + 10 * DAY):
        operations.undo_merge(ticket.pk, agent=make_agent())
    back = fresh(ticket)
    assert (back.status, back.closes_at, back.queue_at) == (WAITING, ticket.closes_at + 10 * DAY, back.closes_at)
    assert (back.merged_into, back.merged_at) == (None, None)
    assert mails_about(ticket)[-1].kind == "tickets/unmerged"
    assert [event.verb for event in survivor.events()][-1] == "ticket.gave_back"
    let_it_close(back)
    assert (fresh(ticket).status, fresh(ticket).closed_reason) == (CLOSED, "unanswered")


@pytest.mark.parametrize(("late", "undone"), [(timedelta(0), True), (timedelta(microseconds=1), False)])
def test_undo_is_for_thirty_days(late: timedelta, undone: bool):
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    merged_at = fresh(ticket).merged_at
    assert merged_at is not None
    with clock.at(merged_at + 30 * DAY + late):
        assert operations.may_undo(fresh(ticket)) == undone
        if undone:
            operations.undo_merge(ticket.pk, agent=make_agent())
        else:
            with pytest.raises(operations.WrongStatus, match="30 días"):
                operations.undo_merge(ticket.pk, agent=make_agent())
    assert fresh(ticket).is_merged != undone


def test_undo_needs_a_merge():
    ticket = make_ticket()
    with pytest.raises(operations.WrongStatus, match="ya no está combinado"):
        operations.undo_merge(ticket.pk, agent=make_agent())


def test_a_merge_after_an_undo_may_be_another():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    operations.undo_merge(ticket.pk, agent=make_agent())
    merge(survivor, ticket)
    assert fresh(survivor).find_survivor() == ticket


def refuse_merge(ticket: Ticket, survivor: Ticket, reason: str) -> None:
    """The merge is refused for this reason, and both are as before."""
    before = list(Ticket.objects.order_by("pk").values())
    with pytest.raises(operations.WrongStatus, match=reason):
        merge(ticket, survivor)
    assert list(Ticket.objects.order_by("pk").values()) == before


def test_only_tickets_of_one_company_are_merged():
    refuse_merge(make_ticket(), make_ticket(), "empresas distintas")


def test_a_ticket_is_not_merged_into_itself():
    ticket = make_ticket()
    refuse_merge(ticket, ticket, "consigo mismo")


@pytest.mark.parametrize("pair", [(CLOSED, OPEN), (OPEN, CLOSED)])
def test_a_closed_ticket_is_not_merged(pair: tuple[str, str]):
    refuse_merge(*make_pair(*pair), "está Cerrado")


def test_a_merged_ticket_is_merged_no_second_time():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    third = make_ticket(requester=ticket.requester)
    refuse_merge(ticket, third, "se combinó con")
    refuse_merge(third, ticket, "se combinó con")
    refuse_merge(survivor, ticket, "se combinó con")


def test_who_sees_only_his_own_is_not_locked_out_by_a_merge():
    company = make_customer()
    limited, colleague = make_contact(company, own_tickets_only=True), make_contact(company)
    his, others = make_ticket(requester=limited), make_ticket(requester=colleague)
    refuse_merge(his, others, "solo ve sus propios tickets")
    refuse_merge(others, his, "solo ve sus propios tickets")


def test_tickets_of_two_providers_are_not_merged():
    ticket, survivor = make_pair()
    other = Provider.objects.create(name="Otro")
    supervisor = make_staff(Office.SUPERVISOR)
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=other)
    with pytest.raises(NotAllowed):
        merge(ticket, survivor)


def test_an_agent_of_another_desk_neither_merges_nor_undoes_nor_splits():
    ticket, survivor = make_pair()
    operations.add_information(ticket.pk, author=ticket.requester, body="Otra cosa")
    stranger = make_staff(Office.THIRD_PARTY_AGENT, provider=Provider.objects.create(name="Otro"))
    with pytest.raises(NotAllowed):
        operations.merge_ticket(ticket.pk, agent=stranger, into_pk=survivor.pk)
    with pytest.raises(NotAllowed):
        operations.split_message(
            ticket.pk, agent=stranger, message_pk=ticket.messages.get(seq=2).pk, subject="Otra cosa"
        )
    merge(ticket, survivor)
    with pytest.raises(NotAllowed):
        operations.undo_merge(ticket.pk, agent=stranger)


@pytest.mark.clause("M6")
def test_a_failed_mail_of_the_merged_ticket_is_tried_again():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    mail = mails_about(ticket)[-1]
    assert mail.kind == "tickets/merged"
    OutboxMessage.objects.filter(pk=mail.pk).update(status="failed", last_error="550 no")
    operations.retry_mail(ticket.pk, agent=make_agent(), mail_pk=mail.pk)
    mail.refresh_from_db()
    assert mail.status == "queued"


@pytest.mark.clause("M3")
def test_a_closed_ticket_is_taken_back_from_its_provider():
    ticket, _other = make_pair(CLOSED)
    laura, external = make_staff(Office.SUPERVISOR), Provider.objects.create(name="Otro")
    for provider in (external, ticket.provider):
        operations.hand_over(ticket.pk, supervisor=laura, provider=provider)
        assert (fresh(ticket).provider, fresh(ticket).status) == (provider, CLOSED)


def test_who_hands_over_the_survivor_hands_over_what_is_read_with_it():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    other = Provider.objects.create(name="Otro")
    operations.hand_over(survivor.pk, supervisor=make_staff(Office.SUPERVISOR), provider=other)
    assert (fresh(ticket).provider, fresh(survivor).provider) == (other, other)
    assert [event.verb for event in ticket.events()][-1] == "ticket.handed_over"


REFUSED_ON_MERGED = {
    "answer": lambda t, a: operations.answer(t.pk, agent=a, body="Hola", wait_reason=None),
    "add_note": lambda t, a: operations.add_note(t.pk, agent=a, body="Ojo"),
    "take": lambda t, a: operations.take(t.pk, agent=a),
    "assign": lambda t, a: operations.assign(t.pk, agent=a, assignee=a),
    "classify": lambda t, a: operations.classify(t.pk, agent=a, category="access", impact=1),
    "release_close": lambda t, a: operations.release_close(t.pk, agent=a),
    "split_message": lambda t, a: operations.split_message(t.pk, agent=a, message_pk=1, subject="Otro"),
}


@pytest.mark.parametrize("name", REFUSED_ON_MERGED)
def test_the_desk_works_in_the_survivor(name: str):
    ticket, survivor = make_pair()
    agent = make_agent()
    merge(ticket, survivor)
    with pytest.raises(operations.TicketMerged, match=survivor.number):
        REFUSED_ON_MERGED[name](ticket, agent)


def test_a_confirmation_of_the_merged_ticket_closes_nothing_and_of_the_survivor_it_alone():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    with pytest.raises(operations.TicketMerged):
        operations.confirm_resolved(ticket.pk, author=ticket.requester)
    assert (fresh(survivor).status, fresh(ticket).status) == (OPEN, OPEN)
    operations.confirm_resolved(survivor.pk, author=ticket.requester)
    assert (fresh(survivor).status, fresh(ticket).status) == (CLOSED, OPEN)
    with pytest.raises(operations.TicketClosed):
        operations.add_information(ticket.pk, author=ticket.requester, body="Sigue")
    following = operations.follow_up(ticket.pk, author=ticket.requester, body="Sigue")
    assert following.follows == survivor


def test_a_confirmation_by_phone_of_the_merged_ticket_closes_nothing():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    with pytest.raises(operations.TicketMerged):
        confirm_by_phone(ticket)
    assert (fresh(survivor).status, fresh(ticket).status) == (OPEN, OPEN)


def test_a_bounce_about_the_merged_number_holds_the_survivor():
    ticket, survivor = make_pair(WAITING, WAITING)
    merge(ticket, survivor)
    operations.mail_bounced(ticket.pk, mail=mails_about(ticket)[0], inbound=make_inbound())
    assert fresh(survivor).close_held_reason == "bounce"
    assert fresh(ticket).close_held_at is None


def test_an_emergency_names_the_survivor():
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    assert operations.find_incident(ticket.number) == (survivor.number, ticket.customer_id, True)


def test_a_double_click_across_a_merge_writes_once():
    ticket, survivor = make_pair()
    words: dict[str, Any] = {"author": ticket.requester, "body": "Va el XML", "form_key": "k1"}
    operations.add_information(ticket.pk, **words)
    merge(ticket, survivor)
    assert operations.add_information(ticket.pk, **words) == survivor
    assert Message.objects.filter(body="Va el XML").count() == 1


# -- Split -------------------------------------------------------------------------------------------


def make_talk() -> tuple[Ticket, Message]:
    """A ticket and its second message, which is about something else."""
    ticket = make_ticket(WAITING)
    operations.add_information(ticket.pk, author=ticket.requester, body="Además no llega el correo")
    return fresh(ticket), ticket.messages.latest("seq")


def split(ticket: Ticket, message: Message, subject: str = "No llega el correo") -> Ticket:
    return operations.split_message(ticket.pk, agent=make_agent(), message_pk=message.pk, subject=subject)


def test_a_split_message_is_read_in_its_new_ticket_alone():
    ticket, message = make_talk()
    rows = list(Message.objects.order_by("pk").values())
    new = split(ticket, message)
    assert list(Message.objects.order_by("pk").values()) == rows
    assert (read(new), new.subject, new.status) == ([message.body], "No llega el correo", OPEN)
    assert message.body not in read(ticket)
    assert (new.requester, new.customer, new.provider_id) == (ticket.requester, ticket.customer, ticket.provider_id)
    assert new.customer_waits_since == message.created_at
    assert [event.verb for event in new.events()] == ["ticket.split_off"]
    assert [event.verb for event in ticket.events()][-1] == "ticket.message_split"
    assert [mail.kind for mail in mails_about(new)] == ["tickets/split"]


def test_the_new_ticket_goes_on_like_any_other():
    ticket, message = make_talk()
    new = split(ticket, message)
    operations.answer(new.pk, agent=make_agent(), body="¿A qué correo?", wait_reason="detail")
    operations.add_information(new.pk, author=new.requester, body="Al de compras")
    assert read(new) == [message.body, "¿A qué correo?", "Al de compras"]
    assert split(new, new.messages.latest("seq"), "Otro").split_from == new.messages.latest("seq")


def test_a_split_ticket_merged_back_gives_the_old_conversation():
    ticket, message = make_talk()
    whole = read(ticket)
    new = split(ticket, message)
    merge(new, ticket)
    assert read(ticket) == whole


def test_a_message_of_a_merged_ticket_is_split_from_the_page_where_it_is_read():
    ticket, message = make_talk()
    beto = make_contact(ticket.customer)
    survivor = make_ticket(OPEN, requester=beto)
    merge(ticket, survivor)
    rows = list(Message.objects.order_by("pk").values())
    refuse_split(survivor, ticket.messages.get(seq=1), f"el que abrió {ticket}")
    new = split(survivor, message)
    assert list(Message.objects.order_by("pk").values()) == rows
    assert (read(new), new.requester) == ([message.body], ticket.requester)
    assert message.body not in read(survivor)
    for each in (ticket, survivor):
        told = each.events().last()
        assert told is not None
        assert (told.verb, told.data["source"], told.data["into"]) == ("ticket.message_split", str(ticket), str(new))
    assert not list(state_checks.find_flaws())
    refuse_split(survivor, message, f"ya se separó en {new}")
    operations.undo_merge(ticket.pk, agent=make_agent())
    assert message.body not in read(ticket)
    refuse_split(survivor, ticket.messages.get(seq=1), "de este ticket")


def refuse_split(ticket: Ticket, message: Message, reason: str, subject: str = "Otro") -> None:
    count = Ticket.objects.count()
    with pytest.raises(operations.WrongStatus, match=reason):
        split(ticket, message, subject)
    assert Ticket.objects.count() == count


def test_what_cannot_be_split():
    ticket, message = make_talk()
    refuse_split(ticket, ticket.messages.get(seq=1), f"el que abrió {ticket}")
    refuse_split(ticket, ticket.messages.get(seq=2), "un mensaje del cliente")
    refuse_split(ticket, make_ticket().messages.get(), "de este ticket")
    refuse_split(ticket, message, "Escriba el asunto", " ")
    refuse_split(ticket, message, "hasta 120", "x" * 121)
    new = split(ticket, message)
    refuse_split(ticket, message, f"ya se separó en {new}")
    operations.confirm_resolved(ticket.pk, author=ticket.requester)
    refuse_split(ticket, message, "Cerrado")


def test_a_taken_number_is_drawn_again(monkeypatch: pytest.MonkeyPatch):
    ticket, message = make_talk()
    drawn = iter([ticket.number, "FY-0000-0000"])
    monkeypatch.setattr("factureya.core.numbers.make_number", lambda _prefix: next(drawn))
    assert split(ticket, message).number == "FY-0000-0000"
