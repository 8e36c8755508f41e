"""A third party's agents see their tickets without the customer's mail, and leave a record of what they saw (M3)."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import Office, Provider, User
from factureya.core import audit, clock
from factureya.core.files import store
from factureya.core.models import Event, OutboxMessage
from factureya.core.record.state import find_flaws as find_changed_rows
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from factureya.testing.desk import QUEUE, agent_in, page_of
from factureya.testing.pages import key_in, log_in, png, text_of
from factureya.testing.people import (
    make_auditor,
    make_contact,
    make_customer,
    make_representative,
    make_staff,
    own_provider,
)
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_as_owner,
    insert,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)
from factureya.testing.tickets import make_ticket
from tickets import notifications, operations, policy
from tickets.charges import operations as charges
from tickets.models import MailGrant, Ticket, TicketFile
from tickets.providers import guards
from tickets.providers import operations as providers
from tickets.providers.hiding import HIDDEN, hide_mails
from tickets.providers.state import describe_grant

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M3")]
MAIL, REGISTERED = "ana.rivas@ocaso.mx", "registro@ocaso.mx"
HEADERS = f"De: Ana Rivas <{MAIL}>\nPara: soporte@factureya.com\nCC: Beto <beto@\nocaso.mx>"
QUOTE = f"Sí, es ese.\n\n{HEADERS}\n> {REGISTERED}"


@pytest.fixture
def supervisor() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Méndez")


@pytest.fixture
def external() -> Provider:
    own_provider()
    return Provider.objects.create(name="Soporte Externo")


@pytest.fixture
def irma(external) -> User:
    return make_staff(Office.THIRD_PARTY_AGENT, provider=external, full_name="Irma Externa")


@pytest.fixture
def ticket(external, supervisor, tmp_path, settings) -> Ticket:
    """A ticket at the third party whose every text names the customer's mail."""
    settings.MEDIA_ROOT = tmp_path
    company = make_customer(registered_email=REGISTERED, legal_name="Papelería Ocaso", verified=False)
    ana = make_representative(company, email=MAIL, full_name=MAIL)
    file = store.store(png(f"pantalla de {MAIL}.png"), draft="d1")
    ticket = make_ticket(requester=ana, subject=f"Escríbanme a {MAIL}", body=QUOTE, files=[file])
    operations.add_note(ticket.pk, agent=supervisor, body=f"Llamó desde {MAIL}")
    OutboxMessage.objects.filter(about=ticket.chain).update(
        status="failed", last_error=f"550 <{MAIL}>: Recipient address rejected"
    )
    operations.retry_mail(
        ticket.pk, agent=supervisor, mail_pk=OutboxMessage.objects.filter(about=ticket.chain).latest("pk").pk
    )
    OutboxMessage.objects.filter(about=ticket.chain).update(last_error=f"550 <{MAIL}>: rejected")
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=external)
    ticket.refresh_from_db()
    return ticket


def leaks(response: Any) -> list[str]:
    """The addresses of the customer that the whole answer holds."""
    html = response.content.decode().lower()
    return [part for part in (MAIL, REGISTERED, "beto@", "@ocaso", "ana.rivas") if part in html]


PAGES = ["change", "confirm", "time"]


@pytest.fixture
def charged(ticket, irma, supervisor) -> Ticket:
    """The ticket with minutes of the third party's agent and a declined charge, whose every text names the mail."""
    operations.assign(ticket.pk, agent=irma, assignee=irma)
    terms = charges.ChargeTerms(lines=(("Restaurar", 60),), rate_cents=45_000, reason="No llegó la lista")
    charge = charges.propose_charge(ticket.pk, supervisor=supervisor, terms=terms)
    charges.decide_charge(ticket.pk, seq=charge.seq, decider=ticket.requester, accepts=False, note=f"A {MAIL} no llegó")
    for work in (f"Escribí a {MAIL}", f"Llamé a {MAIL}"):
        entry = charges.note_time(ticket.pk, agent=irma, minutes=5, work=work)
    charges.void_time(ticket.pk, agent=irma, seq=entry.seq, reason=f"Era a {REGISTERED}")
    return ticket


