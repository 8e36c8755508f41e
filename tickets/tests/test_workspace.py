"""The agent's page of a ticket in the admin (M3, M13–M16)."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import Office, Provider, RoleAssignment
from accounts.tests.factories import make_agent, make_contact, make_staff, make_superuser
from factureya.core.clock import now
from factureya.core.models import Attachment
from tickets import admin_timeline, operations, queue
from tickets.models import Message, Note, Ticket, TicketFile
from tickets.tests.desk import QUEUE, agent_in, page_of, reply, third_party_in
from tickets.tests.factories import let_it_close, mails_about, make_ticket
from tickets.tests.pages import key_in, log_in, png, statements, text_of

pytestmark = pytest.mark.django_db
MEXICO = ZoneInfo("America/Mexico_City")


def fresh(ticket):
    return Ticket.objects.get(pk=ticket.pk)


# -- What the page shows -----------------------------------------------------------------------------


@pytest.mark.clause("M13", "M14", "M16")
def test_the_page_tells_the_whole_story(client):
    agent = agent_in(client, full_name="Darío Salgado")
    contact = make_contact(full_name="Rosa Paredes", representative=True)
    ticket = make_ticket(
        requester=contact, body="No puedo timbrar.\n\nPasos que siguió:\n1. Entré\n2. Timbré"
    )
    operations.take(ticket.pk, agent=agent)
    operations.add_note(ticket.pk, agent=agent, body="El SAT lo reporta vigente.")
    operations.classify(ticket.pk, agent=agent, category="sales", impact=1)
    operations.answer(
        ticket.pk,
        agent=agent,
        body="¿Ya puede?",
        wait_reason="authorization",
        proposes_solution=True,
    )
    operations.add_information(ticket.pk, author=contact, body="Todavía no.")
    operations.assign(ticket.pk, agent=agent, assignee=make_agent(full_name="Julio Tapia"))
    operations.assign(ticket.pk, agent=agent, assignee=None)
    text = text_of(client.get(page_of(ticket)))
    for words in (
        "Darío Salgado lo tomó", "Nota interna", "El SAT lo reporta vigente.",
        "Darío Salgado cambió la categoría a «Ventas» y el impacto a «Es una duda o consulta»",
        "Pasó a En espera: se pidió confirmar si quedó resuelto", "Volvió a Abierto: respondió el cliente",
        "Darío Salgado lo asignó a Julio Tapia", "Darío Salgado lo dejó por asignar", "Pasos que siguió",
        "Representante legal", contact.email, contact.contact.customer.rfc, contact.contact.customer.registered_email,
        "Verificada", "El cliente no verá esto.", "Siguiente respuesta:",
    ):  # fmt: skip
        assert words in text


def test_every_verb_of_a_ticket_has_words():
    verbs = set()
    for folder in operations.__path__:
        for source in Path(folder).glob("*.py"):
            verbs |= set(re.findall(r'"(ticket\.\w+)"', source.read_text()))
    assert verbs == set(admin_timeline.WORDS)


@pytest.mark.clause("M12", "M15")
def test_a_closed_ticket_takes_a_note_and_nothing_else(client):
    agent_in(client)
    ticket = let_it_close(make_ticket("waiting"))
    page = client.get(page_of(ticket))
    text = text_of(page)
    assert "Cerrado por falta de respuesta del cliente" in text
    assert "Salió el recordatorio al cliente" in text
    assert "Aquí solo puede dejar una nota interna" in text
    assert 'id="c-reply"' not in page.content.decode()
    assert 'name="assignee"' not in page.content.decode()
    answer = reply(client, ticket, body="Una cosa más", after="detalle")
    assert "El ticket está Cerrado" in text_of(answer)
    assert "Una cosa más" in text_of(answer)
    assert fresh(ticket).message_count == ticket.message_count
    reply(client, ticket, kind="nota", body="Llamó después.")
    assert Note.objects.get(ticket=ticket).body == "Llamó después."


def test_a_ticket_that_follows_another_names_it(client):
    agent_in(client)
    closed = make_ticket("closed")
    ticket = operations.follow_up(closed.pk, author=closed.requester, body="Sigue fallando")
    page = client.get(page_of(ticket))
    assert f"Continúa a {closed.number}" in text_of(page)
    assert page_of(closed) in page.content.decode()


@pytest.mark.clause("M3")
def test_a_followed_ticket_of_another_provider_is_named_without_a_link(client):
    outsider = third_party_in(client)
    closed = make_ticket("closed")
    ticket = operations.follow_up(closed.pk, author=closed.requester, body="Sigue fallando")
    provider = outsider.assignments[0].provider
    operations.hand_over(ticket.pk, supervisor=make_staff(Office.SUPERVISOR), provider=provider)
    page = client.get(page_of(ticket))
    assert f"Continúa a {closed.number}" in text_of(page)
    assert f'href="{page_of(closed)}' not in page.content.decode()
    assert "Otros tickets" not in text_of(page)
    assert provider.name in text_of(page)


def test_other_tickets_of_the_company_active_first_and_five_at_most(client):
    agent_in(client)
    contact = make_contact()
    ticket = make_ticket(requester=contact)
    closed = make_ticket("closed", requester=contact)
    active = [make_ticket(requester=contact) for _ in range(4)]
    make_ticket(subject="De otra empresa")
    others = [other.pk for other, _url in client.get(page_of(ticket)).context["others"]]
    assert others == [*(other.pk for other in reversed(active)), closed.pk]
    make_ticket(requester=contact)
    assert closed.pk not in [
        other.pk for other, _url in client.get(page_of(ticket)).context["others"]
    ]


def test_previous_and_next_of_the_list_the_agent_came_from(client):
    agent_in(client)
    first, second, third = (make_ticket() for _ in range(3))
    page = client.get(page_of(second), {"vista": "abiertos"})
    assert page.context["previous_url"].startswith(page_of(first))
    assert page.context["next_url"] == f"{page_of(third)}?vista=abiertos"
    page = client.get(page_of(second))
    assert not page.context["previous_url"]
    assert not page.context["next_url"]
    page = client.get(page_of(first), {"q": "timbrar"})
    assert not page.context["next_url"]


@pytest.mark.parametrize("status", Ticket.Status)
def test_the_page_costs_the_same_however_long_the_story_is(client, status):
    agent, contact = agent_in(client), make_contact()
    few = make_ticket(requester=contact)
    many = make_ticket(requester=contact)
    for _ in range(5):
        make_ticket("closed", requester=contact)
    for number in range(30):
        operations.add_information(many.pk, author=contact, body=f"Mensaje {number}")
        operations.add_note(many.pk, agent=agent, body=f"Nota {number}")
    for ticket in (few, many):
        if status != Ticket.Status.OPEN:
            operations.answer(ticket.pk, agent=agent, body="¿Qué versión?", wait_reason="detail")
        if status == Ticket.Status.CLOSED:
            operations.confirm_resolved(ticket.pk, author=contact)
    with statements() as short:
        client.get(page_of(few), {"vista": "abiertos"})
    with statements() as long:
        page = client.get(page_of(many), {"vista": "abiertos"})
    assert len(page.context["entries"]) > 60
    assert len(short) == len(long) <= 14, "\n".join(long)


@pytest.mark.clause("M16")
def test_what_people_write_is_escaped_on_the_page(client):
    agent = agent_in(client, full_name="<b>Agente</b>")
    ticket = make_ticket(subject="<i>asunto</i>", body="<script>alert(1)</script>")
    operations.take(ticket.pk, agent=agent)
    operations.add_note(ticket.pk, agent=agent, body="<img src=x onerror=alert(1)>")
    html = client.get(page_of(ticket)).content.decode()
    for bad in ("<script>alert", "<img src=x", "<i>asunto", "<b>Agente"):
        assert bad not in html


# -- Replies and notes -------------------------------------------------------------------------------


@pytest.mark.clause("M13", "M14", "M15")
@pytest.mark.parametrize(
    ("after", "status", "wait_reason", "asks"),
    [
        ("detalle", "waiting", "detail", False),
        ("autorizacion", "waiting", "authorization", False),
        ("confirmacion", "waiting", "authorization", True),
        ("abierto", "open", None, False),
    ],
)
def test_a_reply_goes_out_and_moves_the_state_as_chosen(client, after, status, wait_reason, asks):
    agent_in(client)
    ticket = make_ticket()
    answer = reply(client, ticket, body="Ya quedó corregido.", after=after)
    assert answer.status_code == 302
    assert answer["Location"].endswith("#mensaje-2")
    ticket = fresh(ticket)
    assert (ticket.status, ticket.wait_reason, ticket.asks_confirmation) == (
        status,
        wait_reason,
        asks,
    )
    assert [mail.kind for mail in mails_about(ticket)][-1] == "tickets/answered"


@pytest.mark.clause("M15")
def test_the_closing_instant_is_said_before_sending(client):
    with time_machine.travel(datetime(2030, 3, 4, 10, 5, tzinfo=MEXICO), tick=False):
        agent_in(client)
        ticket = make_ticket()
        assert "se cierra el jue 7 mar a las 10:05" in text_of(client.get(page_of(ticket)))
        reply(client, ticket, body="¿Qué versión usa?", after="detalle")
        assert fresh(ticket).closes_at == datetime(2030, 3, 7, 10, 5, tzinfo=MEXICO)
        assert "el plazo vuelve a empezar" in text_of(client.get(page_of(ticket)))


@pytest.mark.clause("M14")
def test_a_waiting_ticket_cannot_be_left_open(client):
    agent_in(client)
    ticket = make_ticket("waiting")
    page = client.get(page_of(ticket))
    assert "dejar Abierto" not in text_of(page)
    answer = reply(client, ticket, body="Otra cosa", after="abierto")
    assert answer.status_code == 200
    assert "Elija de la lista qué pasa al enviar." in text_of(answer)
    assert fresh(ticket).message_count == 2


@pytest.mark.clause("M14")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"body": "", "after": "detalle"}, "Escriba la respuesta al cliente."),
        ({"body": "  \n ", "after": "detalle"}, "Escriba la respuesta al cliente."),
        ({"body": "Hola", "after": ""}, "Elija qué pasa con el ticket al enviar su respuesta."),
        ({"body": "Hola", "after": "cerrar"}, "Elija de la lista qué pasa al enviar."),
        (
            {"body": "x" * 10_001, "after": "detalle"},
            "Son hasta 10000 caracteres y escribió 10001.",
        ),
        (
            {"body": "a\0b", "after": "detalle"},
            "El texto trae un carácter que no se puede guardar.",
        ),
        ({"kind": "nota", "body": ""}, "Escriba la nota."),
        (
            {"kind": "otra", "body": "Hola", "after": "detalle"},
            "Elija si responde al cliente o deja una nota interna.",
        ),
        ({"body": "Hola", "after": "detalle", "seen": "x"}, "La página venció y no se envió nada."),
        ({"body": "Hola", "after": "detalle", "seen": ""}, "La página venció y no se envió nada."),
        (
            {"body": "Hola", "after": "detalle", "key": "falsa"},
            "La página venció y no se envió nada.",
        ),
    ],
)
def test_what_cannot_be_sent_is_said_and_kept(client, fields, message):
    agent_in(client)
    ticket = make_ticket()
    answer = reply(client, ticket, **fields)
    assert answer.status_code == 200
    assert message in text_of(answer)
    assert "<title>Error: " in answer.content.decode()
    assert fields["body"].replace("\0", "").strip()[:40] in answer.content.decode().replace(
        "\0", ""
    )
    assert not Message.objects.filter(ticket=ticket, seq=2).exists()
    assert not Note.objects.exists()


@pytest.mark.clause("M14")
def test_a_newer_message_is_shown_above_the_draft_and_nothing_is_sent(client):
    agent_in(client)
    ticket = make_ticket()
    page = client.get(page_of(ticket))
    operations.add_information(ticket.pk, author=ticket.requester, body="¡Ya quedó, gracias!")
    data = {
        "key": key_in(page),
        "seen": "1",
        "kind": "respuesta",
        "body": "¿Me manda el XML?",
        "after": "detalle",
    }
    answer = client.post(page_of(ticket, "write"), data)
    html = answer.content.decode()
    composer = html[html.index('id="escribir"') :]
    assert composer.index("¡Ya quedó, gracias!") < composer.index("¿Me manda el XML?")
    assert "su respuesta no se ha enviado" in text_of(answer)
    assert fresh(ticket).message_count == 2
    data |= {"seen": answer.context["form"]["seen"].value(), "key": key_in(answer)}
    assert client.post(page_of(ticket, "write"), data).status_code == 302
    assert fresh(ticket).message_count == 3


def test_a_double_click_sends_once(client):
    agent_in(client)
    ticket = make_ticket()
    page = client.get(page_of(ticket))
    data = {
        "key": key_in(page),
        "seen": "1",
        "kind": "respuesta",
        "body": "¿Qué versión?",
        "after": "detalle",
    }
    first, second = (client.post(page_of(ticket, "write"), data) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert fresh(ticket).message_count == 2
    assert len(mails_about(ticket)) == 2
    other = data | {"body": "Otro texto", "seen": "2", "files": [png("dos.png")]}
    used = client.post(page_of(ticket, "write"), other)
    assert "Este formulario ya se había enviado." in text_of(used)
    assert key_in(used) != data["key"]
    assert "dos.png" in text_of(used)
    client.post(page_of(ticket, "write"), other | {"key": key_in(used), "files": []})
    assert TicketFile.objects.get(message__seq=3).attachment.name == "dos.png"


def test_another_agents_form_key_is_refused(client):
    agent_in(client)
    ticket = make_ticket()
    key = key_in(client.get(page_of(ticket)))
    agent_in(client)
    data = {"key": key, "seen": "1", "kind": "nota", "body": "Hola"}
    assert "La página venció" in text_of(client.post(page_of(ticket, "write"), data))


@pytest.mark.clause("M16")
def test_a_note_stays_inside(client):
    agent_in(client)
    ticket = make_ticket("waiting")
    before = fresh(ticket).closes_at
    answer = reply(client, ticket, kind="nota", body="Cuidado: cliente nuevo.")
    note = Note.objects.get(ticket=ticket)
    assert answer["Location"].endswith(f"#nota-{note.pk}")
    assert fresh(ticket).closes_at == before
    assert not any("Cuidado" in mail.body for mail in mails_about(ticket))
    log_in(client, ticket.requester)
    assert "Cuidado" not in client.get(f"/tickets/{ticket.number}/").content.decode()


@pytest.mark.clause("M17")
def test_files_go_with_the_reply_and_survive_an_error(client):
    agent_in(client)
    ticket = make_ticket()
    answer = reply(
        client,
        ticket,
        body="",
        after="detalle",
        files=[png("uno.png"), SimpleUploadedFile("dos.exe", b"MZ")],
    )
    text = text_of(answer)
    assert "uno.png" in text
    assert "«dos.exe»" in text
    token = Attachment.objects.get(name="uno.png").token
    data = {
        "key": key_in(answer),
        "seen": "1",
        "kind": "respuesta",
        "body": "Vea la imagen.",
        "after": "detalle",
    }
    assert client.post(page_of(ticket, "write"), data).status_code == 302
    assert TicketFile.objects.get(ticket=ticket).attachment.token == token
    assert "uno.png" in text_of(client.get(page_of(ticket)))
    download = client.get(f"/archivos/{token}/")
    assert download.status_code == 200
    download.close()


def test_a_kept_file_can_be_taken_away_without_sending(client):
    agent_in(client)
    ticket = make_ticket()
    answer = reply(client, ticket, body="Vea", after="", files=[png("uno.png")])
    data = {
        "key": key_in(answer),
        "seen": "1",
        "kind": "respuesta",
        "body": "Vea",
        "after": "detalle",
    }
    again = client.post(page_of(ticket, "write"), data | {"quitar": Attachment.objects.get().token})
    assert again.status_code == 200
    assert "uno.png" not in text_of(again)
    assert again.context["form"]["body"].value() == "Vea"
    assert not again.context["form"].errors
    assert not Attachment.objects.exists()
    assert fresh(ticket).message_count == 1


def test_a_file_that_was_purged_meanwhile_is_asked_for_again(client, monkeypatch):
    agent_in(client)
    ticket = make_ticket()

    def gone(*args, **fields):
        Attachment.objects.all().delete()
        raise operations.FilesGone("Un archivo ya no está disponible; súbalo de nuevo.")

    monkeypatch.setattr(operations, "answer", gone)
    answer = reply(client, ticket, body="Vea", after="detalle", files=[png("uno.png")])
    assert "Un archivo ya no está disponible" in text_of(answer)
    assert "uno.png" not in text_of(answer)


# -- Properties, confirmation by phone, another provider ---------------------------------------------


@pytest.mark.clause("M15")
def test_properties_are_saved_without_moving_the_clock(client):
    agent = agent_in(client, full_name="Darío Salgado")
    ticket = make_ticket()
    answer = client.post(
        page_of(ticket, "properties"),
        {"assignee": agent.pk, "category": "sales", "impact": "1"},
        follow=True,
    )
    assert "Cambios guardados." in text_of(answer)
    ticket = fresh(ticket)
    assert (ticket.assignee, ticket.category, ticket.impact) == (agent, "sales", 1)
    assert "ticket.taken" in [event.verb for event in ticket.events()]
    colleague = make_agent()
    client.post(
        page_of(ticket, "properties"),
        {"assignee": colleague.pk, "category": "sales", "impact": "1"},
    )
    assert fresh(ticket).assignee == colleague
    client.post(page_of(ticket, "properties"), {"assignee": "", "category": "sales", "impact": "1"})
    assert fresh(ticket).assignee is None


@pytest.mark.clause("M3")
@pytest.mark.parametrize(
    "fields", [{"assignee": "999999"}, {"assignee": "x"}, {"category": "x"}, {"impact": "9"}]
)
def test_properties_come_from_the_lists(client, fields):
    agent_in(client)
    ticket = make_ticket()
    answer = client.post(
        page_of(ticket, "properties"),
        {"assignee": "", "category": "sales", "impact": "1", **fields},
        follow=True,
    )
    assert "Elija de las listas" in text_of(answer)
    assert fresh(ticket).category == ticket.category


@pytest.mark.clause("M3")
def test_what_a_colleague_changed_meanwhile_is_not_set_back(client):
    agent_in(client)
    ticket, colleague = make_ticket(), make_agent()
    page = client.get(page_of(ticket)).content.decode()
    shown = dict(re.findall(r'name="(\w+_was)" value="([^"]*)"', page))
    assert shown == {"assignee_was": "", "category_was": "stamping", "impact_was": "3"}
    operations.take(ticket.pk, agent=colleague)
    operations.classify(ticket.pk, agent=colleague, category="access", impact=3)
    chosen = {"assignee": "", "category": "stamping", "impact": "1"}
    client.post(page_of(ticket, "properties"), shown | chosen)
    saved = fresh(ticket)
    assert (saved.assignee, saved.category, saved.impact) == (colleague, "access", 1)


@pytest.mark.clause("M3")
def test_who_no_longer_works_here_keeps_the_ticket_until_somebody_takes_it(client):
    agent_in(client)
    ticket, gone = make_ticket(), make_agent()
    operations.take(ticket.pk, agent=gone)
    RoleAssignment.objects.filter(user=gone).update(ends_at=now())
    chosen = {"assignee": str(gone.pk), "category": "sales", "impact": "3"}
    client.post(page_of(ticket, "properties"), chosen)
    assert (fresh(ticket).assignee, fresh(ticket).category) == (gone, "sales")


@pytest.mark.clause("M12")
def test_properties_of_a_closed_ticket_stay(client):
    agent_in(client)
    ticket = make_ticket("closed")
    answer = client.post(
        page_of(ticket, "properties"),
        {"assignee": "", "category": "sales", "impact": "1"},
        follow=True,
    )
    assert "El ticket está Cerrado" in text_of(answer)
    assert fresh(ticket).category == ticket.category


def test_an_assignee_who_left_the_desk_is_still_named(client):
    ticket, colleague = make_ticket(), make_agent(full_name="Se Fue")
    operations.take(ticket.pk, agent=colleague)
    colleague.is_active = False
    colleague.save()
    agent_in(client)
    assert (colleague.pk, "Se Fue", True) in client.get(page_of(ticket)).context["assignees"]


@pytest.mark.clause("M15")
def test_a_confirmation_by_phone_names_the_contact(client):
    agent_in(client, full_name="Darío Salgado")
    ticket = make_ticket("waiting")
    colleague = make_contact(ticket.customer, full_name="Beto Ruiz")
    limited = make_contact(ticket.customer, own_tickets_only=True)
    stranger = make_contact()
    page = client.get(page_of(ticket, "confirm"))
    assert ticket.customer.registered_email in text_of(page)
    assert limited.email not in text_of(page)
    assert fresh(ticket).status == "waiting"
    for wrong in ("", "x", stranger.pk, limited.pk):
        answer = client.post(page_of(ticket, "confirm"), {"chosen": wrong})
        assert "Elija a la persona que confirmó." in text_of(answer)
        assert "<title>Error: " in answer.content.decode()
    assert fresh(ticket).status == "waiting"
    answer = client.post(page_of(ticket, "confirm"), {"chosen": colleague.pk}, follow=True)
    assert (
        "Beto Ruiz confirmó por teléfono que quedó resuelto; lo registró Darío Salgado"
        in text_of(answer)
    )
    assert (fresh(ticket).status, fresh(ticket).closed_reason) == ("closed", "confirmed")
    assert "El ticket está Cerrado" in text_of(
        client.post(page_of(ticket, "confirm"), {"chosen": colleague.pk})
    )


@pytest.mark.clause("M3")
def test_a_supervisor_hands_a_ticket_over_and_an_agent_cannot(client):
    ticket, provider = make_ticket(), Provider.objects.create(name="Soporte Externo")
    agent_in(client)
    assert client.get(page_of(ticket, "hand_over")).status_code == 404
    assert client.post(page_of(ticket, "hand_over"), {"chosen": provider.pk}).status_code == 404
    assert "Turnar a otro prestador" not in text_of(client.get(page_of(ticket)))
    log_in(client, make_staff(Office.SUPERVISOR))
    assert "Turnar a otro prestador" in text_of(client.get(page_of(ticket)))
    assert "Elija el prestador." in text_of(
        client.post(page_of(ticket, "hand_over"), {"chosen": ticket.provider_id})
    )
    answer = client.post(page_of(ticket, "hand_over"), {"chosen": provider.pk}, follow=True)
    assert f"{ticket.number} pasó a Soporte Externo." in text_of(answer)
    assert fresh(ticket).provider == provider
    assert client.get(page_of(ticket)).status_code == 404


@pytest.mark.clause("M12")
def test_a_closed_ticket_is_not_handed_over(client):
    ticket, provider = make_ticket("closed"), Provider.objects.create(name="Soporte Externo")
    log_in(client, make_staff(Office.SUPERVISOR))
    assert "El ticket está Cerrado" in text_of(
        client.post(page_of(ticket, "hand_over"), {"chosen": provider.pk})
    )


# -- Who may come in ---------------------------------------------------------------------------------

NAMES = ["change", "write", "properties", "confirm", "hand_over"]


@pytest.mark.clause("M3", "M16")
@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_ticket_is_as_good_as_absent(client, name):
    ticket = make_ticket()
    method = client.post if name in {"write", "properties"} else client.get
    third_party_in(client)
    assert method(page_of(ticket, name)).status_code == 404
    assert (
        client.post(page_of(ticket, "confirm"), {"chosen": ticket.requester.pk}).status_code == 404
    )
    log_in(client, make_superuser())
    assert method(page_of(ticket, name)).status_code == 404
    agent_in(client)
    assert method(reverse(f"admin:tickets_ticket_{name}", args=[10**9])).status_code == 404
    log_in(client, make_staff(Office.SECURITY_OFFICER))
    assert method(page_of(ticket, name)).status_code == 403
    log_in(client, ticket.requester)
    assert method(page_of(ticket, name)).status_code == 403
    client.logout()
    assert method(page_of(ticket, name)).status_code == 302
    assert fresh(ticket).status == "open"


@pytest.mark.parametrize(
    ("name", "allowed"), [("change", "GET"), ("write", "POST"), ("properties", "POST")]
)
def test_each_address_has_its_methods(client, name, allowed):
    agent_in(client)
    ticket = make_ticket()
    method = client.post if allowed == "GET" else client.get
    assert method(page_of(ticket, name)).status_code == 405


def test_an_agents_office_that_ended_opens_nothing(client):
    agent = agent_in(client)
    ticket = make_ticket()
    assert client.get(page_of(ticket)).status_code == 200
    assignment = agent.assignments[0]
    with time_machine.travel(assignment.starts_at + timedelta(hours=1), tick=False):
        assignment.ends_at = assignment.starts_at + timedelta(minutes=1)
        assignment.save()
        assert client.get(page_of(ticket)).status_code == 403
    assert queue.colleagues([ticket.provider_id]) == [(agent.pk, agent.full_name)]


@pytest.mark.clause("M3", "M15")
def test_moves_between_desks_companies_and_lists_are_told(client):
    agent, supervisor = agent_in(client), make_staff(Office.SUPERVISOR, full_name="Laura Méndez")
    provider = Provider.objects.create(name="Soporte Externo")
    ticket = make_ticket()
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=provider)
    Ticket.objects.filter(pk=ticket.pk).update(provider=agent.assignments[0].provider)
    operations.classify(ticket.pk, agent=agent, category="sales", impact=ticket.impact)
    operations.classify(ticket.pk, agent=agent, category="sales", impact=1)
    operations.answer(ticket.pk, agent=agent, body="Seguimos", wait_reason=None)
    for reason in ("detail", "authorization"):
        operations.answer(ticket.pk, agent=agent, body="¿?", wait_reason=reason)
    text = text_of(client.get(page_of(ticket)))
    for words in (
        "Laura Méndez lo turnó a otro prestador",
        "cambió la categoría a «Ventas» ·",
        "cambió el impacto a «Es una duda o consulta» ·",
        "Pasó a En espera: se pidió más detalle",
        "Sigue En espera: se pidió autorización",
    ):
        assert words in text


def test_properties_without_a_change_leave_no_event(client):
    agent = agent_in(client)
    ticket = make_ticket()
    operations.take(ticket.pk, agent=agent)
    data = {"assignee": agent.pk, "category": ticket.category, "impact": ticket.impact}
    before = ticket.events().count()
    client.post(page_of(ticket, "properties"), data)
    assert ticket.events().count() == before


@pytest.mark.clause("M15")
def test_a_bulk_step_that_does_nothing_says_only_why(client):
    agent_in(client)
    ticket = make_ticket("closed")
    page = client.post(f"{QUEUE}asignar/", {"elegido": ticket.pk, "a_quien": "yo"}, follow=True)
    assert f"No se pudo asignar {ticket.number}: El ticket está Cerrado" in text_of(page)
    assert "ahora lo atiende" not in text_of(page)
