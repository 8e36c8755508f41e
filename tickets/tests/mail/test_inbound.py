"""A proven sender's mail opens or continues the right ticket, with his words and files (M5, M6, M11, M12, M17)."""

import re
from datetime import timedelta
from email import message_from_bytes, policy
from io import BytesIO
from typing import Any

import pytest
from django.core import mail as django_mail
from PIL import Image

from accounts.models import User
from factureya.core import clock
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.inbound_mails import ANA, became, deliver, last_inbound, make_ana, passed, proven, to_customers
from factureya.testing.mails import multipart
from factureya.testing.people import make_agent, make_contact, make_customer
from factureya.testing.tickets import let_it_close, mails_about, make_ticket
from tickets import notifications, operations, threads
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db]
OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED


def sent_headers(mail: OutboxMessage) -> Any:
    """The headers of a mail of ours as they leave."""
    assert outbox.deliver(mail.pk)
    return message_from_bytes(django_mail.outbox[-1].message().as_bytes(), policy=policy.default)


# -- A new ticket ------------------------------------------------------------------------------------


@pytest.mark.clause("M5", "M6", "M10")
def test_a_mail_opens_a_ticket_and_is_answered_with_its_number_at_once(ana: User):
    outcome = deliver(proven("Dice que el sello no es válido.", Subject="No puedo timbrar"))
    ticket = became(outcome)
    assert (outcome.disposition, outcome.reason) == ("accept-new", "")
    assert (ticket.requester, ticket.customer) == (ana, ana.contact.customer)
    assert (ticket.subject, ticket.channel, ticket.status) == ("No puedo timbrar", "mail", OPEN)
    assert (ticket.category, ticket.impact) == (Ticket.Category.OTHER, Ticket.Impact.DIFFICULT)
    message = ticket.messages.get()
    assert (message.body, message.author, message.inbound) == ("Dice que el sello no es válido.", ana, last_inbound())
    (ack,) = to_customers()
    assert (ack.kind, ack.to, ack.about) == ("tickets/opened", ANA, ticket.chain)
    assert ticket.number in ack.subject
    assert ack.headers["Auto-Submitted"] == "auto-replied"
    (event,) = ticket.events()
    assert (event.verb, event.actor, event.data["inbound"]) == ("ticket.opened", ana, last_inbound().pk)
    assert event.data["sender"] == ANA


@pytest.mark.clause("M6")
def test_the_same_mail_again_is_one_entry_with_one_acknowledgement(ana: User):
    raw = proven(Message_ID="<uno@ejemplo.mx>")
    first = deliver(raw)
    again = deliver(b"Received: from other.hop\r\n" + raw)
    assert (again.disposition, again.about) == ("ignore-duplicate", first.about)
    assert (Ticket.objects.count(), Message.objects.count(), len(to_customers())) == (1, 1, 1)
    other = deliver(proven("Otra cosa", Message_ID="<uno@ejemplo.mx>", Subject="Otro"))
    assert other.disposition == "accept-new"


@pytest.mark.clause("M20")
@pytest.mark.parametrize("how", ["header", "envelope"])
def test_mail_to_the_control_desk_is_a_request(ana: User, how: str):
    desk = "mesadecontrol@factureya.com"
    raw = proven(To=desk) if how == "header" else proven(To="alguien@ejemplo.mx")
    outcome = deliver(raw, to=(desk,) if how == "envelope" else ())
    assert became(outcome).category == Ticket.Category.REQUESTS


@pytest.mark.clause("M17")
def test_what_is_missing_is_said_and_what_is_too_long_is_cut(ana: User):
    ticket = became(deliver(proven("", Subject=None)))
    assert (ticket.subject, ticket.messages.get().body) == ("Correo sin asunto", "(El correo no traía texto.)")
    ticket = became(deliver(proven(Subject="x" * 300)))
    assert len(ticket.subject) == 120
    again = deliver(proven("Y además…", Subject="x" * 300))
    assert (became(again), again.reason) == (ticket, "subject")


