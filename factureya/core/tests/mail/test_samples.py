"""Mails of every sort that mail programs send: subject, words, files and marks as they must be read (M5, M6, M17)."""

import pytest

from factureya.core.mail import parse
from factureya.core.mail.parse import InboundMail
from factureya.testing.sample_mails import SAMPLES, Sample

pytestmark = [pytest.mark.once, pytest.mark.clause("M6")]
each = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


def read(sample: Sample, before: bytes = b"") -> InboundMail:
    return parse.parse(before + sample.raw).shortened()


@each
def test_subject_words_and_files(sample: Sample):
    mail = read(sample)
    assert sample.subject in (None, mail.subject)
    assert sample.text is None or mail.text.split() == sample.text.split()
    assert sample.reply is None or mail.new_text.split() == sample.reply.split()
    assert len(mail.files) == sample.files


@each
def test_the_marks_by_which_its_disposition_is_decided(sample: Sample):
    mail = read(sample)
    if mail.bounce:
        marked = "ignore-bounce"
    elif mail.robot:
        marked = "ignore-auto"
    else:
        marked = "accept-new" if mail.sender else "reject-malformed"
    assert marked == sample.disposition


@each
def test_with_a_from_header_of_our_choice(sample: Sample):
    """Put first; nothing else of the mail is lost by it."""
    before, mail = read(sample), read(sample, b"From: Ana <ana@ejemplo.mx>\r\n")
    assert "ana@ejemplo.mx" in mail.senders
    if not sample.raw.startswith(b"\r\n"):  # the empty line ends the head, so what was the head is text then
        assert (mail.text, mail.new_text) == (before.text, before.new_text)
        assert [file.content for file in mail.files] == [file.content for file in before.files]


def test_line_ends_of_unix_change_nothing():
    for sample in SAMPLES.values():
        mail, unix = read(sample), parse.parse(sample.raw.replace(b"\r\n", b"\n")).shortened()
        assert (unix.subject, unix.text, len(unix.files)) == (mail.subject, mail.text, len(mail.files))
