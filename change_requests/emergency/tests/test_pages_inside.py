"""Inside an emergency and after it: change the named field, end, judge, sign, the dossier (M1, M23, M27)."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import Customer
from change_requests.emergency import dossier, operations
from change_requests.emergency.acts import FORM_FIELDS
from change_requests.emergency.models import EmergencyGrant
from change_requests.emergency.operations.reviewing import find_items
from change_requests.emergency.review_page import describe_act, list_values
from change_requests.emergency.tests.test_pages import page, sign_in
from factureya.testing.budgets import budget, statements_of
from factureya.testing.emergencies import WHY, Emergency
from factureya.testing.pages import log_in, text_of
from factureya.testing.pdfs import texts
from factureya.testing.people import PASSWORD

pytestmark = pytest.mark.django_db
Status = EmergencyGrant.Status
NEW = "Blvd. Atlixco 3505, int. 4, Las Ánimas, 72190 Puebla, Pue."


def enter(scene: Emergency, **changes: Any) -> tuple[Client, EmergencyGrant]:
    """Return Gina's browser inside an open emergency."""
    grant = scene.bring(Status.OPEN, **changes)
    client = sign_in(scene.cast.gina)
    client.post(page("enter", grant.folio), {"password": PASSWORD})
    return client, grant


def change(client: Client, field: str = "fiscal_address", new: str = NEW) -> Any:
    """Send the change of a field as the preview sends it."""
    return client.post(page("inside"), {"field": field, "new": new, "reason": WHY, "step": "aplicar"})


def end(client: Client, grant: EmergencyGrant) -> EmergencyGrant:
    """End the emergency with its button."""
    client.post(page("leave"))
    return EmergencyGrant.objects.get(pk=grant.pk)


@pytest.mark.clause("M1", "M23")
def test_change_the_named_field_after_a_preview(scene):
    client, grant = enter(scene)
    shown = client.get(page("inside"))
    assert f"Emergencia {grant.folio}" in shown.content.decode()
    assert "Todo se registra." in shown.content.decode()
    assert re.findall(r'<li><a href="([^"]+)"', shown.content.decode().partition("<main")[0]) == [page("inside")] * 2
    data = {"field": "fiscal_address", "new": NEW, "reason": WHY}
    preview = client.post(page("inside"), data)
    assert "Revise el cambio" in text_of(preview)
    assert NEW in preview.content.decode()
    assert Customer.objects.get(pk=grant.customer_id).fiscal_address != NEW
    assert change(client).status_code == 302
    assert Customer.objects.get(pk=grant.customer_id).fiscal_address == NEW
    again = change(client)
    assert "Es igual al dato de hoy." in text_of(again)
    short = client.post(page("inside"), {**data, "reason": "no"})
    assert "Explíquelo en al menos 10" in text_of(short)
    assert "Lo que ya cambió" in text_of(client.get(page("inside")))


@pytest.mark.clause("M26")
def test_the_pages_inside_send_no_field_that_the_record_does_not_know(scene):
    client, grant = enter(scene)
    data = {"field": "fiscal_address", "new": NEW, "reason": WHY}
    pages = client.get(page("inside")).content.decode() + client.post(page("inside"), data).content.decode()
    sent = set(re.findall(r'<(?:input|textarea|select|button)[^>]* name="([^"]+)"', pages))
    assert sent == set(FORM_FIELDS)
    client.post(f"{page('inside')}?field=phone&step=ver", {**data, "step": "aplicar"})
    assert describe_act(find_items(grant)[-1]) == "Cambió domicilio fiscal"
    repeated = {"field": ["phone", "fiscal_address"], "step": "aplicar", "new": [WHY, NEW]}
    assert client.post(page("inside"), repeated).status_code == 400
    refused = find_items(grant)[-1]
    assert (describe_act(refused), list_values(refused)[0]["new"]) == ("Intentó cambiar domicilio fiscal", NEW)


@pytest.mark.clause("M1", "M23")
def test_another_field_is_refused_and_other_pages_too(scene):
    client, grant = enter(scene)
    answer = change(client, "phone", "222 555 0199")
    assert answer.status_code == 403
    assert "La autorización no nombra ese dato" in text_of(answer)
    assert not grant.changes.exists()
    other = client.get(page("list"))
    assert other.status_code == 403
    assert "Esta página no es parte de la emergencia" in text_of(other)
    assert "Terminar emergencia" in other.content.decode()


@pytest.mark.clause("M23")
def test_the_way_in_and_out(scene):
    grant = scene.bring(Status.OPEN)
    gina, elsa = sign_in(scene.cast.gina), sign_in(scene.cast.elsa)
    assert gina.get(page("inside")).url == page("grant", grant.folio)  # he has not entered yet
    assert elsa.get(page("inside")).status_code == 404
    assert "contraseña" in text_of(gina.post(page("enter", grant.folio), {"password": "no"}))
    assert elsa.post(page("enter", grant.folio), {"password": PASSWORD}).status_code == 403
    assert gina.post(page("enter", grant.folio), {"password": PASSWORD}).url == page("inside")
    over = gina.post(page("leave"))
    assert over.url.endswith(f"?next={page('grant', grant.folio).replace('/', '%2F')}")
    assert "La emergencia terminó" in text_of(gina.get(over.url))
    log_in(gina, scene.cast.gina)
    assert "La terminó quien la usaba" in text_of(gina.get(page("grant", grant.folio)))


