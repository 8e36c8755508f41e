"""Say what an event holds of a call, and how today's rows are compared with it (M5, M26)."""

from collections.abc import Iterator
from itertools import islice

from factureya.core.audit import Flaw
from factureya.core.models import Event
from factureya.core.record.state import Facts, Kind, read_facts
from tickets.models import VERIFIED_PERIOD, Call

CALL = "call"
_AT_A_TIME = 500
_FACTS = (
    *("pk", "agent_id", "contact_id", "customer_id", "kind", "ticket_id", "caller_name", "caller_phone"),
    *("started_at", "ended_at", "code_to", "code_sent_at", "code_tries", "verified_at", "handled_at", "handled_by_id"),
)
VERBS = (
    *("call.started", "call.code_sent", "call.code_wrong", "call.verified", "call.problem_noted", "call.ended"),
    *("call.sale_noted", "call.handled"),
)


def describe_call(call: Call) -> Facts:
    """Return a call as its events hold it: everything but the digest of the code."""
    return read_facts(call, **{column.removesuffix("_id"): column for column in _FACTS})


KINDS = [
    Kind(
        CALL,
        "la llamada",
        verbs=VERBS,
        rows=Call.objects.all,
        describe=describe_call,
        subject=lambda call: call,
        chains=lambda call: (call.chain,),
        key=("pk",),
        column="pk",
    )
]


def find_flaws() -> Iterator[Flaw]:
    """Yield a flaw for each close by phone that names a call in which its contact was not verified (M5, M15)."""
    closed = Event.objects.filter(verb="ticket.confirmed_by_phone", data__has_key="call").order_by("pk").iterator()
    while events := list(islice(closed, _AT_A_TIME)):
        calls = Call.objects.in_bulk([event.data["call"] for event in events])
        for event in events:
            if problem := _describe_problem(event, calls.get(event.data["call"])):
                yield Flaw(event.chain, event.seq, problem)


def _describe_problem(event: Event, call: Call | None) -> str:
    """Return what is wrong with a close by phone and its call, or "": it must be verified, the agent's, and recent."""
    if call is None or call.verified_at is None:
        return "se cerró por teléfono sin comprobar quién llamaba"
    if (call.agent_id, call.contact_id) != (event.actor_id, event.data.get("contact")):
        return "se cerró por teléfono en la llamada de otra persona"
    if not call.verified_at <= event.at < call.verified_at + VERIFIED_PERIOD:
        return "se cerró por teléfono fuera de la llamada comprobada"
    return ""
