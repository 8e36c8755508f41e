"""What belongs to a merged ticket goes where its messages go: charges, calls, files, hidden mail (M3, M5, M11, M18)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Office, Provider, User
from factureya.core import audit
from factureya.core.files import store
from factureya.core.refusals import FormUsed, WrongStatus
from factureya.testing.calls import make_verified_call, note_by_phone
from factureya.testing.charges import accepted, decide, note, propose
from factureya.testing.desk import page_of
from factureya.testing.pages import key_in, make_client, png, text_of
from factureya.testing.people import Cast, make_agent, make_contact, make_customer, make_staff, own_provider
from factureya.testing.raw_sql import refused_by, update
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.calls.policy import may_speak_of
from tickets.catalogue.operations import join_sales
from tickets.charges import operations as charges
from tickets.customer import timeline as customer_timeline
from tickets.desk import timeline
from tickets.models import Call, MailGrant, Message, Ticket, TicketFile
from tickets.providers import operations as providers
from tickets.providers.hiding import HIDDEN

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M11")]
MAIL = "ana.rivas@ocaso.mx"


@pytest.fixture
def cast() -> Cast:
    return Cast()


@pytest.fixture
def external() -> Provider:
    own_provider()
    return Provider.objects.create(name="Soporte Externo")


@pytest.fixture
def irma(external: Provider) -> User:
    return make_staff(Office.THIRD_PARTY_AGENT, provider=external, full_name="Irma Externa")


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Mesa")


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def merge(ticket: Ticket, survivor: Ticket, agent: User | None = None) -> Ticket:
    return operations.merge_ticket(ticket.pk, agent=agent or make_agent(), into_pk=survivor.pk)


# -- Charges -----------------------------------------------------------------------------------------


@pytest.mark.clause("M18")
def test_a_ticket_with_an_undecided_charge_is_not_merged(cast: Cast) -> None:
    charge = propose(cast)
    survivor = make_ticket(requester=cast.ana)
    with pytest.raises(WrongStatus, match="cobro por decidir"):
        merge(charge.ticket, survivor)
    with refused_by("ticket_merged_has_no_undecided_charge"):
        update(charge.ticket, merged_into_id=survivor.pk, merged_at=charge.proposed_at)
    decide(charge, cast.ana, accepts=False)
    assert merge(charge.ticket, survivor) == survivor
    assert decide(charge, cast.ana, accepts=False).status == "declined"  # the same decision again


@pytest.mark.clause("M18")
def test_the_ticket_that_goes_on_may_wait_for_a_charge(cast: Cast) -> None:
    charge = propose(cast)
    ticket = make_ticket(requester=cast.ana)
    merge(ticket, charge.ticket)
    assert fresh(charge.ticket).is_open
    assert decide(charge, cast.ana).is_accepted


@pytest.mark.clause("M18")
def test_minutes_on_the_charge_of_a_merged_ticket_stay_with_it(cast: Cast) -> None:
    charge = accepted(cast)
    survivor = make_ticket(requester=cast.ana)
    merge(charge.ticket, survivor)
    agent = make_agent(full_name="Darío Luna")
    entry = note(charge.ticket, 30, charge, agent=agent)
    assert (entry.ticket, entry.charge) == (charge.ticket, charge)
    free = note(charge.ticket, 10, agent=agent, form_key="k1")
    assert free.ticket == survivor
    assert note(charge.ticket, 10, agent=agent, form_key="k1") == free
    with pytest.raises(FormUsed):
        note(charge.ticket, 11, agent=agent, form_key="k1")
    charges.void_time(charge.ticket_id, agent=agent, seq=entry.seq, reason="Eran 20")
    assert not list(audit.find_flaws())


@pytest.mark.clause("M18")
def test_the_page_of_minutes_shows_the_charges_of_both(cast: Cast) -> None:
    charge = accepted(cast)
    survivor = make_ticket(requester=cast.ana)
    note(charge.ticket, 25, charge)
    merge(charge.ticket, survivor)
    client = make_client(make_agent())
    assert "25 min" in text_of(client.get(page_of(survivor)))
    page = client.get(page_of(survivor, "time"))
    name = f"1 de {charge.ticket.number}"
    assert f"Cobro {name}" in text_of(page)
    assert f"A cuenta del cobro aceptado {name}: quedan 95 de 120 min" in text_of(page)
    fields = {"key": key_in(page), "minutes": "40", "work": "Extraje los XML", "charge": name}
    client.post(page_of(survivor, "time"), fields)
    assert [entry.minutes for entry in charge.time_entries.order_by("pk")] == [25, 40]
    address = reverse("tickets:charge", kwargs={"number": charge.ticket.number, "seq": 1})
    assert make_client(cast.ana).get(address).status_code == 200


@pytest.mark.clause("M14")
def test_an_authorization_answers_only_the_question_that_was_asked(client: Client) -> None:
    ana = make_contact()
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    for each in (ticket, survivor):
        operations.answer(each.pk, agent=make_agent(), body=f"¿Autoriza {each}?", wait_reason="authorization")
    page = make_client(ana)
    key = key_in(page.get(reverse("tickets:detail", args=[ticket.number])))
    merge(ticket, survivor)
    fields = {"key": key, "autoriza": "si"}
    answer = page.post(reverse("tickets:authorize", args=[ticket.number]), fields, follow=True)
    assert "No se decidió nada: el ticket se combinó con otro" in text_of(answer)
    assert answer.request["PATH_INFO"] == reverse("tickets:detail", args=[survivor.number])
    assert fresh(survivor).is_waiting
    assert not Message.objects.filter(body__startswith="Sí, autorizo").exists()


# -- Calls -------------------------------------------------------------------------------------------


@pytest.mark.clause("M5")
def test_what_a_caller_says_lands_where_the_number_leads_and_says_who_noted_it() -> None:
    ana = make_contact()
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    bruno, carla = make_agent(full_name="Bruno Nota"), make_agent(full_name="Carla Nota")
    note_by_phone(ticket, agent=bruno, body="Antes")
    merge(ticket, survivor)
    assert note_by_phone(ticket, agent=carla, body="Después") == survivor
    for history in (
        timeline.read_history(fresh(survivor), carla, timeline.read_events(survivor)),
        customer_timeline.read_history(survivor, ana, customer_timeline.read_events(survivor)),
    ):
        noted = [entry.noted_by for entry in history if entry.noted_by]
        assert noted == ["Bruno Nota", "Carla Nota"]


@pytest.mark.clause("M5", "M15")
def test_a_confirmation_by_phone_closes_only_the_ticket_that_was_asked_about() -> None:
    ana, agent = make_contact(), make_agent()
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    merge(ticket, survivor)
    call = make_verified_call(ana, agent=agent)
    with pytest.raises(operations.TicketMerged):
        operations.confirm_by_phone(ticket.pk, agent=agent, call_pk=call.pk)
    assert operations.confirm_by_phone(survivor.pk, agent=agent, call_pk=call.pk) == survivor
    assert fresh(survivor).is_closed
    assert not fresh(ticket).is_closed


@pytest.mark.clause("M3", "M5")
def test_a_third_party_speaks_of_where_its_ticket_leads(irma: User, external: Provider, laura: User) -> None:
    ana = make_contact()
    ticket, survivor, other = (make_ticket(requester=ana) for _number in range(3))
    for each in (ticket, survivor, other):
        operations.hand_over(each.pk, supervisor=laura, provider=external)
    call = make_verified_call(ana, agent=irma, ticket=fresh(ticket))
    merge(ticket, survivor, irma)
    call = Call.objects.get(pk=call.pk)
    assert may_speak_of(call, fresh(survivor))
    assert not may_speak_of(call, fresh(other))
    said = operations.add_by_phone(ticket.pk, agent=irma, call_pk=call.pk, body="Sigue igual")
    assert said == survivor
    page = text_of(make_client(irma).get(reverse("admin:tickets_ticket_call", args=[call.pk])))
    assert survivor.number in page
    assert other.number not in page


@pytest.mark.clause("M4")
def test_a_sales_ticket_that_an_agent_may_not_take_is_opened_and_left_in_the_queue(laura: User) -> None:
    ana, agent = make_contact(), make_agent()
    join_sales(make_agent(full_name="Vera Ventas").pk, supervisor=laura)
    call = make_verified_call(ana, agent=agent)
    ticket = operations.open_by_phone(
        call.pk,
        agent=agent,
        kind=Call.Kind.SALES,
        takes_it=True,
        subject="Quiere un paquete",
        body="¿Cuánto cuesta?",
        category=Ticket.Category.SALES,
        impact=1,
    )
    assert (ticket.team, ticket.assignee) == ("sales", None)


@pytest.mark.clause("M4", "M18")
def test_who_proposes_a_charge_takes_no_sales_ticket(cast: Cast) -> None:
    join_sales(make_agent(full_name="Vera Ventas").pk, supervisor=cast.laura)
    charge = propose(cast, make_ticket(requester=cast.ana, category=Ticket.Category.SALES))
    assert fresh(charge.ticket).assignee is None


# -- Third parties -----------------------------------------------------------------------------------


@pytest.fixture
def pair(external: Provider, laura: User, settings, tmp_path) -> tuple[Ticket, Ticket]:
    """Two tickets at the third party; the texts of the first name the customer's mail."""
    settings.MEDIA_ROOT = tmp_path
    company = make_customer(legal_name="Papelería Ocaso")
    ana = make_contact(company, email=MAIL, full_name=MAIL)
    file = store.store(png(f"pantalla de {MAIL}.png"), draft="d1")
    ticket = make_ticket(requester=ana, subject=f"Escríbanme a {MAIL}", body=f"Soy {MAIL}", files=[file])
    operations.add_note(ticket.pk, agent=laura, body=f"Llamó desde {MAIL}")
    operations.add_information(ticket.pk, author=ana, body=f"Otra vez {MAIL}")
    survivor = make_ticket(requester=ana, subject="Tampoco timbra", body="Sigue")
    for each in (ticket, survivor):
        operations.hand_over(each.pk, supervisor=laura, provider=external)
    return fresh(ticket), fresh(survivor)


