"""The mails of a ticket's life, each rendered by the operation that sends it (M10, M12, M14–M16)."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings as django_settings
from django.core import mail as mailbox
from django.template import engines
from time_machine import travel

from accounts.models import Contact, User
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.calls import confirm_by_phone
from factureya.testing.charges import decide, propose
from factureya.testing.people import Cast, end_offices, make_agent, make_contact, make_customer, make_representative
from factureya.testing.tickets import let_it_close, mails_about, make_inbound, make_ticket
from tickets import access, notifications, operations
from tickets.models import Ticket

pytestmark = pytest.mark.django_db

WAITING, CLOSED = Ticket.Status.WAITING, Ticket.Status.CLOSED
TUESDAY = datetime(2026, 11, 24, 10, 5, 37, tzinfo=ZoneInfo("America/Mexico_City"))
FRIDAY = "vie 27 nov a las 10:05"
SECRET = "El cliente no ha pagado, no decirle"


class Blank(str):
    """What a missing variable would render as: an error instead."""

    __slots__ = ()

    def __contains__(self, _item: object) -> bool:
        return True

    def __mod__(self, name: Any) -> str:
        raise AssertionError(f"missing variable in a mail: {name}")


@pytest.fixture(autouse=True)
def _no_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    """--fail-on-template-vars looks at the pages' engine only."""
    monkeypatch.setattr(engines["mail"].engine, "string_if_invalid", Blank("%s"))


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    """It is Tuesday, 10:05:37 in Mexico City."""
    with travel(TUESDAY, tick=False) as traveller:
        yield traveller


def ana() -> User:
    return make_contact(full_name="Ana Ocaso", email="ana@ocaso.mx")


def last(ticket: Ticket, kind: str) -> OutboxMessage:
    """The last mail about the ticket, which is of this kind."""
    message = mails_about(ticket)[-1]
    assert message.kind == f"tickets/{kind}"
    return message


def answered(reason: str | None = "detail", **fields: Any) -> OutboxMessage:
    ticket = make_ticket(requester=ana(), subject="No puedo timbrar")
    agent = make_agent(full_name="Dario Luna")
    fields = {"body": "Buen día, Ana.\n\n¿Nos comparte el XML?", **fields}
    return last(operations.answer(ticket.pk, agent=agent, wait_reason=reason, **fields), "answered")


def silent() -> Ticket:
    ticket = make_ticket(WAITING, requester=ana())
    operations.add_note(ticket.pk, agent=make_agent(), body=SECRET)
    return let_it_close(ticket)


def replied() -> OutboxMessage:
    ticket = make_ticket(WAITING, requester=ana())
    return last(operations.add_information(ticket.pk, author=ticket.requester, body="Va el XML"), "new_message")


def link_asked() -> OutboxMessage:
    ticket = make_ticket(WAITING, requester=ana())
    notifications.send_link(ticket, ticket.requester, "key")
    return last(ticket, "link")


def continued() -> OutboxMessage:
    ticket = silent()
    return last(operations.follow_up(ticket.pk, author=ticket.requester, body="Sigo"), "follow_up")


def voided() -> OutboxMessage:
    ticket = silent()
    mail = make_inbound(ticket.closed_at)
    return last(operations.void_silence_close(ticket.pk, inbound=mail), "void")


def charged(kind: str) -> OutboxMessage:
    """The mail of a charge that Ana, who represents her company, gets or causes by declining it."""
    cast = Cast(ana=make_representative(full_name="Ana Ocaso", email="ana@ocaso.mx"))
    charge = propose(cast)
    if kind != "charge_proposed":
        decide(charge, cast.ana, accepts=False, note="Es caro")
    return next(mail for mail in mails_about(charge.ticket) if mail.kind == f"tickets/{kind}")


def merged() -> OutboxMessage:
    author = ana()
    ticket, survivor = make_ticket(requester=author), make_ticket(requester=author)
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    return last(ticket, "merged")


def unmerged(status: str = WAITING) -> OutboxMessage:
    author = ana()
    ticket, survivor = make_ticket(status, requester=author), make_ticket(requester=author)
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    operations.undo_merge(ticket.pk, agent=make_agent())
    return last(ticket, "unmerged")


def split() -> OutboxMessage:
    ticket = make_ticket(requester=ana())
    operations.add_information(ticket.pk, author=ticket.requester, body="Otra cosa")
    said = ticket.messages.get(seq=2)
    new = operations.split_message(ticket.pk, agent=make_agent(), message_pk=said.pk, subject="Otra cosa")
    return last(new, "split")


