"""The inbox: mine first by deadline, keyset pages, filter, search; who owns what; the admin that only shows (M21)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from accounts.models import Office, User
from change_requests import operations
from change_requests.control import inbox
from change_requests.models import ACCESS, FormalRequest, InformationAsset
from change_requests.tests.control.test_control_pages import browser
from factureya.core.clock import now
from factureya.core.keyset import PAGE_ROWS
from factureya.testing.pages import text_of
from factureya.testing.people import make_representative, make_staff, make_superuser, own_assets
from factureya.testing.request_histories import WHY, make, seen
from factureya.testing.requests import make_request

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M21")]
Status = FormalRequest.Status


def shown(person: User, **query: str) -> Any:
    return browser(person).get(reverse("control:inbox"), query)


def mine(person: User) -> set[str]:
    """The folios that wait for this person."""
    return {row.folio for row in inbox.read_page(User.objects.get(pk=person.pk), inbox.InboxQuery()).rows}


# -- Mine --------------------------------------------------------------------------------------------


def test_each_step_waits_for_its_people(cast):
    request = make(cast, Status.SUBMITTED)
    everybody = (cast.laura, cast.fabian, cast.elsa, cast.gina)
    waits = {Status.SUBMITTED: set(), Status.VERIFYING: {cast.laura}, Status.IN_APPROVAL: {cast.fabian, cast.elsa}}

    def turns() -> set[User]:
        return {person for person in everybody if request.folio in mine(person)}

    assert turns() == waits[Status.SUBMITTED]
    operations.confirm_from_registered_email(request.pk, actor=cast.ana, revision_no=request.revision_no)
    assert turns() == waits[Status.VERIFYING]
    operations.verify(request.pk, actor=cast.laura)
    assert turns() == waits[Status.IN_APPROVAL]
    operations.approve(request.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(request))
    assert turns() == {cast.elsa}
    operations.approve(request.pk, actor=cast.elsa, reason=WHY, seen_hash=seen(request))
    assert turns() == {cast.elsa}  # nobody is designated yet
    operations.designate(request.pk, actor=cast.elsa, implementer=cast.gina)
    assert turns() == {cast.gina}
    operations.execute(request.pk, actor=cast.gina)
    assert turns() == {cast.laura}
    operations.close(request.pk, actor=cast.laura)
    assert turns() == set()


def test_what_is_stopped_or_asked_waits_for_nobody_here(cast):
    request = make(cast, Status.IN_APPROVAL)
    operations.ask_clarification(request.pk, actor=cast.elsa, question="¿Desde qué día?")
    assert not mine(cast.fabian)
    operations.answer_clarification(request.pk, actor=cast.ana, answer="Desde el lunes.")
    operations.not_me(request.pk)
    assert not mine(cast.fabian)
    assert mine(cast.elsa) == {request.folio}  # she resumes it or not


def test_an_access_request_waits_for_security_alone(cast):
    request = make(cast, Status.IN_APPROVAL, "access", "alta")
    assert mine(cast.elsa) == {request.folio}
    assert not mine(cast.fabian)


def test_an_alternate_decides_inside_his_dates(cast):
    other = make_staff(Office.INFORMATION_OWNER, full_name="Suplente Dueño")
    root = make_superuser()
    request = make(cast, Status.IN_APPROVAL)
    assert not mine(other)
    asset = InformationAsset.objects.get(code="location")
    operations.set_asset_owner(
        asset.pk,
        actor=root,
        owner=cast.fabian,
        alternate=other,
        alternate_from=now(),
        alternate_until=now() + timedelta(days=2),
    )
    assert mine(other) == {request.folio}
    with time_machine.travel(now() + timedelta(days=3)):
        assert not mine(other)


def test_what_is_due_first_comes_first_and_the_late_is_red(cast):
    late = make(cast, Status.IN_APPROVAL)
    with time_machine.travel(now() + timedelta(hours=20)):
        soon = make(cast, Status.IN_APPROVAL, "access", "alta")
        rows = inbox.read_page(cast.elsa, inbox.InboxQuery()).rows
        assert [row.folio for row in rows] == [late.folio, soon.folio]
    with time_machine.travel(now() + timedelta(days=20)):
        assert "Vencida" in text_of(shown(cast.elsa))


def test_an_implementer_sees_the_own_work_alone(cast):
    request = make(cast, Status.APPROVED)
    assert request.folio in text_of(shown(cast.gina))
    other = make_staff(Office.IMPLEMENTER)
    for view in inbox.VIEWS:
        assert request.folio not in text_of(shown(other, vista=view))


# -- Finding -----------------------------------------------------------------------------------------


def test_search_by_folio_company_rfc_and_person(cast):
    request = make(cast, Status.IN_APPROVAL, "access", "alta")
    other = make_request(Status.SUBMITTED)
    person = request.requested_assets.get().subject
    name = cast.customer.legal_name.split()[1]
    for query in (
        request.folio,
        request.folio.lower().replace("-", ""),
        cast.customer.rfc,
        f"empresa {name}",
        "Robles",
        cast.ana.email,
        person,
    ):
        found = text_of(shown(cast.elsa, q=query))
        assert request.folio in found, query
        assert other.folio not in found
    assert "puede haber un carácter cambiado" in text_of(shown(cast.elsa, q="SA-0000-0001"))
    assert "Nada coincide" in text_of(shown(cast.elsa, q="zzz\0"))


def test_filter_by_form(cast):
    access = make(cast, Status.IN_APPROVAL, "access", "alta")
    change = make(cast, Status.IN_APPROVAL)
    found = text_of(shown(cast.elsa, tipo="acceso"))
    assert access.folio in found
    assert change.folio not in found
    assert change.folio in text_of(shown(cast.elsa, tipo="otro"))


def test_pages_forth_and_back(cast):
    for _ in range(PAGE_ROWS * 2 + 3):
        make_request(Status.SUBMITTED, requester=make_representative())
    client = browser(cast.elsa)
    address = reverse("control:inbox") + "?vista=en-curso"
    pages, url = [], address
    while url:
        page = client.get(url).context["page"]
        pages.append([row.folio for row in page.rows])
        url = page.next_url and reverse("control:inbox") + page.next_url
    assert [len(rows) for rows in pages] == [25, 25, 3]
    assert len({folio for rows in pages for folio in rows}) == 53
    back = client.get(reverse("control:inbox") + page.previous_url).context["page"]
    assert [row.folio for row in back.rows] == pages[1]
    assert client.get(address + "&despues=9.SA-0000-0000").status_code == 200
    assert client.get(address + "&despues=" + "9" * 18 + ".SA-0000-0000").status_code == 200


# -- Owners ------------------------------------------------------------------------------------------


def test_a_superuser_names_owner_and_dated_alternate(cast):
    root = browser(make_superuser())
    other = make_staff(Office.INFORMATION_OWNER, full_name="Marta Quiroz")
    address = reverse("control:asset", args=["identity"])
    wrong = root.post(address, {"owner": cast.fabian.pk, "alternate": cast.fabian.pk})
    for text in ("El suplente es otra persona", "Escriba qué día empieza la suplencia"):
        assert text in text_of(wrong)
    dates = {"alternate_from": "2026-12-01", "alternate_until": "2026-11-30"}
    sent = {"owner": cast.fabian.pk, "alternate": other.pk}
    assert "termina después" in text_of(root.post(address, sent | dates))
    assert root.post(address, sent | dates | {"alternate_until": "2026-12-02"}).status_code == 302
    asset = InformationAsset.objects.get(code="identity")
    assert asset.alternate == other
    assert asset.alternate_until - asset.alternate_from == timedelta(days=2)
    assert 'value="2026-12-02"' in root.get(address).content.decode()
    assert root.post(address, {"owner": cast.fabian.pk}).status_code == 302
    asset.refresh_from_db()
    assert asset.alternate is None


def test_an_asset_without_an_owner_in_office_is_red(cast):
    own_assets(cast.gina)
    text = text_of(browser(cast.elsa).get(reverse("control:assets")))
    assert text.count("Sin propietario en funciones") == 5
    assert "Cambiar" not in text


def test_no_bulk_act_no_change_in_the_admin(cast):
    request = make(cast, Status.APPROVED)
    root = browser(make_superuser())
    address = reverse("admin:change_requests_formalrequest_changelist")
    page = root.get(address)
    assert request.folio in page.content.decode()
    assert 'name="action"' not in page.content.decode()
    change = reverse("admin:change_requests_formalrequest_change", args=[request.pk])
    shown = root.get(change)
    assert shown.status_code == 200
    assert 'name="_save"' not in shown.content.decode()
    assert root.post(change, {"status": "executed"}).status_code == 403
    assert browser(cast.elsa).get(address).status_code == 403
    owners = root.get(reverse("admin:change_requests_informationasset_changelist")).content.decode()
    assert reverse("control:asset", args=["identity"]) in owners
    assert reverse("control:asset", args=[ACCESS]) not in owners
