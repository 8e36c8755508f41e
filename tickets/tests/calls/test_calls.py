"""The code that proves who calls: 10 minutes, 3 tries, one use, hashed, limits inside the step (M5)."""

from datetime import datetime, timedelta

import pytest
from allauth.account.models import EmailAddress

from accounts.models import Office, Provider, User
from accounts.operations import join_company
from factureya.core import clock
from factureya.core.mail import outbox
from factureya.core.models import Event, OutboxMessage
from factureya.core.record.state import find_flaws as find_changed_rows
from factureya.core.refusals import FormUsed, Invalid, NotAllowed, WrongStatus
from factureya.testing.calls import confirm_by_phone, make_verified_call, note_by_phone, read_code, wrong_code
from factureya.testing.people import end_offices, make_agent, make_contact, make_customer, make_staff, own_provider
from factureya.testing.tickets import make_ticket
from tickets import operations as ticket_operations
from tickets.calls import operations
from tickets.calls.state import find_flaws
from tickets.models import Call, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M5")]
NOON = datetime.fromisoformat("2030-01-08T18:00:00+00:00")
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def caller() -> User:
    """Ana, whose company has another registered mail than hers."""
    own_provider()
    return make_contact(
        make_customer(registered_email="registro@ocaso.mx"), email="ana@ocaso.mx", full_name="Ana Robles"
    )


def begin(caller: User, agent: User | None = None) -> Call:
    """A call in which a code was mailed."""
    agent = agent or make_agent()
    call = operations.start_call(agent=agent, contact=caller)
    return operations.send_code(call.pk, agent=agent)


def check(call: Call, code: str) -> Call:
    return operations.check_code(call.pk, agent=call.agent, code=code)


def test_the_code_goes_to_the_registered_mail_and_is_nowhere_stored(caller):
    call = begin(caller)
    mail = OutboxMessage.objects.get(about=call.chain)
    code = read_code(call)
    assert (mail.to, mail.is_secret) == ("registro@ocaso.mx", True)
    assert code not in str(Call.objects.filter(pk=call.pk).values().get())
    assert code not in str(list(Event.objects.filter(chain=call.chain).values_list("data", flat=True)))
    assert outbox.deliver(mail.pk)
    mail.refresh_from_db()
    assert code not in mail.body


def test_the_code_may_go_to_the_callers_own_proven_mail(caller):
    call = operations.start_call(agent=make_agent(), contact=caller)
    assert operations.list_mailboxes(call) == {"empresa": "registro@ocaso.mx", "persona": "ana@ocaso.mx"}
    assert operations.send_code(call.pk, agent=call.agent, to="persona").code_to == "ana@ocaso.mx"
    EmailAddress.objects.filter(user=caller).update(verified=False)
    assert operations.list_mailboxes(call) == {"empresa": "registro@ocaso.mx"}
    for to in ("persona", "otro@malo.mx", ""):
        with pytest.raises(Invalid):
            operations.send_code(call.pk, agent=call.agent, to=to)


@pytest.mark.parametrize("write", [str, lambda code: f"{code[:3]} {code[3:]}", lambda code: f" {code[:3]}-{code[3:]} "])
def test_the_right_code_verifies_the_call_once(caller, write):
    call = begin(caller)
    code = read_code(call)
    verified = check(call, write(code))
    assert verified.is_verified
    assert (verified.code_digest, verified.code_to) == ("", "registro@ocaso.mx")
    assert [event.verb for event in call.events()] == ["call.started", "call.code_sent", "call.verified"]
    assert check(call, "000000").verified_at == verified.verified_at  # it is verified already: nothing more happens
    again = operations.start_call(agent=make_agent(), contact=caller)
    with pytest.raises(operations.WrongCode):
        operations.check_code(again.pk, agent=again.agent, code=code)
    assert call.events().count() == 3


def test_three_wrong_codes_and_the_right_one_is_worth_nothing(caller):
    call = begin(caller)
    right, wrong = read_code(call), wrong_code(call)
    for left in ("Quedan 2 intentos", "Queda 1 intento", "Ya no quedan intentos"):
        with pytest.raises(operations.WrongCode, match=left):
            check(call, wrong)
    with pytest.raises(operations.WrongCode, match="ya no sirve"):
        check(call, right)
    assert Call.objects.get(pk=call.pk).verified_at is None
    assert [event.data["tries"] for event in call.events().filter(verb="call.code_wrong")] == [1, 2, 3]
    call = operations.send_code(call.pk, agent=call.agent)
    with pytest.raises(operations.WrongCode):
        check(call, "" if right == read_code(call) else right)  # the earlier one
    assert check(call, read_code(call)).is_verified


