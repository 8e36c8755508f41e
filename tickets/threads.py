"""Find the ticket that a mail belongs to, by the ids and addresses that `tickets.notifications` put into ours (M6).

They are compared in constant time. They are no credentials: whoever writes must also be allowed to write in that
ticket. There is no other format, and no older one.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from django.conf import settings
from django.utils.crypto import constant_time_compare

from factureya.core import numbers
from factureya.core.mail.parse import InboundMail
from factureya.core.models import InboundMessage, OutboxMessage
from tickets.models import NUMBER_PREFIX, chain_of, searchable
from tickets.notifications import make_reply_address, make_root_id

_SENT_ID = re.compile(r"^[0-9a-f]{40}@")  # what `outbox.make_message_id` makes
_NUMBER_IN_ID = re.compile(r"^(fy-[0-9a-z]{4}-[0-9a-z]{4})\.[0-9a-f]{32}@", re.IGNORECASE)
_NUMBER_IN_ADDRESS = re.compile(r"^[^+@]+\+([0-9a-z]{8})\.[a-z2-7]{32}@", re.IGNORECASE)
OUR_PREFIXES = (NUMBER_PREFIX, "SA", "SC")  # a ticket's number and a request's folios, which are text here
_NUMBERS_IN_TEXT = {
    prefix: re.compile(
        rf"(?<![0-9A-Za-z]){prefix}[-‐‑‒–—―− ]?[0-9A-Za-z]{{4}}[-‐‑‒–—―− ]?[0-9A-Za-z]{{4}}(?![0-9A-Za-z])",
        re.IGNORECASE,
    )
    for prefix in OUR_PREFIXES
}
_REPLY_PREFIXES = re.compile(
    r"^\s*(?:(?:re|rv|fw|fwd|enc|aw|wg|res|resp|respuesta|tr|reenv[ií]o)\s*(?:\[\d{1,9}\]\s*)?:\s*)+", re.IGNORECASE
)
MAX_SUBJECT_NUMBERS = 5


def find_numbers(ids: Sequence[str], recipients: Iterable[str]) -> list[str]:
    """Return the numbers of the tickets to which a mail belongs, the likeliest first.

    `ids` are the Message-IDs in its headers, the one of In-Reply-To first. Only ids and reply addresses that we made
    give a number; for others the three helpers give none.
    """
    candidates = [*_find_by_sent_mails(ids), *map(_read_number_in_id, ids), *map(_read_number_in_address, recipients)]
    return list(dict.fromkeys(filter(None, candidates)))


def find_sent_mails(ids: Sequence[str]) -> list[OutboxMessage]:
    """Return the mails that we sent with one of these Message-IDs, newest first. Nobody can guess one (160 bits)."""
    our_ids = [name for name in ids if _SENT_ID.match(name)][:100]
    if not our_ids:
        return []  # no query: most mails are no replies
    mails = OutboxMessage.objects.filter(message_id__in=our_ids).order_by("-pk")
    mails = mails.only("message_id", "about", "key", "kind", "to", "bounced_at")
    return [mail for mail in mails if any(constant_time_compare(mail.message_id, name) for name in ids)]


def read_subject_numbers(subject: str, prefix: str = NUMBER_PREFIX) -> list[str]:
    """Return the numbers with this prefix in a mail's subject, without those that have a wrong check character."""
    valid_numbers = []
    for text in _NUMBERS_IN_TEXT[prefix].findall(subject)[:MAX_SUBJECT_NUMBERS]:
        try:
            valid_numbers.append(numbers.parse_number(prefix, text))
        except numbers.InvalidNumber:
            continue
    return list(dict.fromkeys(valid_numbers))


def answers_ours(inbound: InboundMessage, mail: InboundMail) -> bool:
    """Return whether a mail is a reply to ours: it has an id or address that we made, or a number in its subject (M17).

    From a reply the quoted text is cut. The search in our sent mails comes last, because only it needs a query.
    """
    ids = [*mail.references, mail.message_id]
    recipients = [*inbound.recipients, *mail.recipients]
    return bool(
        any(map(_read_number_in_id, ids))
        or any(map(_read_number_in_address, recipients))
        or any(read_subject_numbers(mail.subject, prefix) for prefix in OUR_PREFIXES)
        or find_sent_mails(ids)
    )


def normalise_subject(subject: str) -> str:
    """Return a subject in the form used to compare subjects: without «Re:», our number, accents and capitals."""
    bare = _NUMBERS_IN_TEXT[NUMBER_PREFIX].sub(" ", subject)
    return searchable(_REPLY_PREFIXES.sub("", bare))


def _find_by_sent_mails(ids: Sequence[str]) -> list[str]:
    """Return the ticket numbers of the mails that we sent with these ids. A mail about no ticket is left out.

    The first number is that of the mail with the first id, which the sender answered. The others follow, newest first.
    """
    mails = find_sent_mails(ids)
    mails.sort(key=lambda mail: mail.message_id != ids[0])  # False sorts before True
    prefix = chain_of("")  # "ticket:"
    return [mail.about.removeprefix(prefix) for mail in mails if mail.about.startswith(prefix)]


def _read_number_in_id(message_id: str) -> str:
    """Return the ticket's number in a Message-ID fy-7k4m-92q0.<token>@…, or "" if we did not make the id."""
    match = _NUMBER_IN_ID.match(message_id)
    return _prove_number(match.group(1).upper(), message_id, make_root_id) if match else ""


def _read_number_in_address(address: str) -> str:
    """Return the ticket's number in a reply address soporte+<number>.<token>@, or "" if we did not make the address."""
    match = _NUMBER_IN_ADDRESS.match(address)
    if match is None:
        return ""
    compact = match.group(1).upper()  # as 7K4M92Q0
    return _prove_number(f"{NUMBER_PREFIX}-{compact[:4]}-{compact[4:]}", address, make_reply_address)


def _prove_number(number: str, id_or_address: str, make: Callable[[str, str | None], str]) -> str:
    """Return the ticket's number if an id or address in a mail is the one that we make for this ticket; else "".

    `make` makes that id or address. We try it with today's signing key, then with each key that is being retired.
    """
    for secret in (None, *settings.SECRET_KEY_FALLBACKS):
        if constant_time_compare(id_or_address.lower(), make(number, secret)):
            return number
    return ""
