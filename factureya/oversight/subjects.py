"""Name what each event is about, with a link where its reader may open it (M26). One query for each kind of object."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from accounts import policy as accounts_policy
from accounts.models import Customer, User
from change_requests import policy as requests_policy
from change_requests.emergency.models import EmergencyGrant
from change_requests.models import FormalRequest, InformationAsset
from change_requests.packages.models import PackageChange, PackageFile, SupplierPackage
from factureya.core.models import Event
from tickets.models import Call, Ticket

MONTHS_CHAIN, POPULATION_CHAIN = "log", "population"


@dataclass(frozen=True)
class Subject:
    """Hold what an event is about: whose it is (`owner`, may be empty), its name, and its address or ""."""

    name: str
    url: str = ""
    owner: str = ""


Names = dict[str, Subject]
Finder = Callable[[User, list[str]], Names]


def find_subjects(reader: User, chains: Iterable[str]) -> Names:
    """Return the subject of each chain, by the chain's name; a chain of an unknown kind keeps its own name."""
    keys: dict[str, list[str]] = {}
    for chain in sorted(set(chains)):
        kind, _, key = chain.partition(":")
        keys.setdefault(kind, []).append(key)
    subjects: Names = {}
    for kind, kind_keys in keys.items():
        known = _FINDERS[kind](reader, kind_keys) if kind in _FINDERS else {}
        for key in kind_keys:
            name = _CHAIN_NAMES.get(f"{kind}:{key}") or f"{_KIND_NAMES.get(kind, kind)} {key}"
            subjects[f"{kind}:{key}"] = known.get(key) or Subject(name)
    return subjects


def describe_reading(event: Event) -> str:
    """Return what a reading or an export was about, from its filters: «POC150312AB0, del 2026-11-01 al 2026-11-24»."""
    data: dict[str, Any] = event.data
    parts = [str(data[name]) for name in ("q", "que", "event", "object") if data.get(name)]
    if data.get("de") or data.get("a"):
        parts.append(f"del {data.get('de') or 'principio'} al {data.get('a') or 'día de hoy'}")
    return ", ".join(parts) or "Toda la bitácora"


def _select_keys(keys: list[str]) -> list[int]:
    """Return the keys that can be primary keys, as numbers."""
    return [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 19]


def _find_requests(reader: User, keys: list[str]) -> Names:
    """Return the formal requests by key, with the company, and with a link if the reader may read the request."""
    rows = FormalRequest.objects.filter(pk__in=_select_keys(keys)).select_related("customer")
    visible = set(requests_policy.visible_to(reader).filter(pk__in=_select_keys(keys)).values_list("pk", flat=True))
    return {
        str(row.pk): Subject(
            row.folio,
            reverse("control:request", args=[row.folio]) if row.pk in visible else "",
            row.customer.legal_name,
        )
        for row in rows.only("folio", "customer__legal_name")
    }


def _find_tickets(reader: User, keys: list[str]) -> Names:
    """Return the tickets by number, with the company, and with a link if the reader may open the ticket's page."""
    rows = Ticket.objects.filter(number__in=keys).select_related("customer").only("number", "customer__legal_name")
    visible = set(Ticket.objects.visible_to(reader).filter(number__in=keys).values_list("number", flat=True))
    return {
        row.number: Subject(
            row.number,
            reverse("admin:tickets_ticket_change", args=[row.pk]) if row.number in visible else "",
            row.customer.legal_name,
        )
        for row in rows
    }


def _find_customers(reader: User, keys: list[str]) -> Names:
    """Return the companies by key, with a link if the reader may see the list of companies."""
    may_open = accounts_policy.may_see_customers(reader)
    rows = Customer.objects.filter(pk__in=_select_keys(keys)).only("legal_name")
    address = "admin:accounts_customer_change"
    return {str(row.pk): Subject(row.legal_name, reverse(address, args=[row.pk]) if may_open else "") for row in rows}


