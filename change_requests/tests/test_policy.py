"""Each act's policy says why not, on objects in hand, before the operation asks again (M3, M8, M21, M24, M25)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Office, User
from change_requests import links, operations, policy
from change_requests.models import FormalRequest
from change_requests.operations import _revisions
from change_requests.progress import Task, find_waiting
from factureya.core import clock
from factureya.testing import request_histories
from factureya.testing.people import Cast, make_contact, make_customer, make_staff

pytestmark = pytest.mark.django_db

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status
ACTS = {
    policy.why_not_reopen: ("ana", policy.REOPENABLE),
    policy.why_not_withdraw: ("ana", policy.WITHDRAWABLE),
    policy.why_not_verify: ("laura", (Status.VERIFYING,)),
    policy.why_not_return: ("laura", (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL)),
    policy.why_not_decide: ("fabian", (Status.IN_APPROVAL,)),
    policy.why_not_designate: ("elsa", (Status.IN_APPROVAL, Status.APPROVED)),
    policy.why_not_execute: ("gina", (Status.APPROVED,)),
    policy.why_not_close: ("laura", (Status.EXECUTED,)),
    policy.why_not_revert: ("laura", (Status.EXECUTED, Status.CLOSED)),
}


@pytest.mark.clause("M21", "M24")
@pytest.mark.parametrize(
    "status", [Status.DRAFT, Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED]
)
def test_what_may_be_done_in_each_status_and_by_whom(status):
    cast = Cast()
    request = FormalRequest.objects.get(pk=request_histories.make(cast, status).pk)
    for act, (who, statuses) in ACTS.items():
        refusal = act(getattr(cast, who), request)
        assert (refusal is None) == (status in statuses), (act.__name__, refusal)
        if refusal is not None:
            assert isinstance(refusal, operations.WrongStatus), act.__name__
            assert str(refusal).endswith((".", "corresponde.")), refusal
        for stranger in (make_contact(), make_staff(Office.AGENT)):
            assert act(stranger, request) is not None


@pytest.mark.clause("M21")
def test_whose_turn_it_is_in_words():
    cast = Cast()
    expected = {
        Status.DRAFT: "completar y enviar la solicitud",
        Status.RETURNED: "corregir y enviar la solicitud",
        Status.SUBMITTED: "confirmarla desde el correo registrado",
        Status.VERIFYING: "verificarla",
        Status.IN_APPROVAL: "decidirla",
        Status.APPROVED: "implementarla",
        Status.EXECUTED: "cerrarla",
        Status.CLOSED: "",
    }
    for status, task in expected.items():
        cast.ana = request_histories.representative_for(days=9)
        request = FormalRequest.objects.get(pk=request_histories.make(cast, status).pk)
        waiting = find_waiting(request)
        assert waiting.task.label == task
        assert waiting.is_company == (status in (Status.DRAFT, Status.RETURNED, Status.SUBMITTED))
    assert find_waiting(request_histories.make(cast, Status.IN_APPROVAL, Form.ACCESS, Kind.ALTA)).offices == (
        Office.SECURITY_OFFICER,
    )


@pytest.mark.clause("M24")
def test_without_an_implementer_security_designates_one():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL, Form.ACCESS, Kind.ALTA)
    request = operations.approve(
        request.pk, actor=cast.elsa, reason=request_histories.WHY, seen_hash=request_histories.seen(request)
    )
    assert find_waiting(request).task == Task.DESIGNATE
    operations.not_me(request.pk)
    request.refresh_from_db()
    waiting = find_waiting(request)
    assert (waiting.task, waiting.offices) == (Task.REVIEW_OBJECTION, (Office.SECURITY_OFFICER,))
    assert isinstance(policy.why_not_designate(cast.elsa, request), operations.WrongStatus)
    assert policy.why_not_resume(cast.elsa, request) is None


@pytest.mark.clause("M8")
def test_who_holds_powers_of_a_company():
    cast = Cast()
    stranger, unverified = make_contact(), make_contact(make_customer(verified=False))
    assert policy.find_powers(cast.ana, cast.customer)
    assert policy.find_powers(cast.ana, stranger.contact.customer) is None
    assert policy.find_powers(unverified, unverified.contact.customer) is None
    assert policy.find_powers(cast.laura, cast.customer) is None
    assert not policy.visible_to(unverified).exists()
    assert not policy.visible_to(make_contact(make_customer(), representative=True)).exists()


@pytest.mark.clause("M8")
def test_another_representative_neither_edits_nor_sends_but_may_withdraw():
    cast = Cast()
    beto = second_representative(cast)
    request = request_histories.draft(cast)
    for act in (operations.submit, lambda pk, actor: operations.save_draft(pk, actor=actor, draft={})):
        with pytest.raises(operations.NotAllowed, match="quien la comenzó"):
            act(request.pk, actor=beto)
    assert operations.withdraw(request.pk, actor=beto, reason="Ya no hace falta.").status == Status.CANCELLED


@pytest.mark.clause("M8")
def test_baja_of_a_representative_is_a_matter_of_powers():
    cast = Cast()
    beto = second_representative(cast)
    request = request_histories.draft(cast, Form.ACCESS, Kind.BAJA, person={"user": beto.pk})
    with pytest.raises(operations.Invalid, match="tiene poderes"):
        operations.submit(request.pk, actor=cast.ana)


def second_representative(cast: Cast) -> User:
    """Beto, added by an executed request."""
    request, beto = request_histories.approve_representative(cast, replaces="")
    with clock.at(request.execute_after):
        operations.execute(request.pk, actor=cast.gina)
    return User.objects.select_related("contact__customer").get(pk=beto.pk)


@pytest.mark.clause("M21")
def test_a_representative_is_added_beside_the_first_and_that_is_undone(settings):
    settings.SENSITIVE_FREEZE_HOURS = 0
    cast = Cast()
    beto = second_representative(cast)
    assert beto.contact.is_representative
    assert policy.find_powers(User.objects.get(pk=cast.ana.pk), cast.customer)
    added = FormalRequest.objects.latest("pk")
    assert request_histories.undo(cast, added).status == Status.REVERTED
    beto = User.objects.select_related("contact__customer").get(pk=beto.pk)
    assert policy.find_powers(beto, cast.customer) is None
    assert not beto.contact.is_representative


@pytest.mark.clause("M10")
def test_a_folio_that_is_taken_is_drawn_again(monkeypatch):
    cast = Cast()
    taken = request_histories.draft(cast)
    folios = iter([taken.folio, taken.folio, "SC-7K3M-9QX0"])
    monkeypatch.setattr(_revisions.numbers, "make_number", lambda _prefix: next(folios))
    assert request_histories.draft(cast).folio == "SC-7K3M-9QX0"
    monkeypatch.setattr(_revisions.numbers, "make_number", lambda _prefix: taken.folio)
    with pytest.raises(_revisions.IntegrityError):
        request_histories.draft(cast)


@pytest.mark.clause("M20")
def test_somebody_elses_form_key_begins_nothing():
    cast = Cast()
    begin = {"customer": cast.customer, "form": Form.CHANGE, "kind": Kind.CHANGE, "key": "k1"}
    operations.create_draft(actor=cast.ana, **begin)
    other = request_histories.representative_for(days=9)
    with pytest.raises(operations.Refused):
        operations.create_draft(actor=other, **{**begin, "customer": other.contact.customer})


@pytest.mark.clause("M7", "M19")
def test_what_is_already_so_is_refused():
    cast = Cast()
    request = request_histories.draft(cast, Form.CHANGE, Kind.BAJA)
    tomorrow = (timezone.localdate(clock.now()) + timedelta(days=1)).isoformat()
    request_histories.make(cast, Status.EXECUTED, Form.CHANGE, Kind.BAJA, effective_date=tomorrow)
    with pytest.raises(operations.Invalid, match="ya está suspendido"):
        operations.submit(request.pk, actor=cast.ana)
    cast.ana = request_histories.representative_for(days=9)
    long = request_histories.draft(cast, reason="x" * 2001)
    with pytest.raises(operations.Invalid, match="acórtelo"):
        operations.submit(long.pk, actor=cast.ana)
    row = cast.ana.representations.get()
    same = request_histories.draft(cast, items={"representative_name": row.name, "representative_rfc": row.rfc})
    with pytest.raises(operations.Invalid):
        operations.submit(request_histories.add_file(cast, same).pk, actor=cast.ana)


def test_links_are_signed():
    with pytest.raises(links.BadLink):
        links.read_confirm_link("x")
    with pytest.raises(links.BadLink):
        links.read_not_me_link("x")
