"""Forged expedientes: each field of each file altered and everything sealed again is found, and the field named (M26).

The forger seals with a key of his own. What follows from the chain of events is found without knowing our key; who
rewrites the chain too, and every file after it, is found by the fingerprint of our key and by the link of the acuse.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from change_requests import operations
from change_requests.documents import archive, signing, verify_expediente
from change_requests.documents.verify_expediente import (
    CLARIFICATIONS,
    CONFIRMATIONS,
    COPY,
    DATA_FILES,
    DECISIONS,
    EVENTS,
    EVIDENCE,
    EXECUTIONS,
    FORMS,
    MAILS,
    MANIFEST,
    MANIFEST_HASH,
    OFFICES,
    README,
    REQUEST,
    SIGNATURE,
    TABLES,
    VERIFICATIONS,
    VERSIONS,
    WAIVERS,
    check_files,
)
from change_requests.models import FormalRequest
from change_requests.tests.test_inbound import letter
from change_requests.tests.test_inbound_forms import alta, by_mail
from change_requests.tests.test_state_checks import whole
from factureya.core import guard_install
from factureya.core.files import store
from factureya.testing import request_histories
from factureya.testing.expedientes import FORGER, Files, derive_again, read_files, rehash, reseal, rewrite, zip_files
from factureya.testing.inbound_mails import AUTHSERV, deliver
from factureya.testing.people import end_offices
from factureya.testing.raw_sql import update
from factureya.testing.request_histories import WHY, seen

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M20", "M21", "M26"), pytest.mark.once]
Status = FormalRequest.Status
Path = tuple[str | int, ...]
RECEIPT, CONTENT, PDF = "acuses/1.json", "versiones/1.json", "acuses/1.pdf"
_made: dict[str, Files] = {}


@pytest.fixture(autouse=True)
def _our_server(settings, tmp_path):
    settings.MAIL_TRUSTED_AUTHSERV = AUTHSERV
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def files(cast) -> Files:
    """The files of a closed request with evidence, a question, a waiver and its check; made once."""
    if "whole" not in _made:
        _made["whole"] = read_files(whole(cast))
    return dict(_made["whole"])


@pytest.fixture
def mailed(cast) -> Files:
    """The files of a request whose form came by mail, with words and a file beside it; made once."""
    if "mailed" not in _made:
        deliver(letter(cast.ana, alta(cast, "Jimena"), ("nota.pdf", b"%PDF-1.4 nota %%EOF")))
        _made["mailed"] = read_files(by_mail("Jimena"))
    return dict(_made["mailed"])


def published() -> str:
    return signing.find_present_key().fingerprint


def named(files: Files, fingerprint: str = "", link: str = "") -> dict[str, str]:
    """Return the names that the verifier calls altered, with its reasons."""
    return dict(check_files(files, fingerprint=fingerprint, link=link).flaws)


def list_places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where each value of a JSON document stands; an empty list or object is a value too."""
    if value and isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from list_places(value[key], (*path, key))
    else:
        yield path