def _find_people(reader: User, keys: list[str]) -> Names:
    """Return the people by key, with a link if the reader may see all accounts."""
    may_open = accounts_policy.may_read_people(reader)
    rows = User.objects.filter(pk__in=_select_keys(keys)).only("full_name", "email")
    address = "admin:accounts_user_change"
    return {
        str(row.pk): Subject(row.get_full_name(), reverse(address, args=[row.pk]) if may_open else "") for row in rows
    }


def _find_assets(_reader: User, keys: list[str]) -> Names:
    """Return the information assets by their codes, each with a link to the page of all assets and their owners."""
    rows = InformationAsset.objects.filter(code__in=keys)
    return {row.code: Subject(row.name, reverse("control:assets")) for row in rows}


def _find_grants(_reader: User, keys: list[str]) -> Names:
    """Return the emergencies by folio, each with a link, and with the company that it is about, if there is one."""
    rows = EmergencyGrant.objects.filter(folio__in=keys).select_related("customer")
    companies = {row.folio: row.customer.legal_name for row in rows if row.customer}
    return {key: Subject(key, try_address("emergency:grant", key), companies.get(key, "")) for key in keys}


def _find_packages(_reader: User, keys: list[str]) -> Names:
    """Return the suppliers' packages by key, each with a link to its page."""
    rows = SupplierPackage.objects.filter(pk__in=_select_keys(keys)).only("name", "version")
    return {str(row.pk): Subject(str(row), try_address("packages:package", str(row.pk))) for row in rows}


def _find_package_changes(_reader: User, keys: list[str]) -> Names:
    """Return the changes of packages by folio, each with a link, and with the package that it is about."""
    rows = PackageChange.objects.filter(folio__in=keys).select_related("package")
    return {row.folio: Subject(row.folio, try_address("packages:change", row.folio), str(row.package)) for row in rows}


def _find_package_files(_reader: User, keys: list[str]) -> Names:
    """Return the files of packages by token: the name that each was uploaded with."""
    rows = PackageFile.objects.filter(token__in=keys).only("token", "name")
    return {row.token: Subject(f"Archivo {row.name}") for row in rows}


def _find_calls(_reader: User, keys: list[str]) -> Names:
    """Return the phone calls by key, with who called and the company."""
    rows = Call.objects.filter(pk__in=_select_keys(keys)).select_related("contact", "customer")
    names = {str(row.pk): row.contact.get_full_name() if row.contact else row.caller_name for row in rows}
    owners = {str(row.pk): row.customer.legal_name if row.customer else "" for row in rows}
    return {key: Subject(f"Llamada de {name}", owner=owners[key]) for key, name in names.items()}


def _find_log_months(_reader: User, keys: list[str]) -> Names:
    """Return the months of readings, which are about the log itself."""
    return {key: Subject(f"Bitácora, {key}") for key in keys}


def try_address(name: str, *arguments: str) -> str:
    """Return the address of a page, or an empty text if there is no such page."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""


_FINDERS: dict[str, Finder] = {
    "request": _find_requests,
    "request-reading": _find_requests,
    "ticket": _find_tickets,
    "customer": _find_customers,
    "user": _find_people,
    "asset": _find_assets,
    "grant": _find_grants,
    "package": _find_packages,
    "package-change": _find_package_changes,
    "package-file": _find_package_files,
    "call": _find_calls,
    MONTHS_CHAIN: _find_log_months,
}
_KIND_NAMES = {
    "invitation": "Invitación",
    "mail": "Correo recibido",
    "outbox": "Correo por salir",
    "emergency": "Cuenta",
    "emergency-cause": "Causa",
    "package": "Paquete",
    "package-file": "Archivo de un paquete",
    "category": "Categoría",
    "scope": "Fuera de alcance:",
}
_CHAIN_NAMES = {
    "system:guards": "Candados de la base de datos",
    "system:packages": "Archivos de los paquetes",
    "system:anchors": "Anclas de la bitácora",
    f"{POPULATION_CHAIN}:requests": "Solicitudes formales",
}