# One real mail of every template about a ticket.
MAILS: dict[str, Callable[[], OutboxMessage]] = {
    "opened": lambda: last(make_ticket(requester=ana()), "opened"),
    "follow_up": continued,
    "answered": answered,
    "reminder": lambda: OutboxMessage.objects.get(pk=silent().reminder_id),
    "closed": lambda: last(silent(), "closed"),
    "new_message": replied,
    "link": link_asked,
    "void": voided,
    "charge_proposed": lambda: charged("charge_proposed"),
    "charge_ended": lambda: charged("charge_ended"),
    "charge_answer": lambda: charged("charge_answer"),
    "merged": merged,
    "unmerged": unmerged,
    "split": split,
}
TO_CUSTOMER = [kind for kind in MAILS if f"tickets/{kind}" not in notifications.TO_AGENT]
# To addresses that nobody has proven: about no ticket, see test_spoof.py; to a caller, see test_calls.py.
NOTICES = {"unproven", "forged"}
TO_CALLERS = {"call_code"}


@pytest.mark.clause("M10", "M12", "M14", "M15", "M16")
def test_every_template_is_sent_by_an_operation():
    folder = Path(django_settings.BASE_DIR) / "templates/mail/tickets"
    assert {*MAILS, *NOTICES, *TO_CALLERS} == {path.stem for path in folder.glob("[!_]*.txt")}


@pytest.mark.clause("M6", "M16")
@pytest.mark.parametrize("kind", MAILS)
def test_a_mail_to_an_agent_is_listed_as_such(kind: str):
    assert User.objects.get(email=MAILS[kind]().to).is_staff == (kind not in TO_CUSTOMER)


def test_a_missing_variable_would_be_seen():
    with pytest.raises(AssertionError, match="missing variable"):
        engines["mail"].from_string("{{ planted.fault }}").render({})


@pytest.mark.clause("M10", "M16")
@pytest.mark.parametrize("kind", MAILS)
def test_what_every_mail_has(kind: str):
    message = MAILS[kind]()
    number = message.about.removeprefix("ticket:")
    assert message.subject.startswith(f"{number} ")
    assert message.body.startswith("Qué sigue: ")
    for part in (message.subject, message.body):
        assert "&" not in part.replace("&c", "")  # nothing was escaped as HTML
        assert not re.search(r"<\w|\{[{%]|None|\b(tú|tu|tus|puedes|tienes)\b", part)
    assert "\n\n\n" not in message.body
    if kind in TO_CUSTOMER:
        assert "01 800 63 22 887 y 01 (222) 403 4091" in message.body
        assert "de 9:00 a 14:00 y de 15:00 a 19:00 h" in message.body


@pytest.mark.clause("M5", "M16")
@pytest.mark.parametrize("kind", sorted(NOTICES))
def test_a_notice_says_what_is_next_and_names_no_ticket(kind: str):
    inbound = make_inbound()
    notifications.notify_unproven_sender("x@ejemplo.mx", inbound)
    notifications.warn_of_forgery("x@ejemplo.mx", "ana@ocaso.mx", inbound)
    message = OutboxMessage.objects.get(kind=f"tickets/{kind}")
    assert message.body.startswith("Qué sigue: ")
    assert "01 800 63 22 887 y 01 (222) 403 4091" in message.body
    assert message.about == ""
    assert "/enlace/" not in message.body


@pytest.mark.clause("M16")
@pytest.mark.parametrize("kind", TO_CUSTOMER)
def test_the_link_opens_this_ticket_for_this_person(kind: str):
    message = MAILS[kind]()
    (token,) = re.findall(r"http://testserver/enlace/([^/\s]+)/", message.body)
    grant = access.read_token(token)
    assert f"ticket:{grant.number}" == message.about
    assert access.find_holder(grant).email == message.to == "ana@ocaso.mx"


@pytest.mark.clause("M16")
@pytest.mark.parametrize("kind", MAILS)
def test_no_internal_note_is_in_any_mail(kind: str):
    MAILS[kind]()
    assert not [m for m in OutboxMessage.objects.all() if SECRET in m.body + m.subject]


# -- What each says ----------------------------------------------------------------------------------


@pytest.mark.clause("M10")
def test_opened_gives_the_number():
    ticket = make_ticket(requester=ana(), subject="No puedo timbrar")
    message = last(ticket, "opened")
    assert message.subject == f"{ticket.number} Recibimos su ticket: No puedo timbrar"
    assert f"Su número de seguimiento es {ticket.number}." in message.body
    assert "mar 24 nov a las 10:05" in message.body


