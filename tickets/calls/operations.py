"""Take a call: begin it, mail the code, compare what the caller reads back, end it; write down a call about sales (M5).

Every function locks the call, re-reads it, asks again who may, and leaves one event. A refusal that counts (a wrong
code) is committed before it is raised. The limits stand inside the step, under the lock.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from accounts.models import User
from factureya.core import audit, locking, sql
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import Event
from factureya.core.refusals import FormUsed, Invalid, NotAllowed, WrongStatus
from tickets import policy as ticket_policy
from tickets.calls import notifications, policy
from tickets.calls.state import CALL, describe_call
from tickets.models import CODE_TRIES, Call, Ticket
from tickets.models.calls import MAX_NAME, MAX_PHONE

CODE_SALT = "tickets.call-code"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# How many codes an hour one mailbox gets and one agent asks for; how many wrong codes a day one contact's calls take.
CODES_PER_MAILBOX, CODES_PER_AGENT, WRONG_PER_CONTACT = 5, 30, 12
COMPANY, PERSON = "empresa", "persona"  # whose registered mail gets the code
WRONG_CODE = "Ese no es el código."
NO_CODE = "Ese código ya no sirve: envíe otro."
TOO_MANY = "Se han enviado muchos códigos. Espere un rato y envíe otro."
CALL_ROW = Call.objects.select_related("agent", "contact__contact", "customer", "ticket")


class WrongCode(Invalid):
    """Say that the caller did not read back the code that was mailed."""


def start_call(*, agent: User, contact: User, ticket_pk: int | None = None) -> Call:
    """Begin a call of this contact and return it, or return the one that the agent has open with him (M5).

    `ticket_pk` is of the ticket that a third party's agent calls about; only then does he call at all. Every use of
    the call asks again whether the ticket is still his. Raises NotAllowed.
    """
    try:
        with transaction.atomic():
            ticket = None if ticket_pk is None else Ticket.objects.get(pk=ticket_pk)
            if reason := policy.why_not_start(agent, contact, ticket):
                raise NotAllowed(reason)
            about_pk = None if ticket_policy.may_take_calls(agent) else ticket_pk
            return _resume_call(agent, contact, about_pk) or _begin_call(agent, contact, about_pk)
    except IntegrityError:  # one_open_call_per_agent_and_contact: a double click, and the first one was quicker
        return Call.objects.get(agent=agent, contact=contact, ended_at=None)


def list_mailboxes(call: Call) -> dict[str, str]:
    """Return the registered addresses that the code may go to: the company's, and the caller's own if proven (M5)."""
    assert call.customer is not None
    assert call.contact is not None
    mailboxes = {COMPANY: call.customer.registered_email}
    own = call.contact.email
    is_proven = EmailAddress.objects.filter(user=call.contact, email__iexact=own, verified=True).exists()
    if is_proven and own.lower() != call.customer.registered_email.lower():
        mailboxes[PERSON] = own
    return mailboxes


def send_code(pk: int, *, agent: User, to: str = COMPANY) -> Call:
    """Mail a new code of six digits to a registered address; an earlier one of the call stops working (M5).

    Raises Refused when the call is over or verified, or when the mailbox or the agent had too many codes in an hour.
    """
    with _locked_call(pk, agent) as call:
        if call.verified_at is not None:
            raise WrongStatus("En esta llamada ya se comprobó quién llama. Si pasó una hora, termínela y empiece otra.")
        address = list_mailboxes(call).get(to)
        if address is None:
            raise Invalid({"to": "Elija a qué correo registrado se envía el código."})
        _count_code(address, agent)
        code = f"{secrets.randbelow(10**6):06d}"
        call.code_to, call.code_sent_at, call.code_tries = address, now(), 0
        call.code_digest = _digest_code(call, code)
        call.save(update_fields=["code_to", "code_sent_at", "code_tries", "code_digest"])
        event = _record("call.code_sent", call, agent, to=address)
        notifications.mail_code(call, event, code)
    return call


def check_code(pk: int, *, agent: User, code: str) -> Call:
    """Verify the call if this is the code that was mailed (M5): within 10 minutes, 3 tries, once.

    Raises WrongCode after it has counted a wrong one, and for every code when none is in force.
    """
    with _locked_call(pk, agent) as call:
        if call.is_verified:
            return call
        if not call.has_code:
            raise WrongCode({"code": NO_CODE})
        is_right = _matches_code(call, code)
        if is_right:
            _verify(call, agent)
        else:
            _count_wrong_code(call, agent)
    if not is_right:
        left = CODE_TRIES - call.code_tries
        raise WrongCode({"code": f"{WRONG_CODE} {_describe_left(left)}"})
    return call


def end_call(pk: int, *, agent: User) -> Call:
    """End the agent's call: from now on its verification counts for nothing. A second time it changes nothing."""
    with locking.locked(CALL_ROW, pk) as call:
        if call.agent_id != agent.pk or call.contact is None:
            raise NotAllowed("La llamada la atiende otra persona.")
        if call.ended_at is None:
            _end(call, agent)
    return call


