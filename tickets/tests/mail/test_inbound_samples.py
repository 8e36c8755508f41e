"""The 26 public samples on their whole way, each on a database of its own, verdict not required (M5, M6, M17)."""

import re
from typing import Any

import pytest

from factureya.core.mail import parse
from factureya.core.models import InboundMessage
from factureya.core.tests.mail.test_samples import FOLDER, rows, unescaped
from factureya.testing.inbound_mails import ANA, became, deliver
from factureya.testing.people import make_contact, own_provider
from tickets.models import Ticket

SAMPLES = rows("MANIFEST.tsv")
pytestmark = [pytest.mark.django_db, pytest.mark.samples, pytest.mark.clause("M5", "M6", "M17")]
by_name = pytest.mark.parametrize("row", SAMPLES, ids=lambda row: row["file"])


@pytest.fixture(autouse=True)
def _as_in_make_run(settings: Any) -> None:
    settings.MAIL_IN_REQUIRE_VERDICT = False
    own_provider()


def with_from(raw: bytes, address: str) -> bytes:
    """The mail with its From replaced, or put first where it had none."""
    line = f"From: {address}".encode()
    head, gap, body = re.split(rb"(\r?\n\r?\n)", raw, maxsplit=1) if re.search(rb"\n\r?\n", raw) else (raw, b"", b"")
    changed, found = re.subn(rb"(?im)^from:[^\n]*(?:\n[ \t][^\n]*)*(?=\n|\Z)", line, head, count=1)
    return (changed if found else line + b"\n" + head) + gap + body


def check(raw: bytes, row: dict[str, str], allowed: set[str]) -> None:
    outcome = deliver(raw)
    assert outcome.disposition in allowed - {""}
    kept = InboundMessage.objects.get()
    assert (kept.raw, kept.disposition) == (raw, outcome.disposition)
    if not outcome.disposition.startswith("accept"):
        assert not Ticket.objects.exists()
        return
    ticket, mail = became(outcome), parse.parse(raw)
    body = ticket.messages.get().body
    if row["exp_subject"]:
        assert ticket.subject == unescaped(row["exp_subject"]).strip()
    if row["exp_attachments"]:
        assert len(mail.files) == len(outcome.accepted) == int(row["exp_attachments"])
    for name, accepted in zip((file.name for file in mail.files), outcome.accepted, strict=True):
        assert accepted or name[:5] in body or "«" in body
    if row["exp_text_file"]:
        expected = (FOLDER / row["exp_text_file"]).read_text(encoding="utf-8")
        if row["exp_text_mode"] == "reply":
            assert set(expected.split()) <= set(body.split())  # it answers nothing of ours: every word stays
        else:
            assert expected.strip().split("\n")[0] in body


@by_name
def test_with_its_own_sender_registered(row: dict[str, str]):
    raw = (FOLDER / row["file"]).read_bytes()
    sender = parse.parse(raw).sender
    # Of three the table says that nobody sent them; in one of these our parser finds whoever did.
    if sender and row["kind"] != "no-sender":
        make_contact(email=sender)
    check(raw, row, {row["expected"], *row["also_ok"].split(",")})


@by_name
def test_with_a_registered_sender_put_in_its_place(row: dict[str, str]):
    make_contact(email=ANA)
    raw = with_from((FOLDER / row["file"]).read_bytes(), ANA)
    check(raw, row, {row["expected_if_from_set"], *row["also_ok_if_from_set"].split(",")})