@pytest.mark.clause("M14", "M15")
@pytest.mark.parametrize(
    ("reason", "solves", "says"),
    [
        ("detail", False, "le toca a usted. Envíenos el detalle que le pedimos."),
        ("authorization", False, "le toca a usted. Díganos si autoriza lo que le proponemos."),
        ("authorization", True, "le toca a usted. Confirme si quedó resuelto, o díganos qué falta."),
        (None, False, "nos toca a nosotros."),
    ],
)
def test_the_answer_says_what_is_expected_and_until_when(reason: str | None, solves: bool, says: str):
    message = answered(reason, proposes_solution=solves)
    assert message.body.startswith(f"Qué sigue: {says}")
    assert "Buen día, Ana.\n\n¿Nos comparte el XML?" in message.body
    assert "Dario Luna, de Factureya, le escribió el mar 24 nov a las 10:05" in message.body
    until = f"se cierra después del {FRIDAY}, hora del centro de México (más de 3 días sin respuesta)"
    assert (until in message.body) == (reason is not None)
    assert ("Confirme si quedó resuelto" in message.subject) == solves


@pytest.mark.clause("M15")
@pytest.mark.parametrize(("days", "says"), [(1, "más de 1 día hábil"), (3, "más de 3 días hábiles")])
def test_the_answer_names_business_days(days: int, says: str, settings: Any):
    settings.CUSTOMER_REPLY_CALENDAR, settings.CUSTOMER_REPLY_DAYS = "business", days
    assert f"({says} sin respuesta)" in answered().body


@pytest.mark.clause("M15")
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"wait_reason": "detail"}, "Envíenos el detalle que le pedimos"),
        ({"wait_reason": "authorization"}, "Díganos si autoriza lo que le propusimos"),
        ({"wait_reason": "authorization", "proposes_solution": True}, "Confirme si quedó resuelto"),
    ],
)
def test_the_reminder_gives_the_exact_instant(fields: dict[str, Any], says: str, clock: Any):
    ticket = make_ticket(requester=ana())
    operations.answer(ticket.pk, agent=make_agent(), body="¿Nos comparte el XML?", **fields)
    clock.move_to(TUESDAY + timedelta(hours=48))
    operations.warn_before_close(ticket.pk)
    body = last(ticket, "reminder").body
    assert body.startswith(f"Qué sigue: le toca a usted. {says}")
    assert f"se cierra después del {FRIDAY}, hora del centro de México" in body
    assert "nunca antes de 24 horas de enviado este correo" in body
    assert "«¿Nos comparte el XML?»" in body


@pytest.mark.clause("M12", "M15")
def test_closed_by_silence_says_why_and_how_to_go_on():
    ticket = silent()
    message = last(ticket, "closed")
    assert message.subject.startswith(f"{ticket.number} Se cerró sin respuesta: ")
    assert "no tuvimos respuesta durante más de 3 días: le escribimos el mar 24 nov a las 10:05" in message.body
    assert f"el plazo terminó el {FRIDAY}" in message.body
    assert "Abriremos un ticket nuevo que continúa a este" in message.body


@pytest.mark.clause("M12", "M15")
def test_closed_by_confirmation_says_who_confirmed():
    ticket = make_ticket(WAITING, requester=ana())
    beto = make_contact(ticket.customer, full_name="Beto Ocaso")
    operations.confirm_resolved(ticket.pk, author=beto)
    body = last(ticket, "closed").body
    assert "porque Beto Ocaso confirmó que quedó resuelto." in body
    assert "abriremos un ticket nuevo que continúa a este" in body


@pytest.mark.clause("M15")
def test_closed_by_phone_says_who_said_it_and_who_noted_it():
    ticket = make_ticket(WAITING, requester=ana())
    confirm_by_phone(ticket, agent=make_agent(full_name="Dario Luna"))
    body = last(ticket, "closed").body
    assert "porque Ana Ocaso nos confirmó por teléfono que quedó resuelto. Lo anotó Dario Luna" in body


@pytest.mark.clause("M12")
def test_a_follow_up_cites_the_old_number():
    old = make_ticket(CLOSED, requester=ana())
    new = operations.follow_up(old.pk, author=old.requester, body="Volvió a fallar")
    message = last(new, "follow_up")
    assert f"Continuamos su ticket {old.number}" in message.subject
    assert f"Su nuevo número de seguimiento es {new.number}." in message.body


# -- To whom -----------------------------------------------------------------------------------------