def alter(value: Any) -> Any:
    """Return another value of the same type; another type for None."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "0"
    return {"otro": "dato"} if isinstance(value, dict) else ["otro"] if isinstance(value, list) else "otro"


def put(document: Any, path: Path) -> None:
    """Alter the value that stands at this place of a document."""
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = alter(document[path[-1]])


def forge(files: Files, name: str, path: Path) -> Files:
    """Return the files with one value altered, and everything sealed again."""
    forged = dict(files)
    rewrite(forged, name, lambda document: put(document, path))
    reseal(forged)
    return forged


DERIVED = [*(name for name, _ in DATA_FILES), RECEIPT]


# -- Each field ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*(set(DERIVED) - {MAILS, FORMS})], ids=str)
def test_each_field_of_each_file_is_found_and_named(files, name):
    places = list(list_places(json.loads(files[name])))
    assert places
    for path in places:
        reason = named(forge(files, name, path)).get(name, "")
        assert f"«{'.'.join(map(str, path))}" in reason, (path, reason)


@pytest.mark.parametrize("name", [MAILS, FORMS, VERSIONS])
def test_each_field_of_what_came_by_mail_is_found_and_named(mailed, name):
    places = list(list_places(json.loads(mailed[name])))
    assert places
    for path in places:
        reason = named(forge(mailed, name, path)).get(name, "")
        assert f"«{'.'.join(map(str, path))}" in reason, (path, reason)


def test_there_are_more_than_a_hundred_of_them(files, mailed):
    count = sum(len(list(list_places(json.loads(files[name])))) for name in DERIVED)
    assert count + len(list(list_places(json.loads(mailed[FORMS])))) > 200


def test_a_field_that_no_event_holds_is_found(files):
    for name in DERIVED:
        forged = dict(files)
        rewrite(forged, name, lambda document: document[0] if isinstance(document, list) and document else document)
        content = json.loads(files[name])
        if isinstance(content, list):
            content.append({"nota": "Todo bien."})
        else:
            content["nota"] = "Todo bien."
        forged[name] = verify_expediente.dump_json(content)
        reseal(forged)
        assert name in named(forged)


def test_each_part_of_the_content_is_found(files):
    for path in list_places(json.loads(files[CONTENT])):
        forged = dict(files)
        document = json.loads(files[CONTENT])
        put(document, path)
        forged[CONTENT] = verify_expediente.write_canonical(document)
        reseal(forged)
        assert CONTENT in named(forged), path


def test_every_file_that_is_gone_or_other_bytes_is_named(files, mailed):
    for honest in (files, mailed):
        for name in sorted(set(honest) - {MANIFEST, MANIFEST_HASH, SIGNATURE}):
            forged = {other: content for other, content in honest.items() if other != name}
            reseal(forged)
            assert name in named(forged), name
            forged[name] = honest[name] + b" "
            reseal(forged)
            found = named(forged, published())
            assert name in found or name in found[SIGNATURE], name  # the signature alone proves a PDF and the copy


def test_a_file_more_is_named(files):
    for name in ("nota.txt", "versiones/2.json", "acuses/2.pdf", "evidencia/nada.pdf"):
        forged = {**files, name: b"Todo bien."}
        reseal(forged)
        assert name in named(forged)


def test_another_way_to_write_the_same_is_found(files):
    for name in (*DERIVED, EVENTS, OFFICES, MANIFEST):
        forged = dict(files)
        forged[name] = files[name] + b"\n"
        if name != MANIFEST:
            reseal(forged)
        assert name in named(forged), name


# -- The findings' forgeries, resealed ---------------------------------------------------------------


def _set(name: str, path: str, value: Any) -> tuple[str, str, Callable[[Files], None]]:
    """Return a forgery that writes a value at a place of a file."""

    def change(document: Any) -> None:
        *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
        for key in way:
            document = document[key]
        assert document[last] != value
        document[last] = value

    return name, path, lambda files: rewrite(files, name, change)


def _without(name: str, *kept: int) -> tuple[str, str, Callable[[Files], None]]:
    """Return a forgery that leaves rows of a list out."""
    return name, "la lista", lambda files: rewrite(files, name, lambda rows: [rows[number] for number in kept])


OTHER = {"pk": 999, "name": "Otra Persona"}
LATER = "2026-12-24T10:00:00.000000+00:00"
FORGERIES = [
    _set(REQUEST, "status", "cancelled"),
    _set(REQUEST, "status", "rejected"),
    _set(REQUEST, "kind", "baja"),
    _set(REQUEST, "form", "access"),
    _set(REQUEST, "channel", "email"),
    _set(REQUEST, "folio", "SC-0000-0000"),
    _set(REQUEST, "customer.name", "Otra Empresa SA de CV"),
    _set(REQUEST, "customer.rfc", "XAXX010101000"),
    _set(REQUEST, "requester", OTHER),
    _set(REQUEST, "representative.instrument", "Escritura 9, Notaría 9"),
    _set(REQUEST, "representative.valid_until", "2030-01-01"),
    _set(REQUEST, "representative.power_kind", "attorney"),
    _set(REQUEST, "representative.document_sha256", "0" * 64),
    _set(REQUEST, "verified_by", OTHER),
    _set(REQUEST, "implementer", OTHER),
    _set(REQUEST, "designated_by", OTHER),
    _set(REQUEST, "confirmed_at", LATER),
    _set(REQUEST, "confirmed_mailbox", "otro@ejemplo.mx"),
    _set(REQUEST, "verified_at", LATER),
    _set(REQUEST, "approved_at", LATER),
    _set(REQUEST, "execute_after", LATER),
    _set(REQUEST, "executed_at", LATER),
    _set(REQUEST, "closed_at", None),
    _set(REQUEST, "outcome_reason", "Se retiró."),
    _set(REQUEST, "waiver", None),
    _set(REQUEST, "revert_of", "SC-0000-0000"),
    _set(VERSIONS, "0.author", OTHER),
    _set(VERSIONS, "0.oath", False),
    _set(VERSIONS, "0.evidence", []),
    _set(VERSIONS, "0.received_at", LATER),
    _set(DECISIONS, "0.decider", OTHER),
    _set(DECISIONS, "0.office", "security"),
    _set(DECISIONS, "0.mandate", "alternate"),
    _set(DECISIONS, "0.reason", "Me lo ordenaron así."),
    _set(DECISIONS, "0.decided_at", LATER),
    _set(DECISIONS, "0.verdict", "reject"),
    _set(DECISIONS, "0.assets", ["identity"]),
    _set(DECISIONS, "1.office_assignment", 999),
    (DECISIONS, "0.assets", lambda files: rewrite(files, DECISIONS, lambda rows: rows[::-1])),
    _without(DECISIONS, 0),
    _set(EXECUTIONS, "0.executor", OTHER),
    _set(EXECUTIONS, "0.executed_at", LATER),
    _set(EXECUTIONS, "0.before.phone", "222 000 0000"),
    _set(EXECUTIONS, "0.result", "drift"),
    _without(EXECUTIONS),
    _without(WAIVERS),
    _set(WAIVERS, "0.implementer", OTHER),
    _set(WAIVERS, "0.checker", OTHER),
    _set(WAIVERS, "0.reason", "No hacía falta nadie más que él para hacerlo, así lo creímos."),
    _set(WAIVERS, "0.check.conform", False),
    _set(WAIVERS, "0.check.late", True),
    _set(WAIVERS, "0.check.findings", "Nadie lo revisó."),
    _without(CLARIFICATIONS, 0),
    _without(CLARIFICATIONS),
    _set(CLARIFICATIONS, "1.body", "Desde enero."),
    _without(EVIDENCE),
    _set(EVIDENCE, "0.sha256", "0" * 64),
    _set(CONFIRMATIONS, "0.mailbox", "otro@ejemplo.mx"),
    _set(CONFIRMATIONS, "0.auth.method", "password"),
    _set(VERIFICATIONS, "0.verifier", OTHER),
    _set(VERIFICATIONS, "0.note", "Se llamó a la empresa."),
    _set(RECEIPT, "requester", "Otra Persona"),
    _set(RECEIPT, "at", LATER),
    _set(RECEIPT, "link", "0" * 64),
]


def test_the_forgeries_of_the_findings_are_all_there():
    assert len(FORGERIES) >= 47


@pytest.mark.parametrize(("name", "field", "change"), FORGERIES, ids=[f"{row[0]}:{row[1]}" for row in FORGERIES])
def test_a_forgery_of_the_findings_is_found_and_named(files, name, field, change):
    change(files)
    reseal(files)
    assert f"«{field}" in named(files)[name]


# -- The seal -----------------------------------------------------------------------------------------


def test_another_key_is_found_by_the_published_fingerprint(files):
    reseal(files)
    check = check_files(files)
    assert check.flaws == []
    assert "compárela con la publicada" in check.notes[-1]
    found = named(files, published())
    assert list(found) == [SIGNATURE]
    assert "«key» no es la llave publicada" in found[SIGNATURE]
    assert PDF in found[SIGNATURE]
    assert COPY in found[SIGNATURE]


def test_our_key_beside_anothers_signature_is_found(files):
    reseal(files, shown_key=signing.find_present_key().key)
    for fingerprint in ("", published()):
        assert "«signature»" in named(files, fingerprint)[SIGNATURE]


@pytest.mark.parametrize("field", ["algorithm", "signed", "key", "fingerprint", "signature"])
def test_each_field_of_the_signature_is_found(files, field):
    rewrite(files, SIGNATURE, lambda document: document.update({field: document[field] + "00"}))
    assert SIGNATURE in named(files, published())


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"key": 7}', b'{"key": "zz", "signature": ""}', b'{"key": "", "signature": ""}']
)
def test_a_signature_that_is_none_is_found(files, content):
    files[SIGNATURE] = content
    assert SIGNATURE in named(files, published())


def test_the_fingerprint_may_be_written_in_groups(files):
    spaced = signing.find_present_key().spaced_fingerprint
    assert named(files, spaced.upper()) == {}
    assert named(files, published().replace("0", ":0")) == {}


@pytest.mark.parametrize("part", ["version", "folio", "head", "differences", "nota", "files"])
def test_each_part_of_the_manifest_is_found(files, part):
    forged = {
        "version": 1,
        "folio": "SC-0000-0000",
        "head": {"seq": 1, "hash": "0" * 64},
        "differences": ["evento 3: otra cosa"],
        "nota": "Todo bien.",
        "files": {"nada.txt": {"sha256": "0" * 64, "size": 1}},
    }
    reseal(files, manifest={part: forged[part]})
    found = named(files)
    assert {"head": EVENTS, "differences": TABLES, "files": "nada.txt"}.get(part, MANIFEST) in found


def test_the_manifest_s_own_hash_is_found(files):
    assert MANIFEST in named({**files, MANIFEST_HASH: b"0" * 64})
    del files[MANIFEST_HASH]
    assert MANIFEST_HASH in named(files)


# -- The chain rewritten ------------------------------------------------------------------------------


def rewrite_chain(files: Files, seq: int, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change an event and compute every link after it again."""

    def forge_events(events: list[dict[str, Any]]) -> None:
        change(events[seq - 1])
        rehash(events[seq - 1 :], events[seq - 1]["prev"])

    rewrite(files, EVENTS, forge_events)


