"""First mails keep every word; only an answer to a mail of ours is shortened, and the pages say so (M16, M17)."""

import ast
from pathlib import Path

import pytest
from django.conf import settings as live
from django.urls import reverse

from accounts.models import User
from factureya.core.mail import outbox, parse
from factureya.core.models import InboundReading, OutboxMessage
from factureya.testing.desk import agent_in
from factureya.testing.inbound_mails import became, deliver, last_inbound, passed, proven
from factureya.testing.mails import multipart
from factureya.testing.pages import log_in, text_of
from factureya.testing.tickets import make_ticket
from tickets import notifications, threads
from tickets.models import Message, Ticket, TicketFile
from tickets.tests.desk.test_tray_pages import act, page, quarantined

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db, pytest.mark.clause("M17")]
BLOCK = "De: Avisos <avisos@otro.example>\nEnviado: lunes, 5 de octubre de 2026 9:00\nPara: Ana\nAsunto: Cancelación"
QUOTED = "El mar, 24 mar 2026 a las 10:23, Soporte <soporte@factureya.com> escribió:\n> Hola\n> ¿Cuál?"
FIRST = {
    "F1": "No puedo timbrar.\n\nEnviado desde mi celular porque la computadora no prende.",
    "F1 device": "No puedo timbrar.\n\nEnviado desde mi iPhone",
    "F2": "Pasos:\n1. Abrir el portal\n> Error CFDI40147\n2. Nada",
    "F3 pasted": f"¿Es de ustedes?\n\n{BLOCK}\n\nSu certificado vence.\n\nNecesito saber hoy qué contestar.",
    "F3 original": f"Me ayudan con lo de abajo\n\n-----Mensaje original-----\n{BLOCK}\n\nError CFDI40147",
    "F3 said": "Ayer:\nEl lun, 5 oct 2026 a las 10:00, Juan (juan@cliente.example) escribió:\n¿La cancelo?",
    "F4": "Buenos días.\nEl 5 de octubre de 2026 a las 10:00 mi contador me escribió:\n\nque no puede timbrar.",
    "signature": "Uno\n-- \nDos",
    "quoted": f"Ya\n\n{QUOTED}",
}


def words(ticket: Ticket) -> str:
    return ticket.messages.order_by("-seq")[0].body


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("subject", ["Cancelación", "RE: Cancelación"])
def test_f1_to_f4_a_first_mail_keeps_every_word(ana: User, name: str, subject: str):
    """Whatever its subject begins with and whatever strange ids it refers to."""
    given = {"Subject": subject, "In_Reply_To": "<otro@cliente.example>"}
    ticket = became(deliver(proven(FIRST[name], **given)))
    assert words(ticket) == FIRST[name]
    stored = InboundReading.objects.get()
    assert (stored.own_words, stored.was_cut) == (FIRST[name], False)


def refers(how: str, ticket: Ticket) -> dict[str, str]:
    """Headers by which a mail answers one of ours."""
    sent = OutboxMessage.objects.filter(about=ticket.chain).first()
    assert sent is not None
    return {
        "id of a mail": {"In_Reply_To": f"<{outbox.make_message_id(sent.key)}>"},
        "id of the ticket": {"References": f"<x@y> <{notifications.make_root_id(ticket.number)}>"},
        "address": {"To": notifications.make_reply_address(ticket.number)},
        "number": {"Subject": f"Re: {ticket.number}"},
    }[how]


@pytest.mark.clause("M16")
@pytest.mark.parametrize("how", ["id of a mail", "id of the ticket", "address", "number"])
def test_an_answer_to_ours_is_shortened_and_the_pages_say_so(client, ana: User, how: str):
    ticket = make_ticket(requester=ana)
    became(deliver(proven(f"Ya quedó\n\n{QUOTED}", **refers(how, ticket))))
    assert words(ticket) == "Ya quedó"
    stored = InboundReading.objects.get()
    assert (stored.was_cut, stored.own_words) == (True, "Ya quedó")
    assert "¿Cuál?" in stored.text
    log_in(client, ana)
    shown = text_of(client.get(f"/tickets/{ticket.number}/"))
    assert "Se recortó lo citado." in shown
    assert "¿Cuál?" not in shown
    agent_in(client)
    workspace = text_of(client.get(f"/admin/tickets/ticket/{ticket.pk}/change/"))
    assert "Se recortó lo citado." in workspace
    whole = text_of(page(client, last_inbound()))
    assert "Se recortó lo citado." in whole
    assert "¿Cuál?" in whole


@pytest.mark.parametrize("folio", ["SA-", "SC-"])
def test_a_folio_in_the_subject_is_an_answer_too(ana: User, folio: str):
    from_us = f"Re: {folio}{threads.numbers.make_number('XX').removeprefix('XX-')}"
    deliver(proven(f"Ya quedó\n\n{QUOTED}", Subject=from_us))
    assert InboundReading.objects.get().was_cut