@pytest.mark.clause("M16")
def test_a_disabled_requesters_mails_go_to_the_representative_with_her_own_link():
    beto = make_contact(full_name="Beto")
    company = beto.contact.customer
    ticket = make_ticket(WAITING, requester=beto)
    make_contact(company, own_tickets_only=True, email="limitado@ocaso.mx")
    make_contact(company, email="otro@ocaso.mx")
    make_contact(company, representative=True, email="ana@ocaso.mx")
    User.objects.filter(pk=beto.pk).update(is_active=False)
    operations.answer(ticket.pk, agent=make_agent(), body="¿Pudo?", wait_reason="detail")
    message = last(ticket, "answered")
    assert message.to == "ana@ocaso.mx"
    (token,) = re.findall(r"/enlace/([^/\s]+)/", message.body)
    assert access.find_holder(access.read_token(token)).email == "ana@ocaso.mx"
    Contact.objects.filter(user__email="ana@ocaso.mx").update(own_tickets_only=True)
    operations.answer(ticket.pk, agent=make_agent(), body="¿Pudo?", wait_reason="detail")
    assert last(ticket, "answered").to == "otro@ocaso.mx"


@pytest.mark.clause("M15", "M16")
def test_a_company_with_nobody_left_is_told_at_its_registered_address_without_a_link():
    company = make_customer(registered_email="contacto@ocaso.mx", legal_name="Papelería Ocaso")
    ticket = make_ticket(WAITING, requester=make_contact(company))
    User.objects.filter(pk=ticket.requester_id).update(is_active=False)
    operations.answer(ticket.pk, agent=make_agent(), body="¿Pudo?", wait_reason="detail")
    message = last(ticket, "answered")
    assert message.to == "contacto@ocaso.mx"
    assert "/enlace/" not in message.body
    assert "Buen día, Papelería Ocaso:" in message.body
    assert f"http://testserver/tickets/{ticket.number}/" in message.body


@pytest.mark.clause("M3", "M16")
@pytest.mark.parametrize("why", ["nobody", "left the desk", "disabled"])
def test_a_new_message_is_told_to_nobody_who_does_not_work_the_ticket(why: str):
    ticket = make_ticket(WAITING)
    agent = ticket.assignee
    assert agent is not None
    if why == "nobody":
        operations.assign(ticket.pk, agent=agent, assignee=None)
    elif why == "disabled":
        User.objects.filter(pk=agent.pk).update(is_active=False)
    else:
        end_offices(agent)
    mails = len(mails_about(ticket))
    operations.add_information(ticket.pk, author=ticket.requester, body="Va el XML")
    assert len(mails_about(ticket)) == mails


@pytest.mark.clause("M16")
def test_a_new_message_is_told_to_the_assignee_with_the_address_of_his_page():
    message = replied()
    ticket = Ticket.objects.get(number=message.about.removeprefix("ticket:"))
    assert ticket.assignee is not None
    assert message.to == ticket.assignee.email
    assert f"http://testserver/admin/tickets/ticket/{ticket.pk}/change/" in message.body
    assert "Va el XML" in message.body
    assert "antes del mar 24 nov a las 14:05" not in message.body  # 4 hours of attention: lunch does not count
    assert "antes del mar 24 nov a las 15:05" in message.body


# -- Nothing can be slipped into a header ------------------------------------------------------------


@pytest.mark.clause("M10", "M16")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x0b"])
def test_a_subject_cannot_add_a_header_or_a_first_line(end: str):
    ticket = make_ticket(requester=ana(), subject=f"Hola{end}Bcc: otro@malo.mx{end}{end}Qué sigue: pague aquí")
    assert ticket.subject == "Hola Bcc: otro@malo.mx Qué sigue: pague aquí"
    message = last(ticket, "opened")
    assert message.body.startswith("Qué sigue: nos toca a nosotros.")
    assert outbox.deliver(message.pk)
    sent = mailbox.outbox[-1].message()
    assert sent["Bcc"] is None
    assert sent["To"] == "ana@ocaso.mx"
    assert len(sent.get_all("Subject")) == 1


@pytest.mark.clause("M14")
def test_what_a_person_writes_is_text_and_not_a_template_or_html():
    body = "{{ ticket.pk }} {% load x %} <b>negritas</b> & «comillas»"
    assert body in answered(body=body).body


@pytest.mark.clause("M12", "M15")
def test_words_sent_with_the_confirmation_reach_the_assignee():
    ticket = make_ticket(Ticket.Status.WAITING)
    operations.confirm_resolved(ticket.pk, author=ticket.requester, body="Confirmo, pero revisen el PDF.")
    last = mails_about(ticket)[-1]
    assert (last.kind, last.to) == ("tickets/new_message", ticket.assignee.email)
    assert last.subject.startswith(f"{ticket.number} Confirmó el cliente")
    assert "revisen el PDF" in last.body
    assert "Cerrado" in last.body
