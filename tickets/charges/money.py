"""Compute money in whole cents (*centavos*), which both databases add up exactly; pages show Decimal pesos (M18)."""

from decimal import Decimal

TAX_UNITS = 10_000  # a rate of 1,600 is 16 %


def compute_amount(minutes: int, rate_cents: int) -> int:
    """Return the cents for these minutes at this price of an hour; half a cent is rounded up."""
    return (minutes * rate_cents + 30) // 60


def compute_tax(subtotal_cents: int, tax_rate: int) -> int:
    """Return the cents of IVA on a subtotal; `tax_rate` is in TAX_UNITS, and half a cent is rounded up."""
    return (subtotal_cents * tax_rate + TAX_UNITS // 2) // TAX_UNITS


def to_pesos(cents: int) -> Decimal:
    """Return an amount of cents as pesos with two decimals."""
    return Decimal(cents).scaleb(-2).quantize(Decimal("0.01"))


def to_cents(pesos: Decimal) -> int:
    """Return an amount of pesos as cents. Raises ValueError if it has a fraction of a cent."""
    cents = pesos * 100
    if cents != int(cents):
        raise ValueError(f"a fraction of a cent: {pesos}")
    return int(cents)


def format_cents(cents: int) -> str:
    """Return an amount as pages show it: «$1,044.00», «-$45.00»."""
    return f"{'-' if cents < 0 else ''}${to_pesos(abs(cents)):,}"


def format_rate(tax_rate: int) -> str:
    """Return a rate of IVA as pages show it: «16 %», «8.5 %»."""
    return f"{Decimal(tax_rate * 100) / TAX_UNITS:f} %"


def format_minutes(minutes: int) -> str:
    """Return a time of work as pages show it: «35 min», «4 h 10 min», «2 h»."""
    hours, rest = divmod(abs(minutes), 60)
    parts = [f"{hours} h"] if hours else []
    if rest or not hours:
        parts.append(f"{rest} min")
    return ("-" if minutes < 0 else "") + " ".join(parts)
