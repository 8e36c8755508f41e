"""Write amounts and times of charges as the pages show them (M18)."""

from django import template

from tickets.charges import money

register = template.Library()


@register.filter
def pesos(cents: int) -> str:
    """Return an amount of cents as «$1,044.00»."""
    return money.format_cents(cents)


@register.filter
def tax_percent(tax_rate: int) -> str:
    """Return a rate of IVA as «16 %»."""
    return money.format_rate(tax_rate)


@register.filter
def minutes_long(minutes: int) -> str:
    """Return minutes of work as «4 h 10 min»."""
    return money.format_minutes(minutes)
