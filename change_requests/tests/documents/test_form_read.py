"""What comes back in a form, and what is never taken from one (M7, M8, M20)."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from accounts.models import Customer
from change_requests.documents import form_draw, form_fields, form_read, pdf_worker
from change_requests.documents.form_draw import FormData
from change_requests.documents.form_read import Fault, Proposal, Unreadable
from factureya.core.running import limited
from factureya.core.running.limited import NotRun
from factureya.testing import pdfs

ACCESS, CHANGE = form_fields.ACCESS, form_fields.CHANGE
ON_FILE = Customer(rfc="EKU9003173C9", registered_email="rosa@ocaso.example")
pytestmark = pytest.mark.once


def refusal(content: bytes) -> Fault:
    with pytest.raises(Unreadable) as refused:
        form_read.read_form(content)
    assert str(refused.value) == refused.value.fault.label
    return refused.value.fault


def proposal(form: str = CHANGE, **values: str) -> Proposal:
    named = dict.fromkeys(form_fields.map_fields(form), "")
    answers = {name: text.removeprefix("/") for name, text in pdfs.ANSWERS[form].items()}
    return Proposal(form, "", "", named | answers | values)


@pytest.mark.clause("M7", "M20")
def test_a_change_form_comes_back_as_it_was_written():
    read = form_read.read_form(pdfs.filled(CHANGE))
    answers = form_read.compare_form(read, ON_FILE)

    assert (read.form, read.folio, read.seal) == (CHANGE, "", "")
    assert len(pdfs.ADDRESS) == 300
    assert answers.kind == "change"
    assert answers.draft["items"] == {"fiscal_address": pdfs.ADDRESS.strip(), "phone": "222 555 0178"}
    assert answers.draft["reason"] == pdfs.CHANGE_ANSWERS["reason"].strip()


@pytest.mark.clause("M7", "M20")
def test_an_access_form_comes_back_as_it_was_written():
    answers = form_read.compare_form(form_read.read_form(pdfs.filled(ACCESS)), ON_FILE)

    assert answers.kind == "alta"
    assert answers.draft["person"] == {
        "full_name": "José Ñúñez & Peña",
        "email": "jose@ocaso.example",
        "phone": "222 555 0134",
        "position": "Auxiliar contable",
    }


@pytest.mark.clause("M20")
def test_a_drafts_form_comes_back_with_its_folio_and_prefilled_values():
    data = FormData("SC-5R8T-2NW2", 7, {"kind": "change", "new_phone": "222 555 0199", "rfc": ON_FILE.rfc})
    content = pdfs.fill(form_draw.render_form(CHANGE, data), {"reason": "Otro número", "oath": "/Yes"})
    read = form_read.read_form(content)

    assert read.folio == "SC-5R8T-2NW2"
    form_read.check_owner(read, owner=7, sender=7)
    assert form_read.compare_form(read, ON_FILE).draft["items"] == {"phone": "222 555 0199"}


@pytest.mark.clause("M20")
def test_a_form_saved_as_acrobat_does_is_read_with_any_letters():
    typed = {"new_phone": "222 555 0999", "reason": "Łukasz Ñandú — 株式会社,\rsegunda línea"}
    content = pdfs.filled(CHANGE)

    read = form_read.read_form(pdfs.appended(content, typed))

    assert pdfs.appended(content, typed).startswith(content)
    assert read.values["new_phone"] == "222 555 0999"
    assert read.values["reason"] == "Łukasz Ñandú — 株式会社,\nsegunda línea"


@pytest.mark.clause("M7", "M20")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (pdfs.with_javascript, Fault.JAVASCRIPT),
        (pdfs.with_field_script, Fault.JAVASCRIPT),
        (pdfs.with_launch, Fault.LAUNCH),
        (pdfs.with_remote, Fault.LAUNCH),
        (pdfs.with_file, Fault.EMBEDDED),
        (pdfs.with_pages, Fault.PAGES),
        (pdfs.with_password, Fault.ENCRYPTED),
        (pdfs.with_permissions, Fault.ENCRYPTED),
        (pdfs.flattened, Fault.SCAN),
        (pdfs.foreign, Fault.FOREIGN),
        (pdfs.dynamic, Fault.FOREIGN),
        (pdfs.looping_fields, Fault.FOREIGN),
        (pdfs.many_objects, Fault.HEAVY),
    ],
)
def test_each_thing_that_is_wrong_has_its_own_answer(change: Callable, fault: Fault):
    assert refusal(pdfs.changed(pdfs.filled(CHANGE), change)) == fault


@pytest.mark.clause("M20")
def test_names_in_escapes_and_in_unused_parts_are_found():
    content = pdfs.filled(CHANGE)

    assert refusal(content + b"\n99 0 obj\n<</S/J#61vaScript/J#53(x)>>\nendobj\n") == Fault.JAVASCRIPT


@pytest.mark.clause("M20")
@pytest.mark.parametrize("content", [b"", b"hola", b"%PDF-1.7\n%%EOF", pdfs.filled(CHANGE)[:3000]])
def test_a_broken_file_is_called_broken(content: bytes):
    assert refusal(content) == Fault.BROKEN


@pytest.mark.clause("M20")
def test_a_file_that_is_too_big_is_not_even_looked_at():
    assert refusal(b"%PDF-1.7" + bytes(form_read.MAX_BYTES)) == Fault.TOO_BIG


@pytest.mark.clause("M20")
@pytest.mark.parametrize("make", [pdfs.bomb, pdfs.nested])
def test_a_file_that_would_eat_the_machine_costs_one_short_process(make: Callable):
    content, before = make(), time.monotonic()

    with pytest.raises(Unreadable) as refused:
        form_read.read_form(content)
    assert refused.value.fault in {Fault.HEAVY, Fault.BROKEN}
    assert time.monotonic() - before < form_read.LIMITS.total_seconds + 1


@pytest.mark.clause("M20")
def test_a_value_that_is_a_stream_is_never_unpacked():
    assert form_read.read_form(pdfs.field_bomb()).values["rfc"] == ""


@pytest.mark.clause("M20")
def test_a_page_tree_that_contains_itself_is_read_once():
    read = form_read.read_form(pdfs.changed(pdfs.filled(CHANGE), pdfs.looping_pages))

    assert read.values["new_phone"] == "222 555 0178"


@pytest.mark.clause("M20")
def test_a_worker_that_does_not_end_is_ended(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(form_read, "WORKER", worker)
    monkeypatch.setattr(form_read, "LIMITS", replace(form_read.LIMITS, total_seconds=0.5))

    with pytest.raises(NotRun, match="TimeoutExpired"):  # no limit of its own: the machine is busy, not the form bad
        form_read.read_form(b"%PDF-1.7")


@pytest.mark.clause("M20")
def test_a_worker_that_cannot_start_says_nothing_of_the_form(monkeypatch):
    monkeypatch.setattr(limited.sys, "executable", "/no/hay/python")
    with pytest.raises(NotRun, match="FileNotFoundError"):
        form_read.read_form(b"%PDF-1.7")


@pytest.mark.clause("M20")
@pytest.mark.parametrize("code", ["import no_such_library", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_worker_that_lacks_its_library_or_is_ended_says_nothing_of_the_form(monkeypatch, tmp_path, code):
    worker = tmp_path / "worker.py"
    worker.write_text(code)
    monkeypatch.setattr(form_read, "WORKER", worker)
    with pytest.raises(NotRun):
        form_read.read_form(b"%PDF-1.7")


@pytest.mark.clause("M20")
@pytest.mark.parametrize(
    "code", ["x = bytearray(10**9)", "while True: pass", "import socket; socket.create_connection(('127.0.0.1', 9))"]
)
def test_the_workers_limits_are_real(monkeypatch, tmp_path, code):
    worker = tmp_path / "worker.py"
    worker.write_text(f"import pypdf\n{code}\nprint('{{}}')")
    monkeypatch.setattr(form_read, "WORKER", worker)
    monkeypatch.setattr(form_read, "LIMITS", replace(form_read.LIMITS, processor_seconds=2))

    assert refusal(b"%PDF-1.7") == Fault.HEAVY


@pytest.mark.clause("M7", "M20")
def test_an_old_version_is_refused():
    old = {"version": "2019-01"}

    assert refusal(pdfs.filled(CHANGE, pdfs.CHANGE_ANSWERS | old)) == Fault.OLD_VERSION


@pytest.mark.clause("M7", "M20")
@pytest.mark.parametrize(
    ("folio", "owner", "sealed_for", "fault"),
    [
        ("SC-5R8T-2NW2", 7, None, Fault.FORGED),  # no seal
        ("SC-5R8T-2NW2", 7, 8, Fault.FORGED),
        ("SC-5R8T-2NW2", None, 7, Fault.FORGED),  # no such folio
        ("", None, 7, Fault.FORGED),  # a seal alone
        ("SC-5R8T-2NW2", 8, 8, Fault.OTHER_CUSTOMER),
    ],
)
def test_a_folio_that_is_not_the_senders_is_refused(folio, owner, sealed_for, fault):
    seal = form_fields.make_seal(CHANGE, folio, sealed_for) if sealed_for else ""
    theirs = Proposal(CHANGE, folio, seal, {})

    with pytest.raises(Unreadable) as refused:
        form_read.check_owner(theirs, owner=owner, sender=7)
    assert refused.value.fault == fault


@pytest.mark.clause("M7", "M20")
@pytest.mark.parametrize(
    ("values", "fault", "where"),
    [
        ({"rfc": "XIA190128J61"}, Fault.RFC, None),
        ({"signer_email": "otra@ocaso.example"}, Fault.EMAIL, None),
        ({"kind": ""}, Fault.INCOMPLETE, "kind"),
        ({"oath": ""}, Fault.INCOMPLETE, "oath"),
        ({"new_fiscal_address": "x" * 301}, Fault.INCOMPLETE, "new_fiscal_address"),
        ({"effective_date": "31/02/2026"}, Fault.INCOMPLETE, "effective_date"),
        ({"new_representative_valid_from": "mañana"}, Fault.INCOMPLETE, "new_representative_valid_from"),
    ],
)
def test_a_form_that_does_not_agree_with_what_is_on_file_is_refused(values, fault, where):
    with pytest.raises(Unreadable) as refused:
        form_read.compare_form(proposal(**values), ON_FILE)
    assert refused.value.fault == fault
    assert where is None or where in refused.value.details


@pytest.mark.clause("M20")
def test_values_are_read_as_people_write_them():
    answers = form_read.compare_form(
        proposal(
            rfc="eku-900317-3c9",
            signer_email="ROSA@ocaso.example",
            effective_date="1/12/2026",
            new_representative_power="Apoderado",
            new_representative_valid_from="2026-01-15",
        ),
        ON_FILE,
    )

    assert answers.draft["effective_date"] == "2026-12-01"
    assert answers.draft["items"]["representative_power"] == "attorney"
    assert answers.draft["items"]["representative_valid_from"] == "2026-01-15"


@pytest.mark.clause("M20")
def test_a_baja_of_the_service_asks_for_no_new_values():
    answers = form_read.compare_form(proposal(kind="Baja", effective_date="31/12/2026"), ON_FILE)

    assert (answers.kind, answers.draft["items"]) == ("baja", {})


def test_text_is_cleaned_and_put_into_one_form():
    found = {"form": "baja-o-cambio", "version": form_fields.VERSION}
    read = form_read.read_fields(found | {"new_phone": " 222\u200b 555\r\n0178 ", "reason": "n\u0303o\rdos\u202e"})

    assert read.values["new_phone"] == "222 555 0178"
    assert read.values["reason"] == "ño\ndos"


def test_every_fault_has_an_answer_and_the_worker_says_no_other():
    assert all(fault.label.endswith(".") for fault in Fault)
    assert pdf_worker.MAX_PAGES == form_read.MAX_PAGES
