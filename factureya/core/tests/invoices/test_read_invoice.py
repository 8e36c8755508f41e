"""What an XML is read as, what is refused and how fast, and that only a process with limits knows satcfdi (M17)."""

import re
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factureya.core.invoices import Concept, Kind, NotReadNow, Tax, UnreadableInvoice, read_invoice, reading
from factureya.testing.invoice_samples import Sample, make_hostile, make_samples
from factureya.testing.invoices import CERTIFICATE, SAT_CERTIFICATE, Sealer, make_invoice, make_sealed

pytestmark = [pytest.mark.once, pytest.mark.clause("M17")]
SAMPLES, HOSTILE = make_samples(), make_hostile()
REPOSITORY = Path(__file__).parents[4]
PAGES = """
import django
django.setup()
import factureya.wsgi, factureya.urls, factureya.celery, sys
from django.urls import get_resolver
get_resolver().url_patterns
from factureya.core import tasks
from factureya.core.invoices import read_invoice
print(sorted({name.partition(".")[0] for name in sys.modules} & {"satcfdi", "weasyprint", "factureya"}))
"""


def test_there_are_enough_samples():
    assert len(SAMPLES) >= 40
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_read_right(sample: Sample):
    invoice = read_invoice(sample.xml)
    assert {name: getattr(invoice, name) for name in sample.expected} == sample.expected


@pytest.mark.parametrize("sample", HOSTILE, ids=lambda sample: sample.name)
def test_a_hostile_xml_is_refused_in_less_than_a_second(sample: Sample):
    before = processor_seconds()
    with pytest.raises(UnreadableInvoice) as caught:
        read_invoice(sample.xml)
    assert processor_seconds() - before < 1
    assert sample.expected["reason"] in caught.value.reason
    assert len(caught.value.reason) <= 200


