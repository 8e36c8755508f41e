"""The import of credits from a CSV file: preview, bad rows, steps, guards, pages (M28)."""

from datetime import date, timedelta
from functools import partial

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts import operations
from accounts.credits import tasks
from accounts.models import CreditBalance, CreditImport, Customer, Office, User
from accounts.operations import credit_imports, credit_rows
from factureya.core import audit
from factureya.core.refusals import Refused, WrongStatus
from factureya.testing.credits import HEADER, apply, bad_rows, enter, upload
from factureya.testing.pages import key_in, make_client, text_of
from factureya.testing.people import end_offices, make_customer, make_staff
from factureya.testing.races import kinds, race
from factureya.testing.raw_sql import execute, insert, refused_by, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M28")]


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Mesa")


@pytest.fixture
def ocaso() -> Customer:
    return make_customer("POC930314QX7", "Papelería Ocaso SA de CV")


# -- The file: what each row says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (",PAC,200,34,", "Falta el RFC."),
        ("POC93,PAC,200,34,", "El RFC tiene 12"),
        ("POC930314QX7,,200,34,", "Falta el nombre del paquete."),
        (f"POC930314QX7,{'x' * 81},200,34,", "81 caracteres"),
        ("POC930314QX7,PAC,doscientos,34,", "Créditos: escriba un número entero de 1"),
        ("POC930314QX7,PAC,0,0,", "Créditos: escriba un número entero de 1"),
        ("POC930314QX7,PAC,200,,", "Quedan: escriba un número entero de 0 a 10,000,000; dice nada."),
        ("POC930314QX7,PAC,200,-1,", "Quedan: escriba"),
        ("POC930314QX7,PAC,200,3.5,", "Quedan: escriba"),
        ("POC930314QX7,PAC,200,²,", "Quedan: escriba"),
        ('POC930314QX7,PAC,200,"34,5",', "Quedan: escriba un número entero de 0 a 10,000,000; dice «34,5»."),
        ('POC930314QX7,PAC,"200,00",34,', "Créditos: escriba un número entero de 1 a 10,000,000; dice «200,00»."),
        ("POC930314QX7,PAC,200,1 2,", "dice «1 2»."),
        ('POC930314QX7,PAC,200,"1,2,3",', "dice «1,2,3»."),
        ("POC930314QX7,PAC,200,201,", "Quedan 201 y el paquete es de 200."),
        ("POC930314QX7,PAC,200,34,31/02/2026", "Vence: escriba"),
        ("POC930314QX7,PAC,200,34,0001-01-01", "Vence: escriba"),
        ("POC930314QX7,PAC", "Créditos: escriba"),
        ("XAXX010101000,PAC,200,34,", "RFC genérico"),
        ("MAB9307148T4,PAC,200,34,", "Ningún cliente verificado tiene este RFC."),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_stores_nothing(laura, ocaso, row, problem):
    good = make_customer("CACX7605101P8")
    found = upload(laura, f"{HEADER}CACX7605101P8,PAC,500,90,\n\n{row}\n")
    assert list(bad_rows(found)) == [4]
    assert problem in bad_rows(found)[4]
    assert not found.may_be_applied
    with pytest.raises(WrongStatus, match="no se guardó nada"):
        operations.confirm_import(found.pk, actor=laura)
    tasks.apply_import(found.pk)  # a task that comes without a confirmation
    assert not CreditBalance.objects.exists()
    assert not good.events().exists()
    page = text_of(make_client(laura).get(reverse("admin:accounts_creditbalance_import", args=[found.pk])))
    assert "Línea 4" in page
    assert "No se guardó nada" in page


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}POC930314QX7,PAC-200,200,34,2026-12-31\n".encode("utf-8-sig"),
        f"{HEADER}POC930314QX7,PAC-200,200,34,31/12/2026\n".encode("cp1252"),
        b"quedan;creditos;rfc;vence;paquete;nota\r\n34;200;poc-930314-qx7;31/12/2026;PAC-200;x\r\n",
        b'RFC\tPaquete\tCREDITOS\tQuedan\tVence\nPOC930314QX7\t"PAC-200"\t200\t"34"\t2026-12-31',
    ],
)
def test_files_as_people_save_them(laura, ocaso, content):
    found = apply(laura, upload(laura, content))
    assert (found.status, found.rows_applied) == ("applied", 1)
    balance = CreditBalance.objects.get()
    assert (balance.package, balance.summary, balance.valid_until) == ("PAC-200", "34 de 200", date(2026, 12, 31))
    assert balance.source == "imported"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"RFC,Paquete\nx,y\n", "Falta o se repite: Créditos, Quedan, Vence."),
        (f"{HEADER.strip()},RFC\n".encode(), "Falta o se repite: RFC."),
        (HEADER.encode(), "no tiene ninguna fila"),
        (b"PK\x03\x04\x00\x00", "no es un CSV"),
        (f"{HEADER}{'x' * 2100}\n".encode(), "La línea 2 tiene más de 2,000 caracteres"),
    ],
)
def test_a_file_that_is_no_such_table_says_why(laura, content, problem):
    found = upload(laura, content)
    assert found.status == "checked"
    assert problem in found.problem
    assert problem in text_of(make_client(laura).get(reverse("admin:accounts_creditbalance_import", args=[found.pk])))
    with pytest.raises(WrongStatus):
        operations.confirm_import(found.pk, actor=laura)