@pytest.mark.parametrize(("after", "works"), [(timedelta(minutes=10), True), (timedelta(minutes=10) + SECOND, False)])
def test_a_code_works_for_ten_minutes(caller, after, works):
    agent = make_agent()
    with clock.at(NOON):
        call = begin(caller, agent)
    with clock.at(NOON + after):
        if works:
            assert check(call, read_code(call)).is_verified
        else:
            with pytest.raises(operations.WrongCode, match="ya no sirve"):
                check(call, read_code(call))


@pytest.mark.parametrize("code", ["", "abc", "１２３４５６", "\0", "9" * 4000])
def test_what_is_no_code_counts_as_a_wrong_one(caller, code):
    call = begin(caller)
    with pytest.raises(operations.WrongCode):
        check(call, code)
    assert Call.objects.get(pk=call.pk).code_tries == 1


def test_a_mailbox_and_an_agent_have_limits_of_an_hour(caller, monkeypatch):
    with clock.at(NOON):
        for _ in range(operations.CODES_PER_MAILBOX):
            begin(caller)
        with pytest.raises(WrongStatus, match="muchos códigos"):
            begin(caller)
        assert OutboxMessage.objects.filter(kind="tickets/call_code").count() == operations.CODES_PER_MAILBOX
    with clock.at(NOON + timedelta(hours=1)):
        begin(caller)
    monkeypatch.setattr(operations, "CODES_PER_AGENT", 1)
    agent = make_agent()
    begin(make_contact(), agent)
    with pytest.raises(WrongStatus, match="muchos códigos"):
        begin(make_contact(), agent)


def test_wrong_codes_of_a_day_are_counted_over_all_calls(caller, monkeypatch):
    monkeypatch.setattr(operations, "WRONG_PER_CONTACT", 2)
    first = begin(caller)
    for _ in range(2):
        with pytest.raises(operations.WrongCode):
            check(first, wrong_code(first))
    second = begin(caller)
    right = read_code(second)
    with pytest.raises(operations.WrongCode, match="Ya no quedan"):
        check(second, wrong_code(second))
    with pytest.raises(operations.WrongCode, match="ya no sirve"):
        check(second, right)


def test_only_the_agent_of_the_call_uses_it_and_only_while_he_is_one(caller):
    call = begin(caller)
    code = read_code(call)
    with pytest.raises(NotAllowed, match="otra persona"):
        operations.check_code(call.pk, agent=make_agent(), code=code)
    with pytest.raises(NotAllowed):
        operations.end_call(call.pk, agent=make_agent())
    agent = User.objects.get(pk=call.agent_id)
    end_offices(agent)
    for act in (operations.send_code, lambda pk, agent: operations.check_code(pk, agent=agent, code=code)):
        with pytest.raises(NotAllowed):
            act(call.pk, agent=agent)
    assert call.events().count() == 2