@pytest.mark.clause("M17")
def test_only_a_quote_is_kept_whole(ana: User):
    ticket = became(deliver(proven("El lun., 3 nov. 2025, Soporte escribió:\n> Hola\n> ¿Cuál?\n")))
    assert "¿Cuál?" in ticket.messages.get().body


def picture(size: int = 4) -> bytes:
    out = BytesIO()
    Image.new("RGB", (size, size), "red").save(out, "PNG")
    return out.getvalue()


def part(name: str, kind: str, content: bytes) -> bytes:
    return (
        f'Content-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
    )


@pytest.mark.clause("M17")
def test_files_are_kept_by_the_rules_of_uploads_and_refused_ones_are_named(ana: User):
    parts = [
        b"Content-Type: text/plain\r\n\r\nVa el error\r\n",
        part("error.txt", "text/plain", b"Error 301"),
        part("virus.exe", "application/octet-stream", b"MZ..."),
        part("reenviado.eml", "message/rfc822", b"From: x@y.mx\r\nSubject: Previo\r\n\r\nHola\r\n"),
        part("winmail.dat", "application/ms-tnef", b"\x78\x9f\x3e\x22rest"),
        part("dibujo.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        part("vacio.pdf", "application/pdf", b""),
    ]
    raw = multipart(*parts, From=ANA, Message_ID=None, Authentication_Results=passed())
    outcome = deliver(raw)
    ticket = became(outcome)
    assert outcome.accepted == (True, False, True, True, False, False)
    names = [file.attachment.name for file in ticket.files.order_by("attachment_id")]
    assert names == ["error.txt", "reenviado.eml", "winmail.dat"]
    body = ticket.messages.get().body
    assert body.startswith(
        "Va el error\n\nArchivos del correo que no se pudieron agregar:\n- «virus.exe» es un programa"
    )
    assert "«dibujo.svg»" in body
    assert "«vacio.pdf»" in body


@pytest.mark.clause("M17")
def test_files_without_words_name_themselves_and_too_many_are_named(ana: User, settings: Any):
    settings.MAIL_IN_MAX_FILES = 1
    files = [part("uno.txt", "text/plain", b"1"), part("dos.txt", "text/plain", b"2")]
    outcome = deliver(multipart(*files, From=ANA, Message_ID=None, Authentication_Results=passed()))
    body = became(outcome).messages.get().body
    assert outcome.accepted == (True, False)
    assert body.startswith("Adjunto: uno.txt\n\n")
    assert "- «dos.txt» no cupo" in body


@pytest.mark.clause("M17")
def test_a_nameless_picture_within_the_text_is_a_file(ana: User):
    inline = b"Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    text = b"Content-Type: text/plain\r\n\r\nMire:\r\n"
    raw = multipart(text, inline + picture() + b"\r\n", From=ANA, Message_ID=None, Authentication_Results=passed())
    (file,) = became(deliver(raw)).files.all()
    assert file.attachment.content_type == "image/png"


# -- Which ticket ------------------------------------------------------------------------------------


@pytest.mark.clause("M6", "M13")
@pytest.mark.parametrize("way", ["sent id", "sent id in references", "root id", "plus address", "envelope", "number"])
def test_a_reply_finds_its_ticket(ana: User, way: str):
    ticket = make_ticket(WAITING, requester=ana)
    mail = mails_about(ticket)[-1]
    headers: dict[str, Any] = {
        "sent id": {"In-Reply-To": f"<{mail.message_id}>"},
        "sent id in references": {"References": f"<a@b> <{mail.message_id}>\r\n <c@d>"},
        "root id": {"References": mail.headers["References"]},
        "plus address": {"To": mail.headers["Reply-To"].upper()},
        "envelope": {"To": "alguien@ejemplo.mx"},
        "number": {"Subject": f"RE: {ticket.number.replace('-', ' ').lower()} hola"},
    }[way]
    to = (mail.headers["Reply-To"],) if way == "envelope" else ()
    outcome = deliver(proven("Aquí está el XML", **{"Subject": "Otra cosa"} | headers), to=to)
    reason = "number" if way == "number" else "reference"
    assert (outcome.disposition, outcome.reason, became(outcome)) == ("accept-reply", reason, ticket)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.message_count) == (OPEN, 3)
    last = ticket.messages.get(seq=3)
    assert (last.body, last.author, last.channel) == ("Aquí está el XML", ana, "mail")


