"""The public samples: subject, text and attachments as their own projects expect them (M5, M6, M17)."""

import csv
from pathlib import Path

import pytest

from factureya.core.mail import parse
from factureya.core.mail.parse import InboundMail
from factureya.core.mail.replies import extract_reply

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "samples" / "email"
pytestmark = [pytest.mark.samples, pytest.mark.once, pytest.mark.clause("M6")]


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of the samples; none when the folder is absent."""
    table = FOLDER / name
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read(row: dict[str, str]) -> InboundMail:
    return parse.parse((FOLDER / row["file"]).read_bytes()).shortened()


def unescaped(text: str) -> str:
    for sign, meant in (("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ("\\\\", "\\")):
        text = text.replace(sign, meant)
    return text


@pytest.mark.parametrize("row", rows("MANIFEST.tsv"), ids=lambda row: row["file"])
def test_what_the_sources_own_tests_expect(row):
    mail = read(row)
    if row["exp_subject"]:
        assert mail.subject == unescaped(row["exp_subject"])
    if row["exp_attachments"]:
        assert len(mail.files) == int(row["exp_attachments"])
    if row["exp_text_file"]:
        expected = (FOLDER / row["exp_text_file"]).read_text()
        if row["exp_text_mode"] == "reply":
            assert mail.new_text.split() == expected.split()
        else:
            assert expected.strip().split("\n")[0] in mail.new_text


@pytest.mark.parametrize("row", rows("MANIFEST.tsv"), ids=lambda row: row["file"])
def test_the_marks_by_which_its_disposition_is_decided(row):
    mail = read(row)
    allowed = {row["expected"], *row["also_ok"].split(",")}
    if mail.bounce:
        marked = "ignore-bounce"
    elif mail.robot:
        marked = "ignore-auto"
    else:
        marked = "accept-new" if mail.sender else "reject-malformed"
    # The blank first line hides the sender from the parser that wrote the table, not from ours: he is not registered.
    allowed |= {"accept-new"} if row["file"] == "gitlab__dutch.eml" else set()
    assert marked in allowed or (marked == "accept-new" and "accept-reply" in allowed)


@pytest.mark.parametrize("row", rows("MANIFEST.tsv"), ids=lambda row: row["file"])
def test_with_a_from_header_of_our_choice(row):
    """Replaced, or put first where there is none; nothing else of the mail is lost by it."""
    raw = (FOLDER / row["file"]).read_bytes()
    before = parse.parse(raw).shortened()
    mail = parse.parse(b"From: Ana <ana@ejemplo.mx>\r\n" + raw).shortened()
    assert "ana@ejemplo.mx" in mail.senders
    if row["file"] == "gitlab__dutch.eml":
        assert mail.sender == "ana@ejemplo.mx"
        assert mail.new_text == before.new_text == "Dit is een antwoord in het Nederlands."
    else:
        assert (mail.text, mail.new_text) == (before.text, before.new_text)
        assert [file.content for file in mail.files] == [file.content for file in before.files]


@pytest.mark.parametrize("row", rows("replies/REPLIES.tsv"), ids=lambda row: row["file"])
def test_reply_bodies(row):
    folder = FOLDER / "replies"
    body, expected = ((folder / row[key]).read_text() for key in ("file", "expected_file"))
    assert extract_reply(body).split() == expected.split()


def test_all_are_read():
    assert (len(rows("MANIFEST.tsv")), len(rows("replies/REPLIES.tsv"))) == (26, 6)
