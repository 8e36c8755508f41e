"""The committed query budgets of /solicitudes/ (style.md, habit 13): equal for 3 rows and 300."""

import pytest
from django.urls import reverse

from change_requests import operations
from change_requests.models import Clarification, FormalRequest
from factureya.core import numbers
from factureya.testing.budgets import budget, capped_statements
from factureya.testing.pages import hidden_in, log_in
from factureya.testing.request_histories import draft, make

pytestmark = pytest.mark.django_db
MANY = 300
# Statements that read or write; session, person and powers included, savepoints not.
LIST, DETAIL, STEP, REVIEW, SUBMIT = 5, 9, 5, 9, 23


@pytest.fixture
def ana(client, cast):
    log_in(client, cast.ana)
    return client


def drafts(cast, count: int) -> None:
    """So many drafts of Ana's."""
    customer = cast.ana.contact.customer
    powers = customer.representatives.get(user=cast.ana)
    FormalRequest.objects.bulk_create(
        FormalRequest(
            folio=numbers.make_number("SC"),
            form="change",
            kind="change",
            customer=customer,
            requester=cast.ana,
            representative=powers,
            draft={"items": {"phone": "1"}},
        )
        for _ in range(count)
    )


def test_the_list(ana, cast):
    make(cast, "submitted")
    drafts(cast, 2)
    few = capped_statements(lambda: ana.get("/solicitudes/"))
    drafts(cast, MANY)
    budget(few, capped_statements(lambda: ana.get("/solicitudes/")), LIST)
    following = ana.get("/solicitudes/").context["next_url"]
    assert len(capped_statements(lambda: ana.get("/solicitudes/" + following))) <= LIST


def test_the_detail(ana, cast):
    formal = make(cast, "in_approval")
    operations.ask_clarification(formal.pk, actor=cast.elsa, question="¿Desde cuándo es el cambio?")
    path = reverse("requests:detail", args=[formal.folio])
    few = capped_statements(lambda: ana.get(path))
    for n in range(MANY // 2):
        asked = Clarification.objects.create(request=formal, author=cast.elsa, author_name="Elsa", body=f"¿{n}?")
        Clarification.objects.create(request=formal, author=cast.ana, author_name="Ana", body="Sí.", answers=asked)
    budget(few, capped_statements(lambda: ana.get(path)), DETAIL)


def test_the_steps(ana, cast):
    formal = draft(cast)
    for name, most in (("data", STEP), ("reason", STEP), ("sign", STEP), ("review", REVIEW)):
        path = reverse(f"requests:{name}", args=[formal.folio])
        sent = capped_statements(lambda path=path: ana.get(path))
        assert len(sent) <= most, (name, len(sent), sent)


def test_submit(ana, cast):
    formal = draft(cast)
    path = reverse("requests:review", args=[formal.folio])
    form = hidden_in(ana.get(path)) | {"confirm": "on"}
    drafts(cast, 2)
    sent = capped_statements(lambda: ana.post(path, form), 302)
    assert len(sent) <= SUBMIT, len(sent)