@pytest.mark.clause("M6")
@pytest.mark.parametrize(
    "forged",
    [
        {"In-Reply-To": "<fy-7k3m-9qx1.00000000000000000000000000000000@factureya.com>"},
        {"To": "soporte+7k3m9qx1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@factureya.com"},
        {"In-Reply-To": "<ticket:FY-7K3M-9QX1>", "References": "<FY-7K3M-9QX1@factureya.com> <1>"},
        {"In-Reply-To": "<@factureya.com>", "References": "<'); DROP TABLE x;-->"},
    ],
)
def test_made_up_ids_find_nothing(ana: User, forged: dict[str, str]):
    ticket = make_ticket(requester=ana)
    number = ticket.number
    swapped = {
        name: v.replace("7k3m-9qx1", number[3:].lower())
        .replace("7K3M-9QX1", number[3:])
        .replace("7k3m9qx1", number[3:].replace("-", "").lower())
        for name, v in forged.items()
    }
    outcome = deliver(proven(Subject="Distinto", **swapped))
    assert outcome.disposition == "accept-new"
    assert became(outcome) != ticket


@pytest.mark.clause("M6")
def test_ids_made_with_a_key_that_is_being_retired_still_work(ana: User, settings: Any):
    ticket = make_ticket(requester=ana)
    old = notifications.make_root_id(ticket.number), notifications.make_reply_address(ticket.number)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-" + "y" * 40
    assert threads.find_numbers([old[0]], []) == threads.find_numbers([], [old[1]]) == [ticket.number]
    settings.SECRET_KEY_FALLBACKS = []
    assert threads.find_numbers([old[0]], [old[1]]) == []


@pytest.mark.clause("M10")
def test_a_mistyped_number_is_no_number_and_the_right_one_beside_it_is(ana: User):
    ticket = make_ticket(requester=ana)
    wrong = ticket.number[:-1] + ("0" if ticket.number[-1] != "0" else "1")
    outcome = deliver(proven(Subject=f"RE: {wrong} ({ticket.number})"))
    assert (outcome.reason, became(outcome)) == ("number", ticket)
    assert deliver(proven("b", Subject=f"RE: {wrong}")).disposition == "accept-new"


@pytest.mark.clause("M6")
def test_what_is_answered_comes_before_older_mails_of_the_thread(ana: User):
    old, new = make_ticket(requester=ana), make_ticket(requester=ana)
    mine, other = (f"<{mails_about(ticket)[0].message_id}>" for ticket in (old, new))
    assert became(deliver(proven(In_Reply_To=mine, References=other))) == old
    assert became(deliver(proven("b", References=f"<x@y> {mine} {other}"))) == new


@pytest.mark.clause("M11")
def test_the_same_subject_again_is_added(ana: User):
    ticket = became(deliver(proven(Subject="Falla al timbrar")))
    again = deliver(proven("Sigue", Subject="RE: Fwd: FALLA  al timbrár"))
    assert (again.disposition, again.reason, became(again)) == ("accept-reply", "subject", ticket)