def test_what_is_not_cut_says_nothing(client, ana: User):
    ticket = became(deliver(proven("Hola", Subject="Nuevo")))
    log_in(client, ana)
    assert "Se recortó" not in text_of(client.get(f"/tickets/{ticket.number}/"))


# -- The web never parses a mail ---------------------------------------------------------------------


@pytest.mark.clause("M6")
def test_a1_no_page_parses_a_mail(client, ana: User, monkeypatch):
    """Every page of the tray, and what an agent does there, with a parser that fails."""
    ticket = make_ticket(requester=ana)
    part = "Content-Type: text/plain; name=nota.txt\nContent-Disposition: attachment\n\nadjunto\n"
    head = {"From": "extrano@otro.example", "Message_ID": None, "Authentication_Results": passed("otro.example")}
    mails = []
    for number in range(3):
        deliver(multipart(f"\ncuerpo {number}\n", part, **head))
        mails.append(last_inbound())
    monkeypatch.setattr(parse, "parse", lambda _raw: pytest.fail("the web parsed a mail"))
    monkeypatch.setattr(parse, "read_parts", lambda *_: pytest.fail("the web parsed a mail"))
    agent_in(client)
    shown = text_of(page(client, mails[0]))
    assert "cuerpo 0" in shown
    assert "nota.txt" in shown
    for name in ("link", "open"):
        address = reverse(f"admin:tickets_ticket_mail_{name}", args=[mails[0].pk])
        for asked in ({"numero": ticket.number}, {"contacto": ana.pk}):
            assert client.get(address, asked).status_code in {200, 302}
    act(client, mails[0], "link", numero=ticket.number, chosen=str(ana.pk))
    assert words(ticket) == "cuerpo 0"
    act(client, mails[1], "open", contacto=ana.pk, subject="x", category="other", impact="1")
    assert Message.objects.filter(body="cuerpo 1").exists()
    stored = [Path(file.attachment.file.path).read_bytes() for file in TicketFile.objects.all()]
    assert stored == [b"adjunto\r\n"] * 2
    act(client, mails[2], "discard", reason="no")
    assert client.get("/admin/tickets/ticket/bandeja/").status_code == 200


@pytest.mark.clause("M6")
def test_a_mail_without_a_reading_says_that_it_cannot_be_shown(client, ana: User):
    agent_in(client)
    deliver(multipart(*["\nx\n"] * 300, From="extrano@otro.example"))
    assert "El correo no se puede mostrar" in text_of(page(client, last_inbound()))
    act(client, last_inbound(), "open", contacto=ana.pk, subject="x", category="other", impact="1")
    assert "no se pudo leer" in Message.objects.get().body


@pytest.mark.clause("M6")
def test_another_mail_under_the_same_id_is_told(client, ana: User):
    agent_in(client)
    quarantined("uno", Message_ID="<m@otro.example>")
    second = quarantined("dos", Message_ID="<m@otro.example>")
    assert "con el mismo Message-ID y otro contenido" in text_of(page(client, second))


READERS = {"parse", "parts", "replies", "html_text"}  # modules of core.mail that read a mail's bytes
READING = {"parse", "peek", "read_parts", "extract_reply", "html_to_text"}  # their functions that do


@pytest.mark.once
@pytest.mark.clause("M6")
def test_a1_intake_alone_calls_the_parser():
    """Values of `core.mail.parse` may be named anywhere; `intake`, which no request waits for, reads a mail with it."""
    callers = set()
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("factureya.core.mail."):
                is_caller = any(alias.name in READING for alias in node.names)
            else:
                is_caller = isinstance(node, ast.Attribute) and node.attr in READING and is_reader(node.value)
            if is_caller:
                callers.add(path.stem)
    # A copy is made when the mail is read, or when an .eml file is stored; none when a page is shown.
    assert callers == {"intake", "parse", "copies"}


@pytest.mark.once
@pytest.mark.clause("M6")
def test_a1_no_module_of_the_web_names_who_reads_mail():
    rooms = {"customer", "desk", "control", "portal", "staff", "sign_in", "web", "templatetags"}
    of_the_web = [
        path for path in product_files() if rooms & set(path.parts) or path.stem in {"admin", "views", "forms", "urls"}
    ]
    assert len(of_the_web) > 50
    for path in of_the_web:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "factureya.core.mail":
                assert not {"intake", *READERS} & {alias.name for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in {f"factureya.core.mail.{name}" for name in ("intake", *READERS)}, path


def is_reader(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in READERS


def product_files() -> list[Path]:
    """Every module that is no test, migration or measurement."""
    left_out = {"tests", "testing", "dev", "migrations", "bench", "demo", "management"}
    return [
        path
        for app in ("accounts", "change_requests", "factureya", "tickets")
        for path in (live.BASE_DIR / app).rglob("*.py")
        if not left_out & set(path.relative_to(live.BASE_DIR).parts)
    ]
