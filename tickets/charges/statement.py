"""Make a company's statement of a month: what was charged, what was not, and why (M18).

A charge costs what was worked on it, and never more than was accepted. A month is charged the difference between what
a charge had cost at its end and at its beginning, so all months of a charge add up to its cost, to the cent. A finished
month never changes: it is made of instants, and a later correction falls into the month in which it is made.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet, Sum

from accounts.models import Customer
from factureya.core import clock
from tickets.charges import money
from tickets.charges.models import ChargeProposal, TimeEntry
from tickets.charges.months import Month

Status = ChargeProposal.Status


@dataclass(frozen=True)
class Row:
    """Hold a charge in a month's statement; minutes and amounts are those of this month alone."""

    charge: ChargeProposal
    state: str  # at the month's end, or now
    minutes: int = 0
    worked: int = 0  # all minutes noted on the charge until then, also those that are not charged
    subtotal_cents: int = 0
    tax_cents: int = 0

    @property
    def total_cents(self) -> int:
        """Return what the charge costs in this month, with IVA."""
        return self.subtotal_cents + self.tax_cents

    @property
    def is_accepted(self) -> bool:
        """Return whether the charge was accepted by then."""
        return self.state == Status.ACCEPTED

    @property
    def is_undecided(self) -> bool:
        """Return whether the charge could still be decided then."""
        return self.state == Status.PROPOSED

    @property
    def state_label(self) -> str:
        """Return the state in words."""
        return str(Status(self.state).label)

    @property
    def amount(self) -> str:
        """Return the column «Importe»: the subtotal, or why there is none."""
        if self.is_undecided:
            return "Por decidir"
        return money.format_cents(self.subtotal_cents) if self.is_accepted else "Sin cargo"

    @property
    def time(self) -> str:
        """Return the column «Tiempo»: the charged minutes, and of how many if fewer; else the proposed ones."""
        if not self.is_accepted or self.minutes == self.charge.minutes:
            return f"{self.charge.minutes} min"
        return f"{self.minutes} de {self.charge.minutes} min"

    @property
    def decision(self) -> str:
        """Return who decided or withdrew the charge; empty if nobody did by then."""
        person = self.charge.ended_by
        return person.get_full_name() if person and not self.is_undecided and self.state != Status.LAPSED else ""


@dataclass(frozen=True)
class Statement:
    """Hold the statement of a company for a month; the totals are the sums of its rows."""

    customer: Customer
    month: Month
    rows: Sequence[Row]
    is_finished: bool
    free_tickets: int = 0
    free_minutes: int = 0

    @property
    def subtotal_cents(self) -> int:
        """Return the sum of the rows without IVA."""
        return sum(row.subtotal_cents for row in self.rows)

    @property
    def tax_cents(self) -> int:
        """Return the sum of the rows' IVA."""
        return sum(row.tax_cents for row in self.rows)

    @property
    def total_cents(self) -> int:
        """Return what is to be paid for the month."""
        return sum(row.total_cents for row in self.rows)

    @property
    def charged(self) -> list[Row]:
        """Return the rows that cost something."""
        return [row for row in self.rows if row.total_cents]

    @property
    def undecided(self) -> list[Row]:
        """Return the rows that wait for a decision."""
        return [row for row in self.rows if row.is_undecided]

    @property
    def tax_label(self) -> str:
        """Return «IVA 16 %», without the rate if the rows have several."""
        rates = {row.charge.tax_rate for row in self.charged}
        return f"IVA {money.format_rate(rates.pop())}" if len(rates) == 1 else "IVA"


def read_statement(customer: Customer, month: Month) -> Statement:
    """Return the statement of a company for a month; three queries, however many rows it has."""
    charges = _select_charges(month, ticket__customer=customer)
    free = _select_free_time(month, ticket__customer=customer)
    totals = free.aggregate(tickets=Count("ticket", distinct=True), minutes=Sum("minutes"))
    return build_statement(
        customer,
        month,
        [(charge, charge.time_entries.all()) for charge in charges],
        free_tickets=totals["tickets"],
        free_minutes=totals["minutes"] or 0,
    )