@pytest.mark.clause("M11")
@pytest.mark.parametrize("case", ["empty", "old", "closed", "another person's", "other words", "only Re:"])
def test_the_same_subject_is_not_enough_when(ana: User, case: str):
    subject = {"empty": "", "only Re:": "Re:"}.get(case, "Falla al timbrar")
    beto = make_contact(ana.contact.customer, email="beto@ejemplo.mx")
    first = became(deliver(proven(Subject=subject, From=beto.email if case == "another person's" else ANA)))
    if case == "closed":
        operations.confirm_resolved(first.pk, author=ana)
    later = clock.now() + (timedelta(days=3, seconds=1) if case == "old" else timedelta(minutes=1))
    with clock.at(later):
        again = deliver(proven("Sigue", Subject="Otra" if case == "other words" else subject))
    assert again.disposition == "accept-new"
    assert became(again) != first


@pytest.mark.clause("M12")
@pytest.mark.parametrize("way", ["reference", "number"])
def test_a_reply_to_a_closed_ticket_opens_one_that_continues_it(ana: User, way: str):
    ticket = make_ticket(CLOSED, requester=ana)
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    mail = mails_about(ticket)[-1]
    by_id = way == "reference"
    headers = {"In-Reply-To": f"<{mail.message_id}>"} if by_id else {"Subject": f"RE: {mail.subject}"}
    outcome = deliver(proven("Volvió a fallar", **headers))
    follow = became(outcome)
    assert (outcome.disposition, outcome.reason, follow.follows) == ("accept-new", "follow-up", ticket)
    assert (follow.channel, follow.messages.get().body) == ("mail", "Volvió a fallar")
    assert Ticket.objects.filter(pk=ticket.pk).values().get() == before
    assert to_customers()[-1].kind == "tickets/follow_up"


@pytest.mark.clause("M11", "M12")
def test_a_second_reply_to_a_closed_ticket_is_added_to_what_continues_it(ana: User):
    ticket = make_ticket(CLOSED, requester=ana)
    follow = became(deliver(proven("Volvió a fallar", Subject=f"RE: {ticket.number}")))
    again = deliver(proven("Y ahora también en la sucursal", Subject=f"RE: {ticket.number}"))
    assert (again.disposition, became(again)) == ("accept-reply", follow)
    assert Ticket.objects.filter(follows=ticket).count() == 1
    operations.confirm_resolved(follow.pk, author=ana)
    third = deliver(proven("Otra vez", Subject=f"RE: {ticket.number}"))
    assert became(third) != follow


@pytest.mark.clause("M12", "M15")
def test_a_late_reply_to_a_silence_close_continues_it(ana: User):
    ticket = let_it_close(make_ticket(WAITING, requester=ana))
    assert ticket.closed_at is not None
    late = ticket.closed_at + timedelta(microseconds=1)
    with clock.at(late):
        outcome = deliver(proven("Aquí está", Subject=f"RE: {ticket.number}"), received_at=late)
    assert (outcome.reason, became(outcome).follows) == ("follow-up", ticket)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.voided_by) == (CLOSED, None)


@pytest.mark.clause("M15")
def test_a_reply_received_in_time_and_read_late_voids_the_close(ana: User):
    ticket = let_it_close(make_ticket(WAITING, requester=ana))
    assert ticket.closed_at is not None
    with clock.at(ticket.closed_at + timedelta(hours=5)):
        raw = proven("Aquí está", Subject=f"RE: {ticket.number}")
        outcome = deliver(raw, received_at=ticket.closed_at)
    assert (outcome.disposition, outcome.reason, became(outcome)) == ("accept-reply", "void", ticket)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.closed_at, ticket.closed_reason) == (OPEN, None, None)
    assert (ticket.closes_at, ticket.reminder, ticket.voided_by) == (None, None, last_inbound())
    assert [event.verb for event in ticket.events()][-2:] == ["ticket.close_voided", "ticket.information_added"]
    kinds = [(mail.kind, mail.status) for mail in mails_about(ticket)]
    assert ("tickets/closed", "dropped") in kinds  # it had not left yet
    assert kinds[-2:] == [("tickets/void", "queued"), ("tickets/new_message", "queued")]
    assert ticket.reply_due_at is not None


