from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import Error, register


class TicketsConfig(AppConfig):
    name = "tickets"
    verbose_name = "Atención a clientes"


@register()
def check_times(**_options: Any) -> list[Error]:
    """Return an error for each setting that would break a rule of the manual; `manage.py check` asks (M15, M18).

    A ticket closes without an answer only if its reminder was sent at least 24 h before; a guard of the database checks
    it. With REMINDER_HOURS under 24, the reminder would be too late and no ticket would close at its time.
    """
    errors = []
    if settings.REMINDER_HOURS < 24:
        errors.append(Error("REMINDER_HOURS must be 24 or more.", id="tickets.E001"))
    if settings.CUSTOMER_REPLY_CALENDAR not in ("natural", "business"):
        errors.append(Error("CUSTOMER_REPLY_CALENDAR must be natural or business.", id="tickets.E002"))
    if settings.CUSTOMER_REPLY_DAYS < 1:
        errors.append(Error("CUSTOMER_REPLY_DAYS must be 1 or more.", id="tickets.E003"))
    if not 0 <= settings.CHARGE_TAX_RATE <= 10_000:
        errors.append(Error("CHARGE_TAX_RATE must be from 0 to 10000, which is 100 %.", id="tickets.E004"))
    return errors
