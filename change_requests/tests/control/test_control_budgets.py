"""The officers' pages' query budgets: equal for 3 requests and 300 (style.md, habit 13)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Office
from accounts.models.representatives import compose_line
from change_requests import operations
from change_requests.models import ACCESS, Clarification, FormalRequest, InformationAsset
from change_requests.tests.control.test_control_pages import act
from factureya.core.clock import now
from factureya.testing.budgets import budget, statements_of
from factureya.testing.people import Cast, make_representative, make_staff, name_owner
from factureya.testing.request_histories import WHY, make, seen
from factureya.testing.requests import decide, make_request

pytestmark = pytest.mark.django_db
FEW, MANY = 3, 300
PAGE, INBOX, EXPEDIENTE, EXECUTE = 12, 8, 18, 40
Status = FormalRequest.Status


def fill(cast: Cast, count: int) -> None:
    """So many requests that wait for the owner and for security, each of another company."""
    for _ in range(count):
        make_request(Status.IN_APPROVAL, requester=make_representative())


VIEWS = ("", "?vista=en-curso", "?vista=terminadas", "?q=empresa", "?q=nada", "?q=SC-0000-0000", "?tipo=cambio")


@pytest.mark.clause("M21")
@pytest.mark.parametrize("name", ["elsa", "fabian", "laura", "gina"])
def test_inbox(client: Client, cast: Cast, name: str) -> None:
    client.force_login(getattr(cast, name))
    path = reverse("control:inbox")
    fill(cast, FEW)
    few = [statements_of(lambda v=view: client.get(path + v)) for view in VIEWS]
    fill(cast, (MANY if name == "elsa" else 30) - FEW)
    for view, sent in zip(VIEWS, few, strict=True):
        budget(sent, statements_of(lambda v=view: client.get(path + v)), INBOX)
    following = client.get(path + "?vista=en-curso").context["page"].next_url
    if following:  # the implementer sees only what was given to him
        assert len(statements_of(lambda: client.get(path + following))) <= INBOX


KINDS = [("change", "change"), ("change", "baja"), ("access", "alta"), ("access", "baja"), ("access", "clave")]


@pytest.mark.clause("M21")
@pytest.mark.parametrize(("form", "kind"), KINDS)
@pytest.mark.parametrize(
    "status", [Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED, Status.CLOSED]
)
def test_approval_page(client: Client, cast: Cast, form: str, kind: str, status: str) -> None:
    request = make(cast, status, form, kind)
    path = reverse("control:request", args=[request.folio])
    for person in (cast.laura, cast.fabian, cast.elsa, cast.gina):
        client.force_login(person)
        if person != cast.gina or request.implementer_id:
            assert len(statements_of(lambda: client.get(path))) <= PAGE


@pytest.mark.clause("M21")
def test_approval_page_of_a_representative_with_a_long_history(client: Client, cast: Cast) -> None:
    line = compose_line(
        name="Rosa Nueva",
        rfc="PACR800101AB1",
        email="rosa@ejemplo.mx",
        power_kind="attorney",
        instrument="Escritura 99",
        valid_from="2026-01-01",
    )
    new = {"representative": line, "registered_email": "nuevo@ejemplo.mx", "phone": "222 555 0000"}
    request = make_request(Status.IN_APPROVAL, requester=cast.ana, new=new)
    few = at_both(client, cast, request)
    for number in range(MANY):
        asked = Clarification.objects.create(
            request=request, author=cast.elsa, author_name="Elsa", body=f"¿Pregunta {number}?"
        )
        Clarification.objects.create(
            request=request,
            author=cast.ana,
            author_name="Ana",
            body="Sí.",
            answers=asked,
            at=now() + timedelta(seconds=number),
        )
    for few_statements, many in zip(few, at_both(client, cast, request), strict=True):
        budget(few_statements, many, PAGE)


def at_both(client: Client, cast: Cast, request: FormalRequest) -> list[list[str]]:
    """The page as the owner and as the security officer ask for it."""
    found = []
    for person in (cast.fabian, cast.elsa):
        client.force_login(person)
        path = reverse("control:request", args=[request.folio])
        found.append(statements_of(lambda p=path: client.get(p)))
    return found


@pytest.mark.clause("M21")
def test_security_s_page_with_the_last_approval(client: Client, cast: Cast) -> None:
    request = make(cast, Status.IN_APPROVAL)
    operations.approve(request.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(request))
    client.force_login(cast.elsa)
    path = reverse("control:request", args=[request.folio])
    few = statements_of(lambda: client.get(path))
    fill(cast, 30)
    budget(few, statements_of(lambda: client.get(path)), PAGE)


@pytest.mark.clause("M21")
def test_the_largest_change_with_the_last_approval(client: Client, cast: Cast) -> None:
    """Every field, each asset of another owner, a representative with an account; security chooses who implements."""
    person = cast.colleague(full_name="Rosa Nueva")
    line = compose_line(
        name="Rosa Nueva",
        rfc="PACR800101AB1",
        email=person.email,
        power_kind="attorney",
        instrument="Escritura 99",
        valid_from="2026-01-01",
    )
    new = {
        "rfc": "ABC010101AB2",
        "legal_name": "Otra SA de CV",
        "fiscal_address": "Calle 8, Puebla",
        "phone": "222 555 0000",
        "registered_email": "nuevo@ejemplo.mx",
        "representative": line,
    }
    for asset in InformationAsset.objects.exclude(code=ACCESS):
        name_owner(asset, make_staff(Office.INFORMATION_OWNER))
    request = make_request(Status.IN_APPROVAL, requester=cast.ana, new=new)
    for requested in request.requested_assets.select_related("asset__owner"):
        decide(request, requested.asset.owner, "owner")
    client.force_login(cast.elsa)
    sent = statements_of(lambda: client.get(reverse("control:request", args=[request.folio])))
    assert len(sent) <= PAGE, "\n".join(sent)


@pytest.mark.clause("M21")
def test_expediente(client: Client, cast: Cast) -> None:
    client.force_login(cast.elsa)
    request = make(cast, Status.CLOSED)
    path = reverse("control:expediente", args=[request.folio])
    assert len(statements_of(lambda: client.get(path))) <= EXPEDIENTE


@pytest.mark.clause("M24")
def test_execution(client: Client, cast: Cast) -> None:
    request = make(cast, Status.APPROVED)
    client.force_login(cast.gina)
    sent = statements_of(lambda: act(cast.gina, request, "execute", client), 302)
    assert len(sent) <= EXECUTE, "\n".join([str(len(sent)), *sent])