@pytest.mark.clause("M5", "M16")
def test_a_limited_contact_does_not_write_in_a_colleagues_ticket(ana: User):
    ticket = make_ticket(requester=ana)
    beto = make_contact(ana.contact.customer, email="beto@ejemplo.mx", own_tickets_only=True)
    outcome = deliver(proven(From=beto.email, Subject=f"RE: {ticket.number}"))
    assert outcome.disposition == "accept-new"
    assert became(outcome).requester == beto
    assert ticket.messages.count() == 1


@pytest.mark.clause("M5", "M6")
def test_a_colleague_writes_in_the_companys_ticket_as_himself(ana: User):
    ticket = make_ticket(requester=ana)
    beto = make_contact(ana.contact.customer, email="beto@ejemplo.mx")
    assert became(deliver(proven(From=beto.email, Subject=f"RE: {ticket.number}"))) == ticket
    assert ticket.messages.get(seq=2).author == beto


# -- Whose address -----------------------------------------------------------------------------------


@pytest.mark.clause("M5")
def test_the_companys_registered_address_is_its_representatives_word(ana: User):
    company = ana.contact.customer
    address = company.registered_email
    outcome = deliver(proven(From=f"Papelería <{address.upper()}>"))
    ticket = became(outcome)
    assert (ticket.requester, ticket.customer) == (ana, company)
    assert ticket.events().get().data["sender"] == address
    (ack,) = to_customers()
    assert ack.to == address
    operations.answer(ticket.pk, agent=make_agent(), body="¿Cuál?", wait_reason="detail")
    assert mails_about(ticket)[-1].to == address  # the answer goes where the question came from
    deliver(proven("El 301", Subject=f"RE: {ticket.number}"))
    operations.answer(ticket.pk, agent=make_agent(), body="¿Y el otro?", wait_reason="detail")
    assert mails_about(ticket)[-1].to == ANA


@pytest.mark.clause("M5", "M16")
def test_when_nobody_speaks_for_the_registered_address_any_more_the_requester_is_told(ana: User):
    company = ana.contact.customer
    beto = make_contact(company, email="beto@ejemplo.mx")
    ticket = make_ticket(requester=beto)
    deliver(proven(From=company.registered_email, Subject=f"RE: {ticket.number}"))
    User.objects.filter(pk=ana.pk).update(is_active=False)
    operations.answer(ticket.pk, agent=make_agent(), body="¿Cuál?", wait_reason="detail")
    assert mails_about(ticket)[-1].to == beto.email


@pytest.mark.clause("M5")
def test_an_unverified_companys_contacts_write_but_its_registered_address_proves_nothing():
    ana = make_ana(verified=False, registered_email="victima@otra.mx")
    assert deliver(proven()).disposition == "accept-new"
    assert deliver(proven(From="victima@otra.mx")).reason == "unknown"
    assert Ticket.objects.get().requester == ana


@pytest.mark.clause("M5")
@pytest.mark.parametrize("state", ["disabled", "unverified mail", "no representative"])
def test_whoever_may_not_enter_does_not_write(state: str):
    person = make_contact(email=ANA, representative=state != "no representative")
    sender = ANA
    if state == "unverified mail":
        person.emailaddress_set.update(verified=False)
    elif state == "disabled":
        User.objects.filter(pk=person.pk).update(is_active=False)
    else:
        sender = person.contact.customer.registered_email
    assert deliver(proven(From=sender)).reason == "unknown"


@pytest.mark.clause("M5")
def test_an_address_of_two_companies_names_none_until_it_names_a_ticket():
    shared = "despacho@contadores.mx"
    people = [make_contact(make_customer(registered_email=shared), representative=True) for _ in "ab"]
    outcome = deliver(proven(From=shared))
    assert (outcome.disposition, outcome.reason) == ("reject-unregistered", "ambiguous")
    ticket = make_ticket(requester=people[1])
    assert became(deliver(proven("Va", From=shared, Subject=f"RE: {ticket.number}"))) == ticket