def test_an_event_that_does_not_fit_is_named(files):
    for field, value in (("seq", 99), ("chain", "request:999"), ("prev", "0" * 64), ("hash", "0" * 64)):
        forged = dict(files)
        rewrite(forged, EVENTS, lambda events, field=field, value=value: events[2].update({field: value}))
        reseal(forged)
        assert EVENTS in named(forged)
    rewrite(files, EVENTS, lambda events: events[2].update(nota="Todo bien."))
    reseal(files)
    assert "dice algo más" in named(files)[EVENTS]


def test_a_rewritten_chain_is_found_by_the_files_that_follow_from_it(files):
    events = json.loads(files[EVENTS])
    for event in events:
        forged = dict(files)
        rewrite_chain(forged, event["seq"], lambda event: event.update(actor_name="Otra Persona"))
        reseal(forged)
        found = named(forged)
        assert EVENTS not in found  # its links are right
        if event["seq"] < len(events):
            assert found, event["verb"]


def test_a_rewritten_chain_with_all_that_follows_from_it_is_found_by_key_and_link(files):
    events = json.loads(files[EVENTS])
    link = json.loads(files[RECEIPT])["link"]
    for event in events:
        forged = dict(files)
        rewrite_chain(forged, event["seq"], lambda event: event.update(actor_name="Otra Persona"))
        derive_again(forged)
        reseal(forged)
        assert named(forged) == {} or event["verb"] == "request.submitted"
        assert "«key» no es la llave publicada" in named(forged, published())[SIGNATURE]
        submitted = next(row for row in events if row["verb"] == "request.submitted")["seq"]
        if event["seq"] <= submitted:
            assert "no contiene el eslabón" in named(forged, link=link)[EVENTS]
        assert "no contiene el eslabón" in named(forged, link=events[-1]["hash"])[EVENTS]