def note_sale(*, agent: User, caller_name: str, caller_phone: str, note: str, form_key: str | None = None) -> Call:
    """Write down a call about sales of somebody who is not registered: name and phone are enough (M4).

    A second send of the form returns the first call. Raises NotAllowed, Invalid, FormUsed.
    """
    if not ticket_policy.may_take_calls(agent):
        raise NotAllowed("Solo un agente de Factureya atiende llamadas.")
    caller_name, caller_phone = " ".join(caller_name.split()), " ".join(caller_phone.split())
    if not (caller_name and caller_phone):
        raise Invalid({"caller_name": "Escriba el nombre y el teléfono de quien llama."})
    if len(caller_name) > MAX_NAME or len(caller_phone) > MAX_PHONE:
        raise Invalid({"caller_name": f"El nombre va en {MAX_NAME} caracteres, y el teléfono en {MAX_PHONE}."})
    columns = {"kind": Call.Kind.SALES, "caller_name": caller_name, "caller_phone": caller_phone, "note": note.strip()}
    try:
        with transaction.atomic():
            call = Call.objects.create(agent=agent, form_key=form_key, started_at=now(), **columns)
            _record_first("call.sale_noted", call, agent)
    except IntegrityError:
        call = Call.objects.get(form_key=form_key)
        if (call.agent_id, call.caller_name, call.note) != (agent.pk, caller_name, note.strip()):
            raise FormUsed from None
    return call


def handle_sale(pk: int, *, agent: User) -> Call:
    """Record that somebody called back the person who asked about sales (M4). A second time it changes nothing."""
    with locking.locked(CALL_ROW, pk) as call:
        if not ticket_policy.may_take_calls(agent) or call.contact_id is not None:
            raise NotAllowed("Solo un agente de Factureya atiende llamadas.")
        if call.handled_at is None:
            call.handled_at, call.handled_by = now(), agent
            call.save(update_fields=["handled_at", "handled_by"])
            _record("call.handled", call, agent)
    return call


def record_look(call: Call, *, agent: User, shown: list[str]) -> Event:
    """Record that the agent's page of the call showed these things of the customer, and return the event (M5, M26)."""
    with transaction.atomic():
        is_verified = call.is_verified
        return audit.record(
            "call.looked", call, actor=agent, customer=call.customer_id, verified=is_verified, shown=shown
        )


def record_search(agent: User, *, query: str, people: list[int]) -> Event:
    """Record that an agent looked for who calls, and the keys of the people that the page showed (M5, M26)."""
    with transaction.atomic():
        return audit.record("caller.searched", agent, actor=agent, query=query, people=people)


@contextmanager
def locked_verified_call(pk: int, agent: User) -> Iterator[Call]:
    """Open a transaction and yield the agent's verified call, locked, for what may be done in it only then (M5).

    Raises NotAllowed if it is not verified, WrongStatus if it is over.
    """
    with _locked_call(pk, agent) as call:
        policy.require_verified(call)
        yield call


@contextmanager
def locked_open_call(pk: int, agent: User) -> Iterator[Call]:
    """Open a transaction and yield the agent's call, locked, verified or not; raise NotAllowed if he may not use it."""
    with _locked_call(pk, agent) as call:
        yield call


def record_problem(call: Call, agent: User, ticket: Ticket, kind: str) -> None:
    """Record in the call which ticket its problem went to, once for each, and whether it is about sales (M4)."""
    if call.events().filter(verb="call.problem_noted", data__ticket=ticket.number).exists():
        return
    call.kind = kind
    call.save(update_fields=["kind"])
    _record("call.problem_noted", call, agent, ticket=ticket.number, verified=call.is_verified)


