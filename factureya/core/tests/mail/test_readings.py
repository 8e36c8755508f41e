"""What a mail said is stored once; its files are found again by slicing and decoding (M6, M16, M17)."""

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.test.utils import CaptureQueriesContext

from factureya.core.mail import intake, parse, readings
from factureya.core.mail.intake import Outcome
from factureya.core.models import Heartbeat, InboundMessage, InboundReading
from factureya.core.tests.mail import test_intake
from factureya.core.tests.mail.test_parse import UU
from factureya.testing.mails import mail, multipart
from factureya.testing.races import race

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M6")]
NEW, DUPLICATE = InboundMessage.Disposition.NEW, InboundMessage.Disposition.DUPLICATE
NOON = datetime(2026, 3, 24, 18, tzinfo=UTC)
TEXT = "Content-Type: text/plain; charset=utf-8\n"


@pytest.fixture(autouse=True)
def _route(settings: Any) -> Iterator[None]:
    settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: ["factureya.core.tests.mail.test_intake.accept"]}
    test_intake.calls.clear()
    yield
    test_intake.calls.clear()


def receive(raw: bytes) -> Outcome:
    return intake.receive(raw, source="pipe")


def entries() -> int:
    return Heartbeat.objects.count()


# -- What is stored ----------------------------------------------------------------------------------


@pytest.mark.clause("M16")
def test_a_reading_holds_what_the_mail_said(settings):
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    receive(
        mail(
            "Hola\n-- \nAna",
            To="soporte@factureya.com, x@y.mx",
            Date="Tue, 24 Mar 2026 12:00:00 -0600",
            Authentication_Results="mx.factureya.com; dmarc=pass header.from=ejemplo.mx",
            Subject="a" * 400,
        )
    )
    reading = InboundReading.objects.get()
    assert (reading.senders, reading.date, reading.verdict) == (["ana@ejemplo.mx"], NOON, "pass")
    assert reading.recipients == ["soporte@factureya.com", "x@y.mx"]
    assert (reading.text, reading.new_text, reading.own_words) == ("Hola\n-- \nAna", "", "Hola\n-- \nAna")
    assert (reading.was_cut, reading.is_id_reused, reading.files) == (False, False, [])
    assert (reading.subject, len(InboundMessage.objects.get().subject)) == ("a" * 400, 300)
    assert str(reading) == f"lectura de {reading.pk}"