@pytest.mark.parametrize(
    ("verb", "data", "name"),
    [
        ("request.approved_by", {"sha256": "0" * 64}, DECISIONS),
        ("request.approved_by", {"verdict": "reject"}, DECISIONS),
        ("request.approved_by", {"assets": []}, DECISIONS),
        ("request.approved", {"office": "owner"}, DECISIONS),
        ("request.executed", {"sha256": "0" * 64}, EXECUTIONS),
        ("request.executed", {"values_after": {"phone": "222 000 0000"}}, EXECUTIONS),
        ("request.submitted", {"sha256": "0" * 64}, CONTENT),
        ("request.submitted", {"evidence": []}, CONTENT),
        ("request.submitted", {"company": "Otra Empresa SA de CV"}, VERSIONS),
    ],
)
def test_a_rewritten_chain_that_breaks_a_rule_is_found_without_the_key(files, verb, data, name):
    seq = next(row["seq"] for row in json.loads(files[EVENTS]) if row["verb"] == verb)
    rewrite_chain(files, seq, lambda event: event["data"].update(data))
    derive_again(files)
    reseal(files)
    assert name in named(files)


def test_an_execution_that_the_status_contradicts_is_found(files):
    seq = next(row["seq"] for row in json.loads(files[EVENTS]) if row["verb"] == "request.executed")
    rewrite_chain(files, seq, lambda event: event.update(verb="request.failed"))
    derive_again(files)
    reseal(files)
    assert "no corresponde al estado" in named(files)[EXECUTIONS]