def _resume_call(agent: User, contact: User, ticket_pk: int | None) -> Call | None:
    """Return the open call of this agent and contact about the same ticket; end one that is over or about another."""
    call = CALL_ROW.filter(agent=agent, contact=contact, ended_at=None).first()
    if call is None:
        return None
    call = locking.lock(CALL_ROW, call.pk)
    is_same = call.ticket_id == ticket_pk and not policy.why_not_use(agent, call)
    if call.ended_at is None and is_same:
        return call
    if call.ended_at is None:
        _end(call, agent)
    return None


def _begin_call(agent: User, contact: User, ticket_pk: int | None) -> Call:
    """Insert a new call of this contact with its first event, and return it."""
    membership = contact.membership
    assert membership is not None  # `why_not_start`
    call = Call.objects.create(
        agent=agent, contact=contact, customer_id=membership.customer_id, ticket_id=ticket_pk, started_at=now()
    )
    _record_first("call.started", call, agent)
    return call


@contextmanager
def _locked_call(pk: int, agent: User) -> Iterator[Call]:
    """Open a transaction and yield the call, locked and read again. Raises NotAllowed if the agent may not use it."""
    with locking.locked(CALL_ROW, pk) as call:
        if reason := policy.why_not_use(agent, call):
            raise NotAllowed(reason)
        yield call


def _count_code(address: str, agent: User) -> None:
    """Count one more code to this mailbox and of this agent. Raises WrongStatus beyond the limits of an hour."""
    is_below = sql.count_one_more(f"call-codes:{address.lower()}", CODES_PER_MAILBOX, HOUR)
    if not (is_below and sql.count_one_more(f"call-agent:{agent.pk}", CODES_PER_AGENT, HOUR)):
        raise WrongStatus(TOO_MANY)


def _verify(call: Call, agent: User) -> None:
    """Use the code up and set the call verified, after its event, for which the database asks."""
    call.verified_at, call.code_digest = now(), ""
    _record("call.verified", call, agent, to=call.code_to)
    call.save(update_fields=["verified_at", "code_digest"])


def _count_wrong_code(call: Call, agent: User) -> None:
    """Count a wrong code; beyond the day's limit of this contact, in whatever calls, the code has no tries left."""
    is_below = sql.count_one_more(f"call-wrong:{call.contact_id}", WRONG_PER_CONTACT, DAY)
    call.code_tries = call.code_tries + 1 if is_below else CODE_TRIES
    call.save(update_fields=["code_tries"])
    _record("call.code_wrong", call, agent, tries=call.code_tries)


def _end(call: Call, agent: User) -> None:
    """Set the call ended, with its event; its code works no more."""
    call.ended_at, call.code_digest = now(), ""
    call.save(update_fields=["ended_at", "code_digest"])
    _record("call.ended", call, agent)


def _digest_code(call: Call, code: str) -> str:
    """Return the keyed hash of a code, bound to this call, its mailbox and the instant it was sent."""
    return own_links.make_digest(CODE_SALT, _compose_code_text(call, code))


def _matches_code(call: Call, code: str) -> bool:
    """Return whether this is the code of the call; spaces and hyphens in what was typed do not count."""
    digits = "".join(character for character in code[:40] if character.isascii() and character.isdigit())
    return own_links.matches_digest(CODE_SALT, _compose_code_text(call, digits), call.code_digest)


def _compose_code_text(call: Call, digits: str) -> str:
    """Return the text that is hashed for a code."""
    assert call.code_sent_at is not None
    return f"{call.pk}:{call.code_to}:{call.code_sent_at.timestamp():.3f}:{digits}"


def _describe_left(left: int) -> str:
    """Return in words how many tries the code has left."""
    if left == 0:
        return "Ya no quedan intentos: envíe otro."
    return "Queda 1 intento." if left == 1 else f"Quedan {left} intentos."


def _record(verb: str, call: Call, agent: User, **data: object) -> Event:
    """Append an event with the whole row to the call's chain, and return it."""
    return audit.record(verb, call, actor=agent, rows={CALL: describe_call(call)}, **data)


def _record_first(verb: str, call: Call, agent: User) -> Event:
    """Write the first event of a call that was just inserted, and return it."""
    return audit.record_first(verb, call, actor=agent, rows={CALL: describe_call(call)})