def read_statements(month: Month) -> list[Statement]:
    """Return the statement of each company that has charges in a month, by name; without the work that was free."""
    by_customer: dict[Customer, list[ChargeProposal]] = defaultdict(list)
    for charge in _select_charges(month):
        by_customer[charge.ticket.customer].append(charge)
    statements = [
        build_statement(customer, month, [(charge, charge.time_entries.all()) for charge in charges])
        for customer, charges in by_customer.items()
    ]
    with_rows = [statement for statement in statements if statement.rows]
    return sorted(with_rows, key=lambda statement: (statement.customer.legal_name, statement.customer.pk))


def build_statement(
    customer: Customer,
    month: Month,
    charges: Iterable[tuple[ChargeProposal, Iterable[TimeEntry]]],
    *,
    free_tickets: int = 0,
    free_minutes: int = 0,
) -> Statement:
    """Return the statement of a month made of these charges, each with the minutes noted on it; it asks nothing."""
    until = min(month.end, clock.now())
    made = [(charge, _build_row(charge, list(entries), month, until)) for charge, entries in charges]
    rows = [row for charge, row in made if _belongs(charge, row, month)]
    rows.sort(key=lambda row: (row.charge.proposed_at, row.charge.pk or 0))
    return Statement(customer, month, rows, until == month.end, free_tickets, free_minutes)


def compute_cost(charge: ChargeProposal, minutes: int) -> tuple[int, int]:
    """Return the cents and the IVA that these minutes of a charge cost: never more than was accepted."""
    if minutes >= charge.minutes:
        return charge.subtotal_cents, charge.tax_cents
    subtotal = min(money.compute_amount(minutes, charge.rate_cents), charge.subtotal_cents)
    return subtotal, money.compute_tax(subtotal, charge.tax_rate)


def count_minutes(entries: Iterable[TimeEntry], instant: datetime) -> int:
    """Return the minutes that were noted until an instant and not voided by then."""
    return sum(
        entry.minutes
        for entry in entries
        if entry.created_at <= instant and (entry.voided_at is None or entry.voided_at > instant)
    )


def count_charged(charge: ChargeProposal, worked: int) -> int:
    """Return how many of the minutes worked on a charge are charged."""
    return min(worked, charge.minutes)


def _build_row(charge: ChargeProposal, entries: Sequence[TimeEntry], month: Month, until: datetime) -> Row:
    """Return the row of a charge: what it had cost at `until`, less what it had cost before the month."""
    state = charge.find_state(until)
    if state != Status.ACCEPTED:
        return Row(charge, state)
    worked, worked_before = count_minutes(entries, until), count_minutes(entries, month.before)
    (subtotal, tax), (subtotal_before, tax_before) = (
        compute_cost(charge, minutes) for minutes in (worked, worked_before)
    )
    minutes = count_charged(charge, worked) - count_charged(charge, worked_before)
    return Row(charge, state, minutes, worked, subtotal - subtotal_before, tax - tax_before)


def _belongs(charge: ChargeProposal, row: Row, month: Month) -> bool:
    """Return whether a row stands in the statement: proposed, decided or worked in the month, or still undecided."""
    instants = [charge.proposed_at, *([charge.ended_at] if charge.ended_at else [])]
    is_of_month = any(month.start <= instant <= month.end for instant in instants)
    return is_of_month or row.is_undecided or bool(row.minutes or row.total_cents)


def _select_charges(month: Month, **of_whom: Customer) -> QuerySet[ChargeProposal]:
    """Select the charges that can stand in the statement of a month; `of_whom` is the company, by default all."""
    worked = TimeEntry.objects.filter(charge__isnull=False, **of_whom)
    worked = worked.filter(Q(created_at__range=(month.start, month.end)) | Q(voided_at__range=(month.start, month.end)))
    proposed = ChargeProposal.objects.filter(proposed_at__lte=month.end, **of_whom)
    is_near = Q(proposed_at__gte=month.start) | Q(ended_at__gte=month.start) | Q(status=Status.PROPOSED)
    charges = proposed.filter(is_near | Q(pk__in=worked.values("charge")))
    return charges.select_related("ticket__customer", "ended_by", "proposed_by").prefetch_related("time_entries")


def _select_free_time(month: Month, **of_whom: Customer) -> QuerySet[TimeEntry]:
    """Select the minutes of a month that are on no charge, and were not voided by its end."""
    entries = TimeEntry.objects.filter(charge=None, created_at__range=(month.start, month.end), **of_whom)
    return entries.filter(Q(voided_at__isnull=True) | Q(voided_at__gt=month.end))