def test_who_asks_and_decides_or_decides_twice_is_found(files):
    events = json.loads(files[EVENTS])
    first = next(row for row in events if row["verb"] == "request.approved_by")
    last = next(row for row in events if row["verb"] == "request.approved")
    for pk, problem in ((events[0]["actor_id"], "su propia solicitud"), (first["actor_id"], "dos veces")):
        forged = dict(files)
        rewrite_chain(forged, last["seq"], lambda event, pk=pk: event.update(actor_id=pk))
        derive_again(forged)
        reseal(forged)
        assert problem in named(forged)[DECISIONS]


# -- Tables, offices and anchors ----------------------------------------------------------------------


def test_a_row_that_somebody_changed_is_told_by_the_expediente(cast):
    request = request_histories.make(cast, Status.APPROVED)
    guard_install.lift(connection)
    update(request.decisions.first(), reason="Me lo ordenaron así, y firmé.")
    assert "la decisión de" in named(read_files(request), published())[TABLES]


OFFICE = {"office": "information_owner", "starts_at": "2020-01-01T00:00:00.000000+00:00", "ends_at": None}


def with_offices(files: Files, *changes: dict[str, Any]) -> Files:
    """Return the files with events of the offices of the first decider, one for each change of the row."""
    decider, events = json.loads(files[DECISIONS])[0]["decider"]["pk"], []
    for number, change in enumerate(changes, start=1):
        row = {**OFFICE, "user": decider, **change}
        event = {"chain": f"user:{decider}", "seq": number, "prev": "0" * 64, "verb": "office.granted"}
        event |= {"at": row["starts_at"], "actor_id": None, "actor_name": "", "data": {"rows": {"office": row}}}
        events.append(event | {"hash": verify_expediente.hash_event(event)})
    forged = {**files, OFFICES: verify_expediente.dump_json(events)}
    reseal(forged)
    return forged


def test_who_decided_without_the_office_of_the_day_is_named(files):
    assert named(with_offices(files, {})) == {}
    assert named(with_offices(files, {"granted_seq": 5}, {"granted_seq": 5, "ends_at": LATER})) == {}
    assert named(with_offices(files, {"granted_seq": -4}, {"granted_seq": -5, "office": "agent"})) == {}
    for wrong in ({"office": "agent"}, {"ends_at": "2021-01-01T00:00:00.000000+00:00"}):
        assert "no tenía el cargo al decidir" in named(with_offices(files, wrong))[OFFICES]
    forged = with_offices(files, {})
    rewrite(forged, OFFICES, lambda events: events[0].update(at=LATER))
    reseal(forged)
    assert "no corresponde a su huella" in named(forged)[OFFICES]


def test_the_anchor_s_line_is_compared_with_the_chain(files):
    event = json.loads(files[EVENTS])[4]
    line = json.dumps([event["chain"], event["seq"], event["hash"]], separators=(",", ":"))
    anchor = {"line": line, "day": "2026-12-01", "seq": 7, "hash": "a" * 64}
    files["ancla.json"] = verify_expediente.dump_json(anchor)
    reseal(files)
    check = check_files(files)
    assert check.flaws == []
    assert any("Ancla 7, del 2026-12-01, que selló el eslabón 5" in note for note in check.notes)
    for change in ({"line": line.replace(event["hash"], "0" * 64)}, {"nota": "Todo bien."}):
        forged = {**files, "ancla.json": verify_expediente.dump_json(anchor | change)}
        reseal(forged)
        assert "ancla.json" in named(forged)


