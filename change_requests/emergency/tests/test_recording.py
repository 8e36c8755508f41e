"""What is written down of each request inside an emergency, and that nothing runs that is not (M26)."""

import hashlib
import io
import json
import logging
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.test import RequestFactory

from accounts.models import Customer, User
from change_requests.emergency import acts, operations, record_checks
from change_requests.emergency.acts import INSIDE
from change_requests.emergency.models import ActivityRecord, EmergencyChange
from change_requests.emergency.operations import recording
from change_requests.emergency.tests.inside import ADDRESS, WHY, enter, post_change
from change_requests.emergency.tests.urls import calls, during
from change_requests.tasks import remind_due
from factureya.core import audit, clock, guard_install
from factureya.core.files import store
from factureya.core.refusals import NotAllowed, WrongStatus
from factureya.core.running import task_limits
from factureya.testing.pages import make_client, png
from factureya.testing.people import make_representative
from factureya.testing.raw_sql import execute
from factureya.testing.tickets import make_ticket
from tickets.models import TicketFile
from tickets.operations import add_information

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("change_requests.emergency.tests.urls"),
    pytest.mark.clause("M26"),
]
Kind = ActivityRecord.Kind


HALF = "TQ9X-GE5S-Z33D-QRV3-TAKN"


def unwritable(monkeypatch, kind: str) -> None:
    """Let the database refuse records of this kind, as it would with a full disk or a missing table."""
    save = ActivityRecord.save

    def refuse(record, *args, **options):
        if record.kind == kind:
            raise DatabaseError("disk full")
        save(record, *args, **options)

    monkeypatch.setattr(ActivityRecord, "save", refuse)


def open_ticket_with_file(author) -> TicketFile:
    """Open a ticket of this person with a picture, and return its file."""
    ticket = make_ticket(requester=author)
    add_information(ticket.pk, author=author, body="Va", files=[store.store(png(), draft=f"prueba-{ticket.pk}")])
    return TicketFile.objects.get(ticket=ticket)


# -- Intent, view, outcome ---------------------------------------------------------------------------


