"""Make the demo's charges: one of the month before, one accepted, one declined, and one that waits for Carla (M18)."""

from datetime import datetime, timedelta

from accounts.models import User
from factureya.core import clock
from tickets import operations as ticket_operations
from tickets.charges import operations
from tickets.charges.operations import ChargeTerms
from tickets.models import ChargeProposal, Ticket

RATE = 45_000  # cents an hour
WHY = (
    "El soporte es gratuito mientras se colabora con lo que pedimos. Le pedimos tres veces la lista de folios y no la "
    "recibimos; buscarlos uno por uno toma este tiempo."
)
# Days ago, subject, work and minutes, the decision (None: nobody decided yet), and the minutes that were worked.
_CHARGES: list[tuple[float, str, tuple[tuple[str, int], ...], bool | None, int]] = [
    (33, "Reconstruir el catálogo de clientes", (("Reconstruir el catálogo", 90),), True, 75),
    (12, "Separar las facturas de dos negocios", (("Separar y renombrar los XML", 60),), True, 60),
    (6, "Capacitar a una persona nueva", (("Sesión por teléfono", 45),), False, 0),
    (
        0.1,
        "Recuperar 400 XML de 2023",
        (("Restaurar el respaldo en una copia", 90), ("Extraer y entregar los XML", 30)),
        None,
        0,
    ),
]


def seed(people: dict[str, User], now: datetime) -> None:
    """Make the charges of Carla's company, each on a ticket of its own; `seed_demo` calls this."""
    carla, dario, laura = (User.objects.get(pk=people[key].pk) for key in ("carla", "dario", "laura"))
    for days, subject, lines, accepts, worked_minutes in _CHARGES:
        start = now - timedelta(days=days)
        charge = _propose(subject, lines, start, carla, laura)
        if accepts is not None:  # None: Carla has not decided yet
            with clock.at(start + timedelta(minutes=40)):
                operations.decide_charge(charge.ticket_id, seq=charge.seq, decider=carla, accepts=accepts)
            _finish(charge, start + timedelta(hours=2), worked_minutes, carla, dario)


def _propose(
    subject: str, lines: tuple[tuple[str, int], ...], start: datetime, carla: User, laura: User
) -> ChargeProposal:
    """Open Carla's ticket an hour before `start`; at `start` propose the charge as Laura, and return it."""
    with clock.at(start - timedelta(hours=1)):
        ticket = ticket_operations.open_ticket(
            author=carla,
            customer=carla.contact.customer,
            subject=subject,
            body="¿Me pueden ayudar con esto?",
            category=Ticket.Category.OTHER,
            impact=Ticket.Impact.QUESTION,
        )
        operations.note_time(ticket.pk, agent=laura, minutes=15, work="Revisé qué hace falta")
    with clock.at(start):
        terms = ChargeTerms(lines=lines, rate_cents=RATE, reason=WHY)
        return operations.propose_charge(ticket.pk, supervisor=laura, terms=terms)


def _finish(charge: ChargeProposal, instant: datetime, minutes: int, carla: User, dario: User) -> None:
    """Note the minutes that Darío worked on a charge, if any; an hour later let Carla confirm that all is done."""
    with clock.at(instant):
        if minutes:
            work, charge_seq = "Hice lo aceptado", charge.seq
            operations.note_time(charge.ticket_id, agent=dario, minutes=minutes, work=work, charge_seq=charge_seq)
    with clock.at(instant + timedelta(hours=1)):
        ticket_operations.confirm_resolved(charge.ticket_id, author=carla)
