"""Read what the page of a call shows: before the code is right next to nothing, and then what may be told (M5, M16)."""

from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from accounts.models import User
from accounts.policy import add_powers
from tickets import policy
from tickets.calls import operations as calls
from tickets.calls.policy import may_speak_of
from tickets.desk.callers import DOTS, mask_mail
from tickets.desk.pages import workspace_url
from tickets.desk.queue import NOWHERE, Place
from tickets.models import Call, Ticket
from tickets.providers.hiding import hide_in_ticket, hide_mails
from tickets.similar_tickets import select_alike

MAX_TICKETS = 20
MAX_FIRST = 4  # of these tickets, which the page shows at once


@dataclass(frozen=True)
class CallTicket:
    """Hold an open ticket of who calls, with the addresses of its page and of the step that closes it."""

    ticket: Ticket
    url: str
    confirm_url: str


@dataclass(frozen=True)
class CallFacts:
    """Hold what the page of a call may show of the caller; what is not verified yet is empty."""

    call: Call
    name: str
    company: str
    standing: str
    mailboxes: list[tuple[str, str]]
    sent_to: str
    ticket_count: int
    noted: list[str]
    tickets: list[CallTicket] = field(default_factory=list)
    registered: dict[str, str] = field(default_factory=dict)
    customer_url: str = ""
    may_open: bool = True

    @property
    def first_tickets(self) -> list[CallTicket]:
        """Return the open tickets that the page shows at once."""
        return self.tickets[:MAX_FIRST]

    @property
    def other_tickets(self) -> list[CallTicket]:
        """Return the open tickets that the page shows when asked."""
        return self.tickets[MAX_FIRST:]

    @property
    def shown(self) -> list[str]:
        """Return what confidential things the page shows, as the event of the look names them."""
        return [*(row.ticket.number for row in self.tickets), *self.registered]


def read_call(call: Call, agent: User) -> CallFacts:
    """Return what this agent may see of the call: its caller's tickets and data only once it is verified (M5)."""
    contact, customer = call.contact, call.customer
    assert contact is not None
    assert customer is not None
    is_ours = policy.may_take_calls(agent)
    tickets = _list_tickets(call, agent)
    facts: dict[str, Any] = {}
    if call.is_verified:
        facts["tickets"] = [_build_row(ticket, call, agent) for ticket in tickets]
    if call.is_verified and is_ours:
        facts["registered"] = _read_registered(call)
        facts["customer_url"] = reverse("admin:accounts_customer_change", args=[customer.pk])
    name = contact.get_full_name()
    membership = add_powers(type(contact.contact).objects.filter(pk=contact.contact.pk)).get()
    return CallFacts(
        call=call,
        name=_hide_name(name, is_ours),
        company=customer.legal_name if is_ours else hide_mails(customer.legal_name),
        standing=membership.standing,
        mailboxes=_describe_mailboxes(call, is_ours),
        sent_to=_mask(call.code_to, is_ours) if call.code_to else "",
        ticket_count=len(tickets),
        noted=_list_noted(call),
        may_open=is_ours,
        **facts,
    )


def find_alike(facts: CallFacts, subject: str) -> list[CallTicket]:
    """Return the caller's open tickets that this subject is like, the best first (M11); none until he is verified."""
    rows = {row.ticket: row for row in facts.tickets}
    return [rows[ticket] for ticket in select_alike(subject, rows)] if facts.may_open else []


def _list_tickets(call: Call, agent: User) -> list[Ticket]:
    """Return the open tickets that this call may be about: those that both the contact and the agent may see."""
    visible = Ticket.objects.visible_to(call.contact).unmerged().exclude(status=Ticket.Status.CLOSED)
    if call.ticket_id is not None:  # a third party's agent calls about one ticket, wherever it leads by now (M11)
        visible = visible.filter(pk=Ticket.objects.find_survivor_pk(call.ticket_id))
    shown = visible.filter(pk__in=Ticket.objects.visible_to(agent).values("pk")).select_related("assignee", "customer")
    return [ticket for ticket in shown.order_by("-touched_at")[:MAX_TICKETS] if may_speak_of(call, ticket)]


def _build_row(ticket: Ticket, call: Call, agent: User) -> CallTicket:
    """Return an open ticket of who calls as the page shows it."""
    if not policy.may_read_mail(agent, ticket):
        hide_in_ticket(ticket)
    confirm = reverse("admin:tickets_ticket_confirm", args=[ticket.pk])
    return CallTicket(ticket, workspace_url(ticket.pk, Place(NOWHERE)), confirm)


def _read_registered(call: Call) -> dict[str, str]:
    """Return the company's registered data, by label, for a verified call at our own desk."""
    customer = call.customer
    assert customer is not None
    data = {
        "Domicilio fiscal": customer.fiscal_address,
        "Teléfono": customer.phone,
        "Correo registrado": customer.registered_email,
    }
    return {label: value for label, value in data.items() if value}


def _describe_mailboxes(call: Call, is_ours: bool) -> list[tuple[str, str]]:
    """Return each registered address that the code may go to: its name in the form, and how it reads, masked."""
    labels = {calls.COMPANY: "correo registrado de la empresa", calls.PERSON: "correo de quien llama"}
    return [
        (name, f"{labels[name]}, {_mask(address, is_ours)}") for name, address in calls.list_mailboxes(call).items()
    ]


def _mask(address: str, is_ours: bool) -> str:
    """Return an address as the page shows it: masked, and for a third party nothing of it (M3)."""
    return mask_mail(address) if is_ours else DOTS


def _hide_name(name: str, is_ours: bool) -> str:
    """Return a name as the page shows it: one that is a mail address is masked, and for a third party hidden (M3)."""
    if not is_ours:
        return hide_mails(name)
    return mask_mail(name) if "@" in name else name


def _list_noted(call: Call) -> list[str]:
    """Return the numbers of the tickets in which something was noted in this call."""
    noted = call.events().filter(verb="call.problem_noted")
    return list(noted.values_list("data__ticket", flat=True))