FILES = {
    "base64": (
        f"{TEXT}Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=a.txt\n\n"
        + base64.b64encode("señal\0".encode()).decode()
        + "\n",
        ["señal\0".encode()],
    ),
    "broken base64": ("Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nJVB*ERg\n", [b"%PDF"]),
    "quoted": ("Content-Type: application/x\nContent-Transfer-Encoding: quoted-printable\n\na=3D=\nb\n", [b"a=b"]),
    "plain": ("Content-Type: application/x\n\nuno\ndos\n", [b"uno\r\ndos"]),
    "message": ("Content-Type: message/rfc822\n\nSubject: x\n\nadentro\n", [b"Subject: x\r\n\r\nadentro"]),
    "uuencoded part": (f"Content-Type: application/x; name=n\nContent-Transfer-Encoding: x-uuencode\n\n{UU}", [b"Cat"]),
    "in a text": (f"{TEXT}\nHola\n{UU}y\n{UU}fin\n", [b"Cat", b"Cat"]),
    "in an encoded text": (
        f"{TEXT}Content-Transfer-Encoding: base64\n\n" + base64.b64encode(f"Hola\n{UU}fin".encode()).decode() + "\n",
        [b"Cat"],
    ),
    "in a quoted text": (f"{TEXT}Content-Transfer-Encoding: quoted-printable\n\nse=C3=B1al\n{UU}fin\n", [b"Cat"]),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
def test_files_are_taken_out_of_the_original_by_their_places(name, line_end, monkeypatch):
    part, expected = FILES[name]
    raw = multipart("\nhola\n", part).replace(b"\r\n", line_end)
    receive(raw)
    read = [file.content for file in parse.parse(raw).files]
    monkeypatch.setattr(parse, "parse", lambda _raw: pytest.fail("parsed again"))
    reading = InboundReading.objects.get()
    found = readings.read_files(reading, reading.message.raw)
    assert [file.content for file in found] == read
    assert [content.replace(b"\n", b"").replace(b"\r", b"") for content in read] == [
        content.replace(b"\n", b"").replace(b"\r", b"") for content in expected
    ]
    assert [(file["name"], file["size"]) for file in reading.files] == [
        (file.name, len(file.content)) for file in found
    ]


def test_a_damaged_uuencoded_file_stays_text():
    assert parse.parse(mail("begin 644 a\n#0V%T!!!!!\nend\n")).files == ()
    with pytest.raises(binascii.Error):
        parse.Place(0, 9, "", (0, 9)).read(b"#0V%T!!!!")


def test_beyond_the_limits_there_is_no_reading():
    receive(multipart(*["\nx\n"] * 300))
    assert not InboundReading.objects.exists()
    assert InboundMessage.objects.get().content is None


def test_a_mail_costs_one_statement_more_than_without_its_reading():
    receive(mail())
    with CaptureQueriesContext(connection) as context:
        receive(mail("otro", Message_ID="<m2@ejemplo.mx>"))
    sent = [query["sql"] for query in context.captured_queries]
    own = [sql for sql in sent if "heartbeat" not in sql]
    assert sum("core_inboundreading" in sql for sql in own) == 1
    assert len([sql for sql in own if sql.partition(" ")[0] in {"SELECT", "INSERT", "UPDATE"}]) == (
        5 if connection.vendor == "sqlite" else 4  # there the original goes past the log
    )


@pytest.mark.parametrize("change", [{"text": "x"}, {"was_cut": True}, {"files": []}])
def test_a_reading_never_changes(change):
    receive(mail())
    with pytest.raises(DatabaseError, match="inboundreading_no_update"), transaction.atomic():
        InboundReading.objects.update(**change)


# -- The same mail twice (findings/reports.md 2) -----------------------------------------------------

BODY = "Señores: aún no puedo timbrar.\nLínea " + "muy " * 400 + "larga.\n"


def encoded(encoding: str) -> bytes:
    """The same mail in a transfer encoding."""
    text = BODY.encode()
    written = {"8bit": text, "quoted-printable": binascii.b2a_qp(text), "base64": base64.encodebytes(text)}[encoding]
    head = {"Content_Type": "text/plain; charset=utf-8", "Content_Transfer_Encoding": encoding}
    return mail(written.replace(b"\n", b"\r\n"), **head)


def hops() -> list[bytes]:
    """One mail as eight ways deliver it."""
    first = encoded("8bit")
    added = [
        "Envelope-to: soporte@factureya.com\r\nDelivery-date: Mon, 23 Nov 2026 10:05:40 -0600\r\n",
        "Received-SPF: pass (x)\r\n",
        "List-Id: <soporte>\r\nResent-From: x@y\r\n",
        "Status: RO\r\nLines: 3\r\n",
    ]
    return [
        first,
        *(line.encode() + first for line in added),
        encoded("quoted-printable"),
        encoded("base64"),
        first.replace(b"muy muy ", b"muy\r\n muy "),
    ]


def test_reports_2_one_mail_whatever_each_delivery_adds():
    said = [receive(raw).disposition for raw in hops()]
    assert said == [NEW] + [DUPLICATE] * 7
    assert entries() == 1
    stored = InboundMessage.objects.order_by("pk")
    assert {row.about for row in stored} == {test_intake.OURS}
    assert [row.disposition for row in stored] == [NEW] + [DUPLICATE] * (len(stored) - 1)
    assert not any(row.is_in_tray for row in stored)


def test_reports_2_files_make_it_another_mail_and_the_second_is_flagged():
    part = "Content-Type: application/x; name=a.bin\n\n{}\n"
    receive(multipart("\nhola\n", part.format("uno")))
    assert receive(multipart("\nhola\n", part.format("dos"))).disposition == NEW
    assert receive(multipart("\nhola\n", part.format("uno"), From="otra@ejemplo.mx")).disposition == NEW
    assert list(InboundReading.objects.order_by("pk").values_list("is_id_reused", flat=True)) == [False, True, True]
    assert entries() == 3


def test_without_a_message_id_the_bytes_decide():
    head = {"Message_ID": None}
    assert receive(mail("Hola", **head)).disposition == NEW
    assert receive(b"Received-SPF: pass\r\n" + mail("Hola", **head)).disposition == DUPLICATE
    assert receive(mail("Ho la", **head)).disposition == NEW


def test_many_mails_under_one_message_id_stay_cheap(monkeypatch):
    monkeypatch.setattr(intake, "MAX_SAME_ID", 3)
    for number in range(6):
        assert receive(mail(f"cuerpo {number}")).disposition == NEW
    assert InboundReading.objects.filter(is_id_reused=True).count() == 5
    assert receive(b"X-A: 1\r\n" + mail("cuerpo 1", Content_Type="text/plain")).disposition == DUPLICATE


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_reports_2_eight_ways_at_once_make_one_entry(race_rounds):
    for turn in range(race_rounds):
        raws = [raw.replace(b"<m1@", b"<m%d@" % turn) for raw in hops()]
        outcomes = [outcome.disposition for outcome in race(*[partial(receive, raw) for raw in raws])]
        assert sorted(outcomes) == [NEW] + [DUPLICATE] * 7
    assert entries() == race_rounds


def test_what_was_kept_twice_before_either_was_read_is_one():
    with time_machine.travel(NOON, tick=False) as clock:
        for raw in hops():
            intake.keep(raw, source="smtp")
        clock.shift(60)
        intake.sweep()
    assert entries() == 1
    assert not InboundMessage.objects.filter(disposition="").exists()
