"""Make the demo's calls about sales: one that waits for a call back, and one that was handled (M4)."""

from datetime import datetime, timedelta

from accounts.models import User
from factureya.core import clock
from tickets.calls import operations


def seed(people: dict[str, User], now: datetime) -> None:
    """Let Darío note two calls of people who are not registered; Laura handles the first. `seed_demo` calls this."""
    with clock.at(now - timedelta(days=1)):
        first_sale = operations.note_sale(
            agent=people["dario"],
            caller_name="Rebeca Solís",
            caller_phone="222 555 0188",
            note="Pregunta por el paquete de 500 timbres.",
        )
    with clock.at(now - timedelta(hours=20)):
        operations.handle_sale(first_sale.pk, agent=people["laura"])
    with clock.at(now - timedelta(hours=1)):
        operations.note_sale(
            agent=people["dario"],
            caller_name="Luis Mora",
            caller_phone="(238) 555 0120",
            note="Abre una ferretería en enero; quiere saber qué necesita para facturar.",
        )
