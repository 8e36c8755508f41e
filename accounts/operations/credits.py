"""Enter what is left of a company's credit package (M28): by hand, or row by row of an import."""

from datetime import date
from typing import Any

from django.db import transaction

from accounts import policy
from accounts.models import CreditBalance, Customer, User, state
from accounts.models.credits import MAX_CREDITS
from accounts.operations.common import reload_person, require_fit
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.refusals import Invalid, NotAllowed, Refused, Stale

ONLY_SUPERVISORS = "Solo un supervisor anota los créditos de los clientes."


def set_credits(
    customer_pk: int, *, actor: User, seen: str, package: str, total: int, remaining: int, valid_until: date | None
) -> bool:
    """Store a company's credit package and remaining credits, and return True; False if that is stored already (M28).

    `seen` is what the page showed (`name_version`). Raises NotAllowed for who is no supervisor, Refused for a company
    that is not verified, Invalid for numbers that cannot be, and Stale if somebody stored other credits meanwhile.
    """
    package = require_fit(CreditBalance, "package", package)
    _require_possible(package, total, remaining)
    with transaction.atomic():
        require_supervisor(actor)
        # no_key: a ticket that is being opened refers to this row; with a full lock each would wait for the other.
        customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_pk)
        if not customer.is_verified or customer.is_drill:
            raise Refused("Solo una empresa verificada tiene créditos.")
        old = CreditBalance.objects.filter(customer=customer).first()
        values = {"package": package, "total": total, "remaining": remaining, "valid_until": valid_until}
        if old is not None and read_values(old) == values:
            return False
        if name_version(old) != seen:
            raise Stale("Alguien anotó otros créditos mientras usted escribía. Revise los que hay ahora.")
        balance = build_balance(customer, old, values, actor, CreditBalance.Source.ENTERED)
        record_balance(balance, old, actor)
        balance.save()
    return True


def name_version(balance: CreditBalance | None) -> str:
    """Return a text that names this state of a company's credits, for `seen` of a form; empty without credits."""
    return balance.recorded_at.isoformat() if balance else ""


def read_values(balance: CreditBalance) -> dict[str, Any]:
    """Return what a supervisor enters of a balance."""
    return {name: getattr(balance, name) for name in ("package", "total", "remaining", "valid_until")}


def build_balance(
    customer: Customer, old: CreditBalance | None, values: dict[str, Any], actor: User, source: str
) -> CreditBalance:
    """Return the new balance of a company, not saved yet; it has the key of the `old` one, if there is one."""
    balance = CreditBalance(pk=old.pk if old else None, customer=customer, **values)
    balance.source, balance.recorded_at, balance.recorded_by = source, now(), actor
    return balance


def record_balance(balance: CreditBalance, old: CreditBalance | None, actor: User, **origin: Any) -> None:
    """Record in the company's chain that it gets this balance; the row is saved after it, or the guards refuse it."""
    before = state.describe_credits(old) if old else None
    rows = {state.CREDITS: state.describe_credits(balance)}
    audit.record(
        "credits.set", balance.customer, actor=actor, summary=balance.summary, before=before, rows=rows, **origin
    )


def require_supervisor(actor: User) -> User:
    """Return the person as the database says now. Raises NotAllowed unless the person is a supervisor today."""
    person = reload_person(actor)
    if not policy.may_enter_credits(person):
        raise NotAllowed(ONLY_SUPERVISORS)
    return person


def _require_possible(package: str, total: int, remaining: int) -> None:
    """Raise Invalid for a package without a name, or for numbers that no package can have."""
    errors = {}
    if not package:
        errors["package"] = "Escriba el nombre del paquete."
    if not 1 <= total <= MAX_CREDITS:
        errors["total"] = f"Escriba un número entero de 1 a {MAX_CREDITS:,}."
    elif not 0 <= remaining <= total:
        errors["remaining"] = f"Escriba un número entero de 0 a {total:,}, los créditos del paquete."
    if errors:
        raise Invalid(errors)
