"""How a mail finds its ticket again: ids and addresses of ours that nobody can make up (M6).

Each carries an HMAC of at least 128 bits and is compared in constant time. It is no credential: whoever writes must
also be allowed to write in that ticket. There is no other format, and no older one.
"""

import re
from base64 import b32encode
from collections.abc import Callable, Iterable, Sequence

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from factureya.core import numbers
from factureya.core.mail.parse import InboundMail
from factureya.core.models import InboundMessage, OutboxMessage
from tickets.models import NUMBER_PREFIX, Ticket, chain_of, searchable

_ROOT = "tickets.thread"
_PLUS = "tickets.reply-to"
_SENT_ID = re.compile(r"^[0-9a-f]{40}@")  # what `outbox.make_message_id` makes
_NUMBER_IN_ID = re.compile(r"^(fy-[0-9a-z]{4}-[0-9a-z]{4})\.[0-9a-f]{32}@", re.IGNORECASE)
_NUMBER_IN_PLUS = re.compile(r"^[^+@]+\+([0-9a-z]{8})\.[a-z2-7]{32}@", re.IGNORECASE)
OUR_PREFIXES = (NUMBER_PREFIX, "SA", "SC")  # a ticket's number and a request's folios, which are text here
_NUMBERS_IN_TEXT = {
    prefix: re.compile(
        rf"(?<![0-9A-Za-z]){prefix}[-‐‑‒–—―− ]?[0-9A-Za-z]{{4}}[-‐‑‒–—―− ]?[0-9A-Za-z]{{4}}(?![0-9A-Za-z])",
        re.IGNORECASE,
    )
    for prefix in OUR_PREFIXES
}
_PREFIXES = re.compile(
    r"^\s*(?:(?:re|rv|fw|fwd|enc|aw|wg|res|resp|respuesta|tr|reenv[ií]o)\s*(?:\[\d{1,9}\]\s*)?:\s*)+", re.IGNORECASE
)
_PRINTABLE = re.compile(r"[!-;=?-~]{1,200}")  # what may stand between < and > in a header of ours
MAX_SUBJECT_NUMBERS = 5


def root_id(number: str, secret: str | None = None) -> str:
    """Return the id that every mail of a ticket refers to, without brackets."""
    return f"{number.lower()}.{_sign_number(_ROOT, number, secret).hex()[:32]}@{_read_domain()}"


def reply_address(number: str, secret: str | None = None) -> str:
    """Return where replies to a ticket's mails go: soporte+<number>.<token>@.

    The token is 160 bits in lower case, because some servers fold the case of addresses.
    """
    local, _, domain = settings.SUPPORT_EMAIL.partition("@")
    token = b32encode(_sign_number(_PLUS, number, secret)[:20]).decode().lower()
    return f"{local}+{_compact_number(number)}.{token}@{domain}"


def build_headers(ticket: Ticket, answering: InboundMessage | None) -> dict[str, str]:
    """Return the headers that keep a ticket's mails in one thread and bring the replies back.

    `answering` is the last mail that came from the customer; its id is quoted if it is plain.
    """
    chain = [root_id(ticket.number)]
    if answering is not None and _PRINTABLE.fullmatch(answering.message_id):
        chain.append(answering.message_id)
    return {
        "References": " ".join(f"<{name}>" for name in chain),
        "In-Reply-To": f"<{chain[-1]}>",
        "Reply-To": reply_address(ticket.number),
    }


def find_numbers(ids: Sequence[str], recipients: Iterable[str]) -> list[str]:
    """Return the numbers of the tickets that our ids and plus-addresses in a mail stand for, the likeliest first."""
    found = [
        *_find_by_sent_mails(ids),
        *filter(None, map(_read_root_id, ids)),
        *filter(None, map(_read_plus_address, recipients)),
    ]
    return list(dict.fromkeys(found))


def find_sent_mails(ids: Sequence[str]) -> list[OutboxMessage]:
    """Return our mails with these Message-IDs (160 bits of HMAC each), the newest first."""
    ours = [name for name in ids if _SENT_ID.match(name)][:100]
    if not ours:
        return []  # most mails begin a conversation: nothing to look for
    mails = OutboxMessage.objects.filter(message_id__in=ours).order_by("-pk")
    mails = mails.only("message_id", "about", "key", "kind", "to", "bounced_at")
    return [mail for mail in mails if any(constant_time_compare(mail.message_id, name) for name in ids)]


def read_subject_numbers(subject: str, prefix: str = NUMBER_PREFIX) -> list[str]:
    """Return the well-formed numbers in a subject; the check character drops mistyped ones without a query."""
    found = []
    for text in _NUMBERS_IN_TEXT[prefix].findall(subject)[:MAX_SUBJECT_NUMBERS]:
        try:
            found.append(numbers.parse_number(prefix, text))
        except numbers.InvalidNumber:
            continue
    return list(dict.fromkeys(found))


def answers_ours(inbound: InboundMessage, mail: InboundMail) -> bool:
    """Tell whether a mail refers to one of ours: by an id or address that we made, or a number in its subject (M17).

    The one statement, about mails of ours that are of no ticket, is asked only when nothing else says so.
    """
    ids = [*mail.references, mail.message_id]
    recipients = [*inbound.recipients, *mail.recipients]
    return bool(
        any(map(_read_root_id, ids))
        or any(map(_read_plus_address, recipients))
        or any(read_subject_numbers(mail.subject, prefix) for prefix in OUR_PREFIXES)
        or find_sent_mails(ids)
    )


def normalise_subject(subject: str) -> str:
    """Return the subject as it is compared: without «Re:», our number, accents and capitals."""
    bare = _NUMBERS_IN_TEXT[NUMBER_PREFIX].sub(" ", subject)
    return searchable(_PREFIXES.sub("", bare))


def _find_by_sent_mails(ids: Sequence[str]) -> list[str]:
    """Return the tickets of our mails that the ids name: first that of In-Reply-To, then the newest."""
    mails = find_sent_mails(ids)
    mails.sort(key=lambda mail: mail.message_id != ids[0])
    start = chain_of("")
    return [mail.about.removeprefix(start) for mail in mails if mail.about.startswith(start)]


def _read_root_id(name: str) -> str:
    """Return the ticket's number in an id that we made, or an empty text."""
    match = _NUMBER_IN_ID.match(name)
    return _prove_number(match.group(1).upper(), name, root_id) if match else ""


def _read_plus_address(address: str) -> str:
    """Return the ticket's number in a plus-address that we made, or an empty text."""
    match = _NUMBER_IN_PLUS.match(address)
    if match is None:
        return ""
    compact = match.group(1).upper()
    return _prove_number(f"{NUMBER_PREFIX}-{compact[:4]}-{compact[4:]}", address, reply_address)


def _prove_number(number: str, text: str, made: Callable[[str, str | None], str]) -> str:
    """Return the number if we made this text for it, with today's key or one being retired; else an empty text."""
    for secret in (None, *settings.SECRET_KEY_FALLBACKS):
        if constant_time_compare(text.lower(), made(number, secret)):
            return number
    return ""


def _compact_number(number: str) -> str:
    """Return the number without prefix and hyphens, in lower case."""
    return number.removeprefix(NUMBER_PREFIX).replace("-", "").lower()


def _sign_number(salt: str, number: str, secret: str | None) -> bytes:
    """Return the HMAC of a ticket's number."""
    return salted_hmac(salt, number, secret=secret, algorithm="sha256").digest()


def _read_domain() -> str:
    """Return the domain of our support address."""
    return settings.SUPPORT_EMAIL.partition("@")[2]