@pytest.mark.parametrize("name", PAGES)
def test_no_page_of_the_ticket_shows_the_mail(client, irma, charged, name):
    log_in(client, irma)
    page = client.get(page_of(charged, name))
    assert page.status_code == 200
    assert leaks(page) == []


@pytest.mark.clause("M3", "M18")
def test_minutes_and_charges_are_read_without_the_mail(client, irma, charged, supervisor):
    log_in(client, irma)
    pages = [page_of(charged, "time"), reverse("admin:tickets_ticket_void_time", args=[charged.pk, 1])]
    for page in map(client.get, pages):
        assert leaks(page) == []
        assert f"Escribí a {HIDDEN}" in text_of(page)
    assert "Como lo ve el cliente" not in text_of(client.get(pages[0]))  # that page is not for a third party
    log_in(client, supervisor)
    shown = text_of(client.get(pages[0]))
    assert f"«A {MAIL} no llegó»" in shown
    assert "Como lo ve el cliente" in shown
    providers.grant_mail(charged.pk, supervisor=supervisor, reason="Hace falta")
    log_in(client, irma)
    assert f"«A {MAIL} no llegó»" in text_of(client.get(pages[0]))


@pytest.mark.clause("M3", "M18")
def test_the_mail_about_a_decision_hides_it_too(irma, charged, supervisor):
    mails = {mail.to: mail for mail in OutboxMessage.objects.filter(kind=notifications.CHARGE_ANSWER)}
    text = f"{mails[irma.email].subject} {mails[irma.email].body}"
    assert [part for part in (MAIL, "ana.rivas", "@ocaso") if part in text] == []
    assert f"«A {HIDDEN} no llegó»" in text
    assert f"«A {MAIL} no llegó»" in mails[supervisor.email].body


@pytest.mark.clause("M3", "M5")
def test_the_page_of_a_call_shows_nothing_of_a_name_that_is_a_mail(client, irma, ticket, supervisor):
    for person in (irma, supervisor):
        log_in(client, person)
        page = client.post(
            reverse("admin:tickets_ticket_call_start"),
            {"contacto": ticket.requester_id, "ticket": ticket.pk},
            follow=True,
        )
        shown = text_of(page)
        assert "Llamada de" in shown
        assert MAIL not in shown
        assert ("ana•••••@ocaso.mx" in shown) is (person == supervisor)
        if person == irma:
            assert leaks(page) == []
            assert f"Llamada de {HIDDEN}" in shown


def test_what_hides_the_mail_leaves_the_rest(client, irma, ticket):
    log_in(client, irma)
    page = text_of(client.get(page_of(ticket)))
    assert HIDDEN in page
    assert "soporte@factureya.com" in page
    assert "Sí, es ese." in page
    assert "Papelería Ocaso" in page
    agent_in(client)
    assert client.get(page_of(ticket)).status_code == 404


@pytest.mark.parametrize("query", ["", "?vista=por-asignar", "?q=escribanme", "?q=Papelería"])
def test_no_list_shows_the_mail(client, irma, ticket, query):
    log_in(client, irma)
    page = client.get(QUEUE + query)
    assert ticket.number in page.content.decode()
    assert leaks(page) == []


@pytest.mark.parametrize("query", [MAIL, REGISTERED, "ana.rivas@", "@ocaso.mx"])
def test_a_search_does_not_tell_whose_mail_it_is(client, irma, ticket, supervisor, query):
    log_in(client, irma)
    assert ticket.number not in client.get(QUEUE, {"q": query}).content.decode()
    if query == REGISTERED:
        log_in(client, supervisor)
        assert ticket.number in client.get(QUEUE, {"q": query}).content.decode()


