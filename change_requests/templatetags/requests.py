"""How the customer's pages of formal requests write a day."""

from datetime import date

from django import template

from change_requests.kinds.values import show_day

register = template.Library()


@register.filter
def day(value: date | str | None) -> str:
    """«1 de diciembre de 2026»; nothing for none."""
    return show_day(str(value)) if value else ""
