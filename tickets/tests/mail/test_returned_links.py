"""A link of ours that comes back by mail opens nothing for whoever reads that mail (security A2; M3, M8, M15, M16)."""

import base64
import quopri
import re
from io import BytesIO, TextIOWrapper
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts import operations as accounts
from accounts.models import Office, Provider, User
from factureya.core.files import store
from factureya.core.mail import own_links
from factureya.core.models import Attachment, InboundMessage, InboundOriginal, OutboxMessage
from factureya.testing.desk import QUEUE, page_of
from factureya.testing.inbound_mails import ANA, deliver, last_inbound, passed, proven
from factureya.testing.mails import multipart
from factureya.testing.pages import log_in, text_of
from factureya.testing.people import make_agent, make_staff, make_superuser
from factureya.testing.tickets import mails_about, make_ticket
from tickets import access, operations
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db, pytest.mark.clause("M16")]


def token_in(mail: OutboxMessage) -> str:
    """The token of the link in a mail of ours."""
    paths = "|".join(kind.path for kind in own_links.KINDS)
    found = re.search(rf"/(?:{paths})/([^/\s]+)/", mail.body)
    assert found is not None
    return found.group(1)


def sent(mail: OutboxMessage, encoding: str = "8bit") -> bytes:
    """The mail as it left, or as a relay wrote it anew."""
    content = mail.body.encode()
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(content)
    head = (
        f"Message-ID: <{mail.message_id}>\nFrom: soporte@factureya.com\nTo: {mail.to}\nSubject: Factureya\n"
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    return (head.encode() + body).replace(b"\n", b"\r\n")


def bounce(mail: OutboxMessage, encoding: str = "8bit", kind: str = "message/rfc822") -> bytes:
    """A delivery report with our mail inside, or its head."""
    status = f"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; {mail.to}\r\nAction: failed\r\n"
    original = sent(mail, encoding)
    if kind != "message/rfc822":
        original = original.partition(b"\r\n\r\n")[0]
    returned = f"Content-Type: {kind}\r\n\r\n".encode() + original + b"\r\n"
    return multipart(
        b"Content-Type: text/plain\r\n\r\nBuzon lleno\r\n",
        status,
        returned,
        From="MAILER-DAEMON@mx.ejemplo.mx",
        Return_Path="<>",
        Message_ID=None,
        Subject="Undelivered Mail Returned to Sender",
        Content_Type='multipart/report; report-type=delivery-status; boundary="limite"',
    )


def plain_bounce(mail: OutboxMessage, encoding: str = "8bit") -> bytes:
    """The same of a server that writes no machine-readable report."""
    words = b"User unknown\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n" + sent(mail, encoding)
    return proven(words, From="MAILER-DAEMON@mx.ejemplo.mx", Return_Path="<>", Subject="failure notice")


def quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def everything_stored() -> str:
    """All texts of the database and of the files, but the evidence and the mails that carry their own link."""
    texts = (models.CharField, models.TextField, models.JSONField)
    found = []
    for model in apps.get_models():
        if model in {InboundOriginal, OutboxMessage}:
            continue
        names = [f.name for f in model._meta.concrete_fields if isinstance(f, texts)]
        found += [str(row) for row in model._base_manager.values_list(*names)] if names else []
    return "\n".join([*found, *map(content_of, Attachment.objects.all())])


def content_of(attachment: Attachment) -> str:
    with attachment.file.open() as file:
        return str(file.read().decode("latin-1"))


def everything_read(client: Client, reader: User, *pages: str) -> str:
    """The pages as this person gets them, decoded as far as a mail program would."""
    log_in(client, reader)
    found = []
    for page in pages:
        content = b"".join(client.get(page)) if page.endswith("original/") else client.get(page).content
        found.append(content.decode("utf-8", "replace"))
        found.append(quopri.decodestring(content).decode("utf-8", "replace"))
        for run in re.findall(rb"(?:[A-Za-z0-9+/=]{40,}\s+)+", content):
            found.append(base64.b64decode(run + b"==").decode("latin-1"))
    return "\n".join(found)


def assert_gone(token: str, *texts: str) -> None:
    """The token, its signature and whatever is left of it can be read nowhere."""
    for text in texts:
        joined = re.sub(r"(?:=\r?\n|[\s>])+", "", text)
        assert token not in joined
        assert token[-43:] not in joined


def mail_pages(inbound: InboundMessage) -> tuple[str, ...]:
    return (
        reverse("admin:tickets_ticket_mail", args=[inbound.pk]),
        reverse("admin:tickets_ticket_mail_original", args=[inbound.pk]),
        "/admin/tickets/ticket/bandeja/?vista=rebotes",
        "/admin/tickets/ticket/bandeja/",
    )


ENCODINGS = ["8bit", "base64", "quoted-printable"]


@pytest.mark.clause("M3", "M6")
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shape", [bounce, plain_bounce])
def test_a2a_an_agent_takes_no_office_from_a_returned_invitation(client: Client, encoding: str, shape: Any):
    accounts.invite_staff(email="nueva@factureya.com", office=Office.SECURITY_OFFICER, actor=make_superuser())
    mail = OutboxMessage.objects.get(kind="accounts/invited_staff")
    token = token_in(mail)
    deliver(shape(mail, encoding))
    inbound = last_inbound()
    assert inbound.disposition == "ignore-bounce"
    dario = make_agent()
    shown = everything_read(client, dario, *mail_pages(inbound))
    assert_gone(token, shown, everything_stored())
    assert "elija su contrase" not in shown  # nothing of the returned text
    assert "Buzon lleno" in shown or "User unknown" in shown
    assert mail.message_id in shown


@pytest.mark.clause("M6")
@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_a2a_codes_do_not_come_back_either(client: Client, kind: str):
    from_us = OutboxMessage.objects.create(
        key="k",
        message_id=f"{'a' * 40}@factureya.com",
        kind="account/password_reset_code",
        to="elsa@factureya.com",
        subject="Su código",
        body="escriba este código en la página\n\nWXYZ-BCDF\n",
        is_secret=True,
    )
    deliver(bounce(from_us, kind=kind))
    shown = everything_read(client, make_agent(), *mail_pages(last_inbound()))
    assert "WXYZ-BCDF" not in shown
    deliver(proven(f"Yo no lo pedí\n\n{quoted(from_us.body)}", From="elsa@factureya.com"))
    assert "WXYZ-BCDF" not in everything_read(client, make_agent(email="d2@factureya.com"), *mail_pages(last_inbound()))


def reply(ana: User, mail: OutboxMessage, shape: str, encoding: str) -> bytes:
    """Ana's answer to a mail of ours, as programs write it."""
    body, html = (quoted(mail.body), f"<p>Sigo igual</p><blockquote type=cite>{mail.body}</blockquote>")
    inline = f"Sigo igual\n\nEl lun, 2 nov 2026 a las 10:00, Soporte <soporte@factureya.com> escribió:\n{body}\n"
    if shape == "attached":
        attached = b"Content-Type: message/rfc822\r\n\r\n" + sent(mail, encoding)
        return multipart(b"Content-Type: text/plain\r\n\r\nLe reenvio\r\n", attached, **head(ana, mail))
    kind = "text/html" if shape == "html" else "text/plain"
    text = (html if shape == "html" else inline).encode()
    content = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(text)
    subject = "Fwd: Factureya" if shape == "forward" else "Re: Factureya"
    return proven(
        content,
        From=ana.email,
        Subject=subject,
        In_Reply_To=f"<{mail.message_id}>",
        Content_Type=f"{kind}; charset=utf-8",
        Content_Transfer_Encoding=encoding,
    )


def head(ana: User, mail: OutboxMessage) -> dict[str, Any]:
    return {
        "From": ana.email,
        "Message-ID": None,
        "Subject": "Fwd: x",
        "Authentication-Results": passed(),
        "In-Reply-To": f"<{mail.message_id}>",
    }


@pytest.mark.clause("M3", "M15")
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shape", ["reply", "html", "forward", "attached"])
def test_a2b_nobody_closes_a_ticket_with_the_link_of_a_reply(client: Client, ana: User, shape: str, encoding: str):
    ticket = make_ticket(requester=ana)
    provider = Provider.objects.create(name="Soporte Externo")
    operations.hand_over(ticket.pk, supervisor=make_staff(Office.SUPERVISOR), provider=provider)
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=provider)
    operations.answer(ticket.pk, agent=irma, body="¿Quedó?", wait_reason=Ticket.WaitReason.DETAIL)
    mail = mails_about(ticket)[-1]
    token = token_in(mail)
    outcome = deliver(reply(ana, mail, shape, encoding))
    assert outcome.about == ticket.chain, outcome
    pages = [*mail_pages(last_inbound())[:2], page_of(ticket)]
    shown = everything_read(client, irma, *pages) + everything_read(client, ana, f"/tickets/{ticket.number}/")
    mails = "\n".join(m.body for m in OutboxMessage.objects.exclude(to=ana.email))
    assert_gone(token, shown, everything_stored(), mails)
    assert "Sigo igual" in shown or "Le reenvio" in shown
    assert access.find_holder(access.read_token(token)) == ana  # the link lives: this is why nobody else may read it


