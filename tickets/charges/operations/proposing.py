"""Propose a charge to the customer: minutes at a price, and why support is not free this time (M14, M18)."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Max

from accounts.models import User
from factureya.core import audit, clock
from factureya.core.record.state import ROWS
from factureya.core.refusals import Invalid, Refused, WrongStatus
from tickets.catalogue.reading import may_take
from tickets.charges import money, notifications, policy
from tickets.charges.models import MAX_CHARGE_MINUTES, MAX_RATE_CENTS, MAX_REASON, MAX_WORK, ChargeLine, ChargeProposal
from tickets.charges.operations.deciding import end_charge
from tickets.charges.record import CHARGE, describe_charge
from tickets.models import Message, Ticket
from tickets.operations._common import (
    OPEN,
    WAITING,
    Channel,
    NewerMessage,
    NewMessage,
    Side,
    WaitReason,
    format_instant,
    locked,
    require_closes_at,
    save_ticket,
    start_waiting,
    write_message,
)

MAX_LINES = 4


@dataclass(frozen=True)
class ChargeTerms:
    """Hold what is proposed: pieces of work with their minutes, the price of an hour in cents, and the reason."""

    lines: Sequence[tuple[str, int]]
    rate_cents: int
    reason: str

    @property
    def minutes(self) -> int:
        """Return the minutes of all lines."""
        return sum(minutes for _work, minutes in self.lines)

    @property
    def amounts(self) -> list[int]:
        """Return the cents of each line."""
        return [money.compute_amount(minutes, self.rate_cents) for _work, minutes in self.lines]

    def check(self) -> None:
        """Raise Invalid when a line, the price or the reason is missing or not possible."""
        errors = self._find_wrong_lines()
        if self.minutes > MAX_CHARGE_MINUTES:
            errors["minutes_1"] = f"Un cobro es de hasta {MAX_CHARGE_MINUTES} minutos."
        if not 1 <= self.rate_cents <= MAX_RATE_CENTS:
            errors["rate"] = f"El precio por hora va de $0.01 a {money.format_cents(MAX_RATE_CENTS)}."
        if not self.reason.strip() or len(self.reason) > MAX_REASON:
            errors["reason"] = f"Escriba por qué se cobra: qué se pidió y no se recibió, en hasta {MAX_REASON} letras."
        if not errors and sum(self.amounts) < 1:
            errors["rate"] = "Con ese precio no hay nada que cobrar."
        if errors:
            raise Invalid(errors)

    def _find_wrong_lines(self) -> dict[str, str]:
        """Return the error of each wrong line by its form field; empty if all are right."""
        if not 1 <= len(self.lines) <= MAX_LINES:
            return {"work_1": f"Escriba de 1 a {MAX_LINES} trabajos."}
        errors: dict[str, str] = {}
        for number, (work, minutes) in enumerate(self.lines, start=1):
            if not work.strip() or len(work) > MAX_WORK:
                errors[f"work_{number}"] = f"Escriba el trabajo, en hasta {MAX_WORK} caracteres."
            if minutes < 1:
                errors[f"minutes_{number}"] = "Escriba los minutos del trabajo."
        return errors

    def write_message(self) -> str:
        """Return the public message that proposes the charge; it depends on the terms alone."""
        subtotal = sum(self.amounts)
        tax = money.compute_tax(subtotal, settings.CHARGE_TAX_RATE)
        lines = [
            f"- {work}: {minutes} min, {money.format_cents(amount)}"
            for (work, minutes), amount in zip(self.lines, self.amounts, strict=True)
        ]
        return "\n".join(
            [
                f"Le proponemos un cobro de {money.format_cents(subtotal + tax)}, con IVA. "
                "Nada se cobra si su representante no lo acepta.",
                "",
                *lines,
                f"- {self.minutes} min a {money.format_cents(self.rate_cents)} por hora, más IVA de "
                f"{money.format_rate(settings.CHARGE_TAX_RATE)}",
                "",
                f"Por qué: {self.reason.strip()}",
                "",
                "Es el máximo: si tardamos menos, se cobra menos; si tardamos más, no se cobra la diferencia.",
            ]
        )


def propose_charge(
    pk: int, *, supervisor: User, terms: ChargeTerms, seen: int | None = None, form_key: str | None = None
) -> ChargeProposal:
    """Propose a charge with a public message; the ticket waits *autorización*, and the charge is returned (M14, M18).

    It can be decided until the ticket's `closes_at` of now, also if the customer asks something meanwhile. `seen` is
    the number of messages that the supervisor had read. A second send of the form returns the first charge. Raises
    NotAllowed, Invalid, NewerMessage, FormUsed, WrongStatus if another charge is undecided, and Refused if nobody of
    the company could decide.
    """
    new_message = NewMessage(supervisor, Side.STAFF, Channel.PORTAL, terms.write_message(), (), form_key)
    with locked(pk, OPEN, WAITING, new_message=new_message) as ticket:
        policy.require(policy.may_propose(supervisor, ticket), "Lo propone un supervisor de este prestador.")
        if new_message.is_repeated(ticket):
            return ticket.charges.get(message__form_key=form_key)
        terms.check()
        _require_decider(ticket)
        _require_no_other(ticket)
        if seen is not None and seen != ticket.message_count:
            raise NewerMessage("Hay un mensaje más reciente; la propuesta no se ha enviado.")
        return _write_charge(ticket, new_message, terms)


def _require_decider(ticket: Ticket) -> None:
    """Raise Refused if nobody of the company can decide: it has no representative today, or its service is stopped."""
    if ticket.customer.is_suspended:
        raise Refused("La empresa tiene suspendido el servicio.")
    if not policy.find_deciders(ticket.customer):
        raise Refused("La empresa no tiene hoy un representante con poderes y cuenta: nadie podría decidir.")


def _require_no_other(ticket: Ticket) -> None:
    """Let an overdue charge of the ticket lapse. Raises WrongStatus if one can still be decided."""
    charge = ticket.charges.undecided().select_related("ticket").first()
    if charge is None:
        return
    if charge.find_state(clock.now()) == ChargeProposal.Status.PROPOSED:
        raise WrongStatus("Ya hay una propuesta por decidir en este ticket: espere la decisión, o retírela.")
    end_charge(ticket, charge, ChargeProposal.Status.LAPSED)


def _write_charge(ticket: Ticket, new_message: NewMessage, terms: ChargeTerms) -> ChargeProposal:
    """Write the message, move the ticket to En espera, and write the charge after its event; mail who decides."""
    before = ticket.status
    message = write_message(ticket, new_message)
    if ticket.assignee_id is None and may_take(new_message.author, ticket.team):
        ticket.assignee = new_message.author
    ticket.first_replied_at = ticket.first_replied_at or message.created_at
    start_waiting(ticket, WaitReason.AUTHORIZATION, message.created_at, proposes_solution=False)
    save_ticket(ticket)
    charge = _make_charge(ticket, message, terms)
    lines = [
        ChargeLine(charge=charge, seq=seq, work=work, minutes=minutes, amount_cents=amount)
        for seq, ((work, minutes), amount) in enumerate(zip(terms.lines, terms.amounts, strict=True), start=1)
    ]
    event = audit.record(
        "ticket.charge_proposed",
        ticket,
        actor=new_message.author,
        number=charge.seq,
        message=message.seq,
        total=money.format_cents(charge.total_cents),
        before=before,
        after=ticket.status,
        wait_reason=ticket.wait_reason,
        closes_at=format_instant(ticket.closes_at),
        **{ROWS: {CHARGE: describe_charge(charge, lines)}},
    )
    charge.save(force_insert=True)
    for line in lines:  # one by one: the guard adds those before
        line.charge_id = charge.pk
        line.save(force_insert=True)
    notifications.send_proposal(ticket, event, charge)
    return charge


def _make_charge(ticket: Ticket, message: Message, terms: ChargeTerms) -> ChargeProposal:
    """Return the charge with its sums, not written yet; it expires when the ticket closes without an answer."""
    subtotal = sum(terms.amounts)
    tax = money.compute_tax(subtotal, settings.CHARGE_TAX_RATE)
    return ChargeProposal(
        ticket=ticket,
        seq=(ticket.charges.aggregate(last=Max("seq"))["last"] or 0) + 1,
        message=message,
        proposed_by=message.author,
        proposed_at=message.created_at,
        expires_at=require_closes_at(ticket),
        minutes=terms.minutes,
        rate_cents=terms.rate_cents,
        subtotal_cents=subtotal,
        tax_rate=settings.CHARGE_TAX_RATE,
        tax_cents=tax,
        total_cents=subtotal + tax,
        reason=terms.reason.strip(),
    )
