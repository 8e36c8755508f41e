"""Mail the code that proves who calls (M5)."""

from factureya.core.mail import outbox
from factureya.core.models import Event
from tickets.models import CODE_PERIOD, Call


def mail_code(call: Call, event: Event, code: str) -> None:
    """Queue the mail with the code of this call; its text is wiped once it is sent."""
    context = {"call": call, "code": code, "minutes": int(CODE_PERIOD.total_seconds() // 60)}
    outbox.enqueue(
        "tickets/call_code",
        key=f"{event.hash}:code",
        to=call.code_to,
        about=call.chain,
        context=context,
        is_secret=True,
    )