def test_a_refused_reply_shows_the_page_without_the_mail_too(client, irma, ticket):
    log_in(client, irma)
    page = client.get(page_of(ticket))
    data = {"key": key_in(page), "seen": "0", "kind": "respuesta", "body": "Hola", "after": "detalle"}
    answer = client.post(page_of(ticket, "write"), data)
    assert "Llegó mientras usted escribía" in text_of(answer)
    assert leaks(answer) == []


def test_the_mail_to_a_third_partys_agent_hides_it_too(irma, ticket):
    operations.assign(ticket.pk, agent=irma, assignee=irma)
    operations.add_information(ticket.pk, author=ticket.requester, body=QUOTE)
    mail = OutboxMessage.objects.get(kind="tickets/new_message", to=irma.email)
    text = f"{mail.subject} {mail.body} {mail.headers}"
    assert [part for part in (MAIL, REGISTERED, "@ocaso") if part in text] == []
    assert "Sí, es ese." in mail.body


def test_the_customers_pages_are_not_for_a_third_party(client, irma, ticket):
    log_in(client, irma)
    for name in ("detail", "created"):
        assert client.get(reverse(f"tickets:{name}", args=[ticket.number])).status_code == 404
    mail = QUEUE + "bandeja/"
    assert client.get(mail).status_code == 403


def test_a_grant_shows_the_mail_in_one_ticket_until_it_ends(client, irma, ticket, supervisor, external):
    other = make_ticket(requester=ticket.requester)
    operations.hand_over(other.pk, supervisor=supervisor, provider=external)
    log_in(client, supervisor)
    address = page_of(ticket, "show_mail")
    assert "Escriba el motivo" in text_of(client.post(address, {"reason": "  "}))
    assert "300" in text_of(client.post(address, {"reason": "x" * 301}))
    answer = client.post(address, {"reason": "Debe escribirle a su contador"}, follow=True)
    assert "Soporte Externo ya ve el correo del cliente" in text_of(answer)
    assert "Laura Méndez dejó ver el correo del cliente a Soporte Externo: Debe escribirle" in text_of(answer)
    assert "ya puede ver" in text_of(client.post(address, {"reason": "Otra vez"}))
    log_in(client, irma)
    assert MAIL in client.get(page_of(ticket)).content.decode()
    other.refresh_from_db()
    assert not policy.may_read_mail(irma, other)
    grant = MailGrant.objects.get()
    with clock.at(grant.ends_at):
        assert not policy.may_read_mail(irma, ticket)
        again = providers.grant_mail(ticket.pk, supervisor=supervisor, reason="Sigue")
        assert policy.may_read_mail(irma, ticket)
        providers.hide_mail(ticket.pk, supervisor=supervisor)
        providers.hide_mail(ticket.pk, supervisor=supervisor)
        assert not policy.may_read_mail(irma, ticket)
    assert MailGrant.objects.exclude(ended_at=None).count() == 2
    assert again != grant
    assert [flaw for flaw in find_changed_rows() if "permiso" in flaw.problem] == []


def test_a_hand_over_ends_the_grant_and_a_supervisor_takes_the_ticket_back(client, irma, ticket, supervisor, external):
    providers.grant_mail(ticket.pk, supervisor=supervisor, reason="Hace falta")
    log_in(client, supervisor)
    page = client.get(page_of(ticket))
    assert "Ocultar el correo" in text_of(page)
    answer = client.post(page_of(ticket, "hand_over"), {"chosen": own_provider().pk}, follow=True)
    assert f"{ticket.number} pasó a Factureya" in text_of(answer)
    assert MailGrant.objects.get().ended_by == supervisor
    log_in(client, irma)
    assert client.get(page_of(ticket)).status_code == 404
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=external)
    assert not policy.may_read_mail(irma, Ticket.objects.get(pk=ticket.pk))