def test_a_file_is_bounded(laura, settings):
    settings.CREDITS_IMPORT_MAX_ROWS = 2
    found = upload(laura, HEADER + "POC930314QX7,PAC,1,1,\n" * 3)
    assert "más de 2 filas" in found.problem
    settings.CREDITS_IMPORT_MAX_BYTES = 1024**2
    for content in (b"  ", b"x" * (1024**2 + 1)):
        with pytest.raises(Refused):
            operations.upload_credits(actor=laura, name="x.csv", content=content, form_key="k2")


def test_an_rfc_that_stands_there_twice_is_bad(laura, ocaso):
    found = upload(laura, f"{HEADER}POC930314QX7,PAC,200,34,\npoc930314qx7,PAC,200,33,\n")
    assert bad_rows(found) == {3: "El RFC ya está en la línea 2."}


# -- The file: preview, confirm, apply ------------------------------------------------------------------


def test_the_preview_says_what_changes_and_nothing_is_stored_before(laura, ocaso):
    enter(ocaso, laura, remaining=74)
    other, same = make_customer("CACX7605101P8"), make_customer("MAB9307148T4")
    enter(same, laura)
    text = (
        f"{HEADER}POC930314QX7,PAC-200,200,34,\nCACX7605101P8,PAC-500,500,90,\nMAB9307148T4,PAC-200,200,34,2036-12-31"
    )
    found = upload(laura, text)
    assert (found.rows_checked, found.rows_changed, found.rows_new, found.unchanged) == (3, 1, 1, 1)
    page = text_of(make_client(laura).get(reverse("admin:accounts_creditbalance_import", args=[found.pk])))
    assert "74 de 200 (PAC-200)" in page
    assert "Sin dato" in page
    assert "Aplicar los 2 cambios" in page
    assert CreditBalance.objects.count() == 2
    found = apply(laura, found)
    assert (found.status, found.rows_applied, found.rows_left_out) == ("applied", 2, 0)
    assert CreditBalance.objects.get(customer=other).summary == "90 de 500"
    assert [event.data.get("line") for event in ocaso.events()] == [None, 2]
    assert [event.verb for event in same.events()] == ["credits.set"]
    verbs = [event.verb.partition(".")[2] for event in found.events()]
    assert verbs == ["import_uploaded", "import_checked", "import_confirmed", "import_applied"]


def test_the_same_file_twice_changes_nothing(laura, ocaso):
    text = f"{HEADER}POC930314QX7,PAC-200,200,34,\n"
    apply(laura, upload(laura, text))
    again = upload(laura, text, "k2")
    assert (again.changes, again.unchanged, again.may_be_applied) == (0, 1, False)
    with pytest.raises(WrongStatus, match="no cambia nada"):
        operations.confirm_import(again.pk, actor=laura)
    assert ocaso.events().count() == 1
    page = text_of(make_client(laura).get(reverse("admin:accounts_creditbalance_import", args=[again.pk])))
    assert "Este archivo no cambia nada" in page
    assert "Aplicar" not in page


def test_a_double_click_makes_one_import_and_applies_it_once(laura, ocaso):
    text = f"{HEADER}POC930314QX7,PAC-200,200,34,\n"
    found = upload(laura, text)
    assert upload(laura, text) == found
    apply(laura, found)
    with pytest.raises(WrongStatus, match="ya se decidió"):
        operations.confirm_import(found.pk, actor=laura)
    tasks.apply_import(found.pk)
    assert ocaso.events().count() == 1


