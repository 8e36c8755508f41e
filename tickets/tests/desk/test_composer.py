"""Replies and internal notes from the agent's page of a ticket (M3, M13–M17)."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile

from factureya.core.models import Attachment
from factureya.testing.desk import agent_in, fresh, page_of, reply
from factureya.testing.pages import key_in, log_in, png, text_of
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations
from tickets.models import Message, Note, TicketFile

pytestmark = pytest.mark.django_db
MEXICO = ZoneInfo("America/Mexico_City")


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
    assert (ticket.status, ticket.wait_reason, ticket.asks_confirmation) == (status, wait_reason, asks)
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
        ({"body": "x" * 10_001, "after": "detalle"}, "Son hasta 10000 caracteres y escribió 10001."),
        ({"body": "a\0b", "after": "detalle"}, "El texto trae un carácter que no se puede guardar."),
        ({"kind": "nota", "body": ""}, "Escriba la nota."),
        ({"kind": "otra", "body": "Hola", "after": "detalle"}, "Elija si responde al cliente o deja una nota interna."),
        ({"body": "Hola", "after": "detalle", "seen": "x"}, "La página venció y no se envió nada."),
        ({"body": "Hola", "after": "detalle", "seen": ""}, "La página venció y no se envió nada."),
        ({"body": "Hola", "after": "detalle", "key": "falsa"}, "La página venció y no se envió nada."),
    ],
)
def test_what_cannot_be_sent_is_said_and_kept(client, fields, message):
    agent_in(client)
    ticket = make_ticket()
    answer = reply(client, ticket, **fields)
    assert answer.status_code == 200
    assert message in text_of(answer)
    assert "<title>Error: " in answer.content.decode()
    assert fields["body"].replace("\0", "").strip()[:40] in answer.content.decode().replace("\0", "")
    assert not Message.objects.filter(ticket=ticket, seq=2).exists()
    assert not Note.objects.exists()


@pytest.mark.clause("M14")
def test_a_newer_message_is_shown_above_the_draft_and_nothing_is_sent(client):
    agent_in(client)
    ticket = make_ticket()
    page = client.get(page_of(ticket))
    operations.add_information(ticket.pk, author=ticket.requester, body="¡Ya quedó, gracias!")
    data = {"key": key_in(page), "seen": "1", "kind": "respuesta", "body": "¿Me manda el XML?", "after": "detalle"}
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
    data = {"key": key_in(page), "seen": "1", "kind": "respuesta", "body": "¿Qué versión?", "after": "detalle"}
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
        client, ticket, body="", after="detalle", files=[png("uno.png"), SimpleUploadedFile("dos.exe", b"MZ")]
    )
    text = text_of(answer)
    assert "uno.png" in text
    assert "«dos.exe»" in text
    token = Attachment.objects.get(name="uno.png").token
    data = {"key": key_in(answer), "seen": "1", "kind": "respuesta", "body": "Vea la imagen.", "after": "detalle"}
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
    data = {"key": key_in(answer), "seen": "1", "kind": "respuesta", "body": "Vea", "after": "detalle"}
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


# -- People H1: what stands in the form stays, whatever button is pressed ------------------------------


def written(page, **fields):
    """Both texts as a browser sends them with every button of the page."""
    composer = page.context["composer"]
    return {
        "key": composer.reply.key.token,
        "note_key": composer.note.key.token,
        "seen": "1",
        "kind": "respuesta",
        "body": "Una respuesta",
        "note": "Una nota",
        "after": "detalle",
        **fields,
    }


def texts_of(page):
    form = page.context["form"]
    return form["body"].value(), form["note"].value()


@pytest.mark.clause("M17")
@pytest.mark.parametrize("button", ["properties", "release_close"])
def test_people_h1_other_buttons_keep_both_texts_and_their_files(client, button):
    agent_in(client)
    ticket = make_ticket()
    sent = written(client.get(page_of(ticket)), files=[png("r.png")], note_files=[png("n.png")], category="access")
    page = client.post(page_of(ticket, button), sent, follow=True)
    assert texts_of(page) == ("Una respuesta", "Una nota")
    assert page.context["form"]["after"].value() == "detalle"
    composer = page.context["composer"]
    assert [file.name for file in composer.reply.files] == ["r.png"]
    assert [file.name for file in composer.note.files] == ["n.png"]
    assert texts_of(client.get(page_of(ticket))) == ("Una respuesta", "Una nota")
    assert not Message.objects.filter(ticket=ticket, seq__gt=1).exists()


@pytest.mark.clause("M13", "M17")
def test_people_h1_a_note_leaves_the_reply_and_the_reply_leaves_the_note(client):
    agent_in(client)
    for kind, left in (("nota", ("Una respuesta", "")), ("respuesta", ("", "Una nota"))):
        ticket = make_ticket()
        sent = written(client.get(page_of(ticket)), kind=kind, files=[png("r.png")], note_files=[png("n.png")])
        page = client.post(page_of(ticket, "write"), sent, follow=True)
        assert texts_of(page) == left
        note, reply = Note.objects.filter(ticket=ticket), ticket.messages.filter(seq=2)
        assert (note.count(), reply.count()) == ((1, 0) if kind == "nota" else (0, 1))
        files = [file.attachment.name for file in TicketFile.objects.filter(ticket=ticket)]
        assert files == ["n.png" if kind == "nota" else "r.png"]
        other = {"kind": "respuesta" if kind == "nota" else "nota", "seen": "1"}
        body, note_text = left
        again = written(page, **other, body=body, note=note_text)
        client.post(page_of(ticket, "write"), again)
        assert (note.count(), reply.count(), TicketFile.objects.filter(ticket=ticket).count()) == (1, 1, 2)
        assert texts_of(client.get(page_of(ticket))) == ("", "")
        assert "form.draft" not in client.session


@pytest.mark.clause("M15", "M17")
def test_people_h1_what_was_chosen_beside_the_text_is_saved_with_it(client):
    agent_in(client)
    ticket = make_ticket()
    sent = written(client.get(page_of(ticket)), category="access", category_was="stamping", impact="1", impact_was="3")
    client.post(page_of(ticket, "write"), sent)
    assert (fresh(ticket).category, fresh(ticket).impact, fresh(ticket).status) == ("access", 1, "waiting")


@pytest.mark.clause("M12", "M17")
def test_people_h1_a_reply_to_a_ticket_that_closed_meanwhile_stands_in_the_note(client):
    agent_in(client)
    ticket = make_ticket()
    sent = written(client.get(page_of(ticket)), files=[png("r.png")])
    operations.confirm_resolved(ticket.pk, author=ticket.requester)
    page = client.post(page_of(ticket, "write"), sent)
    assert texts_of(page) == ("", "Una nota\n\nUna respuesta")
    assert [file.name for file in page.context["composer"].note.files] == ["r.png"]


@pytest.mark.clause("M17")
def test_people_h1_a_file_of_the_wrong_type_is_told_when_another_button_is_pressed(client):
    agent_in(client)
    ticket = make_ticket()
    sent = written(client.get(page_of(ticket)), files=[SimpleUploadedFile("dos.exe", b"MZ")])
    page = client.post(page_of(ticket, "properties"), sent, follow=True)
    assert "«dos.exe» es un programa" in text_of(page)


@pytest.mark.clause("M17")
def test_a_page_from_before_this_version_posts_its_note_as_body(client):
    agent_in(client)
    ticket = make_ticket()
    reply(client, ticket, kind="nota", body="De una página vieja")
    assert Note.objects.get().body == "De una página vieja"
