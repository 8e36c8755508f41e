"""Mails of every sort on their whole way, each on a database of its own, verdict not required (M5, M6, M17)."""

import re
from typing import Any

import pytest

from factureya.core.mail import parse
from factureya.core.models import InboundMessage
from factureya.testing.inbound_mails import ANA, became, deliver
from factureya.testing.people import make_contact, own_provider
from factureya.testing.sample_mails import MALFORMED, NEW, SAMPLES, Sample
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M5", "M6", "M17")]
each = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


@pytest.fixture(autouse=True)
def _as_in_make_run(settings: Any) -> None:
    settings.MAIL_IN_REQUIRE_VERDICT = False
    own_provider()


def with_from(raw: bytes, address: str) -> bytes:
    """The mail with its From replaced, or put first where it had none."""
    line = f"From: {address}".encode()
    head, gap, body = re.split(rb"(\r?\n\r?\n)", raw, maxsplit=1)
    changed, found = re.subn(rb"(?im)^from:[^\r\n]*", line, head, count=1)
    return (changed if found else line + b"\r\n" + head) + gap + body


def check(raw: bytes, sample: Sample, disposition: str) -> None:
    outcome = deliver(raw)
    assert outcome.disposition == disposition
    kept = InboundMessage.objects.get()
    assert (kept.raw, kept.disposition) == (raw, outcome.disposition)
    if disposition != NEW:
        assert not Ticket.objects.exists()
        return
    ticket, mail = became(outcome), parse.parse(raw)
    body = ticket.messages.get().body
    if sample.subject is not None:
        assert ticket.subject == sample.subject
    assert len(mail.files) == len(outcome.accepted) == sample.files
    for name, accepted in zip((file.name for file in mail.files), outcome.accepted, strict=True):
        assert accepted or name[:5] in body or "«" in body
    for expected in (sample.text, sample.reply):
        assert set((expected or "").split()) <= set(body.split())  # it answers nothing of ours: every word stays


@each
def test_with_its_own_sender_registered(sample: Sample):
    if sender := parse.parse(sample.raw).sender:
        make_contact(email=sender)
    check(sample.raw, sample, sample.disposition)


@each
def test_with_a_registered_sender_put_in_its_place(sample: Sample):
    make_contact(email=ANA)
    check(with_from(sample.raw, ANA), sample, NEW if sample.disposition == MALFORMED else sample.disposition)
