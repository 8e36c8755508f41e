"""Define the triggers of calls: a call is verified by the code that was mailed in it, and by nothing else (M5)."""

from factureya.core import triggers
from factureya.core.guard_terms import changed, guards, last_event_is, translate

CALL = "tickets_call"
# The code that is used: mailed to this mailbox less than ten minutes before, with tries left, in a call that goes on.
_CODE_IN_FORCE = """OLD.verified_at IS NULL AND OLD.ended_at IS NULL AND OLD.code_digest <> '' AND NEW.code_digest = ''
    AND OLD.code_tries < 3 AND NEW.code_tries = OLD.code_tries AND NEW.code_to = OLD.code_to
    AND NOT (NEW.code_sent_at ≠ OLD.code_sent_at)
    AND SEC[NEW.verified_at] >= SEC[OLD.code_sent_at] - 0.01
    AND SEC[NEW.verified_at] <= SEC[OLD.code_sent_at] + 600.01"""
_VERIFIED = last_event_is(
    "'call:' || NEW.id",
    "call.verified",
    """v.actor_id = NEW.agent_id AND DATA[to] = NEW.code_to
    AND T[NEW.verified_at] <= T[v.at] AND T[NEW.verified_at] >= MINUTE_BEFORE[v.at]""",
)
_SAME_CODE = "NEW.code_digest = OLD.code_digest AND NEW.code_digest <> ''"

_WRITTEN = [
    *guards(
        CALL,
        "INSERT",
        (
            "call_begins_unverified",
            "NEW.verified_at IS NOT NULL OR NEW.code_digest <> '' OR NEW.code_tries <> 0 OR NEW.ended_at IS NOT NULL",
            "una llamada empieza sin comprobar",
        ),
    ),
    *guards(
        CALL,
        "UPDATE",
        (
            "call_facts_never_change",
            changed("id agent_id contact_id customer_id ticket_id caller_name caller_phone note form_key started_at"),
            "quién llamó, a quién y cuándo no cambia",
        ),
        (
            "call_verified_only_by_its_code",
            f"{changed('verified_at')} AND NOT ({_CODE_IN_FORCE})",
            "una llamada se comprueba con su código, una vez",
        ),
        (
            "call_verified_in_an_event",
            f"NEW.verified_at IS NOT NULL AND {changed('verified_at')} AND NOT {_VERIFIED}",
            "falta su evento",
        ),
        (
            "call_code_tries_are_not_given_back",
            f"{_SAME_CODE} AND (NEW.code_tries < OLD.code_tries OR {changed('code_to code_sent_at')})",
            "los intentos y el plazo de un código no se renuevan",
        ),
        (
            "call_ended_is_final",
            f"OLD.ended_at IS NOT NULL AND {changed('ended_at code_digest code_to code_sent_at code_tries kind')}",
            "una llamada terminada no cambia",
        ),
        (
            "call_handled_once",
            f"OLD.handled_at IS NOT NULL AND {changed('handled_at handled_by_id')}",
            "quién atendió la llamada de ventas no cambia",
        ),
    ),
]
GUARDS = [
    *(translate(guard) for guard in _WRITTEN),
    *triggers.never_deleted(CALL, "id", "form_key", message="las llamadas no se borran"),
    triggers.Guard(
        "call_replaces_none",
        CALL,
        "INSERT",
        "EXISTS (SELECT 1 FROM tickets_call c WHERE c.agent_id = NEW.agent_id AND c.contact_id = NEW.contact_id "
        "AND c.ended_at IS NULL AND NEW.ended_at IS NULL)",
        "one_open_call_per_agent_and_contact",
        engines=("sqlite",),
    ),
]
