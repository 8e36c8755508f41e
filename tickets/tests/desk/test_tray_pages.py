"""The tray in the admin: who sees it, how a mail is shown, and what an agent does with it, once (M5, M6, M16)."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Office, Provider
from factureya.core import audit
from factureya.core.models import Event, InboundMessage, OutboxMessage
from factureya.testing.desk import agent_in, third_party_in
from factureya.testing.inbound_mails import deliver, last_inbound, passed, proven
from factureya.testing.mails import multipart
from factureya.testing.pages import log_in, statements, text_of
from factureya.testing.people import make_contact, make_staff
from factureya.testing.tickets import let_it_close, make_inbound, make_ticket
from tickets import operations
from tickets.desk import mail_tray
from tickets.models import Message, Note, Ticket, TicketFile
from tickets.operations import WrongStatus

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db]
STRANGER = "extrano@otro.example"
TRAY = "/admin/tickets/ticket/bandeja/"


def quarantined(body: str | bytes = "Soy Ana desde otra cuenta", **headers) -> InboundMessage:
    """A mail of a stranger, in quarantine."""
    deliver(proven(body, **{"From": STRANGER} | headers))
    return last_inbound()


def act(client, mail, name, **data):
    """Post one of the buttons."""
    return client.post(reverse(f"admin:tickets_ticket_mail_{name}", args=[mail.pk]), data)


def page(client, mail):
    return client.get(reverse("admin:tickets_ticket_mail", args=[mail.pk]))


@pytest.mark.clause("M5", "M6")
def test_each_view_shows_its_own_mails_and_how_many(client, ana):
    agent_in(client)
    kinds = {
        "cuarentena": "reject-unregistered",
        "rebotes": "ignore-bounce",
        "robots": "ignore-auto",
        "malformados": "reject-malformed",
    }
    made = {slug: make_inbound(disposition=kind) for slug, kind in kinds.items()}
    make_inbound(disposition="accept-new")
    make_inbound()  # not yet handled
    for slug, mail in made.items():
        response = client.get(TRAY, {"vista": slug})
        assert [row[0].pk for row in response.context["rows"]] == [mail.pk]
        assert [count for _view, _url, count in response.context["views"]] == ["1"] * 4 + [""]
    assert client.get(TRAY).context["spot"].view.slug == "cuarentena"


@pytest.mark.clause("M6")
def test_pages_are_cut_by_key_and_nothing_counts_or_reads_the_bytes(client, ana):
    agent_in(client)
    mails = [make_inbound(disposition="reject-unregistered").pk for _ in range(60)]
    seen, url = [], TRAY
    while url:
        with CaptureQueriesContext(connection) as context:
            response = client.get(url)
        for query in context.captured_queries:
            assert "OFFSET" not in query["sql"]
            assert '"raw"' not in query["sql"]
        seen += [row[0].pk for row in response.context["rows"]]
        last, url = response, response.context["next_url"]
    assert seen == mails[::-1]
    back = client.get(last.context["previous_url"])
    assert [row[0].pk for row in back.context["rows"]] == mails[::-1][25:50]
    assert client.get(back.context["previous_url"]).context["previous_url"] == ""


@pytest.mark.clause("M6")
def test_counts_stop_at_a_hundred(client, ana, monkeypatch):
    monkeypatch.setattr(mail_tray, "COUNT_CAP", 3)
    agent_in(client)
    for _ in range(4):
        make_inbound(disposition="ignore-auto")
    counts = [count for _view, _url, count in client.get(TRAY).context["views"]]
    assert counts == ["0", "0", "99+", "0", ""]


@pytest.mark.clause("M3", "M16")
def test_only_our_own_desk_opens_the_tray(client, ana):
    mail = quarantined()
    ticket = make_ticket(requester=ana)
    refused = [third_party_in, lambda c: log_in(c, make_staff(Office.SECURITY_OFFICER))]
    for sign_in in [*refused, lambda c: log_in(c, ana)]:
        sign_in(client)
        assert client.get(TRAY).status_code in {302, 403}
        for name in ("mail", "mail_original"):
            address = reverse(f"admin:tickets_ticket_{name}", args=[mail.pk])
            assert client.get(address).status_code in {302, 403, 404}
        for name in ("discard", "link", "open"):
            sent = act(client, mail, name, reason="x", numero=ticket.number, chosen="nota")
            assert sent.status_code in {302, 403}
            assert "/bandeja/" not in sent.headers.get("Location", "").partition("?")[0]
    mail.refresh_from_db()
    assert mail.is_in_tray
    log_in(client, make_staff(Office.SUPERVISOR))
    assert client.get(TRAY).status_code == 200
    assert page(client, mail).status_code == 200


@pytest.mark.clause("M16")
def test_a_mail_that_became_a_message_is_read_by_its_tickets_desk_only(client, ana):
    agent = agent_in(client)
    deliver(proven("No puedo timbrar\n\n> lo citado"))
    mail = last_inbound()
    assert "lo citado" in text_of(page(client, mail))
    assert "Descartar" not in text_of(page(client, mail))
    act(client, mail, "discard", reason="x")
    mail.refresh_from_db()
    assert not mail.resolution
    other = third_party_in(client)
    assert page(client, mail).status_code == 404
    provider = Provider.objects.get(pk=other.desk_provider_ids[0])
    supervisor = make_staff(Office.SUPERVISOR)
    operations.hand_over(mail.entry.ticket.pk, supervisor=supervisor, provider=provider)
    assert "lo citado" in text_of(page(client, mail))
    assert client.get(TRAY).status_code == 403
    log_in(client, agent)
    assert page(client, mail).status_code == 404


@pytest.mark.clause("M6", "M16")
def test_a_mail_is_shown_as_text_only(client, ana):
    agent_in(client)
    script = "<script src=//malo.example></script><img src=x onerror=alert(1)>"
    mail = quarantined(f"Hola {script}", Subject=f"Asunto {script}")
    html = page(client, mail).content.decode()
    assert "&lt;script src=//malo.example&gt;" in html
    assert "malo.example>" not in html
    assert "<img src=x" not in html
    deliver(
        multipart(
            f"Content-Type: text/html\n\n<p>Hola</p>{script}",
            'Content-Type: application/pdf\nContent-Disposition: attachment; filename="<b>x</b>.pdf"\n\n%PDF',
            From=STRANGER,
            Message_ID="<html@otro.example>",
        )
    )
    html = page(client, last_inbound()).content.decode()
    assert "malo.example>" not in html
    assert "&lt;b&gt;x" in html


@pytest.mark.clause("M6")
def test_a_mail_beyond_the_limits_has_a_page_too(client, ana):
    agent_in(client)
    parts = [f"Content-Type: text/plain\n\n{n}" for n in range(300)]
    deliver(multipart(*parts, From=STRANGER))
    mail = last_inbound()
    assert mail.disposition == "reject-malformed"
    assert "Descargue el original" in text_of(page(client, mail))
    ticket = make_ticket(requester=ana)
    assert act(client, mail, "link", numero=ticket.number, chosen="nota").status_code == 302
    assert "no se pudo leer" in Note.objects.get().body


@pytest.mark.clause("M6", "M16")
def test_the_original_leaves_as_a_file_and_byte_for_byte(client, ana):
    agent_in(client)
    mail = quarantined()
    response = client.get(reverse("admin:tickets_ticket_mail_original", args=[mail.pk]))
    assert response.content == mail.raw
    assert response["Content-Type"] == "message/rfc822"
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.clause("M5", "M6")
def test_it_says_who_wrote_and_what_our_server_found(client, ana):
    agent_in(client)
    deliver(proven("Hola", **{"Authentication-Results": passed(result="fail")}))
    shown = text_of(page(client, last_inbound()))
    assert "La comprobación falló" in shown
    assert ana.email in shown


@pytest.mark.clause("M5", "M6")
def test_discarded_once_with_a_reason_and_never_deleted(client, ana):
    agent = agent_in(client)
    mail = quarantined()
    empty = act(client, mail, "discard", reason="  ")
    assert "Escriba por qué se descarta" in text_of(empty)
    assert act(client, mail, "discard", reason="Publicidad").status_code == 302
    again = act(client, mail, "discard", reason="Otra vez")
    assert "Otra persona ya atendió ese correo" in text_of(again)
    event = Event.objects.get(chain=f"mail:{mail.pk}")
    assert (event.verb, event.actor, event.data["reason"]) == ("mail.discarded", agent, "Publicidad")
    assert not list(audit.find_flaws())
    assert client.get(TRAY).context["rows"] == []
    handled = client.get(TRAY, {"vista": "atendidos"})
    assert [row[0].pk for row in handled.context["rows"]] == [mail.pk]
    assert "Publicidad" in text_of(page(client, mail))


@pytest.mark.clause("M5", "M13")
def test_added_as_the_words_of_a_contact(client, ana):
    agent = agent_in(client)
    ticket = make_ticket("waiting", requester=ana)
    mail = quarantined("El XML va aquí\n\n> cita")
    ask = client.get(
        reverse("admin:tickets_ticket_mail_link", args=[mail.pk]), {"numero": ticket.number.lower().replace("-", "")}
    )
    assert ana.email in text_of(ask)
    nobody = act(client, mail, "link", numero=ticket.number)
    assert "Elija de quién son las palabras" in text_of(nobody)
    sent = act(client, mail, "link", numero=ticket.number, chosen=str(ana.pk))
    assert sent.status_code == 302
    message = Message.objects.get(inbound=mail)
    assert (message.author, message.body, message.ticket) == (ana, "El XML va aquí\n\n> cita", ticket)
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.OPEN
    event = ticket.events().last()
    assert (event.verb, event.actor, event.data["inbound"]) == ("ticket.information_added", agent, mail.pk)
    again = act(client, mail, "link", numero=ticket.number, chosen=str(ana.pk))
    assert "Otra persona ya atendió ese correo" in text_of(again)
    assert Message.objects.filter(ticket=ticket).count() == 3


@pytest.mark.clause("M5", "M16")
def test_added_as_a_note_the_customer_never_sees(client, ana):
    agent_in(client)
    ticket = make_ticket("waiting", requester=ana)
    mail = quarantined("Dice ser Ana")
    act(client, mail, "link", numero=ticket.number, chosen="nota")
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.WAITING
    assert Note.objects.get(ticket=ticket).body == "Dice ser Ana"
    assert not Message.objects.filter(inbound=mail).exists()
    client.force_login(ana)
    assert "Dice ser Ana" not in client.get(f"/tickets/{ticket.number}/").content.decode()


@pytest.mark.clause("M15")
def test_a_mail_in_time_voids_the_silence_from_the_tray(client, ana):
    agent_in(client)
    ticket = make_ticket("waiting", requester=ana)
    mail = quarantined("Aquí está")
    late = let_it_close(ticket)
    act(client, mail, "link", numero=ticket.number, chosen=str(ana.pk))
    late.refresh_from_db()
    assert late.status == Ticket.Status.OPEN
    assert late.voided_by == mail


@pytest.mark.clause("M10")
def test_a_wrong_number_changes_nothing(client, ana):
    agent_in(client)
    mail = quarantined()
    for number in ("", "FY-0000-0000", "cualquier cosa", "\0"):
        address = reverse("admin:tickets_ticket_mail_link", args=[mail.pk])
        response = client.get(address, {"numero": number}, follow=True)
        assert "Revise el número" in text_of(response)
    mail.refresh_from_db()
    assert mail.is_in_tray


@pytest.mark.clause("M3", "M16")
def test_another_providers_ticket_takes_no_mail(client, ana):
    other = third_party_in(client)
    ticket = make_ticket(requester=ana)
    provider_id = other.desk_provider_ids[0]
    Ticket.objects.filter(pk=ticket.pk).update(provider=provider_id)
    agent_in(client)
    mail = quarantined()
    act(client, mail, "link", numero=ticket.number, chosen="nota")
    assert not Note.objects.exists()


@pytest.mark.clause("M5", "M6", "M10")
def test_a_ticket_is_opened_from_it(client, ana):
    agent = agent_in(client)
    deliver(
        multipart(
            "Content-Type: text/plain\n\nNo puedo timbrar desde hoy",
            'Content-Type: text/plain\nContent-Disposition: attachment; filename="error.txt"\n\nCFDI40147',
            From=STRANGER,
            Message_ID="<abrir@otro.example>",
            Subject="No timbra",
        )
    )
    mail = last_inbound()
    address = reverse("admin:tickets_ticket_mail_open", args=[mail.pk])
    assert "Nadie coincide" in text_of(client.get(address))
    assert ana.email in text_of(client.get(address, {"q": ana.email}))
    form = client.get(address, {"contacto": ana.pk})
    assert 'value="No timbra"' in form.content.decode()
    wrong = act(client, mail, "open", contacto=ana.pk, subject="No timbra")
    assert "Elija sobre qué es el problema" in text_of(wrong)
    sent = act(client, mail, "open", contacto=ana.pk, subject="No timbra", category="stamping", impact="2")
    assert sent.status_code == 302
    ticket = Ticket.objects.get()
    assert (ticket.requester, ticket.channel) == (ana, Ticket.Channel.MAIL)
    assert ticket.messages.get().body == "No puedo timbrar desde hoy"
    assert TicketFile.objects.get(ticket=ticket).attachment.name == "error.txt"
    assert ticket.events().first().actor == agent
    acknowledged = OutboxMessage.objects.filter(kind="tickets/opened")
    assert [sent.to for sent in acknowledged] == [ana.email]
    again = act(client, mail, "open", contacto=ana.pk, subject="x", category="stamping", impact="2")
    assert "Otra persona ya atendió ese correo" in text_of(again)
    assert Ticket.objects.count() == 1


@pytest.mark.clause("M3", "M5")
def test_no_ticket_for_who_is_no_contact(client, ana):
    agent = agent_in(client)
    mail = quarantined()
    gone = make_contact(is_active=False)
    for key in (str(agent.pk), str(gone.pk), "0", "x", "9" * 30):
        address = reverse("admin:tickets_ticket_mail_open", args=[mail.pk])
        assert client.get(address, {"contacto": key}).status_code == 404


@pytest.mark.clause("M6")
def test_the_operations_decide_once(ana):
    agent = make_staff(Office.AGENT)
    mail = quarantined()
    operations.discard_mail(mail.pk, agent=agent, reason="Publicidad")
    with pytest.raises(WrongStatus):
        operations.open_from_mail(mail.pk, agent=agent, contact=ana, subject="x", body="y", category="other", impact=1)
    assert not Ticket.objects.exists()


@pytest.mark.clause("M6")
def test_the_side_bar_leads_there_and_only_our_desk(client, ana):
    link = re.compile(r'href="/admin/tickets/ticket/bandeja/"')
    agent_in(client)
    assert link.search(client.get("/admin/tickets/ticket/").content.decode())
    third_party_in(client)
    assert not link.search(client.get("/admin/tickets/ticket/").content.decode())


@pytest.mark.clause("M6")
def test_the_list_asks_as_much_for_many_as_for_few(client, ana):
    agent_in(client)
    make_inbound(disposition="reject-unregistered")
    with statements() as few:
        client.get(TRAY)
    for _ in range(20):
        make_inbound(disposition="reject-unregistered")
    with statements() as many:
        client.get(TRAY)
    assert len(few) == len(many) <= 6
