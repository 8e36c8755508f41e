"""Find who calls by what an agent hears: a name, a phone, an RFC or a mail; accents do not count (M3, M5).

Nobody is verified here: of mail and phone only so much is shown as the agent needs to tell two people apart.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Replace

from accounts.models import Contact, User
from accounts.policy import add_powers
from factureya.core.clock import now
from tickets import sql
from tickets.desk.queue import MAX_QUERY, find_customers, plain_column
from tickets.models import Ticket

MAX_CALLERS, MAX_COMPANIES, MAX_COUNTED = 30, 10, 1000
DOTS = "•••••"
_LEAST_DIGITS = 4  # of a phone: fewer would match everybody's


@dataclass(frozen=True)
class Caller:
    """Hold a person whom the search found, as the page shows him."""

    pk: int
    name: str
    standing: str
    company: str
    rfc: str
    is_verified_company: bool
    phone: str
    mail: str
    tickets: int
    late: int  # of these tickets, those whose reply is overdue


def read_query(text: str) -> str:
    """Return what was typed into the search: one line, without NUL, of at most MAX_QUERY characters."""
    return " ".join(text.replace("\0", "").split())[:MAX_QUERY]


def find_callers(query: str, agent: User) -> list[Caller]:
    """Return at most MAX_CALLERS active contacts that the query finds: first who has open tickets; [] for no query.

    Each word must be in the person's name, the company's name or its phone. A mail, an RFC or a ticket number finds
    by itself.
    """
    if not query:
        return []
    contacts = Contact.objects.alias(
        plain_name=plain_column("user__full_name"),
        plain_company=plain_column("customer__legal_name"),
        plain_phone=_plain_phone("customer__phone"),
    )
    own_tickets = Ticket.objects.unmerged().filter(requester=OuterRef("user")).exclude(status=Ticket.Status.CLOSED)
    found: QuerySet[Contact] = contacts.filter(_match(query, agent), user__is_active=True, user__is_staff=False)
    rows = add_powers(found.select_related("user", "customer")).annotate(is_waiting=Exists(own_tickets))
    shown = list(rows.order_by("-is_waiting", "user__full_name", "pk")[:MAX_CALLERS])
    tickets, late = _count_tickets([contact.user_id for contact in shown])
    return [_build_caller(contact, tickets[contact.user_id], late[contact.user_id]) for contact in shown]


def mask_mail(address: str) -> str:
    """Return a mail address of which only the first three characters and the domain can be read."""
    local, _, domain = address.partition("@")
    return f"{local[: min(3, len(local) - 1)]}{DOTS}@{domain}"


def mask_phone(phone: str) -> str:
    """Return a phone of which only the last four digits can be read; "" for none."""
    digits = re.sub(r"\D", "", phone)
    return f"{DOTS} {digits[-4:]}" if len(digits) > _LEAST_DIGITS else ""


def _match(query: str, agent: User) -> Q:
    """Return the condition that a contact is found by this text."""
    companies = [company.pk for company in find_customers(query, MAX_COMPANIES)]
    condition = Q(user__email=query.lower()) | Q(customer__in=companies)
    if ticket := Ticket.objects.visible_to(agent).find_by_number(query):
        condition |= Q(user=ticket.requester_id)
    digits = re.sub(r"\D", "", query)
    if digits and re.fullmatch(r"[\d\s()+.-]+", query):  # a phone, in whatever pieces it was said
        return condition | Q(plain_phone__contains=digits) if len(digits) >= _LEAST_DIGITS else condition
    if words := sql.split_words(query):
        condition |= _match_words(words)
    return condition


def _match_words(words: Sequence[str]) -> Q:
    """Return the condition that each word is in the contact's name or company, or, of digits, in its phone."""
    every_word = Q()
    for word in words:
        in_text = Q(plain_name__contains=word) | Q(plain_company__contains=word)
        every_word &= in_text | Q(plain_phone__contains=word) if word.isdigit() else in_text
    return every_word


def _plain_phone(column: str) -> Func | F:
    """Return the SQL for a phone without blanks and signs."""
    expression: Func | F = F(column)
    for sign in " -().+":
        expression = Replace(expression, Value(sign), Value(""))
    return expression


def _count_tickets(people: Sequence[int]) -> tuple[Counter[int], Counter[int]]:
    """Return how many open tickets each of these people has, by key, and of how many the reply is overdue; one query.

    MAX_COUNTED tickets are counted in all, first those whose reply is due first.
    """
    active = Ticket.objects.unmerged().filter(requester__in=people).exclude(status=Ticket.Status.CLOSED)
    by_due = active.order_by(F("reply_due_at").asc(nulls_last=True), "pk")
    rows = list(by_due.values_list("requester", "reply_due_at")[:MAX_COUNTED])
    instant = now()
    late = Counter(person for person, due in rows if due is not None and due < instant)
    return Counter(person for person, _due in rows), late


def _build_caller(contact: Contact, tickets: int, late: int) -> Caller:
    """Return a found contact as the page shows him; a name that is a mail address is masked too."""
    person, customer = contact.user, contact.customer
    name = person.get_full_name()
    limited = " · solo sus tickets" if contact.own_tickets_only else ""
    return Caller(
        person.pk,
        mask_mail(name) if "@" in name else name,
        f"{contact.standing}{limited}",
        customer.legal_name,
        customer.rfc,
        customer.is_verified,
        mask_phone(customer.phone),
        mask_mail(person.email),
        tickets,
        late,
    )
