"""Say what a request inside an emergency is about to do: where it may go, on what, and what is written down (M23, M26).

No password, half, token or code is written down, neither by its name nor by its shape.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.urls import Resolver404, resolve

from accounts.models import Customer
from accounts.web.proofs import read_client_ip
from change_requests.emergency.halves import HIDDEN, hide_halves
from change_requests.emergency.models import EmergencyGrant
from change_requests.emergency.operations import Act

INSIDE = "/control/emergencias/uso/"  # the pages of the emergency itself
LOGOUT, FILE = "account_logout", "tickets:file"
CUSTOMER_PAGE, TICKET_PAGE = "admin:accounts_customer_change", "admin:tickets_ticket_change"
READING = ("GET", "HEAD")
# The fields of the pages inside, which are kept whole: a POST there has these alone, each once.
FORM_FIELDS = ("csrfmiddlewaretoken", "field", "new", "reason", "step")
FORM_CHARACTERS = 8000  # more than any of them may have
MOST_CHARACTERS, MOST_FIELDS, MOST_VALUES = 200, 50, 20
UNREAD, MORE, A_FILE = "(no se pudo leer)", "(campos que no caben)", "(archivo)"
_UNREADABLE = (SuspiciousOperation, BadRequest, MultiPartParserError, UnreadablePostError, LookupError, ValueError)
_SECRET_NAME = re.compile(r"pass|contras|clave|half|mitad|token|csrf|code|codigo|código|secret|\bkey\b|_key|otp", re.I)


@dataclass(frozen=True)
class Target:
    """Hold where a request goes: the view's name, what it is about, and whether the emergency may and should go there.

    A page may be open to the emergency and yet be *no previsto*: another ticket of the same customer.
    """

    verb: str
    object_text: str = ""
    is_allowed: bool = False
    is_foreseen: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """Hold what a request sent, as the record keeps it, and whether a view may read it: nothing of it is left out."""

    fields: dict[str, Any]
    body_sha256: str = ""
    is_clear: bool = True


def find_target(request: HttpRequest, grant: EmergencyGrant) -> Target:
    """Return which page a request asks for, whether the emergency may use it, and whether that was foreseen.

    It may use its own pages, log out, and read its customer's page, tickets and files. Another ticket than its incident
    is allowed, but not foreseen: whoever reviews the emergency sees that.
    """
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return Target("(sin página)")  # no such page: refused
    name, arguments, is_reading = match.view_name, match.kwargs, request.method in READING
    if request.path_info.startswith(INSIDE):
        return Target(name, f"Cliente {grant.customer.rfc}", True, True, arguments)  # both True: allowed, and foreseen
    if name == LOGOUT:
        return Target(name, "", True, True, arguments)
    if name == CUSTOMER_PAGE:
        is_own = arguments["pk"] == grant.customer_id
        return Target(name, _name_customer(arguments["pk"]), is_reading and is_own, is_reading and is_own, arguments)
    if name in (TICKET_PAGE, FILE):
        text, number, customer_pk = _find_ticket(**arguments) if name == TICKET_PAGE else _find_file(**arguments)
        is_own = is_reading and customer_pk == grant.customer_id
        return Target(name, text, is_own, is_own and number == grant.incident, arguments)  # another one: unforeseen
    return Target(name, arguments=arguments)  # every other page: by default neither allowed nor foreseen


def read_sent(request: HttpRequest) -> Sent:
    """Return what a request sent; `is_clear` is False if it cannot be read, or holds what our pages never send."""
    body_sha256 = ""
    try:
        body = request.body
        body_sha256 = hashlib.sha256(body).hexdigest() if body else ""
        is_clear = not request.path_info.startswith(INSIDE) or _is_of_our_pages(request)  # other pages are not checked
        return Sent(redact(request), body_sha256, is_clear)
    except _UNREADABLE as problem:  # too long, too many fields, no boundary, an unknown encoding
        return Sent({UNREAD: type(problem).__name__}, body_sha256, is_clear=False)


def describe_act(request: HttpRequest, target: Target, sent: Sent) -> Act:
    """Return what the record keeps of a request before its view runs; what looks secret is hidden."""
    return Act(
        verb=target.verb,
        method=request.method or "",
        path=_hide_secrets(request.path_info, target),
        object_text=hide_halves(target.object_text),
        fields=sent.fields,
        body_sha256=sent.body_sha256,
        client=_describe_client(request),
        request_id=uuid.uuid4().hex,
        is_foreseen=target.is_foreseen and sent.is_clear,
    )


def describe_entry(request: HttpRequest) -> Act:
    """Return what is written down when the operator's session becomes that of the emergency: from where."""
    return Act(verb="(entrar)", object_text="Entró con su propia sesión", client=_describe_client(request))


