"""The expediente proves itself with the standard library alone, and names what was altered (M20, M21, M26)."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from change_requests import operations
from change_requests.documents import archive as documents_archive
from change_requests.documents import signing, verify_expediente
from change_requests.models import Evidence, FormalRequest
from factureya.core.files import store
from factureya.testing import request_histories
from factureya.testing.expedientes import Files, read_files, rehash, reseal, rewrite, zip_files
from factureya.testing.people import Cast

Status = FormalRequest.Status
pytestmark = [pytest.mark.django_db, pytest.mark.once]
EVENTS, DECISIONS, VERSIONS = "bitacora.json", "decisiones.json", "versiones.json"
_made: dict[str, Files] = {}


def make_closed() -> FormalRequest:
    """A request with evidence and a clarification, from draft to closed."""
    cast = Cast()
    request = request_histories.draft(cast)
    upload = SimpleUploadedFile("constancia Ñandú & Peña.pdf", b"%PDF-1.7 la constancia %%EOF")
    file = store.store(upload, draft="una-clave")
    operations.add_evidence(request.pk, actor=cast.ana, files=[file])
    for status in (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL):
        request = request_histories.step(cast, request, status)
    operations.ask_clarification(request.pk, actor=cast.elsa, question="¿Desde qué día es la oficina nueva?")
    operations.answer_clarification(request.pk, actor=cast.ana, answer="Desde el primero de diciembre.")
    for status in (Status.APPROVED, Status.EXECUTED, Status.CLOSED):
        request = request_histories.step(cast, request, status)
    return request


@pytest.fixture
def files() -> Files:
    """The files of an untouched expediente; made once, as the same request gives the same bytes."""
    if not _made:
        _made.update(read_files(make_closed()))
    return dict(_made)


def rewritten(files: Files, name: str, change: Callable[[Any], Any]) -> None:
    """A JSON file changed, and manifest and signature with it."""
    rewrite(files, name, change)
    reseal(files)


def verify(tmp_path, content: bytes, *options: str) -> tuple[int, str]:
    """What a plain Python says, without our packages and our folder."""
    place, script = tmp_path / "expediente.zip", tmp_path / "verify_expediente.py"
    place.write_bytes(content)
    script.write_bytes(documents_archive.VERIFIER.read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(place), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PYTHONIOENCODING": "utf-8"},
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def verify_here(capsys, tmp_path, content: bytes, *options: str) -> tuple[int, str]:
    """What the verifier says, in this process: the same, and faster."""
    place = tmp_path / "expediente.zip"
    place.write_bytes(content)
    code = verify_expediente.main([str(place), *options])
    return code, capsys.readouterr().out


@pytest.mark.clause("M20", "M21", "M26")
def test_an_untouched_expediente_passes(files, tmp_path):
    code, said = verify(tmp_path, zip_files(files))

    assert code == 0, said
    assert "íntegro" in said
    assert "AVISO: la firma es correcta para la llave que viene en el ZIP; compárela con la publicada" in said
    assert json.loads(files[EVENTS])[-1]["hash"] in said


@pytest.mark.clause("M20")
def test_it_passes_where_it_was_unpacked_too(files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    script = tmp_path / "verify_expediente.py"

    done = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.clause("M20")
def test_the_link_of_the_receipt_is_in_the_chain(files, tmp_path):
    link = json.loads(files[EVENTS])[3]["hash"]

    assert verify(tmp_path, zip_files(files), "--eslabon", link)[0] == 0
    code, said = verify(tmp_path, zip_files(files), "--eslabon", "0" * 64)
    assert (code, EVENTS in said) == (1, True)


@pytest.mark.clause("M20", "M26")
def test_it_holds_everything_and_the_same_request_gives_the_same_bytes():
    request = make_closed()
    with documents_archive.build_zip(request) as first, documents_archive.build_zip(request) as second:
        content = first.read()
        assert content == second.read()
    names = zipfile.ZipFile(BytesIO(content)).namelist()

    assert {"versiones/1.json", "acuses/1.json", "acuses/1.pdf", "firma.json", "LEAME.txt"} <= set(names)
    assert len([name for name in names if name.startswith("evidencia/")]) == 1
    data = documents_archive.collect_archive(request)
    assert [one["office"] for one in data[DECISIONS]] == ["owner", "security"]
    assert data["aclaraciones.json"][1]["body"] == "Desde el primero de diciembre."
    assert data["ejecuciones.json"][0]["after"] == request_histories.NEW
    assert data["solicitud.json"]["verified_by"]["name"] == "Laura Mesa"
    assert data["solicitud.json"]["representative"]["instrument"] == request.representative.instrument


KINDS = (("access", "alta"), ("access", "baja"), ("access", "clave"), ("change", "baja"), ("change", "change"))
EVERY = [(Status.EXECUTED, *kind) for kind in KINDS] + [(status, "change", "change") for status in Status]


@pytest.mark.clause("M20", "M26")
@pytest.mark.parametrize(("status", "form", "kind"), EVERY)
def test_an_honest_one_of_every_status_and_kind_passes(status, form, kind, tmp_path, capsys):
    request = request_histories.make(Cast(), status, form, kind)
    published = signing.find_present_key().fingerprint

    code, said = verify_here(capsys, tmp_path, zip_files(read_files(request)), "--huella", published)

    assert code == 0, said
    assert f"Firma correcta, de la llave publicada {published}" in said


@pytest.mark.clause("M20")
def test_a_file_that_the_store_lost_is_named(tmp_path, capsys):
    request = make_closed()
    evidence = Evidence.objects.get(request=request)
    store._get_storage().delete(str(evidence.attachment.file.name))

    with documents_archive.build_zip(request) as out:
        code, said = verify_here(capsys, tmp_path, out.read())

    assert code == 1
    assert f"evidencia/{evidence.sha256[:12]}" in said


# -- Alterations: each changes the files and says which one must be named ----------------------------


def evidence_in(files: Files) -> str:
    return next(name for name in files if name.startswith("evidencia/"))


def a_byte_of_the_content(files: Files) -> str:
    files["versiones/1.json"] = files["versiones/1.json"].replace(b"0199", b"0198")
    return "versiones/1.json"


def the_content_and_the_manifest(files: Files) -> str:
    a_byte_of_the_content(files)
    reseal(files)
    return "versiones/1.json"


def the_content_its_hash_and_the_manifest(files: Files) -> str:
    a_byte_of_the_content(files)
    digest = hashlib.sha256(files["versiones/1.json"]).hexdigest()
    rewritten(files, VERSIONS, lambda versions: versions[0].update(sha256=digest))
    return "versiones/1.json"


def the_content_in_another_form(files: Files) -> str:
    pretty = json.dumps(json.loads(files["versiones/1.json"]), indent=2).encode()
    files["versiones/1.json"] = pretty
    digest = hashlib.sha256(pretty).hexdigest()
    rewritten(files, VERSIONS, lambda versions: versions[0].update(sha256=digest))
    return "versiones/1.json"


def the_evidence(files: Files) -> str:
    files[evidence_in(files)] += b" "
    return evidence_in(files)


def the_evidence_and_the_manifest(files: Files) -> str:
    files[evidence_in(files)] = b"%PDF-1.7 otra constancia %%EOF"
    reseal(files)
    return evidence_in(files)


def no_evidence(files: Files) -> str:
    name = evidence_in(files)
    del files[name]
    reseal(files)
    return name[: len("evidencia/") + 12]


def the_reason_of_a_decision(files: Files) -> str:
    files[DECISIONS] = files[DECISIONS].replace(b"coincide", b"no coincide")
    return DECISIONS


def the_reason_of_a_decision_and_the_manifest(files: Files) -> str:
    rewritten(files, DECISIONS, lambda decisions: decisions[0].update(reason="Me lo ordenaron así."))
    return DECISIONS


def what_somebody_answered(files: Files) -> str:
    rewritten(files, "aclaraciones.json", lambda said: said[1].update(body="Desde el dos de enero."))
    return "aclaraciones.json"


def the_hash_of_a_decision(files: Files) -> str:
    rewritten(files, DECISIONS, lambda decisions: decisions[0].update(sha256="0" * 64))
    return DECISIONS


def no_decision_of_security(files: Files) -> str:
    rewritten(files, DECISIONS, lambda decisions: [one for one in decisions if one["office"] != "security"])
    return DECISIONS


def one_person_twice(files: Files) -> str:
    rewritten(files, DECISIONS, lambda decisions: decisions[1].update(decider=decisions[0]["decider"]))
    return DECISIONS


def the_requester_decides(files: Files) -> str:
    requester = json.loads(files[VERSIONS])[0]["requester"]
    rewritten(files, DECISIONS, lambda decisions: decisions[0].update(decider=requester))
    return DECISIONS


def what_an_event_says(files: Files) -> str:
    rewritten(files, EVENTS, lambda events: events[2].update(actor_name="Otra persona"))
    return EVENTS


def an_event_and_its_hash(files: Files) -> str:
    def change(events: list) -> None:
        events[2]["actor_name"] = "Otra persona"
        rehash(events[2:3], events[1]["hash"])

    rewritten(files, EVENTS, change)
    return EVENTS


def an_event_and_every_hash_after_it(files: Files) -> str:
    def change(events: list) -> None:
        events[2]["actor_name"] = "Otra persona"
        rehash(events[2:], events[1]["hash"])

    rewritten(files, EVENTS, change)
    return VERSIONS  # whose event has another link now


def one_event_less(files: Files) -> str:
    rewritten(files, EVENTS, lambda events: events[:3] + events[4:])
    return EVENTS


def the_end_of_the_chain(files: Files) -> str:
    rewritten(files, EVENTS, lambda events: events[:-2])
    return "solicitud.json"


def two_events_changed_about(files: Files) -> str:
    rewritten(files, EVENTS, lambda events: [*events[:2], events[3], events[2], *events[4:]])
    return EVENTS


def the_executed_values(files: Files) -> str:
    rewritten(files, "ejecuciones.json", lambda done: done[0]["after"].update(phone="222 000 0000"))
    return "ejecuciones.json"


def a_second_execution(files: Files) -> str:
    rewritten(files, "ejecuciones.json", lambda done: [*done, done[0]])
    return "ejecuciones.json"


def the_number_of_versions(files: Files) -> str:
    rewritten(files, "solicitud.json", lambda request: request.update(revision_no=2))
    return "solicitud.json"


def a_version_more(files: Files) -> str:
    files["versiones/2.json"] = files["versiones/1.json"]
    reseal(files)
    return "versiones/2.json"


def the_receipt(files: Files) -> str:
    files["acuses/1.pdf"] += b"\n"
    return "acuses/1.pdf"


def the_verifier(files: Files) -> str:
    files["verify_expediente.py"] = b"print('El expediente est\xc3\xa1 \xc3\xadntegro.')"
    return "verify_expediente.py"


def a_file_more(files: Files) -> str:
    files["nota.txt"] = b"Todo bien."
    return "nota.txt"


def a_file_less(files: Files) -> str:
    del files["aclaraciones.json"]
    return "aclaraciones.json"


def the_manifest(files: Files) -> str:
    files["manifiesto.json"] += b" "
    return "manifiesto.json"


def nothing_but_noise(files: Files) -> str:
    files[EVENTS] = b"{[" * 100_000
    return EVENTS


def a_missing_key(files: Files) -> str:
    rewritten(files, DECISIONS, lambda decisions: decisions[0].pop("sha256") and None)
    return DECISIONS


ALTERATIONS = (
    a_byte_of_the_content,
    the_content_and_the_manifest,
    the_content_its_hash_and_the_manifest,
    the_content_in_another_form,
    the_evidence,
    the_evidence_and_the_manifest,
    no_evidence,
    the_reason_of_a_decision,
    the_hash_of_a_decision,
    no_decision_of_security,
    one_person_twice,
    the_requester_decides,
    what_an_event_says,
    an_event_and_its_hash,
    an_event_and_every_hash_after_it,
    one_event_less,
    the_end_of_the_chain,
    two_events_changed_about,
    the_executed_values,
    a_second_execution,
    the_number_of_versions,
    a_version_more,
    the_reason_of_a_decision_and_the_manifest,
    what_somebody_answered,
    the_receipt,
    the_verifier,
    a_file_more,
    a_file_less,
    the_manifest,
    nothing_but_noise,
    a_missing_key,
)


@pytest.mark.clause("M20", "M21", "M26")
@pytest.mark.parametrize("alter", ALTERATIONS, ids=lambda alter: alter.__name__)
def test_an_altered_file_is_named(alter, files, tmp_path, capsys):
    before = dict(files)
    named = alter(files)
    assert files != before

    code, said = verify_here(capsys, tmp_path, zip_files(files))

    assert code == 1
    assert f"ALTERADO  {named}" in said, said


@pytest.mark.clause("M26")
def test_a_name_that_is_there_twice_and_a_broken_zip_are_found(files, tmp_path, capsys):
    out = BytesIO(zip_files(files))
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(EVENTS, files[EVENTS])

    assert f"ALTERADO  {EVENTS}" in verify_here(capsys, tmp_path, out.getvalue())[1]
    code, said = verify_here(capsys, tmp_path, b"PK nada")
    assert (code, "No se pudo abrir" in said) == (1, True)


@pytest.mark.clause("M20")
def test_it_costs_the_same_however_much_was_decided(django_assert_max_num_queries):
    request = make_closed()

    with django_assert_max_num_queries(12):
        documents_archive.collect_archive(request)