def is_shown(client: Client, ticket: Ticket) -> bool:
    """Whether the page of a ticket shows the customer's mail in what was written."""
    html = client.get(page_of(ticket)).content.decode()
    return f"Soy {MAIL}" in html


@pytest.mark.clause("M3")
@pytest.mark.parametrize("name", ["merge", "split", "undo_merge", "change", "time"])
def test_no_page_of_a_merge_shows_the_mail(irma: User, pair: tuple[Ticket, Ticket], name: str) -> None:
    client = make_client(irma)
    for ticket in pair:
        assert MAIL not in client.get(page_of(ticket, name)).content.decode()
    merge(*pair, irma)
    for ticket in pair:
        assert MAIL not in client.get(page_of(ticket, name)).content.decode()
    assert HIDDEN in text_of(client.get(page_of(pair[1])))


@pytest.mark.clause("M3")
def test_a_merge_shows_no_mail_that_was_hidden_before(irma: User, laura: User, pair: tuple[Ticket, Ticket]) -> None:
    ticket, survivor = pair
    providers.grant_mail(survivor.pk, supervisor=laura, reason="Para escribirle")
    merge(ticket, survivor, irma)
    client = make_client(irma)
    assert not is_shown(client, survivor)
    providers.hide_mail(survivor.pk, supervisor=laura)
    providers.grant_mail(survivor.pk, supervisor=laura, reason="Para leer los dos")
    assert is_shown(client, survivor)
    providers.hide_mail(survivor.pk, supervisor=laura)
    assert not is_shown(client, survivor)
    assert not is_shown(client, ticket)
    assert not list(audit.find_flaws())