def test_only_a_supervisor_shows_the_mail_and_only_to_a_third_party(client, irma, ticket, supervisor):
    for person in (irma, make_staff(Office.AGENT), make_auditor()):
        with pytest.raises(NotAllowed):
            providers.grant_mail(ticket.pk, supervisor=person, reason="Quiero")
        with pytest.raises(NotAllowed):
            providers.hide_mail(ticket.pk, supervisor=person)
    with pytest.raises(Invalid):
        providers.grant_mail(ticket.pk, supervisor=supervisor, reason="")
    with pytest.raises(WrongStatus):
        providers.grant_mail(make_ticket().pk, supervisor=supervisor, reason="Nuestro")
    log_in(client, irma)
    assert client.post(page_of(ticket, "show_mail"), {"reason": "Quiero"}).status_code == 404
    assert "Solo un supervisor" in text_of(client.post(page_of(ticket, "hide_mail"), follow=True))
    assert MailGrant.objects.count() == 0


# -- The record of what they saw ---------------------------------------------------------------------


@pytest.mark.clause("M26")
def test_every_view_is_recorded_each_time(client, irma, ticket, supervisor, external):
    log_in(client, irma)
    for _ in range(2):
        client.get(page_of(ticket))
    client.get(page_of(ticket, "confirm"))
    file = TicketFile.objects.get(ticket=ticket).attachment
    sent = client.get(reverse("tickets:file", args=[file.token]))
    b"".join(sent)
    assert "ocaso" not in str(sent.headers)
    client.post(page_of(ticket, "write"), {"key": "x", "kind": "respuesta"})
    views = list(ticket.events().filter(verb="ticket.viewed_by_third_party"))
    pages = ["change", "change", "confirm", "file", "write"]
    assert [event.data["page"].removeprefix("tickets_ticket_") for event in views] == pages
    assert {event.actor for event in views} == {irma}
    assert views[3].data["file"] == file.name
    client.get(QUEUE + "?q=algo")
    assert Event.objects.get(verb="provider.list_viewed", actor=irma).data["query"] == "q=algo"
    log_in(client, supervisor)
    client.get(page_of(ticket))
    assert ticket.events().filter(verb="ticket.viewed_by_third_party").count() == len(views)
    page = text_of(client.get(reverse("admin:tickets_ticket_provider", args=[external.pk])))
    assert f"Irma Externa · {ticket.number}" in page
    assert "el archivo pantalla" in page


# -- The pages of the providers ----------------------------------------------------------------------


def test_a_supervisor_sees_providers_agents_and_tickets_and_moves_them(client, irma, ticket, supervisor, external):
    log_in(client, supervisor)
    page = text_of(client.get(reverse("admin:tickets_ticket_providers")))
    assert "Soporte Externo Irma Externa 1 1" in page
    address = reverse("admin:tickets_ticket_provider", args=[external.pk])
    assert "Oculto" in text_of(client.get(address))
    move = reverse("admin:tickets_ticket_provider_move", args=[external.pk])
    for missing in ({}, {"elegido": [ticket.pk]}, {"elegido": ["x"], "a_quien": own_provider().pk}):
        assert "Elija" in text_of(client.post(move, missing, follow=True))
    ours = make_ticket()
    data = {"elegido": [ticket.pk, ours.pk, "9" * 30], "a_quien": own_provider().pk}
    answer = client.post(move, data, follow=True)
    assert "1 ticket ahora de Factureya" in text_of(answer)
    assert Ticket.objects.get(pk=ticket.pk).provider.is_own
    assert "Ningún ticket vigente" in text_of(client.get(address))


