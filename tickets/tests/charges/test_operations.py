"""The life of a charge: proposed, decided once by who has powers then, or withdrawn, or lapsed (M14, M18)."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Office, Provider
from factureya.core import audit, clock
from factureya.core.hours.deadlines import Deadline, Unit
from factureya.core.models import OutboxMessage
from factureya.core.record import state
from factureya.core.refusals import FormUsed, Invalid, NotAllowed, Refused, WrongStatus
from factureya.testing.charges import TERMS, WHY, accepted, decide, note, propose
from factureya.testing.people import Neighbours, end_offices, make_agent, make_neighbours, make_staff
from factureya.testing.tickets import let_it_close, mails_about, make_inbound, make_ticket
from tickets import operations as ticket_operations
from tickets import tasks
from tickets.charges import operations
from tickets.charges.operations import ChargeTerms
from tickets.models import ChargeProposal, Ticket, TimeEntry
from tickets.operations.deadlines import move_deadline

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M18")]
Status = ChargeProposal.Status
SECOND = timedelta(seconds=1)


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


def kinds_of(ticket: Ticket) -> list[tuple[str, str]]:
    return [(mail.kind, mail.to) for mail in mails_about(ticket)]


def test_a_proposal_waits_for_the_authorization_with_its_sums(cast: Neighbours) -> None:
    charge = propose(cast)
    ticket = charge.ticket
    ticket.refresh_from_db()
    assert (ticket.status, ticket.wait_reason, ticket.asks_confirmation) == ("waiting", "authorization", False)
    assert (charge.minutes, charge.subtotal_cents, charge.tax_cents, charge.total_cents) == (
        120,
        90_000,
        14_400,
        104_400,
    )
    assert [line.amount_cents for line in charge.lines.order_by("seq")] == [67_500, 22_500]
    assert charge.expires_at == ticket.closes_at
    assert charge.message.seq == ticket.message_count == 2
    assert "$1,044.00" in charge.message.body
    assert WHY in charge.message.body
    assert ticket.events().last().verb == "ticket.charge_proposed"
    assert ticket.assignee == cast.laura
    to = {address for kind, address in kinds_of(ticket) if kind == "tickets/charge_proposed"}
    assert to == {"ana@ocaso.mx", "dana@ocaso.mx"}  # who may decide; Beto may not, and did not open the ticket


def test_who_opened_the_ticket_is_told_that_the_representative_decides(cast: Neighbours) -> None:
    charge = propose(cast, make_ticket(requester=cast.beto))
    mails = {mail.to: mail.body for mail in mails_about(charge.ticket) if mail.kind == "tickets/charge_proposed"}
    assert "lo decide el representante de su empresa" in mails["beto@ocaso.mx"]
    assert "le pediremos su contraseña" in mails["ana@ocaso.mx"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 1001}, "reason"),
        ({"lines": ()}, "work_1"),
        ({"lines": (("a", 1),) * 5}, "work_1"),
        ({"lines": (("Trabajo", 0),)}, "minutes_1"),
        ({"lines": (("Uno", 5), (" ", 5))}, "work_2"),
        ({"lines": (("Trabajo", 6001),)}, "minutes_1"),
        ({"rate_cents": 0}, "rate"),
        ({"rate_cents": 1_000_001}, "rate"),
        ({"rate_cents": 1, "lines": (("Trabajo", 5),)}, "rate"),
    ],
)
def test_wrong_terms_are_refused_and_nothing_is_stored(cast: Neighbours, change: dict[str, Any], field: str) -> None:
    terms = ChargeTerms(**{"lines": TERMS.lines, "rate_cents": TERMS.rate_cents, "reason": TERMS.reason, **change})
    ticket = make_ticket(requester=cast.ana)
    with pytest.raises(Invalid) as refusal:
        propose(cast, ticket, terms)
    assert field in refusal.value.errors
    assert not ticket.charges.exists()
    assert ticket.messages.count() == 1


def test_only_a_supervisor_of_the_desk_proposes(cast: Neighbours) -> None:
    ticket = make_ticket(requester=cast.ana)
    former = make_staff(Office.SUPERVISOR)
    end_offices(former)
    for person in (make_agent(), cast.ana, cast.elsa, former):
        with pytest.raises(NotAllowed):
            operations.propose_charge(ticket.pk, supervisor=person, terms=TERMS)


def test_nothing_is_proposed_to_a_company_that_nobody_represents(cast: Neighbours) -> None:
    with pytest.raises(Refused, match="nadie podría decidir"):
        propose(cast, make_ticket())


def test_a_closed_ticket_takes_no_proposal(cast: Neighbours) -> None:
    with pytest.raises(WrongStatus):
        propose(cast, make_ticket(Ticket.Status.CLOSED, requester=cast.ana))


def test_a_second_send_of_the_form_is_the_same_proposal(cast: Neighbours) -> None:
    ticket = make_ticket(requester=cast.ana)
    first, second = (propose(cast, ticket, form_key="k1", seen=1) for _ in "12")
    assert first == second
    assert ticket.charges.count() == 1
    other = ChargeTerms(TERMS.lines, 46_000, WHY)
    with pytest.raises(FormUsed):
        propose(cast, ticket, other, form_key="k1")


def test_two_proposals_at_once_are_one(cast: Neighbours) -> None:
    charge = propose(cast)
    with pytest.raises(WrongStatus, match="Ya hay una propuesta"):
        propose(cast, charge.ticket)
    with clock.at(charge.expires_at + SECOND):
        second = propose(cast, charge.ticket)
    charge.refresh_from_db()
    assert (charge.status, second.seq, second.status) == (Status.LAPSED, 2, Status.PROPOSED)


def test_a_message_that_came_meanwhile_stops_the_proposal(cast: Neighbours) -> None:
    ticket = make_ticket(requester=cast.ana)
    ticket_operations.add_information(ticket.pk, author=cast.ana, body="Van los folios")
    with pytest.raises(ticket_operations.NewerMessage):
        propose(cast, ticket, seen=1)


@pytest.mark.parametrize("accepts", [True, False])
def test_the_representative_decides_in_writing(cast: Neighbours, accepts: bool) -> None:
    charge = decide(propose(cast), cast.dana, accepts=accepts, note="Por esta vez")
    ticket = charge.ticket
    ticket.refresh_from_db()
    assert charge.status == (Status.ACCEPTED if accepts else Status.DECLINED)
    assert (charge.ended_by, charge.representative.user, charge.note) == (cast.dana, cast.dana, "Por esta vez")
    assert (ticket.status, ticket.wait_reason, ticket.customer_replied) == ("open", None, True)
    assert ticket.reply_due_at is not None
    event = ticket.events().last()
    assert (event.verb, event.actor) == (f"ticket.charge_{charge.status}", cast.dana)
    told = {(kind, to) for kind, to in kinds_of(ticket)[3:]}
    assert told == {
        ("tickets/charge_ended", "ana@ocaso.mx"),
        ("tickets/charge_ended", "dana@ocaso.mx"),
        ("tickets/charge_answer", cast.laura.email),
    }


def test_a_double_click_decides_once_and_a_change_of_mind_is_refused(cast: Neighbours) -> None:
    charge = propose(cast)
    decide(charge, cast.ana)
    events, mails = charge.ticket.events().count(), OutboxMessage.objects.count()
    assert decide(charge, cast.ana).status == Status.ACCEPTED
    assert (charge.ticket.events().count(), OutboxMessage.objects.count()) == (events, mails)
    for who, accepts in ((cast.ana, False), (cast.dana, True)):
        with pytest.raises(WrongStatus, match="ya terminó"):
            decide(charge, who, accepts=accepts)


def test_powers_are_asked_again_when_the_decision_is_taken(cast: Neighbours) -> None:
    charge = propose(cast)
    for person in (cast.beto, cast.carla, cast.laura, make_agent()):
        with pytest.raises(NotAllowed):
            decide(charge, person)
    with clock.at(clock.now() + timedelta(days=11)):  # Dana's powers end in ten days
        later = propose(cast)
        with pytest.raises(NotAllowed):
            decide(later, cast.dana)
        assert decide(later, cast.ana).is_accepted
    cast.ana.is_active = False
    cast.ana.save(update_fields=["is_active"])
    with pytest.raises(NotAllowed):
        decide(charge, cast.ana)


def test_a_question_stops_the_ticket_and_not_the_charge(cast: Neighbours) -> None:
    charge = propose(cast)
    ticket = ticket_operations.add_information(charge.ticket_id, author=cast.beto, body="¿Por qué tanto?")
    assert (ticket.status, ticket.closes_at) == ("open", None)
    assert decide(charge, cast.ana).is_accepted


def test_silence_and_expiry_charge_nothing(cast: Neighbours) -> None:
    charge = propose(cast)
    with clock.at(charge.expires_at + SECOND), pytest.raises(WrongStatus, match="venció"):
        decide(charge, cast.ana)
    with clock.at(charge.expires_at), pytest.raises(WrongStatus, match="no ha vencido"):
        operations.lapse_charge(charge.ticket_id, seq=charge.seq)
    charge.ticket.refresh_from_db()
    ticket = let_it_close(charge.ticket)
    assert ticket.closed_reason == "unanswered"
    with clock.at(ticket.closed_at + SECOND):
        with pytest.raises(WrongStatus, match="ya se cerró"):
            decide(charge, cast.ana)
        assert tasks.lapse_charges() == 1
        assert tasks.lapse_charges() == 0
    charge.refresh_from_db()
    assert (charge.status, charge.ended_by) == (Status.LAPSED, None)
    assert mails_about(ticket)[-1].kind == "tickets/charge_ended"


def test_who_confirms_the_solution_lets_the_charge_lapse(cast: Neighbours) -> None:
    charge = propose(cast)
    ticket_operations.confirm_resolved(charge.ticket_id, author=cast.ana)
    with pytest.raises(WrongStatus, match="ya se cerró"):
        decide(charge, cast.ana)
    assert tasks.lapse_charges() == 1


@pytest.mark.clause("M14", "M15")
def test_a_lapsed_charge_is_not_waited_for_when_the_close_moved(cast: Neighbours) -> None:
    moved, held, due = (propose(cast) for _ in range(3))
    later = moved.expires_at + timedelta(days=1)
    closes = Deadline(moved.ticket_id, moved.ticket.number, "Cierre", "closes_at", Unit.DAYS, moved.expires_at)
    assert move_deadline(closes, later, 1)  # holidays came in between: the ticket closes later than the charge expires
    inbound, mail = make_inbound(), OutboxMessage.objects.filter(about=held.ticket.chain).first()
    ticket_operations.mail_bounced(held.ticket_id, mail=mail, inbound=inbound)
    with clock.at(max(charge.expires_at for charge in (moved, held, due)) + SECOND):
        assert tasks.lapse_charges() == 3
    tickets = [Ticket.objects.get(pk=charge.ticket_id) for charge in (moved, held, due)]
    assert [ticket.status for ticket in tickets] == ["open", "open", "waiting"]  # the last one closes by silence
    assert all(ticket.reply_due_at for ticket in tickets[:2])
    assert tickets[0].events().last().data["after"] == "open"
    assert not [flaw for flaw in state.find_flaws() if flaw.chain.startswith("ticket:")]


@pytest.mark.clause("M14")
@pytest.mark.parametrize("reason", ["detail", "authorization"])
def test_the_end_of_a_charge_ends_no_other_wait(cast: Neighbours, reason: str) -> None:
    withdrawn, lapsed = propose(cast), propose(cast)
    for charge in (withdrawn, lapsed):
        with clock.at(charge.proposed_at + timedelta(hours=1)):
            ticket_operations.answer(charge.ticket_id, agent=make_agent(), body="¿Y el XML?", wait_reason=reason)
    operations.withdraw_charge(withdrawn.ticket_id, seq=1, supervisor=cast.laura, reason="Llegó la lista")
    with clock.at(lapsed.expires_at + SECOND):
        operations.lapse_charge(lapsed.ticket_id, seq=1)
    for charge in (withdrawn, lapsed):
        ticket = Ticket.objects.get(pk=charge.ticket_id)
        assert (ticket.status, ticket.wait_reason) == ("waiting", reason)


def test_a_supervisor_withdraws_with_a_reason(cast: Neighbours) -> None:
    charge = propose(cast)
    with pytest.raises(Invalid):
        operations.withdraw_charge(charge.ticket_id, seq=1, supervisor=cast.laura, reason=" ")
    with pytest.raises(NotAllowed):
        operations.withdraw_charge(charge.ticket_id, seq=1, supervisor=make_agent(), reason="Llegó la lista")
    for _ in "12":
        charge = operations.withdraw_charge(charge.ticket_id, seq=1, supervisor=cast.laura, reason="Llegó la lista")
    charge.ticket.refresh_from_db()
    assert (charge.status, charge.note, charge.ticket.status) == (Status.WITHDRAWN, "Llegó la lista", "open")
    with pytest.raises(WrongStatus, match="ya terminó"):
        decide(charge, cast.ana)


def test_a_suspended_company_accepts_nothing(cast: Neighbours) -> None:
    charge = propose(cast)
    with clock.at(charge.proposed_at), pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(cast.customer), "is_suspended", True)
        with pytest.raises(WrongStatus, match="suspendido"):
            decide(charge, cast.ana)
        with pytest.raises(Refused, match="suspendido"):
            propose(cast, make_ticket(requester=cast.ana))


# -- Minutes -----------------------------------------------------------------------------------------


def test_minutes_are_free_without_an_accepted_charge(cast: Neighbours) -> None:
    charge = propose(cast)
    entry = note(charge.ticket, 35)
    assert (entry.seq, entry.minutes, entry.charge) == (1, 35, None)
    for end in (None, lambda: decide(charge, cast.ana, accepts=False)):
        if end:
            end()
        with pytest.raises(WrongStatus, match="Sin una propuesta aceptada"):
            note(charge.ticket, 10, charge)
    with pytest.raises(WrongStatus):
        operations.note_time(charge.ticket_id, agent=make_agent(), minutes=1, work="x", charge_seq=9)
    assert charge.ticket.status != "closed"


def test_minutes_of_an_accepted_charge(cast: Neighbours) -> None:
    charge = accepted(cast)
    entry = note(charge.ticket, 60, charge)
    assert entry.charge == charge
    assert charge.ticket.events().last().data["is_billable"] is True


@pytest.mark.parametrize(("minutes", "work"), [(0, "x"), (-5, "x"), (721, "x"), (5, " "), (5, "x" * 201)])
def test_wrong_minutes_are_refused(cast: Neighbours, minutes: int, work: str) -> None:
    with pytest.raises(Invalid):
        note(make_ticket(requester=cast.ana), minutes, work=work)
    assert not TimeEntry.objects.exists()


def test_only_the_desk_notes_minutes_also_on_a_closed_ticket(cast: Neighbours) -> None:
    ticket = make_ticket(Ticket.Status.CLOSED, requester=cast.ana)
    assert note(ticket, 5).seq == 1
    for person in (cast.ana, cast.elsa):
        with pytest.raises(NotAllowed):
            note(ticket, 5, agent=person)


def test_a_double_click_notes_once(cast: Neighbours) -> None:
    ticket, agent = make_ticket(requester=cast.ana), make_agent()
    first, second = (note(ticket, 5, agent=agent, form_key="k2") for _ in "12")
    assert first == second
    with pytest.raises(FormUsed):
        note(ticket, 6, agent=agent, form_key="k2")
    with pytest.raises(FormUsed):
        note(make_ticket(requester=cast.ana), 5, agent=agent, form_key="k2")


def test_a_wrong_entry_is_voided_by_its_agent_or_a_supervisor(cast: Neighbours) -> None:
    ticket, agent = make_ticket(requester=cast.ana), make_agent()
    entry = note(ticket, 50, agent=agent)
    with pytest.raises(NotAllowed):
        operations.void_time(ticket.pk, agent=make_agent(), seq=entry.seq, reason="Eran 5")
    with pytest.raises(Invalid):
        operations.void_time(ticket.pk, agent=agent, seq=entry.seq, reason="")
    for person in (agent, cast.laura):
        entry = operations.void_time(ticket.pk, agent=person, seq=entry.seq, reason="Eran 5")
    assert (entry.voided_by, entry.void_reason) == (agent, "Eran 5")
    assert note(ticket, 5, agent=cast.laura).seq == 2


@pytest.mark.clause("M26")
def test_rows_and_events_agree_after_all_of_it(cast: Neighbours) -> None:
    charge = accepted(cast)
    note(charge.ticket, 60, charge)
    entry = note(charge.ticket, 30)
    operations.void_time(charge.ticket_id, agent=cast.laura, seq=entry.seq, reason="Eran 5")
    operations.withdraw_charge(propose(cast).ticket_id, seq=1, supervisor=cast.laura, reason="Llegó")
    assert not [flaw for flaw in state.find_flaws() if flaw.chain.startswith("ticket:")]
    assert not list(audit.find_flaws())


@pytest.mark.clause("M3")
def test_our_supervisor_does_all_of_it_on_a_third_partys_ticket(cast: Neighbours) -> None:
    external = Provider.objects.create(name="Soporte Externo")
    ticket = make_ticket(requester=cast.ana)
    ticket_operations.hand_over(ticket.pk, supervisor=cast.laura, provider=external)
    charge = propose(cast, ticket)
    operations.withdraw_charge(ticket.pk, seq=charge.seq, supervisor=cast.laura, reason="Llegó")
    entry = note(ticket, 5, agent=cast.laura)
    operations.void_time(ticket.pk, agent=cast.laura, seq=entry.seq, reason="Eran 3")
    assert ticket.charges.get().status == Status.WITHDRAWN
    assert ticket.time_entries.get().voided_by == cast.laura
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=external)
    assert note(ticket, 5, agent=irma).agent == irma
