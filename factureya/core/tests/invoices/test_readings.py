"""What is stored of an XML file that somebody sent: once, after the commit, for ever beside its file (M17)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction

from factureya.core import clock, tasks
from factureya.core.files import store
from factureya.core.invoices import NotReadNow, readings
from factureya.core.models import Attachment, InvoiceAttempt, InvoiceReading
from factureya.core.running.waking import Waker
from factureya.testing.invoices import ISSUER, RECEIVER, UUID, make_invoice
from factureya.testing.races import race
from factureya.testing.raw_sql import execute, postgres_only, refused_by, sqlite_only

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M17")]
DRAFT = "borrador-de-prueba"


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def keep(content: str | None = None, name: str = "factura.xml") -> Attachment:
    """Store a file of a form."""
    return store.store(SimpleUploadedFile(name, (content or make_invoice()).encode()), draft=DRAFT)


def take(attachment: Attachment) -> Attachment:
    """Do what a message does with a file of its form."""
    Attachment.objects.filter(pk=attachment.pk).update(draft="")
    return attachment


def test_a_file_is_read_and_what_it_says_is_stored():
    attachment = keep()
    assert tasks.read_invoices() == 1
    reading = InvoiceReading.objects.get(attachment=attachment)
    assert (reading.uuid, reading.receiver_rfc, reading.problem) == (UUID, RECEIVER, "")
    assert str(reading) == UUID
    invoice = readings.load_invoice(reading)
    assert invoice is not None
    assert (invoice.issuer_rfc, invoice.total, invoice.kind) == (ISSUER, Decimal("4872.00"), "I")
    assert invoice.issued_at == datetime(2026, 11, 23, 17, 2)
    assert not invoice.concepts  # they stay in the file
    assert "seal" not in (reading.facts or {})


def test_a_file_that_is_no_invoice_keeps_why():
    attachment = keep("<nota/>")
    assert tasks.read_invoices() == 1
    reading = InvoiceReading.objects.get(attachment=attachment)
    assert (reading.problem, reading.facts, str(reading)) == ("Es un XML, pero no un CFDI.", None, reading.problem)
    assert readings.load_invoice(reading) is None
    assert tasks.read_invoices() == 0


def test_an_unstamped_invoice_has_no_folio():
    keep(make_invoice(stamp=""))
    tasks.read_invoices()
    assert str(InvoiceReading.objects.get()) == "sin timbrar"


def test_only_xml_files_are_read():
    keep("hola", "nota.txt")
    assert tasks.read_invoices() == 0


def lose(attachment: Attachment) -> None:
    """Take a file out of the store."""
    default_storage.delete(attachment.file.name)


def rest(time_machine: Any, wait: timedelta) -> None:
    """Let this time pass, and a second."""
    time_machine.move_to(clock.now() + wait + timedelta(seconds=1))


def test_a_file_that_the_store_lost_is_left_for_later(caplog: Any, time_machine: Any):
    attachment = keep()
    with default_storage.open(attachment.file.name) as file:
        content = file.read()
    lose(attachment)
    for _run in range(readings.MAX_TRIES + 2):  # however often it is looked for, it is not a bad invoice
        assert tasks.read_invoices() == 0
        rest(time_machine, readings.LOST_WAIT)
    assert "was not read as an invoice: FileNotFoundError" in caplog.text
    default_storage.save(attachment.file.name, SimpleUploadedFile("x", content))
    assert tasks.read_invoices() == 1
    assert InvoiceReading.objects.get().uuid == UUID


def test_lost_files_take_no_place_of_the_others(monkeypatch: Any):
    monkeypatch.setattr(readings, "MAX_READ", 1)
    good, lost = keep(), keep()
    lose(lost)
    assert [tasks.read_invoices(), tasks.read_invoices()] == [0, 1]
    assert InvoiceReading.objects.get().attachment_id == good.pk


@pytest.fixture
def busy(monkeypatch: Any) -> list[bytes]:
    """The files that a reader got which the machine stops each time."""
    asked: list[bytes] = []

    def fail(content: bytes) -> None:
        asked.append(content)
        raise NotReadNow("TimeoutExpired")

    monkeypatch.setattr(readings, "read_invoice", fail)
    return asked


def test_what_the_machine_could_not_read_is_read_later(busy: list[bytes], monkeypatch: Any, time_machine: Any):
    keep()
    assert [tasks.read_invoices(), tasks.read_invoices()] == [0, 0]
    assert len(busy) == 1  # it rests
    assert not InvoiceReading.objects.exists()
    monkeypatch.undo()
    rest(time_machine, timedelta(minutes=5))
    assert tasks.read_invoices() == 1
    assert InvoiceReading.objects.get().uuid == UUID


def test_what_the_machine_never_could_read_is_given_up(busy: list[bytes], time_machine: Any):
    keep()
    for _try in range(readings.MAX_TRIES):
        assert tasks.read_invoices() == 0
        assert not InvoiceReading.objects.exists()
        time_machine.move_to(InvoiceAttempt.objects.get().rests_until)
    assert tasks.read_invoices() == 1
    assert "demasiado complejo" in InvoiceReading.objects.get().problem
    assert len(busy) == readings.MAX_TRIES


def test_a_file_is_claimed_before_it_is_read(monkeypatch: Any, time_machine: Any):
    """A run that begins while another reads leaves that file alone; one that died leaves it free after CLAIM."""
    attachment = keep()
    read, inner = readings.read_invoice, []

    def read_while_another_runs(content: bytes) -> Any:
        inner.append(readings._read_file(attachment))  # it listed the file before the claim
        inner.append(tasks.read_invoices())
        return read(content)

    monkeypatch.setattr(readings, "read_invoice", read_while_another_runs)
    assert tasks.read_invoices() == 1
    assert inner == [False, 0]
    InvoiceReading.objects.all().delete()
    monkeypatch.undo()
    assert tasks.read_invoices() == 0
    rest(time_machine, readings.CLAIM)
    assert tasks.read_invoices() == 1
    rest(time_machine, readings.CLAIM)
    assert not readings._read_file(attachment)  # listed before it was read
    assert InvoiceReading.objects.count() == 1


def test_a_file_that_was_deleted_meanwhile_is_not_tried(monkeypatch: Any):
    def refuse(**_values: Any) -> None:
        raise IntegrityError("there is no such file")

    attachment = keep()
    monkeypatch.setattr(InvoiceAttempt.objects, "get_or_create", refuse)
    assert not readings._read_file(attachment)


def test_a_run_reads_no_more_than_its_share_the_newest_first(monkeypatch: Any):
    monkeypatch.setattr(readings, "MAX_READ", 1)
    first, second = keep(), keep()
    tasks.read_invoices()
    assert InvoiceReading.objects.get().attachment_id == second.pk
    tasks.read_invoices()
    assert InvoiceReading.objects.filter(pk=first.pk).exists()


def test_another_run_was_first(monkeypatch: Any):
    attachment = keep()
    read = readings.read_invoice

    def read_while_another_stores(content: bytes) -> Any:
        InvoiceReading.objects.create(attachment=attachment, problem="otro")
        return read(content)

    monkeypatch.setattr(readings, "read_invoice", read_while_another_stores)
    assert tasks.read_invoices() == 0
    assert InvoiceReading.objects.get().problem == "otro"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_runs_at_once_store_one_reading(rounds: range):
    for _ in rounds:
        attachment = keep()
        assert sum(race(*[partial(readings.read_pending)] * 4)) == 1
        assert InvoiceReading.objects.filter(attachment=attachment).count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_runs_at_once_read_each_file_once(rounds: range, monkeypatch: Any):
    read, asked = readings.read_invoice, []

    def count(content: bytes) -> Any:
        asked.append(content)
        return read(content)

    monkeypatch.setattr(readings, "read_invoice", count)
    for _ in rounds[:3]:
        keep()
        keep()
        assert sum(race(*[partial(readings.read_pending)] * 4)) == 2
        assert len(asked) == 2
        asked.clear()


# -- After the request -------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that woke a worker."""
    woken: list[str] = []
    waker = Waker(readings.READ_TASK)
    monkeypatch.setattr(waker, "wake", lambda: woken.append(waker.task))
    monkeypatch.setattr(readings, "_waker", waker)
    return woken