def test_auditoria_sees_the_providers_and_moves_nothing_and_agents_see_none(client, irma, ticket, external):
    pages = [reverse("admin:tickets_ticket_providers"), reverse("admin:tickets_ticket_provider", args=[external.pk])]
    move = reverse("admin:tickets_ticket_provider_move", args=[external.pk])
    log_in(client, make_auditor())
    for page in pages:
        assert client.get(page).status_code == 200
    assert client.post(move, {"elegido": [ticket.pk], "a_quien": own_provider().pk}).status_code == 403
    for person in (irma, make_staff(Office.AGENT)):
        log_in(client, person)
        assert {client.get(page).status_code for page in pages} == {404}
        assert client.post(move, {"elegido": [ticket.pk], "a_quien": own_provider().pk}).status_code == 404
    assert Ticket.objects.get(pk=ticket.pk).provider == external


def test_a_supervisor_sees_and_works_on_every_providers_tickets(ticket, supervisor, irma):
    assert ticket in Ticket.objects.visible_to(supervisor)
    assert policy.may_work(supervisor, ticket)
    later = Provider.objects.create(name="Otro Externo")  # after the supervisor's providers were read
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=later)
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=own_provider())
    assert ticket not in Ticket.objects.visible_to(irma)


# -- The text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "ana@ocaso.mx",
        "ANA@OCASO.MX",
        "<ana@ocaso.mx>",
        '"Ana" <ana.rivas+fy@correo.ocaso.com.mx>',
        "mailto:ana%40ocaso.mx",
        "ana＠ocaso.mx",
        "ana(arroba)ocaso.mx",
        "ana arroba ocaso.mx",
        "ana@\n> ocaso.mx",
        "ana@=\nocaso.mx",
        "ana&#64;ocaso.mx",
        "ana @ ocaso.mx",
        "año_1@ñandú.mx",
        f"{'x' * 80}@ocaso.mx",
        '"ana perez"@ocaso.mx',
        r'"ana \"la jefa\" perez"@ocaso.mx',
        "&quot;ana perez&quot;@ocaso.mx",
        "ana@[10.0.0.1]",
        "ana@[IPv6:2001:db8::1]",
        "ana arroba ocaso punto mx",
        "ana punto perez guion bajo dos arroba correo punto ocaso punto mx",
        "ana (arroba) ocaso (punto) mx",
        "ana [at] ocaso [dot] mx",
        "ana@ocaso punto mx",
        f"{'x' * 80} arroba ocaso punto mx",
    ],
)
def test_an_address_is_hidden_however_it_is_written(text):
    hidden = hide_mails(f"Hola {text}, adiós")
    assert HIDDEN in hidden
    assert not [part for part in ("ocaso", "perez", "10.0", "2001") if part in hidden.lower()]
    assert hidden.startswith("Hola ")
    assert hidden.endswith(", adiós")


@pytest.mark.parametrize("text", ["", "sin correo", "soporte@factureya.com", "@dario revise", "10 @ 5", "CFDI40147"])
def test_what_is_no_address_of_the_customer_stays(text):
    assert hide_mails(text) == text


def test_a_long_text_is_hidden_in_time():
    hide_mails("a" * 40_000)
    hide_mails("a@" * 20_000)
    hide_mails("!" * 40_000)
    hide_mails("a@b." * 10_000)


# -- Raw SQL -----------------------------------------------------------------------------------------


@pytest.fixture
def grant(ticket, supervisor) -> MailGrant:
    return providers.grant_mail(ticket.pk, supervisor=supervisor, reason="Hace falta")


def test_what_a_grant_says_is_not_changed(grant, ticket):
    other = make_ticket()
    columns = [{"ticket_id": other.pk}, {"reason": "Otro"}, {"granted_by_id": grant.granted_by_id + 1}]
    for change in (*columns, {"ends_at": grant.ends_at.replace(year=2099)}):
        with refused_by("mail_grant_facts_never_change"):
            update(grant, **change)


def test_a_grant_ends_once_and_names_who(grant, supervisor):
    with refused_by("mail_grant_end_names_who"):
        execute_as_owner("UPDATE tickets_mailgrant SET ended_at = %s", clock.now())
    with refused_by("mail_grant_ended_in_an_event"):
        update(grant, ended_at=clock.now(), ended_by_id=supervisor.pk)
    providers.hide_mail(grant.ticket_id, supervisor=supervisor)
    for change in ({"ended_at": None, "ended_by_id": None}, {"ended_at": clock.now()}):
        with refused_by("mail_grant_ends_once"):
            update(grant, **change)