def test_a_request_leaves_its_intent_and_its_outcome(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    response = client.get(f"{INSIDE}?q=buscado", headers={"user-agent": "Navegador/1"})
    assert response.status_code == 200
    entry, intent, outcome = ActivityRecord.objects.filter(grant=grant).order_by("seq")
    assert (entry.kind, entry.object_text) == (Kind.SYSTEM, "Entró con su propia sesión")
    assert (intent.kind, intent.verb, intent.method, intent.path) == (Kind.INTENT, "who", "GET", INSIDE)
    assert intent.fields == {"q": "buscado"}
    assert intent.client == "127.0.0.1 Navegador/1"
    assert (intent.account_user, intent.operator) == (scene.account.user, scene.cast.gina)
    assert len(intent.request_id) == 32
    assert (outcome.kind, outcome.pairs, outcome.status) == (Kind.OUTCOME, intent, 200)
    assert outcome.ms is not None
    assert outcome.request_id == intent.request_id
    assert [record.seq for record in (entry, intent, outcome)] == [1, 2, 3]
    for record in (entry, intent, outcome):
        assert record.event.chain == grant.chain
        assert record.event.data["sha256"] == record.sha256 == record_checks.hash_record(record)
    assert record_checks.find_flaws_of_grant(grant) == []
    assert list(audit.find_flaws()) == []


def test_a_post_keeps_the_hash_of_its_body_and_its_fields_without_secrets(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    sent = {
        "field": "fiscal_address",
        "new": ADDRESS,
        "reason": f"La mitad es {HALF.lower()} y 7G4Q EQ8G CMPN SD4H HMPS, y nada más",
        "password": "una-clave",
        "csrfmiddlewaretoken": "ficha",
        "mitad_a": HALF,
        "code": "123456",
        "long": "o" * 500,
        "many": ["1", "2"],
        HALF: "nombre",
    }
    assert client.post(f"{INSIDE}cambiar/", sent).status_code == 400  # no page has such fields
    intent = ActivityRecord.objects.get(grant=grant, kind=Kind.INTENT)
    assert intent.fields["new"] == ADDRESS
    assert intent.fields["long"] == "o" * 200
    assert intent.fields["many"] == ["1", "2"]
    assert intent.fields["reason"] == "La mitad es [oculto] y [oculto], y nada más"
    for name in ("password", "csrfmiddlewaretoken", "mitad_a", "code"):
        assert intent.fields[name] == "[oculto]"
    assert HALF not in json.dumps(intent.fields)
    assert len(intent.body_sha256) == 64


def test_the_hash_is_that_of_the_body():
    request = RequestFactory().post("/x/", b"a=1&b=2", content_type="application/x-www-form-urlencoded")
    act = acts.describe_act(request, acts.Target("x"), acts.read_sent(request))
    assert act.body_sha256 == hashlib.sha256(b"a=1&b=2").hexdigest()
    assert act.fields == {"a": "1", "b": "2"}


def test_a_file_is_named_by_its_hash_and_never_by_the_token_of_its_address(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    own, others = (
        open_ticket_with_file(author) for author in (scene.cast.ana, make_representative(full_name="Carla Sol"))
    )
    for file, is_refused in ((own, False), (others, True), (None, True)):
        token = file.attachment.token if file else "desconocido"
        response = client.get(f"/archivos/{token}/")
        assert b"".join(response)  # read to the end, so that the file is closed
        assert (response.status_code == 403) is is_refused
        intent = ActivityRecord.objects.filter(grant=grant, kind=Kind.INTENT).latest("seq")
        assert (intent.verb, intent.path) == ("tickets:file", "/archivos/[oculto]/")
        sha256 = f"{file.attachment.sha256[:16]} de {file.ticket.number}" if file else "desconocido"
        assert intent.object_text == f"Archivo {sha256}"
        assert intent.event.data["foreseen"] is False  # of another ticket than the named one
    request = RequestFactory().post("/x/", {"papel": io.BytesIO(b"x")})
    assert acts.describe_act(request, acts.Target("x"), acts.read_sent(request)).fields == {"papel": "(archivo)"}


def test_a_page_that_breaks_is_recorded_as_broken(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    assert client.get(f"{INSIDE}falla/").status_code == 500
    assert ActivityRecord.objects.get(grant=grant, kind=Kind.OUTCOME).status == 500


# -- Where it may go ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/no-existe/",
        "/tickets/",
        "/control/",
        "/control/activos/",
        "/control/emergencias/",
        "/admin/",
        "/admin/accounts/user/",
        "/admin/core/event/",
        "/admin/tickets/ticket/",
        "/admin/accounts/customer/",
        "/admin/accounts/customer/999999/",
        "/cuenta/contrasena/",
        "/cuenta/verificacion-en-dos-pasos/",
        "/cuenta/ingresar/",
    ],
)
def test_every_other_page_is_refused_and_recorded(scene, address):
    grant = scene.bring("open")
    client = enter(scene, grant)
    response = client.get(address)
    assert response.status_code == 403
    assert "no es parte de la emergencia" in response.content.decode()
    assert grant.folio in response.content.decode()
    intent = ActivityRecord.objects.get(grant=grant, kind=Kind.INTENT)
    assert intent.outcome.status == 403
    assert intent.event.data["foreseen"] is False


def test_only_its_customer_and_tickets_of_it_are_read_and_nothing_is_posted_there(scene, rf):
    grant = scene.bring("open")
    other = Customer.objects.create(rfc="OTR930314QX7", legal_name="Otra", registered_email="otra@ejemplo.mx")
    cases = [
        ("get", f"/admin/accounts/customer/{grant.customer_id}/", True, True),
        ("get", f"/admin/accounts/customer/{other.pk}/", False, False),
        ("get", "/admin/accounts/customer/999999/", False, False),
        ("post", f"/admin/accounts/customer/{grant.customer_id}/", False, False),
        ("get", f"/admin/tickets/ticket/{scene.ticket.pk}/change/", True, True),
        ("get", "/admin/tickets/ticket/999999/change/", False, False),
        ("post", f"/admin/tickets/ticket/{scene.ticket.pk}/change/", False, False),
        ("post", f"/admin/tickets/ticket/{scene.ticket.pk}/mensaje/", False, False),
        ("post", "/archivos/abc/", False, False),
        ("post", f"{INSIDE}cambiar/", True, True),
    ]
    for method, address, is_allowed, is_foreseen in cases:
        target = acts.find_target(getattr(rf, method)(address), grant)
        assert (target.is_allowed, target.is_foreseen) == (is_allowed, is_foreseen), address
    grant.incident = "FY-otro"
    target = acts.find_target(rf.get(f"/admin/tickets/ticket/{scene.ticket.pk}/change/"), grant)
    assert (target.is_allowed, target.is_foreseen) == (True, False)
    assert target.object_text == f"Ticket {scene.ticket.number}"


def test_inside_no_task_is_started_and_outside_they_are(scene, monkeypatch):
    client = enter(scene)
    response = client.post(f"{INSIDE}tarea/")
    assert response.status_code == 403
    assert "ninguna tarea" in response.content.decode()
    started = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *args, **_options: started.append(args))
    assert make_client(scene.cast.gina).get(f"{INSIDE}tarea/").status_code == 200
    assert len(started) == 1


# -- What cannot be recorded does not happen ---------------------------------------------------------


def test_without_the_intent_the_page_is_not_called_and_everybody_else_works(scene, monkeypatch, caplog):
    grant = scene.bring("open")
    client = enter(scene, grant)
    before = Customer.objects.get(pk=grant.customer_id).fiscal_address
    unwritable(monkeypatch, Kind.INTENT)
    with caplog.at_level(logging.CRITICAL):
        response = post_change(client)
    assert response.status_code == 503
    assert "Regresamos en un momento" in response.content.decode()
    assert calls == []
    assert Customer.objects.get(pk=grant.customer_id).fiscal_address == before
    assert "could not be recorded" in caplog.text
    assert make_client(scene.cast.ana).get("/tickets/").status_code == 200
    assert make_client(scene.cast.gina).get("/control/").status_code == 200


def test_without_the_table_too(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    execute("ALTER TABLE change_requests_activityrecord RENAME TO gone")
    try:
        assert post_change(client).status_code == 503
        assert calls == []
        assert make_client(scene.cast.ana).get("/tickets/").status_code == 200
    finally:
        execute("ALTER TABLE gone RENAME TO change_requests_activityrecord")
    assert post_change(client).status_code == 200


def test_without_the_outcome_no_answer_leaves_and_the_change_is_still_in_the_chain(scene, monkeypatch):
    grant = scene.bring("open")
    client = enter(scene, grant)
    with monkeypatch.context() as patch:
        unwritable(patch, Kind.OUTCOME)
        assert post_change(client).status_code == 503
    assert grant.changes.get().new == ADDRESS
    assert grant.events().filter(verb="grant.changed").exists()
    (_entry, item) = operations.find_items(grant)
    assert item.is_gap
    assert item.needs_note


@pytest.mark.parametrize(("ends", "code"), [(False, 503), (True, 302)])
def test_a_file_that_is_not_sent_is_closed(scene, monkeypatch, ends, code):
    grant = scene.bring("open")
    client = enter(scene, grant)
    file = open_ticket_with_file(scene.cast.ana)
    opened, open_stored = [], store.open_for_download

    def open_and_end(attachment):
        opened.append(open_stored(attachment))
        if ends:
            operations.end_grant(grant.pk, actor=scene.cast.gina)
        return opened[-1]

    monkeypatch.setattr(store, "open_for_download", open_and_end)
    if not ends:
        unwritable(monkeypatch, Kind.OUTCOME)
    assert client.get(f"/archivos/{file.attachment.token}/").status_code == code
    ((_headers, content),) = opened
    assert content.closed


def test_a_body_that_is_too_large_is_not_even_read(scene, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    client = enter(scene)
    assert post_change(client).status_code == 400
    assert calls == []
    intent = ActivityRecord.objects.filter(kind=Kind.INTENT).latest("seq")
    assert (intent.fields, intent.body_sha256) == ({"(no se pudo leer)": "RequestDataTooBig"}, "")
    assert intent.outcome.status == 400


FORM = "application/x-www-form-urlencoded"
PART = b'--x\r\nContent-Disposition: form-data; name="field"\r\n\r\nphone\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("method", "address", "body", "content_type", "problem"),
    [
        ("POST", f"{INSIDE}cambiar/", b"x", "multipart/form-data", "MultiPartParserError"),
        ("POST", f"{INSIDE}cambiar/", "&".join(["a=1"] * 300).encode(), FORM, "TooManyFieldsSent"),
        ("POST", f"{INSIDE}cambiar/", b"field=phone", f"{FORM}; charset=utf-16", "BadRequest"),
        ("POST", "/control/", b"x", "multipart/form-data", "MultiPartParserError"),
        ("GET", f"{INSIDE}?{'a=1&' * 300}", b"", FORM, "TooManyFieldsSent"),
        ("POST", f"{INSIDE}cambiar/", PART, "multipart/form-data; charset=rot13; boundary=x", "LookupError"),
    ],
)
def test_what_cannot_be_read_is_recorded_and_refused(scene, method, address, body, content_type, problem):
    client = enter(scene)
    assert client.generic(method, address, body, CONTENT_TYPE=content_type).status_code == 400
    assert calls == []
    intent = ActivityRecord.objects.filter(kind=Kind.INTENT).latest("seq")
    assert intent.fields == {"(no se pudo leer)": problem}
    assert intent.body_sha256 == (hashlib.sha256(body).hexdigest() if body else "")
    assert (intent.outcome.status, intent.event.data["foreseen"]) == (400, False)


# -- The record says what a view would read ----------------------------------------------------------


def send(client, pairs, address=f"{INSIDE}cambiar/"):
    """Post these pairs of name and value, in order, and return the answer and what the intent says of them."""
    response = client.generic("POST", address, urlencode(pairs).encode(), content_type=FORM)
    return response.status_code, ActivityRecord.objects.filter(kind=Kind.INTENT).latest("seq").fields


def test_a_form_that_no_page_sends_is_refused_and_recorded_as_it_would_be_read(scene):
    client = enter(scene)
    honest = [("field", "fiscal_address"), ("reason", WHY), ("new", ADDRESS)]
    status, fields = send(client, [*[("new", f"Calle {number}") for number in range(30)], *honest])
    assert (status, fields["new"][0], len(fields["new"]), fields["new"][-1]) == (400, "(11 antes)", 21, ADDRESS)
    status, fields = send(client, [*[(f"filler{number}", "1") for number in range(60)], *honest])
    assert (status, fields["field"], fields["new"]) == (400, "fiscal_address", ADDRESS)
    assert fields["(campos que no caben)"] == 13
    status, fields = send(client, [*honest, ("new\0", "Otra"), ("o" * 201, "1"), ("o" * 200, "2")])
    assert (status, fields["new"], fields["new…"]) == (400, ADDRESS, "Otra")
    assert (fields["o" * 200], fields["o" * 200 + "…"]) == ("2", "1")
    status, fields = send(client, [*honest[:2], ("new", " " * 8000 + ADDRESS)])
    assert (status, len(fields["new"])) == (400, 8000)
    assert calls == []
    assert not EmergencyChange.objects.exists()


def test_an_address_hides_no_field_of_a_form_and_blanks_no_value(scene):
    client = enter(scene)
    honest = [("field", "fiscal_address"), ("reason", WHY), ("new", " " * 500 + ADDRESS)]
    status, fields = send(client, honest, f"{INSIDE}cambiar/?field=phone")
    assert (status, fields["field"], fields["?field"]) == (200, "fiscal_address", "phone")
    assert fields["new"].endswith(ADDRESS)


def test_a_file_hides_no_field_and_is_refused(scene):
    client = enter(scene)
    names = {"field": "phone", "new": "222 555 0199", "reason": WHY}
    files = {name: [value, io.BytesIO(b"x")] for name, value in names.items()}
    assert client.post(f"{INSIDE}cambiar/", files).status_code == 400
    assert calls == []
    fields = ActivityRecord.objects.filter(kind=Kind.INTENT).latest("seq").fields
    assert fields == {name: ["(archivo)", value] for name, value in names.items()}


def test_half_a_pair_is_no_character_and_is_recorded_all_the_same(scene):
    client = enter(scene)
    assert client.generic("GET", f"{INSIDE}?q=%2B2AA-", CONTENT_TYPE="text/plain; charset=utf-7").status_code == 200
    assert ActivityRecord.objects.filter(kind=Kind.INTENT).latest("seq").fields == {"q": "?"}


# -- The end, in the middle of a request -------------------------------------------------------------


def test_what_is_revoked_during_a_request_answers_nothing(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    during.append(lambda: operations.revoke_grant(grant.pk, actor=scene.cast.elsa, reason="Ya no hace falta."))
    response = client.get(INSIDE)
    assert response.status_code == 302
    assert SESSION_KEY not in client.session
    assert ActivityRecord.objects.get(grant=grant, kind=Kind.OUTCOME).status == 200


def test_between_the_question_and_the_intent_it_may_end(scene, monkeypatch):
    client = enter(scene)
    monkeypatch.setattr(operations, "record_intent", lambda *_args: (_ for _ in ()).throw(WrongStatus("Terminó")))
    assert client.get(INSIDE).status_code == 302
    assert calls == []


def test_a_long_answer_is_cut_at_the_end(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    assert b"".join(client.get(f"{INSIDE}parte/").streaming_content) == b"uno dos tres"
    during.append(lambda: operations.end_grant(grant.pk, actor=scene.cast.gina))
    assert b"".join(client.get(f"{INSIDE}parte/").streaming_content) == b"uno "


def test_a_long_answer_is_cut_when_the_operators_sessions_end(scene):
    client = enter(scene)
    during.append(lambda: User.objects.filter(pk=scene.cast.gina.pk).update(session_epoch=F("session_epoch") + 1))
    assert b"".join(client.get(f"{INSIDE}parte/").streaming_content) == b"uno "


def test_no_outcome_after_the_review_was_signed(scene):
    grant = scene.bring("open")
    intent = operations.record_intent(grant.pk, operations.Act(verb="x"))
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    for item in operations.find_items(grant):
        operations.judge_record(item.record.pk, "observed", "Un hueco de la prueba.", actor=scene.cast.elsa)
    operations.sign_review(grant.pk, "Se revisó todo.", True, actor=scene.cast.elsa)
    with pytest.raises(WrongStatus):
        operations.record_outcome(intent, status=200, ms=1)


def test_nothing_is_recorded_of_what_is_not_open(scene):
    grant = scene.bring("authorized")
    with pytest.raises(WrongStatus):
        operations.record_intent(grant.pk, operations.Act(verb="x"))
    grant = scene.open(grant)
    with time_machine.travel(clock.now() + timedelta(minutes=20)), pytest.raises(WrongStatus):
        operations.record_intent(grant.pk, operations.Act(verb="x"))
    assert not ActivityRecord.objects.exists()


def test_the_last_instant_may_pass_after_the_policy_was_asked(scene, monkeypatch):
    grant = scene.bring("open")
    monkeypatch.setattr(recording.policy, "why_not_enter", lambda *_args: None)
    with time_machine.travel(grant.ends_at, tick=False):
        with pytest.raises(WrongStatus):
            operations.record_intent(grant.pk, operations.Act(verb="x"))
        with pytest.raises(WrongStatus):
            operations.apply_emergency_change(grant.pk, "fiscal_address", ADDRESS, WHY, actor=scene.cast.gina)
    assert not ActivityRecord.objects.exists()


# -- The record itself -------------------------------------------------------------------------------


def test_an_altered_record_event_or_row_is_found(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    post_change(client)
    intent = ActivityRecord.objects.get(grant=grant, kind=Kind.INTENT)
    last = ActivityRecord.objects.filter(grant=grant).latest("seq")
    guard_install.lift(connection)  # as the owner of the tables could
    records, rows = "change_requests_activityrecord", "change_requests_rowdifference"
    told = {
        f"UPDATE {records} SET path = '/otra/' WHERE id = {intent.pk}": "el acto no es el que se registró",
        f"DELETE FROM {records} WHERE id = {last.pk}": "falta el acto",
        f"UPDATE {rows} SET row_pk = '0'": "las filas que cambiaron no son las que se anotaron",
        f"DELETE FROM {rows}": "las filas que cambiaron no son las que se anotaron",
        "UPDATE change_requests_emergencychange SET new = 'x'": "el cambio no es el que se hizo",
        "DELETE FROM change_requests_emergencychange": "el cambio no es el que se hizo",
        f"UPDATE core_event SET verb = 'x' WHERE id = {intent.event_id}": "el evento no es el que se escribió",
        "UPDATE core_event SET data = '{}' WHERE verb = 'grant.changed'": "el evento no es el que se escribió",
    }
    assert record_checks.find_flaws_of_grant(grant) == []
    for sql, problem in told.items():
        with transaction.atomic():
            execute(sql)
            assert problem in {flaw.problem for flaw in record_checks.find_flaws()}, sql
            transaction.set_rollback(True)
    assert record_checks.find_flaws_of_grant(grant) == []


def test_a_record_without_event_of_its_chain_is_found(scene):
    grant = scene.bring("open")
    enter(scene, grant)
    entry = ActivityRecord.objects.get(grant=grant)
    guard_install.lift(connection)
    stranger = grant.account.events().first()
    execute("UPDATE change_requests_activityrecord SET event_id = %s WHERE id = %s", stranger.pk, entry.pk)
    problems = {flaw.problem for flaw in record_checks.find_flaws_of_grant(grant)}
    assert problems == {"falta el acto", "el acto 1 no tiene evento"}


def test_rows_verdicts_and_a_signature_that_no_event_tells_are_found(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    post_change(client)
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    for item in operations.find_items(grant):
        operations.judge_record(item.record.pk, "conform", "Visto en la prueba.", actor=scene.cast.elsa)
    operations.sign_review(grant.pk, "Se revisó todo.", True, actor=scene.cast.elsa)
    assert list(record_checks.find_flaws()) == []
    guard_install.lift(connection)
    verdicts, reviews = "change_requests_activityverdict", "change_requests_grantreview"
    rows, changes = "change_requests_rowdifference", "change_requests_emergencychange"
    told = {
        f"UPDATE {verdicts} SET verdict = 'observed'": "el veredicto no es el que se dio",
        f"DELETE FROM {verdicts}": "el veredicto no es el que se dio",
        f"UPDATE {reviews} SET conform = NOT conform": "la firma no es la que se dio",
        f"UPDATE {reviews} SET reviewer_id = {scene.cast.gina.pk}": "la firma no es la que se dio",
        f"DELETE FROM {reviews}": "la firma no es la que se dio",
        f"INSERT INTO {rows} (grant_id, table_name, row_pk, at) SELECT grant_id, table_name, '0', at FROM {rows}": (
            "no tiene evento"
        ),
        f"INSERT INTO {changes} (grant_id, customer_id, field, old, new, reason, operator_id, at) "
        f"SELECT grant_id, customer_id, field, old, 'x', reason, operator_id, at FROM {changes}": "no tiene evento",
        "DELETE FROM core_event WHERE verb = 'grant.reviewed'": "la firma de la revisión no tiene evento",
    }
    for sql, problem in told.items():
        with transaction.atomic():
            execute(sql)
            assert any(problem in flaw.problem for flaw in record_checks.find_flaws()), sql
            transaction.set_rollback(True)


def test_tasks_may_start_outside_and_the_limit_ends_with_its_block():
    with task_limits.starting_none(), pytest.raises(NotAllowed):
        remind_due.delay()
    assert task_limits._is_limited.get() is False