def test_a_worker_is_called_after_the_commit(calls: list[str], django_capture_on_commit_callbacks: Callable[..., Any]):
    with django_capture_on_commit_callbacks(execute=True):
        keep()
        assert calls == []
        assert not InvoiceReading.objects.exists()
    assert calls == [tasks.read_invoices.name]


def test_no_worker_is_called_for_another_file(calls: list[str], django_capture_on_commit_callbacks: Callable[..., Any]):
    with django_capture_on_commit_callbacks(execute=True):
        keep("hola", "nota.txt")
    assert calls == []


# -- The folio that a form offers --------------------------------------------------------------------


def test_the_folios_of_files():
    stamped, unstamped = keep(), keep(make_invoice(stamp=""), "otra.xml")
    text = keep("hola", "nota.txt")
    assert readings.find_folios([stamped, unstamped, text]) == []  # not read yet
    tasks.read_invoices()
    assert readings.find_folios([stamped, unstamped, text]) == [(UUID, "factura.xml")]


def test_no_file_asks_nothing(django_assert_num_queries: Any):
    text = keep("hola", "nota.txt")
    with django_assert_num_queries(0):
        assert readings.find_folios([text]) == []


# -- What stays, and what goes with its file ---------------------------------------------------------


def make_reading() -> InvoiceReading:
    attachment = take(keep())
    tasks.read_invoices()
    return InvoiceReading.objects.get(attachment=attachment)