def test_who_left_the_company_or_was_disabled_is_not_verified_any_more(caller):
    call = make_verified_call(caller)
    ticket = make_ticket(requester=caller)
    User.objects.filter(pk=caller.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        ticket_operations.confirm_by_phone(ticket.pk, agent=call.agent, call_pk=call.pk)


def test_who_moved_to_another_company_is_not_verified_any_more():
    known = make_customer("EKU9003173C9")
    person = make_contact(make_customer("EKU9003173C9", verified=False))
    call = make_verified_call(person)
    ticket = make_ticket(requester=person)
    join_company(person.contact.customer.pk, actor=make_staff(Office.SUPERVISOR))
    assert Ticket.objects.get(pk=ticket.pk).customer == known
    with pytest.raises(NotAllowed, match="ya no es contacto"):
        ticket_operations.confirm_by_phone(ticket.pk, agent=call.agent, call_pk=call.pk)


def test_a_call_is_resumed_and_ends(caller):
    agent = make_agent()
    call = make_verified_call(caller, agent=agent)
    assert operations.start_call(agent=agent, contact=caller) == call
    assert operations.start_call(agent=make_agent(), contact=caller) != call
    operations.end_call(call.pk, agent=agent)
    operations.end_call(call.pk, agent=agent)
    assert call.events().filter(verb="call.ended").count() == 1
    ended = Call.objects.get(pk=call.pk)
    assert not ended.is_verified
    with pytest.raises(NotAllowed, match="ya terminó"):
        operations.send_code(call.pk, agent=agent)
    assert operations.start_call(agent=agent, contact=caller) != call


def test_a_verification_lasts_an_hour_and_a_call_two(caller):
    agent = make_agent()
    with clock.at(NOON):
        call = make_verified_call(caller, agent=agent)
    with clock.at(NOON + timedelta(minutes=59)):
        assert Call.objects.get(pk=call.pk).is_verified
    with clock.at(NOON + timedelta(minutes=60)):
        assert not Call.objects.get(pk=call.pk).is_verified
        with pytest.raises(WrongStatus, match="termínela"):
            operations.send_code(call.pk, agent=agent)
    with clock.at(NOON + timedelta(hours=2)):
        assert not Call.objects.get(pk=call.pk).is_open
        assert operations.start_call(agent=agent, contact=caller) != call
        assert Call.objects.get(pk=call.pk).ended_at is not None


@pytest.mark.parametrize("who", ["staff", "disabled", "nobody"])
def test_only_an_active_contact_calls(caller, who):
    people = {"staff": make_agent, "disabled": lambda: make_contact(is_active=False), "nobody": make_agent}
    with pytest.raises(NotAllowed):
        operations.start_call(agent=make_agent(), contact=people[who]())
    with pytest.raises(NotAllowed):
        operations.start_call(agent=make_staff(Office.SECURITY_OFFICER), contact=caller)


# -- What a call lets do -----------------------------------------------------------------------------


@pytest.mark.clause("M10", "M13")
def test_a_problem_is_noted_without_a_code_and_the_event_says_so(caller):
    agent = make_agent(full_name="Darío Salgado")
    call = operations.start_call(agent=agent, contact=caller)
    fields = {"subject": "No timbra", "body": "Error 301", "category": "stamping", "impact": 3, "form_key": "k1"}
    ticket = ticket_operations.open_by_phone(call.pk, agent=agent, kind="support", takes_it=True, **fields)
    again = ticket_operations.open_by_phone(call.pk, agent=agent, kind="support", takes_it=True, **fields)
    assert (again, ticket.channel, ticket.requester, ticket.assignee) == (ticket, "phone", caller, agent)
    opened = ticket.events().first()
    assert (opened.actor, opened.data["call"], opened.data["caller_verified"]) == (agent, call.pk, False)
    assert call.events().filter(verb="call.problem_noted").count() == 1


@pytest.mark.clause("M4")
def test_a_call_about_sales_gets_its_category(caller):
    call = operations.start_call(agent=make_agent(), contact=caller)
    fields = {"subject": "Otro paquete", "body": "¿Precio?", "category": "stamping", "impact": 1}
    ticket = ticket_operations.open_by_phone(call.pk, agent=call.agent, kind="sales", **fields)
    assert (ticket.category, ticket.assignee) == (Ticket.Category.SALES, None)
    assert Call.objects.get(pk=call.pk).kind == "sales"


@pytest.mark.clause("M11", "M13", "M15")
@pytest.mark.parametrize("verified", [True, False])
def test_nothing_is_added_and_nothing_closed_without_a_code(caller, verified):
    ticket = make_ticket(Ticket.Status.WAITING, requester=caller)
    call = make_verified_call(caller) if verified else begin(caller)
    acts = [
        lambda: ticket_operations.add_by_phone(ticket.pk, agent=call.agent, call_pk=call.pk, body="Sigue"),
        lambda: ticket_operations.confirm_by_phone(ticket.pk, agent=call.agent, call_pk=call.pk),
    ]
    stored = Ticket.objects.filter(pk=ticket.pk).values().get()
    for act in acts:
        if verified:
            act()
        else:
            with pytest.raises(NotAllowed, match="Compruebe primero quién llama"):
                act()
    if verified:
        event = ticket.events().get(verb="ticket.confirmed_by_phone")
        assert (event.actor, event.data["contact"], event.data["call"]) == (call.agent, caller.pk, call.pk)
    else:
        assert Ticket.objects.filter(pk=ticket.pk).values().get() == stored


def test_the_customers_word_by_phone_has_no_second_way(caller):
    ticket = make_ticket(requester=caller)
    for call in (None, operations.start_call(agent=make_agent(), contact=caller), make_verified_call(make_contact())):
        with pytest.raises(NotAllowed, match="Compruebe"):
            ticket_operations.add_information(ticket.pk, author=caller, body="Sí", channel="phone", call=call)


@pytest.mark.clause("M16")
def test_a_caller_speaks_of_no_ticket_that_he_may_not_see(caller):
    limited = make_contact(caller.contact.customer, own_tickets_only=True)
    call = make_verified_call(limited)
    for ticket in (make_ticket(requester=caller), make_ticket()):
        with pytest.raises(NotAllowed):
            ticket_operations.confirm_by_phone(ticket.pk, agent=call.agent, call_pk=call.pk)
        with pytest.raises(NotAllowed):
            ticket_operations.add_by_phone(ticket.pk, agent=call.agent, call_pk=call.pk, body="Sigue")


@pytest.mark.clause("M3")
def test_a_third_party_calls_only_about_its_ticket(caller):
    provider = Provider.objects.create(name="Soporte Externo")
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=provider)
    ticket, other = make_ticket(requester=caller), make_ticket(requester=caller)
    for about in (None, ticket):
        with pytest.raises(NotAllowed):
            operations.start_call(agent=irma, contact=caller, ticket_pk=about.pk if about else None)
    supervisor = make_staff(Office.SUPERVISOR)
    for each in (ticket, other):
        ticket_operations.hand_over(each.pk, supervisor=supervisor, provider=provider)
    ticket.refresh_from_db()
    call = make_verified_call(caller, agent=irma, ticket=ticket)
    with pytest.raises(NotAllowed):
        ticket_operations.confirm_by_phone(other.pk, agent=irma, call_pk=call.pk)
    with pytest.raises(NotAllowed, match="Solo un agente de Factureya"):
        ticket_operations.open_by_phone(call.pk, agent=irma, kind="support", subject="x", body="y")
    ticket_operations.confirm_by_phone(ticket.pk, agent=irma, call_pk=call.pk)
    other.refresh_from_db()
    assert operations.start_call(agent=irma, contact=caller, ticket_pk=other.pk) != call
    assert Call.objects.get(pk=call.pk).ended_at is not None