@pytest.mark.clause("M17")
def test_a2b_a_link_that_is_pasted_by_hand_is_cut_too(client: Client, ana: User):
    ticket = make_ticket(requester=ana)
    token = token_in(mails_about(ticket)[0])
    url = own_links.make_url(own_links.TICKET, token)
    log_in(client, ana)
    operations.add_information(ticket.pk, author=ana, body=f"Me llegó esto: {url}", form_key="k1")
    operations.add_information(ticket.pk, author=ana, body=f"Me llegó esto: {url}", form_key="k1")  # once
    operations.add_note(ticket.pk, agent=make_agent(), body=f"Dictó {url}")
    operations.answer(ticket.pk, agent=make_agent(), body=f"¿Es {url}?", wait_reason="detail")
    operations.confirm_resolved(ticket.pk, author=ana)
    operations.follow_up(ticket.pk, author=ana, body=f"Otra vez {url}")
    make_ticket(requester=ana, subject=f"Mi enlace {url}"[:200], body=url)
    file = store.store(SimpleUploadedFile("correo.txt", url.encode()), draft="k")
    assert own_links.MARK in content_of(file)
    assert Message.objects.filter(ticket=ticket, body__startswith="Me llegó esto").count() == 1
    assert_gone(token, everything_stored())


def test_a2_the_untouched_bytes_stay_and_leave_by_a_command_that_is_recorded(ana: User):
    ticket = make_ticket(requester=ana)
    mail = mails_about(ticket)[0]
    raw = reply(ana, mail, "reply", "8bit")
    deliver(raw)
    inbound = last_inbound()
    assert inbound.raw == raw
    out = TextIOWrapper(BytesIO())
    call_command("export_mail", str(inbound.pk), stdout=out)
    assert token_in(mail).encode() in out.buffer.getvalue()  # type: ignore[attr-defined]
    event = inbound.events().last()
    assert event is not None
    assert (event.verb, event.actor) == ("mail.exported", None)
    assert event.data["by"]


def test_a2_the_tray_and_the_search_find_no_token(client: Client, ana: User):
    token = token_in(mails_about(make_ticket(requester=ana))[0])
    deliver(
        proven(f"{own_links.make_url(own_links.TICKET, token)}", From="extrano@otro.example", Subject=f"Fwd: {token}")
    )
    inbound = last_inbound()
    dario = make_agent()
    shown = everything_read(client, dario, *mail_pages(inbound), f"{QUEUE}?q={token[-43:]}")
    assert own_links.MARK in shown
    assert_gone(token, everything_stored())
    assert ANA not in text_of(client.get(mail_pages(inbound)[0]))