# -- Events of before, and what is no expediente -------------------------------------------------------

KEPT = {"before", "after", "revision", "sha256", "text_sha256", "form", "kind", "revert_of", "clarification", "office"}


def test_events_of_before_say_less_and_pass(files):
    """Events as an earlier version wrote them: without columns, names, reasons and assets."""
    before = {name: json.loads(files[name]) for name in (DECISIONS, WAIVERS)}

    def forget(events: list[dict[str, Any]]) -> None:
        for event in events:
            event["data"] = {key: value for key, value in event["data"].items() if key in KEPT}
            if event["verb"] == "request.submitted":
                event["data"]["requester"] = "Ana Robles"
        rehash(events, "0" * 64)

    rewrite(files, EVENTS, forget)
    row = before[WAIVERS][0]
    rewrite(files, WAIVERS, lambda rows: rows[0].update(text=f"{row['reason']}\n{row['controls']}"))
    derive_again(files)
    reseal(files)
    assert named(files) == {}
    assert json.loads(files[DECISIONS])[0]["reason"] == before[DECISIONS][0]["reason"]
    assert "decided_at" not in json.loads(files[DECISIONS])[0]
    assert json.loads(files[REQUEST])["folio"] == json.loads(files[CONTENT])["folio"]
    rewrite(files, DECISIONS, lambda rows: rows[0].update(reason="Me lo ordenaron así."))
    reseal(files)
    assert "«0.reason»" in named(files)[DECISIONS]


def test_a_failed_request_of_before_passes(cast):
    """The event `request.failed` of an earlier version did not say the hash of the content."""
    files = read_files(request_histories.make(cast, Status.FAILED))

    def forget(events: list[dict[str, Any]]) -> None:
        for event in events:
            event["data"] = {key: value for key, value in event["data"].items() if key in {*KEPT, "requester", "items"}}
            if event["verb"] == "request.failed":
                del event["data"]["sha256"]
        rehash(events, "0" * 64)

    rewrite(files, EVENTS, forget)
    derive_again(files)
    reseal(files)
    assert named(files) == {}


def test_versions_decided_before_and_evidence_left_out_are_told(cast):
    request = request_histories.add_file(cast, request_histories.draft(cast))
    for reached in (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL):
        request = request_histories.step(cast, request, reached)
    operations.approve(request.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(request))
    operations.reopen_draft(request.pk, actor=cast.ana)
    request_histories.add_file(cast, request)
    for evidence in request.evidence.all():
        operations.remove_evidence(request.pk, actor=cast.ana, evidence=evidence)
    extra = store.store(SimpleUploadedFile("nunca.txt", b"Nunca se presento"), draft="k")
    operations.add_evidence(request.pk, actor=cast.ana, files=[extra])
    operations.remove_evidence(request.pk, actor=cast.ana, evidence=request.evidence.get(attachment=extra))
    for reached in (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED):
        request = request_histories.step(cast, request, reached)
    files = read_files(request)
    assert named(files, published()) == {}
    (row,) = json.loads(files[EVIDENCE])
    assert row["versions"] == [1]
    assert row["dropped"]["who"]["name"] == "Ana Robles"
    assert [one["revision_no"] for one in json.loads(files[DECISIONS])] == [1, 2, 2]


def test_it_reads_a_folder_too_and_says_what_it_cannot_read(files, tmp_path, monkeypatch, capsys):
    for name, content in files.items():
        (tmp_path / "un" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "un" / name).write_bytes(content)
    assert verify_expediente.main([str(tmp_path / "un"), "--huella", published()]) == 0
    place = tmp_path / "expediente.zip"
    damaged = zip_files(files).replace(files[REQUEST], files[REQUEST][:-1] + b" ", 1)
    place.write_bytes(damaged)
    assert verify_expediente.main([str(place)]) == 1
    assert f"ALTERADO  {REQUEST}: está dos veces, o su contenido está dañado" in capsys.readouterr().out
    monkeypatch.setattr(verify_expediente, "MAX_BYTES", 10)
    assert verify_expediente.main([str(place)]) == 1
    assert "es demasiado grande" in capsys.readouterr().out


