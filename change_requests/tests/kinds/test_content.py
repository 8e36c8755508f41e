"""What may be asked, field by field, and by whom: everything wrong is told and nothing is stored (M7, M8, M19)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from time_machine import travel

from accounts.models import Customer, Office, Representative, RoleAssignment
from accounts.operations import end_office
from change_requests import operations
from change_requests.models import FormalRequest, RequestRevision
from factureya.core import clock
from factureya.core.files import store
from factureya.core.models import OutboxMessage
from factureya.testing import request_histories
from factureya.testing.people import (
    Cast,
    give_office,
    make_contact,
    make_customer,
    make_representative,
    make_staff,
    make_superuser,
    name_owner,
)

pytestmark = pytest.mark.django_db

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status


@pytest.fixture
def cast(tmp_path, settings) -> Cast:
    settings.MEDIA_ROOT = tmp_path
    return Cast()


def refused(cast: Cast, form: str = Form.CHANGE, kind: str = Kind.CHANGE, **answers: Any) -> dict[str, str]:
    """The errors of sending this; nothing was stored."""
    request = request_histories.draft(cast, form, kind, **answers)
    with pytest.raises(operations.Invalid) as refusal:
        operations.submit(request.pk, actor=cast.ana)
    assert not RequestRevision.objects.exists()
    assert not OutboxMessage.objects.exists()
    return refusal.value.errors


def evidence(cast: Cast, request: FormalRequest, name: str = "poder.txt") -> FormalRequest:
    file = store.store(SimpleUploadedFile(name, b"Poder notarial"), draft="k")
    return operations.add_evidence(request.pk, actor=cast.ana, files=[file])


@pytest.mark.clause("M19")
@pytest.mark.parametrize("reason", ["", "   ", "\n\t \n", "Porque sí."])
def test_a_reason_is_obligatory(cast, reason):
    assert set(refused(cast, reason=reason)) == {"reason"}
    assert set(refused(cast, Form.ACCESS, Kind.ALTA, reason=reason[:9])) == {"reason"}


@pytest.mark.clause("M19")
@pytest.mark.parametrize(
    ("items", "fields"),
    [
        ({}, {"items"}),
        ({"phone": "  "}, {"phone"}),
        ({"phone": "2" * 31}, {"phone"}),
        ({"fiscal_address": "x" * 301}, {"fiscal_address"}),
        ({"verified_at": "2026-01-01", "phone": "222"}, {"verified_at"}),
        ({"status": "suspended"}, {"status"}),
        ({"rfc": "ABC"}, {"rfc", "evidence"}),
        ({"registered_email": "no es correo"}, {"registered_email"}),
        ({"registered_email": "soporte+x@factureya.com"}, {"registered_email"}),
        ({"representative_name": "Otra Persona"}, {"representative_rfc", "evidence"}),
    ],
)
def test_only_real_changes_of_listed_fields(cast, items, fields):
    errors = refused(cast, items=items)
    assert fields <= set(errors)
    assert all(text.strip().endswith(".") for text in errors.values())


@pytest.mark.clause("M19")
def test_the_value_of_today_is_no_change(cast):
    today = cast.customer.registered_email
    assert "registered_email" in refused(cast, items={"registered_email": today.upper()})
    other = make_customer()
    assert "rfc" in refused(cast, items={"rfc": other.rfc, "phone": "222 555 0111"})


@pytest.mark.clause("M19")
@pytest.mark.parametrize("days", [-1, 366])
def test_the_day_is_from_today_to_a_year(cast, days):
    day = timezone.localdate(clock.now()) + timedelta(days=days)
    assert set(refused(cast, effective_date=day.isoformat())) == {"effective_date"}
    assert set(refused(cast, effective_date="31/12")) == {"effective_date"}


@pytest.mark.clause("M7")
def test_alta_asks_for_somebody_who_is_not_in_yet(cast):
    inside = cast.colleague()
    for person, fields in (
        ({}, {"full_name", "email"}),
        ({"full_name": "Rosa", "email": "rosa"}, {"email"}),
        ({"full_name": "Rosa", "email": inside.email.upper()}, {"email"}),
        ({"full_name": "Rosa", "email": "mesadecontrol@factureya.com"}, {"email"}),
        ({"full_name": "R" * 151, "email": "r@x.mx"}, {"full_name"}),
    ):
        assert set(refused(cast, Form.ACCESS, Kind.ALTA, person=person)) == fields


@pytest.mark.clause("M7", "M8")
@pytest.mark.parametrize("kind", [Kind.BAJA, Kind.CLAVE])
def test_access_is_of_ones_own_people(cast, kind):
    stranger, gone = make_contact(), cast.colleague(is_active=False)
    for user in (None, "x", stranger.pk, gone.pk):
        assert set(refused(cast, Form.ACCESS, kind, person={"user": user})) == {"user"}


@pytest.mark.clause("M8")
def test_nobody_asks_for_his_own_baja_or_that_of_a_representative(cast):
    assert set(refused(cast, Form.ACCESS, Kind.BAJA, person={"user": cast.ana.pk})) == {"user"}


@pytest.mark.clause("M8")
def test_only_the_representative_with_powers_in_force(cast):
    request = request_histories.draft(cast)
    beto = cast.colleague()
    stranger = make_representative()
    for person in (beto, stranger, cast.laura, make_superuser()):
        with pytest.raises(operations.NotAllowed):
            operations.create_draft(actor=person, customer=cast.customer, form=Form.CHANGE, kind=Kind.CHANGE)
        with pytest.raises(operations.NotAllowed):
            operations.submit(request.pk, actor=person)
        with pytest.raises(operations.NotAllowed):
            operations.save_draft(request.pk, actor=person, draft={})


@pytest.mark.clause("M8")
def test_powers_that_ended_ask_for_nothing():
    cast = Cast(ana=request_histories.representative_for(days=1))
    request = request_histories.draft(cast)
    with travel(clock.now() + timedelta(days=2)):
        for act in (operations.submit, operations.reopen_draft):
            with pytest.raises(operations.Refused):
                act(request.pk, actor=cast.ana)
        with pytest.raises(operations.NotAllowed):
            operations.create_draft(actor=cast.ana, customer=cast.customer, form=Form.CHANGE, kind=Kind.BAJA)
    operations.submit(request.pk, actor=cast.ana)  # on their last day they hold


@pytest.mark.clause("M21")
def test_one_open_request_for_the_same_data(cast):
    first = request_histories.make(cast, Status.SUBMITTED)
    again = request_histories.draft(cast)
    with pytest.raises(operations.Refused, match=first.folio):
        operations.submit(again.pk, actor=cast.ana)
    baja = request_histories.draft(cast, Form.CHANGE, Kind.BAJA)
    with pytest.raises(operations.Refused, match=first.folio):
        operations.submit(baja.pk, actor=cast.ana)
    other = request_histories.draft(cast, items={"registered_email": "facturas@kemper.mx"})
    operations.submit(other.pk, actor=cast.ana)
    operations.withdraw(first.pk, actor=cast.ana, reason="La hago de nuevo.")
    operations.submit(again.pk, actor=cast.ana)


@pytest.mark.clause("M21")
def test_a_baja_of_the_service_is_alone(cast):
    baja = request_histories.make(cast, Status.SUBMITTED, Form.CHANGE, Kind.BAJA)
    with pytest.raises(operations.Refused, match=baja.folio):
        operations.submit(request_histories.draft(cast).pk, actor=cast.ana)
    request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, Kind.ALTA)  # people are another matter


@pytest.mark.clause("M7")
def test_one_open_access_request_per_person(cast):
    beto = cast.colleague()
    request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, Kind.CLAVE, person={"user": beto.pk})
    request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, Kind.CLAVE)
    with pytest.raises(operations.Refused):
        request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, Kind.BAJA, person={"user": beto.pk})


@pytest.mark.clause("M21", "M24")
def test_without_a_lawful_set_of_people_nothing_is_sent(cast):
    request, root = request_histories.draft(cast), make_superuser()
    for person, missing in (
        (cast.laura, "Supervisor"),
        (cast.fabian, "Propietario de la Información"),
        (cast.elsa, "Responsable de Seguridad Informática"),
        (cast.gina, "Implementador"),
    ):
        held = RoleAssignment.objects.get(user=person)
        end_office(held.pk, actor=root)
        with pytest.raises(operations.NoPeople, match=missing):
            operations.submit(request.pk, actor=cast.ana)
        give_office(person, held.office, provider=held.provider)
    name_owner("location", None)
    with pytest.raises(operations.NoPeople, match="Domicilio"):
        operations.submit(request.pk, actor=cast.ana)
    request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, Kind.ALTA)  # has no owner


@pytest.mark.clause("M24")
def test_a_developer_or_an_owner_alone_is_no_implementer(cast):
    give_office(cast.gina, Office.DEVELOPER)
    request = request_histories.draft(cast)
    with pytest.raises(operations.NoPeople, match="Implementador"):
        operations.submit(request.pk, actor=cast.ana)
    give_office(cast.fabian, Office.IMPLEMENTER)
    with pytest.raises(operations.NoPeople, match="Implementador"):
        operations.submit(request.pk, actor=cast.ana)
    make_staff(Office.IMPLEMENTER)
    operations.submit(request.pk, actor=cast.ana)


@pytest.mark.clause("M8", "M19")
def test_a_change_of_representative_is_one_line(cast):
    beto = cast.colleague(full_name="Beto Ocaso")
    new = request_histories.name_representative(beto, valid_until="")
    request = evidence(cast, request_histories.draft(cast, items=new))
    request = operations.submit(request.pk, actor=cast.ana)
    (item,) = request.read_payload()["items"]
    assert item["old"] == cast.ana.representations.get().line
    assert item["new"] == f"Beto Ocaso | GODE561231GR8 | {beto.email} | attorney | Escritura 1,234 | 2026-01-01 | "


@pytest.mark.clause("M8", "M19")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nadie@ejemplo.mx"}, "email"),
        ({"rfc": "ABC"}, "rfc"),
        ({"power": "amigo"}, "power"),
        ({"instrument": "con | barra"}, "instrument"),
        ({"valid_from": ""}, "valid_from"),
        ({"valid_from": "ayer"}, "valid_from"),
        ({"valid_until": "2020-01-01"}, "valid_until"),
        ({"name": ""}, "name"),
        ({"replaces": "nadie@ejemplo.mx"}, "replaces"),
    ],
)
def test_what_a_representative_lacks_is_told(cast, change, field):
    beto = cast.colleague()
    parts = request_histories.name_representative(beto, **change)
    assert f"representative_{field}" in refused(cast, items=parts)


@pytest.mark.clause("M8")
def test_a_representative_may_be_added_beside_the_others(cast):
    beto = cast.colleague()
    parts = request_histories.name_representative(beto, replaces="")
    request = operations.submit(evidence(cast, request_histories.draft(cast, items=parts)).pk, actor=cast.ana)
    assert request.read_payload()["items"][0]["old"] == ""
    same = {**parts, "representative_email": cast.ana.email}
    operations.withdraw(request.pk, actor=cast.ana, reason="La hago de nuevo.")
    again = evidence(cast, request_histories.draft(cast, items=same))
    with pytest.raises(operations.Invalid, match="ya representa"):
        operations.submit(again.pk, actor=cast.ana)


@pytest.mark.clause("M20", "M21")
def test_an_edit_makes_a_revision_with_its_own_hash(cast):
    request = request_histories.make(cast, Status.IN_APPROVAL)
    first = request_histories.revision(request)
    operations.reopen_draft(request.pk, actor=cast.ana)
    operations.save_draft(request.pk, actor=cast.ana, draft={"items": {"phone": "222 555 0177"}})
    evidence(cast, request)
    request = operations.submit(request.pk, actor=cast.ana)
    second = request_histories.revision(request)
    assert (second.no, request.confirmed_at) == (2, None)
    assert second.sha256 != first.sha256
    assert [i["field"] for i in request.read_payload()["items"]] == ["phone"]
    assert request.read_payload()["evidence"][0]["name"] == "poder.txt"


@pytest.mark.clause("M19", "M20")
def test_evidence_is_taken_once_dropped_and_limited(cast):
    request = request_histories.draft(cast)
    file = store.store(SimpleUploadedFile("a.txt", b"a"), draft="k")
    operations.add_evidence(request.pk, actor=cast.ana, files=[file, file])
    with pytest.raises(operations.Refused):
        operations.add_evidence(request.pk, actor=cast.ana, files=[file])
    kept = request.evidence.get()
    operations.remove_evidence(request.pk, actor=cast.ana, evidence=kept)
    with pytest.raises(operations.Refused):
        operations.remove_evidence(request.pk, actor=cast.ana, evidence=kept)
    many = [store.store(SimpleUploadedFile(f"{n}.txt", b"x"), draft="k") for n in range(11)]
    with pytest.raises(operations.Invalid):
        operations.add_evidence(request.pk, actor=cast.ana, files=many)
    request = operations.submit(request.pk, actor=cast.ana)
    assert request.read_payload()["evidence"] == []


@pytest.mark.clause("M8")
def test_a_suspended_company_begins_nothing(cast):
    begun = request_histories.draft(cast)
    request = request_histories.make(cast, Status.EXECUTED, Form.CHANGE, Kind.BAJA)
    with pytest.raises(operations.NotAllowed, match="suspendido"):
        operations.submit(begun.pk, actor=cast.ana)
    customer = Customer.objects.get(pk=request.customer_id)
    assert customer.is_suspended
    with pytest.raises(operations.NotAllowed):
        operations.create_draft(actor=cast.ana, customer=customer, form=Form.ACCESS, kind=Kind.ALTA)
    assert Representative.objects.in_force().filter(customer=customer).exists()