def redact(request: HttpRequest) -> dict[str, Any]:
    """Return a request's fields as the record keeps them: secrets hidden, long values cut, at most MOST_FIELDS of them.

    In a POST, «?» begins a name from the address. Under one name, files stand before texts, as a view reads the last.
    """
    sent: dict[str, list[str]] = {}
    address_prefix = "?" if request.method == "POST" else ""
    for data, prefix in ((request.GET, address_prefix), (request.FILES, ""), (request.POST, "")):
        for name, values in data.lists():
            sent.setdefault(prefix + _clean_name(name), []).extend(_clean_values(name, values))
    names = sorted(sent, key=lambda name: name not in FORM_FIELDS)  # FORM_FIELDS first, so that none is left out
    kept: dict[str, Any] = {name: _shorten(sent[name]) for name in names[:MOST_FIELDS]}
    return kept if len(names) <= MOST_FIELDS else {**kept, MORE: len(names) - MOST_FIELDS}  # how many were left out


def _is_of_our_pages(request: HttpRequest) -> bool:
    """Return True if a form has only fields that the pages inside have, each once and not too long, and no file."""
    return not request.FILES and all(
        name in FORM_FIELDS and len(values) == 1 and len(values[0]) <= FORM_CHARACTERS
        for name, values in request.POST.lists()
    )


def _clean_name(name: str) -> str:
    """Return a field's name as the record keeps it; «…» ends a changed one, so that it is not taken for another."""
    cleaned = _clean_text(name)[:MOST_CHARACTERS]
    return cleaned if cleaned == name else f"{cleaned}…"


def _clean_values(name: str, values: Iterable[Any]) -> list[str]:
    """Return a field's values as the record keeps them: texts cut; HIDDEN for a secret field, A_FILE for a file."""
    if _SECRET_NAME.search(name):
        return [HIDDEN]
    most_characters = FORM_CHARACTERS if name in FORM_FIELDS else MOST_CHARACTERS
    return [_clean_text(value)[:most_characters] if isinstance(value, str) else A_FILE for value in values]


def _clean_text(text: str) -> str:
    """Return a text without halves, nor NULs, nor what is no character (an encoding may make half a pair)."""
    return hide_halves(text.replace("\0", "").encode("utf-8", "replace").decode())


def _shorten(values: list[str]) -> str | list[str]:
    """Return a field's one value, or its list of values; of a long list the last, after a text that counts the rest."""
    if len(values) > MOST_VALUES:
        return [f"({len(values) - MOST_VALUES} antes)", *values[-MOST_VALUES:]]
    return values[0] if len(values) == 1 else values


def _hide_secrets(path: str, target: Target) -> str:
    """Return the path without secret arguments, such as a token, and without what looks like half a password."""
    for name, value in target.arguments.items():
        if _SECRET_NAME.search(name):
            path = path.replace(str(value), HIDDEN)
    return hide_halves(path.replace("\0", ""))  # PostgreSQL stores no NUL


def _describe_client(request: HttpRequest) -> str:
    """Return from where a request comes: the address and the browser."""
    return hide_halves(f"{read_client_ip(request)} {request.headers.get('User-Agent', '')}".strip())


def _name_customer(pk: int) -> str:
    """Return a customer as the record names it, by its RFC."""
    return f"Cliente {Customer.objects.filter(pk=pk).values_list('rfc', flat=True).first() or pk}"


def _find_ticket(pk: int) -> tuple[str, str, int | None]:
    """Return the record's name of a ticket, its number and its customer's key; `pk` and None if there is no ticket."""
    tickets = apps.get_model("tickets", "Ticket")._base_manager.filter(pk=pk)  # this app imports nothing of tickets
    number, customer_pk = tickets.values_list("number", "customer_id").first() or (str(pk), None)
    return f"Ticket {number}", number, customer_pk


def _find_file(token: str) -> tuple[str, str, int | None]:
    """Return the record's name of a ticket's file (with its hash), the ticket's number and the customer's key."""
    files = apps.get_model("tickets", "TicketFile")._base_manager.filter(attachment__token=token)
    file_row = files.values_list("attachment__sha256", "ticket__number", "ticket__customer_id").first()
    if file_row is None:
        return "Archivo desconocido", "", None
    return f"Archivo {file_row[0][:16]} de {file_row[1]}", file_row[1], file_row[2]  # [0] hash, [1] number