def test_a_grant_has_a_reason_an_end_and_no_double(grant):
    for column, value, name in (
        ("reason", "", "mail_grant_has_reason"),
        ("ends_at", grant.granted_at, "mail_grant_has_an_end"),
    ):
        with refused_by(name):
            execute_as_owner(f"UPDATE tickets_mailgrant SET {column} = %s", value)
    sql, params = copy_statement(MailGrant, grant.pk, "INSERT")
    with refused_by("one_open_mail_grant_per_ticket", "ticket_id"):
        execute_as_owner(sql, *params)


def give_raw(grant: MailGrant, **columns: Any) -> None:
    """INSERT a copy of an ended grant that begins now, after the event that a forger inside the program could write."""
    instant = clock.now()
    row = {"granted_at": instant, "ends_at": instant + timedelta(days=7), "ended_at": None, "ended_by_id": None}
    row |= columns
    forged = MailGrant.objects.get(pk=grant.pk)
    for name, value in row.items():
        setattr(forged, name, value)
    audit.record(
        "ticket.mail_granted",
        forged.ticket,
        actor=forged.granted_by,
        reason=forged.reason,
        rows={"mail_grant": describe_grant(forged)},
    )
    insert(grant, **row)


def test_nobody_grants_past_the_operation(grant, supervisor, irma):
    providers.hide_mail(grant.ticket_id, supervisor=supervisor)
    now = clock.now()
    with refused_by("mail_grant_given_in_an_event"):
        insert(grant, granted_at=now, ends_at=now + timedelta(days=7), ended_at=None, ended_by_id=None)
    for columns, name in (
        ({"granted_by_id": irma.pk}, "mail_grant_by_a_supervisor"),
        ({"provider_id": own_provider().pk}, "mail_grant_is_of_the_tickets_provider"),
        ({"ends_at": now + timedelta(days=8)}, "mail_grant_lasts_a_week"),
        ({"granted_at": now - timedelta(hours=1)}, "mail_grant_given_in_an_event|mail_grant_by_a_supervisor"),
        ({"ended_at": now, "ended_by_id": supervisor.pk}, "mail_grant_given_in_an_event"),
    ):
        with refused_by(name):
            give_raw(grant, **columns)
    give_raw(grant)
    assert MailGrant.objects.filter(ended_at=None).count() == 1


def test_a_grant_is_not_deleted(grant):
    with refused_by("tickets_mailgrant_no_delete"):
        execute("DELETE FROM tickets_mailgrant")


@postgres_only
def test_grants_are_not_truncated(grant):
    connection.check_constraints()  # nothing may be pending
    with refused_by("tickets_mailgrant_no_truncate"):
        execute("TRUNCATE tickets_mailgrant CASCADE")


@sqlite_only
def test_a_grant_is_not_replaced(grant):
    sql, params = copy_statement(MailGrant, grant.pk, "INSERT OR REPLACE", id=grant.pk)
    with refused_by("tickets_mailgrant_no_replace", "mail_grant_"):
        execute(sql, *params)
    names = {guard.name for guard in guards.GUARDS}
    assert {"tickets_mailgrant_no_replace", "mail_grant_replaces_none", "mail_grant_ends_once"} <= names


def test_a_mail_to_our_own_agent_shows_what_the_customer_wrote(supervisor):
    own_provider()
    ticket = make_ticket(requester=make_contact(email=MAIL))
    operations.assign(ticket.pk, agent=supervisor, assignee=supervisor)
    operations.add_information(ticket.pk, author=ticket.requester, body=QUOTE)
    assert MAIL in OutboxMessage.objects.get(kind=notifications.NEW_MESSAGE).body
