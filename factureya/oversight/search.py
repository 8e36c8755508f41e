"""Find the events that somebody looks for, by person, object, verb and dates, newest first (M26).

A page takes a fixed number of queries: the search text is resolved to keys first, then one list for each index is read
up to one page and merged. Nothing is counted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Contact, User
from change_requests.models import FormalRequest, find_folio
from factureya.core import keyset, numbers
from factureya.core.models import Event
from factureya.oversight.verbs import Group, list_verbs
from tickets.desk.queue import find_customers
from tickets.models import NUMBER_PREFIX, Ticket, chain_of

MAX_QUERY = 100  # characters of a search
MAX_CUSTOMERS, MAX_PEOPLE = 20, 50
MAX_SUBJECTS = 2000  # tickets and requests of the companies found
NEWEST_FIRST = keyset.Order("at", is_descending=True)
GRANT_PREFIX = "EM"
_CHAIN = re.compile(r"[a-z_-]{2,20}:[\w.-]{1,58}")


@dataclass(frozen=True)
class LogQuery:
    """Hold what the page's address asks for; an unknown value counts as absent."""

    text: str = ""
    group: Group | None = None
    first_day: date | None = None
    last_day: date | None = None
    cursor: keyset.Cursor | None = None

    @classmethod
    def parse(cls, address: Mapping[str, str]) -> "LogQuery":
        """Return what the log page's address asks for: text, group of verbs, days, and where the page begins."""
        group = address.get("que", "")
        return cls(
            " ".join(address.get("q", "").replace("\0", "").split())[:MAX_QUERY],
            Group(group) if group in Group.values else None,
            read_day(address.get("de", "")),
            read_day(address.get("a", "")),
            NEWEST_FIRST.read_from(address),
        )

    @property
    def filters(self) -> dict[str, str]:
        """Return the filters that are set, by their names in the address and in the recorded reading; not the page."""
        values = {
            "q": self.text,
            "que": self.group.value if self.group else "",
            "de": self.first_day.isoformat() if self.first_day else "",
            "a": self.last_day.isoformat() if self.last_day else "",
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True)
class Scope:
    """Hold what a search text stands for: chains of events, and people who acted. `is_cut`: there are more objects."""

    chains: list[str] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    is_cut: bool = False


def read_page(query: LogQuery, scope: Scope | None) -> keyset.Page[Event]:
    """Return the page of events that the query asks for; `scope` is what its text stands for, None without a text."""
    return keyset.page(NEWEST_FIRST, query.cursor, *select_lists(query, scope))


def select_lists(query: LogQuery, scope: Scope | None) -> list[QuerySet[Event]]:
    """Return the lists of events that are merged into one page: what the people did, and what happened to the objects.

    An index serves each list, and no event is in both. Without a search text (`scope` is None) it is one list.
    """
    events = select_period(query.first_day, query.last_day).select_related("actor")
    if query.group:
        events = events.filter(verb__in=list_verbs(query.group))
    if scope is None:
        return [events]
    is_by_others = Q(actor__isnull=True) | ~Q(actor__in=scope.people)
    return [events.filter(actor__in=scope.people), events.filter(is_by_others, chain__in=scope.chains)]


def select_period(first_day: date | None, last_day: date | None) -> QuerySet[Event]:
    """Return the events of these local days, both included; None sets no limit at that end."""
    events = Event.objects.all()
    if first_day:
        events = events.filter(at__gte=begin_day(first_day))
    return events.filter(at__lt=begin_day(last_day + timedelta(days=1))) if last_day else events


def begin_day(day: date) -> datetime:
    """Return the instant at which a local day begins."""
    return timezone.make_aware(datetime.combine(day, time.min))


def read_day(text: str) -> date | None:
    """Return the day that an address holds as «2026-11-24», or None for other text or a year not from 2000 to 2200."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2200 else None


def find_scope(text: str) -> Scope | None:
    """Return what a search text stands for, or None for an empty one.

    A ticket's number, a folio or the whole name of a chain («customer:12») is that object. Anything else is a person,
    by mail or words of the name, and a company, by RFC, mail or words of the name, with all its tickets and requests.
    """
    if not text:
        return None
    if chain := _find_chain(text):
        return Scope([chain])
    people = _find_people(text)
    customers = [customer.pk for customer in find_customers(text, MAX_CUSTOMERS)]
    chains, is_cut = _list_chains(customers)
    return Scope([*chains, *(f"user:{pk}" for pk in people)], people, is_cut)


def _find_chain(text: str) -> str | None:
    """Return the chain of the object that the text names by number, folio or chain; None for any other text."""
    if _CHAIN.fullmatch(text):
        return text
    if folio := find_folio(text):
        pk = FormalRequest.objects.filter(folio=folio).values_list("pk", flat=True).first()
        return f"request:{pk or 0}"  # 0: no request has this folio; that chain has no events
    if text[:2].upper() == GRANT_PREFIX and (number := _read_number(GRANT_PREFIX, text)):
        return f"grant:{number}"
    number = _read_number(NUMBER_PREFIX, text)
    return chain_of(number) if number else None


def _read_number(prefix: str, text: str) -> str:
    """Return the number with this prefix that a person typed, or an empty text if it cannot be one."""
    try:
        return numbers.parse_number(prefix, text)
    except numbers.InvalidNumber:
        return ""


def _find_people(text: str) -> list[int]:
    """Return the keys of the people with this mail, or whose name contains every word; no more than MAX_PEOPLE."""
    has_words = Q()
    for word in text.split():
        has_words &= Q(full_name__icontains=word)
    matching = User.objects.filter(Q(email=text.lower()) | has_words).order_by("pk")
    return list(matching.values_list("pk", flat=True)[:MAX_PEOPLE])


def _list_chains(customers: list[int]) -> tuple[list[str], bool]:
    """Return the chains of these companies with their people, tickets and requests, and whether there are more.

    Of tickets and of requests the newest MAX_SUBJECTS are taken.
    """
    if not customers:
        return [], False
    one_more = MAX_SUBJECTS + 1
    tickets = Ticket.objects.filter(customer__in=customers).order_by("-pk").values_list("number", flat=True)[:one_more]
    requests = FormalRequest.objects.filter(customer__in=customers).order_by("-pk").values_list("pk", flat=True)
    people = Contact.objects.filter(customer__in=customers).values_list("user", flat=True)[:MAX_SUBJECTS]
    ticket_numbers, request_keys = list(tickets), list(requests[:one_more])
    chains = [f"customer:{pk}" for pk in customers]
    chains += [f"user:{pk}" for pk in people]
    chains += [chain_of(number) for number in ticket_numbers[:MAX_SUBJECTS]]
    chains += [f"request:{pk}" for pk in request_keys[:MAX_SUBJECTS]]
    return chains, max(len(ticket_numbers), len(request_keys)) > MAX_SUBJECTS