# -- Sales, looks, the record ------------------------------------------------------------------------


@pytest.mark.clause("M4")
def test_a_stranger_who_asks_about_sales_is_noted_once_and_called_back():
    agent = make_agent()
    form = {
        "caller_name": " Luis  Mora ",
        "caller_phone": "222 555 0134",
        "note": "Quiere 500 timbres",
        "form_key": "k",
    }
    call = operations.note_sale(agent=agent, **form)
    assert operations.note_sale(agent=agent, **form) == call
    with pytest.raises(FormUsed):
        operations.note_sale(agent=agent, **form | {"note": "Otra cosa"})
    assert (call.caller_name, call.kind, call.contact) == ("Luis Mora", "sales", None)
    for missing in ({"caller_name": " "}, {"caller_phone": ""}, {"caller_name": "x" * 151}, {"caller_phone": "1" * 31}):
        with pytest.raises(Invalid):
            operations.note_sale(agent=agent, **form | missing)
    with pytest.raises(NotAllowed):
        operations.note_sale(agent=make_staff(Office.IT_HEAD), **form | {"form_key": "k2"})
    for act in (operations.send_code, operations.end_call):
        with pytest.raises(NotAllowed):
            act(call.pk, agent=agent)
    operations.handle_sale(call.pk, agent=agent)
    operations.handle_sale(call.pk, agent=make_agent())
    assert Call.objects.get(pk=call.pk).handled_by == agent
    assert [event.verb for event in call.events()] == ["call.sale_noted", "call.handled"]


@pytest.mark.clause("M26")
def test_looks_and_searches_are_events(caller):
    call = make_verified_call(caller)
    look = operations.record_look(call, agent=call.agent, shown=["Teléfono"])
    assert (look.actor, look.data["verified"], look.data["shown"]) == (call.agent, True, ["Teléfono"])
    search = operations.record_search(call.agent, query="ana", people=[caller.pk])
    assert (search.chain, search.data) == (call.agent.chain, {"query": "ana", "people": [caller.pk]})


@pytest.mark.clause("M26")
def test_the_rows_of_calls_agree_with_their_events(caller):
    ticket = make_ticket(requester=caller)
    note_by_phone(ticket)
    confirm_by_phone(ticket)
    operations.handle_sale(
        operations.note_sale(agent=make_agent(), caller_name="L", caller_phone="1", note="").pk, agent=make_agent()
    )
    for call in Call.objects.filter(contact__isnull=False):
        operations.end_call(call.pk, agent=call.agent)
    assert list(find_flaws()) == []
    assert [flaw for flaw in find_changed_rows() if flaw.chain.startswith("call:")] == []