@pytest.mark.parametrize(
    "change", ["uuid = ''", "problem = 'x'", "facts = NULL", "read_at = read_at", "receiver_rfc = 'X'"]
)
def test_a_reading_never_changes(change: str):
    reading = make_reading()
    with refused_by("core_invoicereading_no_update"):
        execute(f"UPDATE core_invoicereading SET {change} WHERE attachment_id = {reading.pk}")
    with refused_by("core_invoicereading_no_update"):
        reading.save()


def test_the_reading_of_a_taken_file_is_not_deleted():
    reading = make_reading()
    with refused_by("core_invoicereading_no_delete"):
        execute("DELETE FROM core_invoicereading")
    with refused_by("core_invoicereading_no_delete|core_attachment_no_delete"):
        reading.attachment.delete()


@postgres_only
def test_readings_are_not_truncated():
    make_reading()
    execute("SET CONSTRAINTS ALL IMMEDIATE")  # else PostgreSQL refuses for the row's pending checks
    with refused_by("core_invoicereading_no_truncate"):
        execute("TRUNCATE core_invoicereading")


@sqlite_only
def test_a_reading_is_not_replaced():
    reading = make_reading()
    columns = "attachment_id, read_at, problem, uuid, receiver_rfc, facts"
    with refused_by("core_invoicereading_no_replace"):
        execute(
            f"INSERT OR REPLACE INTO core_invoicereading ({columns}) "
            f"VALUES ({reading.pk}, '2026-01-01 00:00:00', 'x', '', '', NULL)"
        )


@pytest.mark.parametrize(
    "values",
    [
        {"problem": "", "facts": None},
        {"problem": "x", "facts": {"a": 1}},
        {"problem": "x", "facts": None, "uuid": UUID},
        {"problem": "x", "facts": None, "receiver_rfc": RECEIVER},
    ],
)
def test_a_reading_has_facts_or_a_problem(values: dict[str, Any]):
    attachment = keep()
    with pytest.raises(IntegrityError, match="reading_has_facts_or_problem"), transaction.atomic():
        InvoiceReading.objects.create(attachment=attachment, **values)


@pytest.mark.parametrize("is_discarded", [True, False])
def test_the_reading_of_a_file_that_nobody_took_goes_with_it(is_discarded: bool, time_machine: Any):
    attachment = keep()
    tasks.read_invoices()
    if is_discarded:
        assert store.discard_file(DRAFT, attachment.token)
    else:
        time_machine.move_to(clock.now() + timedelta(hours=25))
        assert store.purge_orphans() == 1
    assert not InvoiceReading.objects.exists()
    assert not Attachment.objects.exists()