def processor_seconds() -> float:
    """Return the processor time of this process and its ended children, which other work on the machine cannot slow."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def test_the_lines_and_taxes_of_an_invoice():
    invoice = read_invoice(make_invoice().encode())
    [line] = invoice.concepts
    assert isinstance(line, Concept)
    assert (line.description, line.unit, str(line.quantity), str(line.amount)) == (
        *("Papel bond carta", "Pieza", "10"),
        "4200.00",
    )
    [tax] = invoice.taxes
    assert isinstance(tax, Tax)
    assert (tax.name, str(tax.rate), str(tax.amount), tax.is_withheld) == ("IVA", "0.160000", "672.00", False)
    assert invoice.issuer_regime == "601 - General de Ley Personas Morales"
    assert (invoice.series, invoice.folio, invoice.certificate_number) == ("B", "0411", CERTIFICATE)
    assert invoice.kind_label == "Ingreso"


def test_withheld_taxes_are_told_apart():
    sample = next(sample for sample in SAMPLES if sample.name == "withheld")
    taxes = read_invoice(sample.xml).taxes
    assert [(tax.name, str(tax.amount), tax.is_withheld) for tax in taxes] == [
        ("IVA", "672.00", False),
        ("ISR", "420.00", True),
    ]


def test_every_kind_has_its_letter():
    assert {kind.value for kind in Kind} == set("IETNPR")


# -- The process that reads --------------------------------------------------------------------------


def test_the_web_process_and_the_worker_of_tasks_never_import_satcfdi(settings: Any, tmp_path: Path):
    environment = {
        "DJANGO_SETTINGS_MODULE": "factureya.settings",
        "ENV_FILE": "",
        "SECRET_KEY": "x",
        "VAR_DIR": str(tmp_path),
        "DATABASE_URL": "sqlite://:memory:",
    }
    done = subprocess.run(
        [sys.executable, "-c", PAGES], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['factureya']"


def test_no_module_of_ours_but_the_worker_names_satcfdi():
    folders = ("factureya", "accounts", "tickets", "change_requests")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*.py") if "tests" not in file.parts]
    texts = {str(file.relative_to(REPOSITORY)): file.read_text() for file in files}
    importing = [name for name, text in texts.items() if re.search(r"^\s*(from|import) satcfdi", text, re.MULTILINE)]
    assert {name.rpartition("/")[0] for name in importing} == {"factureya/core/invoices/worker"}


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "while True: pass", "b'x' * 10**9", "print('no es JSON')"])
def test_a_reader_that_breaks_or_reaches_a_limit_is_a_refusal(code: str, monkeypatch: Any, tmp_path: Path):
    run_instead(code, monkeypatch, tmp_path)
    with pytest.raises(UnreadableInvoice, match="complejo"):
        read_invoice(b"<a/>")


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "import satcfdi_que_no_esta"])
def test_a_reader_that_the_machine_stops_says_nothing_of_the_file(code: str, monkeypatch: Any, tmp_path: Path):
    run_instead(code, monkeypatch, tmp_path, total_seconds=3)
    with pytest.raises(NotReadNow):
        read_invoice(b"<a/>")


def run_instead(code: str, monkeypatch: Any, tmp_path: Path, total_seconds: float = 60) -> None:
    """Put another program in the place of the worker."""
    script = tmp_path / "worker.py"
    script.write_text(code)
    monkeypatch.setattr(reading, "WORKER", script)
    monkeypatch.setattr(reading, "LIMITS", replace(reading.LIMITS, processor_seconds=1, total_seconds=total_seconds))


# -- Seals -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sealers() -> tuple[Sealer, Sealer]:
    """The issuer and the SAT."""
    return Sealer.make(CERTIFICATE), Sealer.make(SAT_CERTIFICATE)


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.SAT_CERTIFICATES_DIR = tmp_path / "certificates"
    return settings.SAT_CERTIFICATES_DIR


def verdict(xml: str) -> str:
    return read_invoice(xml.encode()).seal_verdict


def test_seals_that_hold(sealers: Any, folder: Path):
    issuer, sat = sealers
    sat.write_to(folder)
    assert verdict(make_sealed(issuer, sat)) == "valid"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Total="4872.00"', 'Total="9872.00"'),
        ('Importe="4200.00"', 'Importe="4201.00"'),
        ('RfcProvCertif="SAT970701NN3"', 'RfcProvCertif="XXX970701NN3"'),
        ('SelloSAT="', 'SelloSAT="AAAA'),
        ('SelloCFD="', 'SelloCFD="AAAA'),
        (' Sello="', ' Sello="AAAA'),
    ],
)
def test_a_change_breaks_a_seal(sealers: Any, folder: Path, old: str, new: str):
    issuer, sat = sealers
    sat.write_to(folder)
    xml = make_sealed(issuer, sat)
    assert xml.count(old) >= 1
    assert verdict(xml.replace(old, new)) == "invalid"


def test_another_key_under_the_number_of_the_sat(sealers: Any, folder: Path):
    issuer, sat = sealers
    Sealer.make(SAT_CERTIFICATE).write_to(folder)
    assert verdict(make_sealed(issuer, sat)) == "invalid"


def test_without_the_certificate_nothing_is_said(sealers: Any, folder: Path):
    issuer, sat = sealers
    assert verdict(make_sealed(issuer, sat)) == "unknown"
    issuer.write_to(folder)
    (folder / f"{issuer.number}.cer").rename(folder / f"{sat.number}.cer")  # of another number
    assert verdict(make_sealed(issuer, sat)) == "unknown"
    (folder / f"{sat.number}.cer").write_bytes(b"no es un certificado")
    assert verdict(make_sealed(issuer, sat)) == "unknown"


def test_a_certificate_is_looked_for_by_its_digits_alone(sealers: Any, folder: Path):
    issuer, sat = sealers
    sat.write_to(folder)
    xml = make_sealed(issuer, sat).replace(f'NoCertificadoSAT="{sat.number}"', f'NoCertificadoSAT="../{sat.number}"')
    assert verdict(xml) == "unknown"


def test_an_issuer_without_certificate_is_not_checked(sealers: Any, folder: Path):
    issuer, sat = sealers
    sat.write_to(folder)
    xml = make_sealed(issuer, sat)
    certificate = xml.partition('Certificado="MII')[2].partition('"')[0]
    assert verdict(xml.replace(f"MII{certificate}", "")) == "unknown"