def review_all(client: Client, grant: EmergencyGrant) -> None:
    """Say of each act whether it is conform, as the page offers it."""
    for item in find_items(grant):
        data = {"verdict": "conform", "note": WHY if item.needs_note else ""}
        assert client.post(page("judge", grant.folio, item.record.seq), data).status_code == 302


@pytest.mark.clause("M27")
def test_judge_every_act_then_sign_with_the_password(scene):
    client, grant = enter(scene)
    change(client)
    change(client, "phone", "222 555 0199")
    grant = end(client, grant)
    elsa, gina = sign_in(scene.cast.elsa), sign_in(scene.cast.gina)
    shown = elsa.get(page("review", grant.folio))
    text = text_of(shown)
    assert "Cambió domicilio fiscal" in text
    assert "Intentó cambiar teléfono" in text
    assert "No previsto" in text_of(elsa.get(f"{page('review', grant.folio)}?filtro=no-previstas"))
    sign = {"findings": "Se hizo lo autorizado.", "conform": "yes", "password": PASSWORD}
    early = elsa.post(page("sign", grant.folio), sign)
    assert "por revisar." in text_of(early)
    assert gina.post(page("sign", grant.folio), sign).status_code == 403
    unforeseen = next(item for item in find_items(grant) if item.needs_note)
    bare = elsa.post(page("judge", grant.folio, unforeseen.record.seq), {"verdict": "conform"})
    assert bare.status_code == 200
    assert "la nota" in " ".join(bare.context["form"].errors["note"]).lower()
    observed = elsa.post(page("judge", grant.folio, unforeseen.record.seq), {"verdict": "observed"})
    assert "Escriba qué observó" in text_of(observed)
    review_all(elsa, grant)
    assert elsa.post(page("judge", grant.folio, 1), {"verdict": "conform"}).status_code == 409
    unsigned = elsa.post(page("sign", grant.folio), {**sign, "password": ""})  # asked for, however fresh it is
    assert "Escriba otra vez su contraseña" in text_of(unsigned)
    signed = elsa.post(page("sign", grant.folio), sign, follow=True)
    assert "La revisión quedó firmada" in text_of(signed)
    assert "Conforme" in text_of(sign_in(scene.cast.fabian).get(page("list")))
    assert elsa.post(page("sign", grant.folio), sign).status_code == 409


@pytest.mark.clause("M27")
def test_the_dossier_says_everything_and_page_of_pages(scene):
    client, grant = enter(scene)
    change(client)
    grant = end(client, grant)
    elsa = sign_in(scene.cast.elsa)
    review_all(elsa, grant)
    elsa.post(page("sign", grant.folio), {"findings": "Todo en orden.", "conform": "yes", "password": PASSWORD})
    answer = elsa.get(page("dossier", grant.folio))
    assert answer["Content-Type"] == "application/pdf"
    text = " ".join(texts(answer.content).split())
    for words in (
        grant.folio,
        "Fabián Dueño",
        "Elsa Segura",
        "Laura Mesa",
        NEW[:20],
        "Todo en orden.",
        "Huella sellada",
    ):
        assert words in text, words
    pages = int(re.search(r"Página 1 de (\d+)", text).group(1))
    assert f"Página {pages} de {pages}" in text
    assert dossier.render_dossier(grant)


@pytest.mark.clause("M27")
def test_an_overdue_review_is_shown_to_everybody(scene):
    grant = scene.bring(Status.ENDED)
    with time_machine.travel(grant.review.due_at + timedelta(days=1), tick=False):
        for person in (scene.cast.gina, scene.cast.laura):
            for address in ("/control/", page("list")):
                text = text_of(sign_in(person).get(address))
                assert f"Una revisión vencida. {grant.folio}" in text
        assert operations.find_overdue_reviews().count() == 1


@pytest.mark.clause("M22", "M27")
def test_budgets_are_the_same_for_few_and_many(scene):
    grant = scene.bring(Status.ENDED)
    elsa = sign_in(scene.cast.elsa)
    few_list = statements_of(lambda: elsa.get(page("list")))
    few_review = statements_of(lambda: elsa.get(page("review", grant.folio)))
    for number in range(2, 6):
        more = Emergency(scene.cast, alias=f"emergencia-0{number}")
        client, other = enter(more)
        for _ in range(number):
            client.get(page("inside"))
        end(client, other)
    budget(few_list, statements_of(lambda: elsa.get(page("list"))), 10)
    budget(few_review, statements_of(lambda: elsa.get(page("review", other.folio))), 18)
    for name in ("causes", "delegations", "add_account"):
        assert len(statements_of(lambda name=name: elsa.get(page(name)))) <= 10
    requested = Emergency(scene.cast, alias="emergencia-09").bring(Status.REQUESTED)
    assert len(statements_of(lambda: elsa.get(page("grant", requested.folio)))) <= 30
    assert len(statements_of(lambda: elsa.get(page("seal", "emergencia-09")))) <= 20
