"""Take mail addresses out of what a third party's agent reads: pages, mails, names, quoted headers (M3).

Every address in a text is hidden, not only the customer's own: a quoted header names others of the company too. Our
own addresses stay. Nothing here is saved: the rows in the database keep their words.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from tickets.models import ChargeProposal, Ticket, TimeEntry

HIDDEN = "[correo oculto]"
# «@» as people and programs write it. A quote may break an address after it; a line begins with «>» then.
_AT = r"(?:@|＠|﹫|%40|=40|&#0*64;|&#x0*40;|&commat;|\(at\)|\[at\]|\(arroba\)|\[arroba\])"
_BREAK = r"(?:[ \t]{0,2}(?:=?\r?\n[ \t>|]{0,20})?)"
# What stands before it: a name, or anything in quotes, which are escaped in HTML. A name is looked for at the beginning
# of a word only, and is of any length, so that each character of a long word is tried once.
_NAME = r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+"
_LOCAL = rf"""(?:{_NAME}|"(?:[^"\\\r\n]|\\.){{1,64}}"|&quot;[^\r\n]{{1,64}}?&quot;)"""
# What stands after it: a domain, its dots perhaps as words, or the number of a machine in brackets.
_DOT = r"(?:\.|\s{1,3}(?:punto|dot)\s{1,3}|[ \t]{0,2}[(\[](?:punto|dot)[)\]][ \t]{0,2})"
_DOMAIN = rf"(?:[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,8}}|\[(?:IPv6:)?[\da-f.:]{{2,45}}\])"
_ADDRESS = re.compile(rf"{_LOCAL}{_BREAK}{_AT}{_BREAK}{_DOMAIN}", re.IGNORECASE)
# An address that is written as it is spoken. It is looked for at the beginning of a word only, so that it is linear.
_SPOKEN_SIGN = r"\s{1,3}(?:punto|dot|gui[oó]n|gui[oó]n\s{1,3}bajo)\s{1,3}"
_SPELLED = re.compile(
    rf"(?<![\w.+-])(?:[\w.+-]++{_SPOKEN_SIGN}){{0,6}}[\w.+-]++\s{{1,3}}(?:arroba|at)\s{{1,3}}{_DOMAIN}", re.IGNORECASE
)


def hide_mails(text: str) -> str:
    """Return the text with HIDDEN in place of each mail address that is not one of ours."""
    if not text:
        return text
    return _SPELLED.sub(HIDDEN, _ADDRESS.sub(_replace_address, text))


def hide_in_html(html: SafeString) -> SafeString:
    """Return a line of HTML of ours with the mail addresses in its text hidden; its tags hold none and stay."""
    return mark_safe(hide_mails(str(html)))  # noqa: S308 (it was safe, and what replaces an address is a constant)


def hide_in_ticket(ticket: Ticket) -> None:
    """Take the mail addresses out of a ticket in memory, with its company, its requester and its assignee.

    It is for showing only: no operation saves the object that a page has read.
    """
    for column in {"subject", "last_excerpt"} & ticket.__dict__.keys():  # a list loads only what it shows
        setattr(ticket, column, hide_mails(ticket.__dict__[column]))
    loaded = ticket._state.fields_cache
    if customer := loaded.get("customer"):
        customer.registered_email, customer.legal_name = HIDDEN, hide_mails(customer.legal_name)
    if requester := loaded.get("requester"):
        requester.full_name, requester.email = hide_mails(requester.get_full_name()), HIDDEN
    for name in ("follows", "merged_into"):
        if other := loaded.get(name):
            other.subject = hide_mails(other.subject)


def hide_in_time(entry: TimeEntry) -> None:
    """Take the mail addresses out of noted minutes in memory: what was done, and why they were voided (M18)."""
    entry.work, entry.void_reason = hide_mails(entry.work), hide_mails(entry.void_reason)


def hide_in_charge(charge: ChargeProposal) -> None:
    """Take the mail addresses out of a charge in memory: what the customer said of it, and who decided it (M18)."""
    charge.note = hide_mails(charge.note)
    if charge.ended_by is not None:
        charge.ended_by.full_name = hide_mails(charge.ended_by.get_full_name())


def hide_in_entry(entry: Any) -> Any:
    """Return a line (`tickets.desk.timeline.Entry`) of a history without mail addresses, in names of files too."""
    delivery = entry.delivery
    return replace(
        entry,
        text=hide_in_html(entry.text),
        author=hide_mails(entry.author),
        noted_by=hide_mails(entry.noted_by),
        blocks=_hide_in_blocks(entry.blocks),
        files=_hide_in_files(entry.files),
        delivery=replace(delivery, text=hide_mails(delivery.text)) if delivery else None,
        inbound=None,  # the mail itself is for our own desk
    )


def _hide_in_blocks(blocks: Sequence[Any]) -> list[Any]:
    """Return the blocks of a message without mail addresses; one that is broken over two lines is in one block."""
    return [
        replace(block, text=hide_mails(block.text), items=[hide_mails(item) for item in block.items])
        for block in blocks
    ]


def _hide_in_files(files: Sequence[Any]) -> list[Any]:
    """Return the files of a message with names that hold no mail address."""
    for file in files:
        file.name = hide_mails(file.name)
    return list(files)


def _replace_address(match: re.Match[str]) -> str:
    """Return HIDDEN for an address, or the address itself if it is one of ours."""
    own_domain = settings.SUPPORT_EMAIL.partition("@")[2].lower()
    domain = re.split(_AT, match.group(), flags=re.IGNORECASE)[-1]
    return match.group() if domain.strip(" \t\r\n>|").rstrip(".").lower() == own_domain else HIDDEN
