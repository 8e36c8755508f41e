"""Find the evidence of «Tickets»: M10–M18."""

from datetime import timedelta

from factureya.core.calendar import load_attention_hours
from factureya.core.models import Attachment
from factureya.core.templatetags.fy import when
from factureya.oversight.evidence.facts import SHOWN, Evidence, Facts, Finder, Item, State, count_up_to, say
from factureya.oversight.subjects import try_address
from tickets.models import ChargeProposal, Ticket

SWEEP = timedelta(minutes=15)  # a close that is later than that is overdue
MISSED_DAYS = 1  # business days after its goal an open ticket without a reply is overdue


def find_m10(facts: Facts) -> Evidence:
    """Return the numbers that were given; the database refuses a repeated one (M10)."""
    return Evidence(f"{say(_count_opened(facts), 'número', 'números')}, ninguno repetido")


def find_m11(facts: Facts) -> Evidence:
    """Return how many messages went to an open ticket, and how many tickets are new, merged, and split off (M11)."""
    messages = say(facts.count("ticket.information_added"), "mensaje fue", "mensajes fueron")
    opened = say(_count_opened(facts), "ticket nuevo", "tickets nuevos")
    merged = say(facts.count("ticket.merged"), "combinado", "combinados")
    split = say(facts.count("ticket.split_off"), "separado", "separados")
    return Evidence(f"{messages} a su ticket abierto; {opened}; {merged} y {split}, sin mover un mensaje")


def find_m12(facts: Facts) -> Evidence:
    """Return how many closings a reply in time made void, and how many tickets go on in another; none reopens (M12)."""
    undone = say(facts.count("ticket.close_voided"), "cierre anulado", "cierres anulados")
    return Evidence(
        f"0 reabiertos; {undone} por una respuesta a tiempo; {facts.count('ticket.followed_up')} continúan en otro"
    )


def find_m13(facts: Facts) -> Evidence:
    """Return how many tickets are open, and those without a reply at their goal (M13).

    The goal is ours; the manual sets no time. So a missed one is to be attended to, and overdue MISSED_DAYS later.
    """
    open_tickets = Ticket.objects.unmerged().filter(status=Ticket.Status.OPEN)
    late = open_tickets.filter(reply_due_at__lt=facts.now).order_by("queue_at", "pk")
    shown = list(late.only("number", "reply_due_at")[:SHOWN])
    text = f"Abiertos: {count_up_to(open_tickets)}"
    if not shown:
        return Evidence(f"{text}; todos dentro de su meta de respuesta")
    hours, oldest = load_attention_hours(), shown[0].reply_due_at
    assert oldest is not None  # the filter says so
    state = State.LATE if hours.add_days(oldest, MISSED_DAYS) < facts.now else State.ATTEND
    items = tuple(_make_item(ticket, f"meta de respuesta {when(ticket.reply_due_at)}") for ticket in shown)
    return Evidence(f"{text}; pasaron su meta de respuesta: {count_up_to(late)}", state, items)


def find_m14(_facts: Facts) -> Evidence:
    """Return how many tickets wait for the customer; the database refuses one without a reason (M14)."""
    waiting = count_up_to(Ticket.objects.unmerged().filter(status=Ticket.Status.WAITING))
    return Evidence(f"En espera: {waiting}, todos con motivo y plazo")


def find_m15(facts: Facts) -> Evidence:
    """Return how many tickets were closed in each way, and those that should have closed by now (M15)."""
    confirmed = say(facts.count("ticket.confirmed", "ticket.confirmed_by_phone"), "confirmado", "confirmados")
    text = f"{confirmed} y {facts.count('ticket.closed_unanswered')} sin respuesta en 30 días"
    due = Ticket.objects.due_to_close(facts.now - SWEEP).order_by("closes_at")
    items = tuple(_make_item(ticket, "debía cerrarse") for ticket in due.only("number")[:SHOWN])
    return Evidence(text, State.LATE if items else State.OK, items)


def find_m16(facts: Facts) -> Evidence:
    """Return how many internal notes were written; look-ups by number are not counted: they leave no event (M16)."""
    notes = say(facts.count("ticket.note_added"), "nota interna", "notas internas")
    return Evidence(f"Consulta con el número abierta a toda hora; {notes}, ninguna fuera")


def find_m17(facts: Facts) -> Evidence:
    """Return how many files people sent, counted up to 1000; each was checked, and every image encoded again (M17)."""
    newest = Attachment.objects.filter(draft="").order_by("-pk").values_list("created_at", flat=True)[:1000]
    recent = sum(1 for at in newest if at >= facts.since)
    many = "1,000 o más archivos" if recent == 1000 else say(recent, "archivo", "archivos")
    return Evidence(f"{many} en 30 días, revisados; las imágenes, vueltas a codificar")


def find_m18(facts: Facts) -> Evidence:
    """Return what became of the proposed charges, and those that are expired but that no sweep has ended yet (M18)."""
    verbs = ("proposed", "accepted", "declined")
    proposed, accepted, declined = (facts.count(f"ticket.charge_{verb}") for verb in verbs)
    text = f"{say(proposed, 'cobro propuesto', 'cobros propuestos')}; {accepted} aceptados y {declined} no"
    overdue = ChargeProposal.objects.to_lapse(facts.now - SWEEP).select_related("ticket").order_by("expires_at")
    items = tuple(_make_item(charge.ticket, "el cobro debía vencer") for charge in overdue[:SHOWN])
    return Evidence(f"{text}. Sin aceptación no se cobra", State.LATE if items else State.OK, items)


def _count_opened(facts: Facts) -> int:
    """Return how many tickets were opened in the period."""
    return facts.count("ticket.opened", "ticket.followed_up")


def _make_item(ticket: Ticket, words: str) -> Item:
    """Return a ticket as an item to attend to; its page answers to who may see it."""
    return Item(f"{ticket.number}: {words}", try_address("admin:tickets_ticket_change", str(ticket.pk)))


EVIDENCE: dict[str, Finder] = {
    "M10": find_m10,
    "M11": find_m11,
    "M12": find_m12,
    "M13": find_m13,
    "M14": find_m14,
    "M15": find_m15,
    "M16": find_m16,
    "M17": find_m17,
    "M18": find_m18,
}
