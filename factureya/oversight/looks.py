"""Record what Auditoría looks at: tickets, companies, people, requests, emergencies and files (M26)."""

from collections.abc import Callable
from typing import Any, TypeGuard

from django.http import HttpRequest

from accounts.models import Customer, User
from change_requests.packages.models import PackageFile
from factureya.core.models import Attachment
from factureya.oversight import reading
from tickets.models import Ticket

STAFF_PAGES = ("/admin/", "/control/")
FILE_ARGUMENT = "token"  # the secret part of a file's address, in no event
RECORDS_ITSELF = "oversight"  # the pages of the log record their own readings


def record_look(request: HttpRequest) -> None:
    """Record the staff page or the file that a request showed, if the reader is Auditoría (M26).

    The same object leaves one event in ten minutes. The pages of the log record their own readings. Requests of other
    people write nothing here; a middleware of its own records those of an emergency account (M23).
    """
    match, reader = request.resolver_match, request.user
    if request.method != "GET" or match is None or match.namespace == RECORDS_ITSELF:
        return
    is_private = FILE_ARGUMENT in match.kwargs or request.path_info.startswith(STAFF_PAGES)
    if is_private and is_auditor(reader):
        reading.record_reading(reader, "log.looked", object=name_object(request))


def is_auditor(person: Any) -> TypeGuard[User]:
    """Return True if this person is signed in and reads everything as Auditoría, not as an emergency account."""
    return isinstance(person, User) and not person.is_emergency and person.reads_all


def name_object(request: HttpRequest) -> str:
    """Return what a request looked at: its file, its object by number or name, or else the page's address.

    A number of more than 18 digits is the key of no object: the database would refuse to look for it.
    """
    match = request.resolver_match
    assert match is not None
    if token := match.kwargs.get(FILE_ARGUMENT):
        file = _find_file(token)
        return f"Archivo {file.name}, huella {file.sha256}" if file else "Archivo"
    key = str(match.kwargs.get("object_id") or match.kwargs.get("pk") or "")
    find_name = _NAMES.get(match.url_name or "")
    name = find_name(int(key)) if find_name and key.isascii() and key.isdigit() and len(key) < 19 else ""
    return name or request.path_info


def _find_file(token: str) -> Attachment | PackageFile | None:
    """Return the file with this token, one that people sent or one of a package; None if there is none."""
    for files in (Attachment.objects, PackageFile.objects):
        file: Attachment | PackageFile | None = files.filter(token=token).only("name", "sha256").first()
        if file is not None:
            return file
    return None


def _name_ticket(pk: int) -> str:
    return f"Ticket {Ticket.objects.filter(pk=pk).values_list('number', flat=True).first() or pk}"


def _name_customer(pk: int) -> str:
    return f"Cliente {Customer.objects.filter(pk=pk).values_list('rfc', flat=True).first() or pk}"


def _name_person(pk: int) -> str:
    return f"Persona {User.objects.filter(pk=pk).values_list('email', flat=True).first() or pk}"


_NAMES: dict[str, Callable[[int], str]] = {
    "tickets_ticket_change": _name_ticket,
    "accounts_customer_change": _name_customer,
    "accounts_customertoverify_change": _name_customer,
    "accounts_user_change": _name_person,
}