# -- Mail out ----------------------------------------------------------------------------------------


@pytest.mark.clause("M6")
def test_our_mails_keep_one_thread_and_mark_themselves(ana: User):
    ticket = became(deliver(proven(Message_ID="<primero@ejemplo.mx>")))
    ack = sent_headers(mails_about(ticket)[0])
    operations.answer(ticket.pk, agent=make_agent(), body="¿Cuál?", wait_reason="detail")
    answer = sent_headers(mails_about(ticket)[-1])
    root = f"<{notifications.make_root_id(ticket.number)}>"
    for headers in (ack, answer):
        assert headers["References"].strip() == f"{root} <primero@ejemplo.mx>"
        assert headers["In-Reply-To"].strip() == "<primero@ejemplo.mx>"
        assert headers["Reply-To"].strip() == notifications.make_reply_address(ticket.number)
        assert headers["X-Factureya-Loop"] == "1"
    assert (ack["Auto-Submitted"], answer["Auto-Submitted"]) == ("auto-replied", "no")
    back = deliver(proven("El 301", Subject="Re:", In_Reply_To=answer["Message-ID"]))
    assert became(back) == ticket


@pytest.mark.clause("M6")
@pytest.mark.parametrize("evil", ["<a\x01b@c>", "<á@ejemplo.mx>", f"<{'x' * 300}@y>", "<a@b>\r\n Bcc: x@y.mx"])
def test_a_strange_id_is_not_quoted_in_our_headers(ana: User, evil: str):
    ticket = became(deliver(proven(Message_ID=evil)))
    headers = sent_headers(mails_about(ticket)[0])
    assert headers["Bcc"] is None
    assert re.fullmatch(r"[!-~ ]{1,300}", headers["References"].strip())
    assert headers["References"].strip().startswith(f"<{notifications.make_root_id(ticket.number)}>")


@pytest.mark.clause("M6")
def test_a_subject_injects_no_header(ana: User):
    ticket = became(deliver(proven(Subject="=?utf-8?q?Hola=0D=0ABcc:_victima=40otra.mx?=")))
    headers = sent_headers(mails_about(ticket)[0])
    assert headers["Bcc"] is None
    assert "\n" not in ticket.subject


@pytest.mark.clause("M6")
def test_a_mail_with_a_reply_clears_the_flag_of_a_bounced_address(ana: User):
    User.objects.filter(pk=ana.pk).update(mail_bounced_at=clock.now())
    deliver(proven())
    ana.refresh_from_db()
    assert ana.mail_bounced_at is None
    assert [event.verb for event in ana.events()] == ["person.joined", "person.mail_works"]


# -- The same mail by two ways -----------------------------------------------------------------------


@pytest.mark.clause("M5", "M6")
@pytest.mark.parametrize("is_altered", [False, True])
@pytest.mark.parametrize("message_id", ["<una-vez@ejemplo.mx>", None])
def test_attack_reports_2_a_refused_delivery_does_not_swallow_the_proven_one(
    ana: User, is_altered: bool, message_id: str | None
):
    """A forwarder breaks the proof of the first delivery; the second comes straight."""
    given: dict[str, Any] = {"Subject": "No puedo timbrar", "Message-ID": message_id}
    words = "Dice que el sello no es válido."
    failed = "mx.factureya.com; dmarc=fail header.from=ejemplo.mx"
    refused = deliver(proven(words, Authentication_Results=failed, **given))
    assert refused.disposition == "reject-unregistered"
    if is_altered:
        given["Subject"] = "[Externo] No puedo timbrar"
    accepted = deliver(proven(words, **given))
    assert accepted.disposition == "accept-new"
    again = deliver(proven(words, **given))
    assert (again.disposition, again.about) == ("ignore-duplicate", accepted.about)
    assert Ticket.objects.count() == 1
    assert not last_inbound().reading.is_id_reused
