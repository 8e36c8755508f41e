"""The pages of one ticket: who may see them, what they show, and what happens to what is written (M11–M16)."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.web import form_memory
from factureya.core.models import Attachment
from factureya.testing.calls import confirm_by_phone
from factureya.testing.pages import key_in, log_in, png, statements, text_of
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import let_it_close, make_ticket
from tickets import operations
from tickets.customer.views_ticket import AddInformation
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
PAGES = ("detail", "created", "confirm", "follow_up")
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>{{ 7|add:"7" }}'


def at(name, ticket):
    return reverse(f"tickets:{name}", args=[ticket.number])


def composer_key(client, ticket):
    return key_in(client.get(at("detail", ticket)))


# -- Who may come in ---------------------------------------------------------------------------------


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", PAGES)
def test_another_companys_ticket_is_404(client, ana, name):
    log_in(client, make_contact())
    assert client.get(at(name, make_ticket(requester=ana))).status_code == 404


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", ["add_information", "confirm", "follow_up"])
def test_another_companys_ticket_takes_no_post(client, ana, name):
    ticket, stranger = make_ticket(requester=ana), make_contact()
    log_in(client, stranger)
    key = form_memory.new_key(stranger, ticket.number).token
    assert client.post(at(name, ticket), {"body": "Hola", "key": key}).status_code == 404
    ticket.refresh_from_db()
    assert (ticket.status, ticket.message_count) == (Ticket.Status.OPEN, 1)


@pytest.mark.clause("M16")
def test_a_colleague_sees_it_and_one_limited_to_his_own_does_not(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, make_contact(ana.contact.customer))
    assert client.get(at("detail", ticket)).status_code == 200
    log_in(client, make_contact(ana.contact.customer, own_tickets_only=True))
    assert client.get(at("detail", ticket)).status_code == 404


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", PAGES)
def test_anonymous_goes_to_the_login_and_back(client, ana, name):
    response = client.get(at(name, make_ticket(requester=ana)))
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login") + "?next=/tickets/FY-")


@pytest.mark.clause("M3")
def test_an_agent_reads_what_the_customer_reads_and_writes_elsewhere(client, ana):
    ticket = make_ticket(requester=ana)
    agent = make_agent()
    log_in(client, agent)
    page = client.get(at("detail", ticket))
    assert "Así ve el cliente su ticket." in text_of(page)
    assert 'name="body"' not in page.content.decode()
    for name in ("add_information", "confirm", "follow_up"):
        key = form_memory.new_key(agent, ticket.number).token
        assert client.post(at(name, ticket), {"body": "x", "key": key}).status_code == 404


@pytest.mark.clause("M10")
@pytest.mark.parametrize("change", [str.lower, lambda n: n.replace("-", ""), lambda n: n[3:]])
def test_a_number_typed_otherwise_goes_to_its_own_address(client, ana, change):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    response = client.get(f"/tickets/{change(ticket.number)}/")
    assert response.url == f"/tickets/{ticket.number}/"


@pytest.mark.clause("M10")
def test_a_mistyped_number_is_404_without_asking_for_the_ticket(client, ana):
    number = make_ticket(requester=ana).number
    wrong = number[:-1] + ("2" if number[-1] != "2" else "3")
    log_in(client, ana)
    with statements() as found:
        assert client.get(f"/tickets/{wrong}/").status_code == 404
    assert not [sql for sql in found if "tickets_ticket" in sql]


@pytest.mark.clause("M15")
@pytest.mark.parametrize("logged_in", [True, False])
def test_get_on_an_address_that_takes_a_post_is_405(client, ana, logged_in):
    ticket = make_ticket(requester=ana)
    if logged_in:
        log_in(client, ana)
    assert client.get(at("add_information", ticket)).status_code == 405
    for name in ("detail", "created"):
        assert client.post(at(name, ticket)).status_code == 405
    for path in ("/tickets/", "/tickets/parecidos/"):
        assert client.post(path).status_code == 405


# -- What is written ---------------------------------------------------------------------------------


@pytest.mark.clause("M13")
def test_a_message_without_text_and_file_is_refused_on_the_same_page(client, ana):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    log_in(client, ana)
    response = client.post(at("add_information", ticket), {"body": " ", "key": composer_key(client, ticket)})
    assert "Escriba su mensaje o agregue un archivo" in text_of(response)
    assert "<title>Error: FY-" in response.content.decode()
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.WAITING


@pytest.mark.clause("M17")
def test_a_refused_file_keeps_the_draft_and_the_good_file(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    files = [png("buena.png"), SimpleUploadedFile("macro.exe", b"MZ", "application/octet-stream")]
    data = {"body": "Va el archivo.", "key": composer_key(client, ticket), "files": files}
    response = client.post(at("add_information", ticket), data)
    page = text_of(response)
    assert "macro.exe" in page
    assert "buena.png" in page
    assert "Va el archivo." in response.content.decode()
    assert ticket.messages.count() == 1
    client.post(at("add_information", ticket), {"body": "Va el archivo.", "key": key_in(response)})
    assert ticket.messages.last().files.get().attachment.name == "buena.png"


@pytest.mark.clause("M17")
@pytest.mark.parametrize("name", ["add_information", "follow_up"])
def test_a_kept_file_is_taken_away(client, ana, name):
    ticket = make_ticket(Ticket.Status.CLOSED if name == "follow_up" else Ticket.Status.OPEN, requester=ana)
    log_in(client, ana)
    key = form_memory.new_key(ana, ticket.number).token
    client.post(at(name, ticket), {"body": "x" * 10_001, "key": key, "files": [png("una.png")]})
    token = Attachment.objects.get().token
    response = client.post(at(name, ticket), {"body": "Texto", "key": key, "quitar": token})
    assert "una.png" not in text_of(response)
    assert "Texto" in response.content.decode()
    assert not Attachment.objects.exists()


@pytest.mark.clause("M13")
def test_files_alone_are_a_message(client, ana):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    log_in(client, ana)
    data = {"body": "", "key": composer_key(client, ticket), "files": [png("captura.png")]}
    client.post(at("add_information", ticket), data)
    assert ticket.messages.last().body == "Adjunto: captura.png"


@pytest.mark.clause("M17")
def test_a_text_too_long_says_how_long_it_is(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    data = {"body": "x" * 10_001, "key": composer_key(client, ticket)}
    assert "Son hasta 10000 caracteres y escribió 10001." in text_of(client.post(at("add_information", ticket), data))


@pytest.mark.clause("M13")
def test_a_double_click_is_one_message(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    data = {"body": "Una vez.", "key": composer_key(client, ticket)}
    for _ in range(2):
        assert client.post(at("add_information", ticket), data).status_code == 302
    assert ticket.messages.count() == 2


@pytest.mark.clause("M13")
@pytest.mark.parametrize("name", ["add_information", "follow_up"])
def test_a_forged_key_is_replaced_and_the_text_kept(client, ana, name):
    ticket = make_ticket(Ticket.Status.CLOSED if name == "follow_up" else Ticket.Status.OPEN, requester=ana)
    log_in(client, ana)
    response = client.post(at(name, ticket), {"body": "Mi texto", "key": "forged"})
    assert "El formulario perdió su validez." in text_of(response)
    assert "Mi texto" in response.content.decode()


@pytest.mark.clause("M13")
@pytest.mark.parametrize("name", ["add_information", "follow_up"])
def test_a_key_used_for_another_text_keeps_the_second_text(client, ana, name):
    ticket = make_ticket(Ticket.Status.CLOSED if name == "follow_up" else Ticket.Status.OPEN, requester=ana)
    log_in(client, ana)
    key = form_memory.new_key(ana, ticket.number).token
    client.post(at(name, ticket), {"body": "Primero", "key": key})
    response = client.post(at(name, ticket), {"body": "Segundo", "key": key})
    assert "Este formulario ya se había enviado." in text_of(response)
    assert "Segundo" in response.content.decode()


@pytest.mark.clause("M15")
@pytest.mark.parametrize("body", ["", "Ya quedó, gracias."])
def test_sending_and_confirming_closes_with_or_without_a_text(client, ana, body):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    log_in(client, ana)
    data = {"body": body, "key": composer_key(client, ticket), "resolved": "1"}
    for _ in range(2):  # the second click changes nothing
        response = client.post(at("add_information", ticket), data, follow=True)
        assert "Gracias por confirmarlo" in text_of(response)
    ticket.refresh_from_db()
    assert ticket.closed_reason == Ticket.ClosedReason.CONFIRMED
    assert ticket.message_count == (3 if body else 2)


@pytest.mark.clause("M15")
def test_confirming_twice_is_harmless(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    client.post(at("confirm", ticket))
    assert "El ticket ya estaba Cerrado." in text_of(client.post(at("confirm", ticket), follow=True))
    assert client.get(at("confirm", ticket)).url == at("detail", ticket)


@pytest.mark.clause("M12")
@pytest.mark.parametrize("click", [{}, {"resolved": "1"}])
@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_what_is_written_to_a_ticket_that_closed_opens_a_linked_one(client, ana, monkeypatch, moment, click):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    log_in(client, ana)
    data = {"body": "Sigue fallando.", "key": composer_key(client, ticket), "files": [png("otra.png")], **click}
    if moment == "before":
        let_it_close(ticket)
    else:
        _close_inside(monkeypatch, ticket)
    response = client.post(at("add_information", ticket), data, follow=True)
    following = Ticket.objects.get(follows=ticket)
    assert response.redirect_chain[-1][0] == at("detail", following)
    page = text_of(response)
    assert f"El ticket {ticket.number} ya se había cerrado." in page
    assert "Sigue fallando." in page
    assert "otra.png" in page
    ticket.refresh_from_db()
    assert (ticket.status, ticket.message_count) == (Ticket.Status.CLOSED, 2)


@pytest.mark.clause("M12")
def test_clicking_twice_on_a_closed_ticket_opens_one(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    data = {"body": "Sigue.", "key": composer_key(client, ticket)}
    operations.confirm_resolved(ticket.pk, author=ana)
    answers = [client.post(at("add_information", ticket), data).url for _ in range(2)]
    assert answers[0] == answers[1]
    assert Ticket.objects.filter(follows=ticket).count() == 1


@pytest.mark.clause("M15")
def test_confirming_without_a_text_what_closed_meanwhile_says_so(client, ana, monkeypatch):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    data = {"body": "", "key": composer_key(client, ticket), "resolved": "1"}
    _close_inside(monkeypatch, ticket)
    response = client.post(at("add_information", ticket), data, follow=True)
    assert "El ticket ya estaba Cerrado." in text_of(response)
    assert not Ticket.objects.filter(follows=ticket).exists()


def _close_inside(monkeypatch, ticket):
    """The ticket closes after the page read it and before the operation locks it."""
    perform = AddInformation.perform

    def closing(view, form, key):
        operations.confirm_resolved(ticket.pk, author=ticket.requester)
        return perform(view, form, key)

    monkeypatch.setattr(AddInformation, "perform", closing)


@pytest.mark.clause("M12")
def test_an_open_ticket_is_not_followed_up_but_answered(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    assert client.get(at("follow_up", ticket)).url == at("detail", ticket) + "#responder"
    data = {"body": "Otro", "key": form_memory.new_key(ana, ticket.number).token}
    response = client.post(at("follow_up", ticket), data)
    assert "esa acción ya no corresponde" in text_of(response)
    assert "Otro" in response.content.decode()


@pytest.mark.clause("M12")
def test_a_continuation_without_a_text_is_refused(client, ana):
    ticket = make_ticket(Ticket.Status.CLOSED, requester=ana)
    log_in(client, ana)
    data = {"body": "", "key": form_memory.new_key(ana, ticket.number).token}
    assert "Escriba qué sigue pasando" in text_of(client.post(at("follow_up", ticket), data))


@pytest.mark.clause("M17")
@pytest.mark.parametrize(("name", "back"), [("add_information", "detail"), ("follow_up", "follow_up")])
def test_a_message_that_outlives_its_session_comes_back_after_the_login(client, ana, name, back):
    ticket = make_ticket(Ticket.Status.CLOSED if name == "follow_up" else Ticket.Status.OPEN, requester=ana)
    key = form_memory.new_key(ana, ticket.number).token
    response = client.post(at(name, ticket), {"body": "Mi texto", "key": key, "files": [png("una.png")]})
    assert response.url.startswith(reverse("account_login"))
    log_in(client, ana)
    page = client.get(at(back, ticket))
    assert "Recuperamos lo que escribió" in text_of(page)
    assert "Mi texto" in page.content.decode()
    assert "una.png" in text_of(page)
    response = client.post(at(name, ticket), {"body": "Mi texto", "key": key_in(page)})
    assert response.status_code == 302
    assert "form.draft" not in client.session


# -- What is shown -----------------------------------------------------------------------------------


@pytest.mark.clause("M16")
@pytest.mark.parametrize("status", Ticket.Status)
def test_internal_notes_and_private_events_are_on_no_page(client, ana, status):
    ticket = make_ticket(requester=ana)
    agent = make_agent(full_name="Darío Luna")
    operations.add_note(ticket.pk, agent=agent, body="SECRETO: cliente difícil", files=[_draft_file()])
    operations.classify(ticket.pk, agent=agent, category="other", impact=1)
    if status != Ticket.Status.OPEN:
        operations.answer(ticket.pk, agent=agent, body="Listo", wait_reason="detail")
    if status == Ticket.Status.CLOSED:
        operations.confirm_resolved(ticket.pk, author=ana)
    log_in(client, ana)
    for path in (*(at(name, ticket) for name in PAGES), "/tickets/", "/tickets/?vista=cerrados", "/tickets/?q=timbrar"):
        html = client.get(path, follow=True).content.decode()
        assert "SECRETO" not in html
        assert "nota.png" not in html
        assert "Otro tema" not in timeline_in(html)


def timeline_in(html):
    return html.partition('<ol class="fy-tl">')[2].partition("</ol>\n")[0]


def _draft_file():
    return Attachment.objects.create(
        token="n" * 43, name="nota.png", content_type="image/png", size=1, draft="nota", sha256="0" * 64
    )


@pytest.mark.clause("M16")
def test_hostile_text_is_shown_as_text(client, ana):
    ana.full_name = HOSTILE[:120]
    ana.save()
    log_in(client, ana)
    ticket = make_ticket(requester=ana, subject=HOSTILE[:120], body=f"{HOSTILE}\n\nPasos que siguió:\n1. {HOSTILE}")
    client.post(
        at("add_information", ticket),
        {"body": HOSTILE, "key": composer_key(client, ticket), "files": [png("<img src=x onerror=a>.png")]},
    )
    paths = (at("detail", ticket), at("created", ticket), at("confirm", ticket), "/tickets/", "/tickets/?q=<b>")
    for path in paths:
        html = client.get(path).content.decode()
        assert not [bad for bad in ("<script>", "<img src=x", "<b>") if bad in html]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get(paths[0]).content.decode()


@pytest.mark.clause("M15")
def test_each_state_says_whose_turn_it_is_and_until_when(client, ana):
    log_in(client, ana)
    agent = make_agent(full_name="Laura Méndez")
    ticket = make_ticket(requester=ana)
    url = at("detail", ticket)
    assert "Nos toca a nosotros: lo vamos a asignar" in text_of(client.get(url))
    operations.answer(ticket.pk, agent=agent, body="Lo veo.", wait_reason=None)
    page = text_of(client.get(url))
    assert "lo tiene Laura Méndez" in page
    assert "Ya le respondimos y seguimos trabajando" in page
    operations.answer(ticket.pk, agent=agent, body="¿Autoriza?", wait_reason="authorization")
    response = client.get(url)
    assert "Le toca a usted: díganos si lo autoriza" in text_of(response)
    assert "data-fy-until=" in response.content.decode()
    assert "Le recordaremos por correo 24 h antes." in text_of(response)
    operations.answer(ticket.pk, agent=agent, body="¿Y ahora?", wait_reason="detail")
    assert "Sigue En espera: necesitamos más detalle. El plazo volvió a empezar" in text_of(client.get(url))


@pytest.mark.clause("M15")
def test_a_silence_close_tells_the_whole_story(client, ana):
    ticket = let_it_close(make_ticket(Ticket.Status.WAITING, requester=ana))
    log_in(client, ana)
    page = text_of(client.get(at("detail", ticket)))
    assert "Se cerró porque pasaron más de 3 días sin respuesta" in page
    assert "Le recordamos por correo que faltaban 24 horas" in page
    assert "Cerrado automáticamente: más de 3 días sin respuesta" in page
    assert "El problema sigue: levantar ticket relacionado" in page
    assert "Un ticket cerrado ya no se reabre" in page


@pytest.mark.clause("M15")
def test_a_phone_confirmation_names_who_confirmed(client, ana):
    ticket = make_ticket(requester=ana)
    beto = make_contact(ana.contact.customer, full_name="Beto Cruz")
    confirm_by_phone(ticket, agent=make_agent(), contact=beto)
    log_in(client, ana)
    assert "Beto Cruz confirmó por teléfono" in text_of(client.get(at("detail", ticket)))


@pytest.mark.clause("M16")
def test_a_link_to_a_ticket_the_person_may_not_see_is_not_shown(client, ana):
    closed = make_ticket(Ticket.Status.CLOSED, requester=ana)
    following = operations.follow_up(closed.pk, author=ana, body="Sigue")
    limited = make_contact(ana.contact.customer, own_tickets_only=True)
    Ticket.objects.filter(pk=following.pk).update(requester=limited)
    log_in(client, limited)
    assert "Continúa a" not in text_of(client.get(at("detail", following)))
    log_in(client, ana)
    assert f"Continúa en {following.number}" in text_of(client.get(at("detail", closed)))


@pytest.mark.clause("M16")
def test_the_detail_takes_five_statements_however_long_it_is(client, ana):
    agent = make_agent()
    short, long = make_ticket(requester=ana), make_ticket(requester=ana)
    for _ in range(12):
        operations.answer(long.pk, agent=agent, body="¿Y?", wait_reason="detail")
        client.logout()
        key = form_memory.new_key(ana, long.number).token
        log_in(client, ana)
        client.post(at("add_information", long), {"body": "Va", "key": key, "files": [png()]})
    costs = []
    client.get("/tickets/")  # shows, and so empties, the messages of the posts
    for ticket in (short, long):
        with statements() as found:
            assert client.get(at("detail", ticket)).status_code == 200
        costs.append(len(found))
    assert costs == [5, 5], "\n".join(found)