def test_who_changed_credits_after_the_preview_is_not_overwritten(laura, ocaso):
    found = upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,34,\n")
    enter(ocaso, laura, remaining=50)
    found = apply(laura, found)
    assert (found.rows_applied, found.rows_left_out) == (0, 1)
    assert CreditBalance.objects.get().remaining == 50
    page = text_of(make_client(laura).get(reverse("admin:accounts_creditbalance_import", args=[found.pk])))
    assert "No se tocaron 1" in page


def test_an_import_stops_when_its_supervisor_is_one_no_longer(laura, ocaso):
    found = upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,34,\n")
    operations.confirm_import(found.pk, actor=laura)
    end_offices(laura)
    tasks.apply_import(found.pk)
    found.refresh_from_db()
    assert found.status == "stopped"
    assert not CreditBalance.objects.exists()


def test_a_discarded_file_stores_nothing(laura, ocaso):
    found = upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,34,\n")
    operations.discard_import(found.pk, actor=laura)
    with pytest.raises(WrongStatus):
        operations.confirm_import(found.pk, actor=laura)
    with pytest.raises(WrongStatus):
        operations.discard_import(found.pk, actor=laura)
    assert not CreditBalance.objects.exists()


def test_a_worker_that_died_is_followed_by_another(laura, monkeypatch):
    """Checked and applied two rows at a time; each step may be the last of a worker, and none is done twice."""
    monkeypatch.setattr(credit_imports, "CHECKED_AT_A_TIME", 2)
    monkeypatch.setattr(credit_imports, "APPLIED_AT_A_TIME", 2)
    customers = [make_customer(f"POC93031{n}QX7") for n in (1, 2, 3, 4, 5)]
    text = HEADER + "".join(f"{customer.rfc},PAC,200,34,\n" for customer in customers)
    with time_machine.travel("2036-11-30T18:00:00Z", tick=False) as clock:
        found = operations.upload_credits(actor=laura, name="c.csv", content=text.encode(), form_key="k")
        chunks = list(credit_rows.take_chunks(credit_rows.read_rows(text.encode()), 2))
        assert credit_imports._check_rows(found.pk, 0, chunks[0])
        assert credit_imports._check_rows(found.pk, 0, chunks[0])  # the same step again
        assert not credit_imports._check_rows(found.pk, 4, chunks[2])  # a step too far
        assert credit_imports.list_abandoned() == []
        clock.shift(timedelta(minutes=2))
        assert credit_imports.list_abandoned() == [(credit_imports.CHECK_TASK, found.pk)]
        assert tasks.sweep_imports() == 1
        tasks.check_import(found.pk)
        tasks.check_import(found.pk)
        found.refresh_from_db()
        assert (found.status, found.rows_checked, found.rows_new) == ("checked", 5, 5)
        operations.confirm_import(found.pk, actor=laura)
        assert credit_imports._apply_next(found.pk)
        assert CreditBalance.objects.count() == 2
        page = text_of(make_client(laura).get(reverse("admin:accounts_creditbalance_import", args=[found.pk])))
        assert "2 de 5 filas." in page
        clock.shift(timedelta(minutes=2))
        assert credit_imports.list_abandoned() == [(credit_imports.APPLY_TASK, found.pk)]
        tasks.apply_import(found.pk)
        assert CreditBalance.objects.count() == 5
        assert all(customer.events().count() == 1 for customer in customers)
        assert list(audit.find_flaws()) == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_same_form_at_the_same_instant_makes_one_import(rounds):
    laura = make_staff(Office.SUPERVISOR)
    for number in rounds:
        content = f"{HEADER}POC930314QX7,PAC-200,200,34,\n".encode()
        send = partial(operations.upload_credits, actor=laura, name="c.csv", content=content, form_key=f"k{number}")
        results = race(send, send, send)
        assert kinds(results) == {"ok": 3}
        assert len({found.pk for found in results}) == 1
        assert results[0].events().count() == 1


# -- The database ---


