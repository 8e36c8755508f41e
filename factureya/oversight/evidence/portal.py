"""Find the evidence of «Portal y servicio»: M1–M9."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import Office, Provider, Representative, RoleAssignment
from change_requests.emergency.models import EmergencyChange
from change_requests.models import FormalRequest
from factureya.core.calendar import MONTHS, load_attention_hours
from factureya.core.mail import health
from factureya.core.models import Holiday
from factureya.oversight.evidence.facts import Evidence, Facts, Finder, Item, State, count_up_to, say
from tickets.models import Scope, Team, Ticket

TRAY_AGE = timedelta(days=2)  # a mail that waits longer in the tray is to be attended to
Status = FormalRequest.Status


def find_m1(facts: Facts) -> Evidence:
    """Return how often a request or an emergency changed registered data, and how many tries changed nothing (M1)."""
    emergencies = EmergencyChange.objects.filter(at__gte=facts.since).count()
    applied = say(facts.count("request.executed"), "solicitud aplicada", "solicitudes aplicadas")
    text = f"{applied} y {say(emergencies, 'cambio de emergencia', 'cambios de emergencia')}; ningún otro camino."
    return Evidence(
        f"{text} {say(facts.count('request.failed'), 'intento', 'intentos')} sin aplicar, por un dato ya cambiado"
    )


def find_m2(facts: Facts) -> Evidence:
    """Return whether we attend now, and the next day without attention; if none is entered, State.ATTEND (M2)."""
    hours, today = load_attention_hours(), timezone.localdate(facts.now)
    state = "Abierto ahora" if hours.is_open(facts.now) else "Cerrado ahora"
    next_holiday = Holiday.objects.filter(day__gte=today).order_by("day").first()
    if next_holiday is None:
        return Evidence(f"{state}; faltan los próximos días inhábiles", State.ATTEND)
    return Evidence(f"{state}; próximo día inhábil, {next_holiday.day.day} {MONTHS[next_holiday.day.month - 1]}")


def find_m3(facts: Facts) -> Evidence:
    """Return how many providers and third-party agents there are now, and how many tickets were handed over (M3)."""
    providers = Provider.objects.count()
    agents = RoleAssignment.objects.in_force().filter(office=Office.THIRD_PARTY_AGENT).count()
    text = f"{say(providers, 'prestador', 'prestadores')}; {say(agents, 'agente', 'agentes')} de terceros"
    return Evidence(
        f"{text}, que ven solo lo suyo; {say(facts.count('ticket.handed_over'), 'ticket turnado', 'tickets turnados')}"
    )


def find_m4(_facts: Facts) -> Evidence:
    """Return how many tickets about sales are open; none of them becomes a formal request (M4)."""
    sales = Ticket.objects.filter(status=Ticket.Status.OPEN, team=Team.SALES).unmerged()
    return Evidence(f"Tickets de Ventas abiertos: {count_up_to(sales)}; ninguno llega a solicitud formal")


def find_m5(facts: Facts) -> Evidence:
    """Return how many mails wait for an agent to decide, and how many were decided; an old one needs attention (M5)."""
    tray = health.find_tray()
    oldest_at = tray.order_by("pk").values_list("kept_at", flat=True).first()
    is_old = oldest_at is not None and oldest_at < facts.now - TRAY_AGE
    decided = facts.count("mail.linked", "mail.opened", "mail.discarded")
    text = f"Correos apartados que esperan a un agente: {count_up_to(tray)}; decididos en 30 días: {decided}"
    return Evidence(text, State.ATTEND if is_old else State.OK)


def find_m6(facts: Facts) -> Evidence:
    """Return how many tickets and messages there were, and whether mail to be sent is late (M6)."""
    written = say(
        facts.count("ticket.information_added", "ticket.answered", "ticket.answered_out_of_scope"),
        "mensaje",
        "mensajes",
    )
    text = f"{say(facts.count('ticket.opened', 'ticket.followed_up'), 'ticket', 'tickets')}, {written}"
    if health.find_overdue().exists():
        return Evidence(f"{text}; hay correos por salir atrasados", State.LATE)
    return Evidence(f"{text}; ningún correo por salir está atrasado")


def find_m7(facts: Facts) -> Evidence:
    """Return how many requests for access were made, how many executed, and how many returned or rejected (M7)."""
    form = str(FormalRequest.Form.ACCESS)
    done = facts.count_requests(form=form, statuses=(Status.EXECUTED, Status.CLOSED))
    returned = facts.count_requests(form=form, statuses=(Status.RETURNED, Status.REJECTED))
    asked = say(facts.count_requests(form=form), "pedida", "pedidas")
    back = say(returned, "devuelta o rechazada", "devueltas o rechazadas")
    return Evidence(f"{asked}: {say(done, 'ejecutada', 'ejecutadas')}, {back}")


def find_m8(facts: Facts) -> Evidence:
    """Return how many powers of attorney end in 30 days, and the «no fui yo» of customers still to be reviewed (M8)."""
    today = timezone.localdate(facts.now)
    ending = Representative.objects.filter(
        revoked_at__isnull=True, valid_until__range=(today, today + timedelta(days=30))
    )
    alarmed = FormalRequest.objects.filter(alarmed_at__isnull=False).order_by("alarmed_at")[:5]
    items = tuple(Item(f"{formal.folio}: «no fui yo» por revisar", f"/control/{formal.folio}/") for formal in alarmed)
    objections = say(facts.count("request.disowned"), "aviso", "avisos")
    text = f"{say(ending.count(), 'poder vence', 'poderes vencen')} en 30 días; {objections} «no fui yo»"
    return Evidence(text, State.ATTEND if items else State.OK, items)


def find_m9(facts: Facts) -> Evidence:
    """Return how many answers said that a problem is out of our scope, and how many tickets closed with that (M9)."""
    answers = say(facts.count("ticket.answered_out_of_scope"), "respuesta", "respuestas")
    ended = Ticket.objects.filter(status=Ticket.Status.CLOSED)
    counts = [f"{count_up_to(ended.filter(out_of_scope=scope))} de {label.lower()}" for scope, label in Scope.choices]
    return Evidence(f"{answers} de fuera de alcance, contadas aparte; tickets cerrados así: {' y '.join(counts)}")


EVIDENCE: dict[str, Finder] = {
    "M1": find_m1,
    "M2": find_m2,
    "M3": find_m3,
    "M4": find_m4,
    "M5": find_m5,
    "M6": find_m6,
    "M7": find_m7,
    "M8": find_m8,
    "M9": find_m9,
}