def test_a_number_that_has_no_single_notation_is_refused(files):
    files[REQUEST] = files[REQUEST].replace(b'"revision_no": 1', b'"revision_no": 1.0')
    reseal(files)
    assert named(files)[REQUEST] == "no se puede leer"


def test_a_form_beyond_the_limits_is_in_its_mail_alone(mailed):
    seq = next(row["seq"] for row in json.loads(mailed[EVENTS]) if row["verb"] == "request.form_received")
    rewrite_chain(mailed, seq, lambda event: event["data"].update(stored=False))
    derive_again(mailed)
    (form,) = (name for name in mailed if name.startswith("recibido/") and not name.endswith("correo.eml"))
    del mailed[form]
    reseal(mailed)
    assert named(mailed) == {}


def test_what_is_no_expediente_is_named_part_by_part():
    found = named({})
    assert {EVENTS, REQUEST, DECISIONS, OFFICES, MANIFEST, MANIFEST_HASH, SIGNATURE} <= found.keys()
    assert EVENTS in named({EVENTS: b"[7]"})
    assert REQUEST in named({REQUEST: b"[]"})
    assert README in named({README: b""}) or EVENTS in named({README: b""})


def test_a_decision_that_lapsed_is_shown_as_such(cast):
    request = request_histories.make(cast, Status.APPROVED)
    end_offices(cast.elsa)
    with pytest.raises(operations.SentBack):
        operations.execute(request.pk, actor=cast.gina)
    files = read_files(request)
    assert named(files, published()) == {}
    voided = [row.get("voided_at") for row in json.loads(files[DECISIONS])]
    assert [at is not None for at in voided] == [False, True]
    rewrite(files, DECISIONS, lambda rows: rows[1].pop("voided_at") and None)
    reseal(files)
    assert "falta «1.voided_at»" in named(files)[DECISIONS]


def test_what_came_by_mail_is_in_it_byte_by_byte(mailed):
    form = json.loads(mailed[FORMS])[0]
    received = [name for name in mailed if name.startswith("recibido/")]
    assert sorted(verify_expediente.sha256(mailed[name]) for name in received) == sorted(
        [form["form"]["sha256"], form["mail"]["sha256"]]
    )
    assert named(mailed, published()) == {}


def test_a_mail_of_several_companies_does_not_leave_in_one_s_expediente(mailed):
    seq = next(row["seq"] for row in json.loads(mailed[EVENTS]) if row["verb"] == "request.mail_kept")
    rewrite_chain(mailed, seq, lambda event: event["data"].update(shared=True))
    derive_again(mailed)
    eml = next(name for name in mailed if name.endswith("correo.eml"))
    del mailed[eml]
    reseal(mailed)
    assert named(mailed) == {}


# -- Ed25519 ------------------------------------------------------------------------------------------

# RFC 8032, 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_standard(key, message, signature):
    parts = [bytes.fromhex(text) for text in (key, message, signature)]
    assert verify_expediente.verify_ed25519(*parts)
    assert not verify_expediente.verify_ed25519(parts[0], parts[1] + b"!", parts[2])


def test_signatures_that_the_standard_refuses():
    key = FORGER.public_key().public_bytes_raw()
    signature = FORGER.sign(b"algo")
    assert verify_expediente.verify_ed25519(key, b"algo", signature)
    order = verify_expediente.ORDER
    beyond = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    no_point = next(
        bytes([number]) + bytes(31)
        for number in range(9)
        if verify_expediente._read_point(bytes([number]) + bytes(31)) is None
    )
    for wrong_key, wrong in (
        (key[:31], signature),
        (key, signature[:63]),
        (key, signature[:32] + beyond),
        (no_point, signature),
        (key, no_point + signature[32:]),
        (b"\xff" * 32, signature),
        (b"\x01" + bytes(30) + b"\x80", signature),  # x is 0 and its sign is negative
    ):
        assert not verify_expediente.verify_ed25519(wrong_key, b"algo", wrong)


def test_the_verifier_needs_nothing_but_the_standard_library():
    source = archive.VERIFIER.read_text()
    imports = {line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imports == {"argparse", "hashlib", "json", "sys", "unicodedata", "zipfile", "zlib", "pathlib"}