def test_raw_sql_confirms_no_import_and_rewrites_none(laura, ocaso):
    found = upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,34,\n")
    row = found.rows.get()
    for columns, name in (
        ({"sha256": "0" * 64}, "credit_import_keeps_its_file"),
        ({"confirmed_by_id": laura.pk, "confirmed_at": found.uploaded_at}, "credit_import_is_confirmed"),
        ({"status": "applied"}, "credit_import_moves_on|credit_import_applied_was_confirmed"),
        ({"status": "applying"}, "credit_import_applied_was_confirmed"),
    ):
        with refused_by(name):
            update(found, **columns)
    with refused_by("accounts_creditimport_no_delete|FOREIGN"):
        execute("DELETE FROM accounts_creditimport WHERE id = %s", found.pk)
    with refused_by("accounts_creditfile_no_update"):
        execute("UPDATE accounts_creditfile SET content = content")
    with refused_by("accounts_creditfile_no_delete"):
        execute("DELETE FROM accounts_creditfile")
    with refused_by("credit_row_never_changes"):
        update(row, remaining=33)
    with refused_by("accounts_creditimportrow_no_delete"):
        execute("DELETE FROM accounts_creditimportrow")
    with refused_by("credit_row_never_changes"):
        update(row, before='{"total": 1}')
    with refused_by("credit_row_enters_while_its_file_is_checked"):
        insert(row, line=9)
    update(row, outcome="applied")
    with refused_by("credit_row_never_changes"):
        update(row, outcome="left_out")


def test_raw_sql_makes_no_import_that_was_never_checked(laura, ocaso):
    """Else the sweep would apply what nobody uploaded, looked at or confirmed."""
    found = apply(laura, upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,34,\n"))
    checked = upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,33,\n", "k2")
    for row, columns in ((found, {"status": "applying"}), (checked, {}), (found, {"status": "checking"})):
        with refused_by("credit_import_is_checked_first"):
            insert(row, form_key="k3", **columns)


def test_raw_sql_confirms_no_bad_row_by_its_counter(laura, ocaso):
    """The number of bad rows is a mere column; the rows themselves stand against the confirmation."""
    found = upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,34,\nPOC930314QX7,PAC-200,200,33,\n")
    update(found, rows_bad=0)
    found.refresh_from_db()
    with refused_by("credit_import_with_a_bad_row_is_not_confirmed"):
        operations.confirm_import(found.pk, actor=laura)


@pytest.mark.parametrize(("typed", "total"), [("1,000", 1000), ("1 000", 1000), ("10,000,000", 10_000_000), ("77", 77)])
def test_a_whole_number_may_have_thousands(laura, ocaso, typed, total):
    apply(laura, upload(laura, f"RFC;Paquete;Créditos;Quedan;Vence\nPOC930314QX7;PAC;{typed};34;\n"))
    assert CreditBalance.objects.get().total == total


def test_a_bad_row_cannot_be_made_to_store_something(laura, ocaso):
    found = upload(laura, f"{HEADER}POC930314QX7,PAC-200,200,34,\nPOC930314QX7,PAC-200,200,33,\n")
    bad = found.rows.get(kind="bad")
    with refused_by("bad_row_says_why_and_stores_nothing|credit_row_enters_while_its_file_is_checked"):
        insert(bad, line=9, customer_id=ocaso.pk)
    with refused_by(
        "credit_import_with_a_bad_row_is_not_confirmed|credit_import_confirmed_without|is_confirmed_with_its"
    ):
        update(found, confirmed_by_id=laura.pk, confirmed_at=found.uploaded_at, status="applying")


# -- Pages ---


def test_a_supervisor_imports_a_file_on_the_page(laura, ocaso):
    client = make_client(laura)
    address = reverse("admin:accounts_creditbalance_import_new")
    key = key_in(client.get(address))
    assert "Elija el archivo." in text_of(client.post(address, {"key": key}))
    file = SimpleUploadedFile("noviembre.csv", f"{HEADER}POC930314QX7,PAC,200,34,\n".encode())
    assert "perdió su validez" in text_of(client.post(address, {"key": "forged", "file": file}))
    file.seek(0)
    answer = client.post(address, {"key": key, "file": file}, follow=True)
    assert "Revisando el archivo" in text_of(answer)
    found = CreditImport.objects.get()
    tasks.check_import(found.pk)
    client.post(reverse("admin:accounts_creditbalance_confirm", args=[found.pk]))
    again = client.post(reverse("admin:accounts_creditbalance_confirm", args=[found.pk]), follow=True)
    assert "Aplicando los cambios" in text_of(again)
    tasks.apply_import(found.pk)
    page = client.get(reverse("admin:accounts_creditbalance_changelist"))
    assert "Papelería Ocaso" in text_of(page)
    assert "noviembre.csv" in text_of(page)