@pytest.mark.clause("M3")
def test_a_hand_over_ends_what_was_shown_of_every_merged_ticket(
    irma: User, laura: User, pair: tuple[Ticket, Ticket]
) -> None:
    ticket, survivor = pair
    merge(ticket, survivor, irma)
    providers.grant_mail(survivor.pk, supervisor=laura, reason="Para leer los dos")
    assert MailGrant.objects.filter(ended_at=None).count() == 2
    operations.hand_over(survivor.pk, supervisor=laura, provider=own_provider())
    assert not MailGrant.objects.filter(ended_at=None).exists()
    assert make_client(irma).get(page_of(ticket)).status_code == 404


@pytest.mark.clause("M3", "M17")
def test_the_file_of_a_split_message_is_fetched_by_who_sees_the_new_ticket(
    irma: User, laura: User, external: Provider, settings, tmp_path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    ticket = make_ticket()
    file = store.store(png("otra.png"), draft="d2")
    operations.add_information(ticket.pk, author=ticket.requester, body="Otra cosa", files=[file])
    said = ticket.messages.get(seq=2)
    split = operations.split_message(ticket.pk, agent=laura, message_pk=said.pk, subject="Otra cosa")
    operations.hand_over(ticket.pk, supervisor=laura, provider=external)
    assert not TicketFile.objects.visible_to(irma).exists()
    assert TicketFile.objects.visible_to(make_agent()).exists()
    operations.hand_over(split.pk, supervisor=laura, provider=external)
    assert TicketFile.objects.visible_to(irma).exists()
    assert TicketFile.objects.visible_to(ticket.requester).exists()
