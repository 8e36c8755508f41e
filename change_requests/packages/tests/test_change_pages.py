"""The page of a change: each step by its form, in words, and what is refused beside its field (M28–M32)."""

import re
from itertools import pairwise
from typing import Any

import pytest

from accounts.models import User
from change_requests.packages import operations
from change_requests.packages.acts import ACTS
from change_requests.packages.models import IdentifiedCopy, ImpactEstimate, PackageChange, PackageFile, PackageUpload
from factureya.core.models import Event
from factureya.testing.package_pages import find_address as at
from factureya.testing.package_pages import make_file as file
from factureya.testing.package_pages import send
from factureya.testing.packages import NEED, PATCH, PDF, WAY, WHY, Packages, make_archive
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import PASSWORD

pytestmark = pytest.mark.django_db
Status = PackageChange.Status
ARGUED = {f"{who}_{side}": WHY for who in ("own", "supplier", "third") for side in ("in_favour", "against")}


def find_last_hash() -> str:
    """Return the hash of the newest copy, or ""."""
    copy = IdentifiedCopy.objects.order_by("pk").last()
    return copy.sha256 if copy is not None else ""


def forms(scene: Packages) -> dict[str, tuple[User, str, dict[str, Any]]]:
    """Return for each status the step that leads to the next: who sends it, which act, what is typed."""
    cast = scene.cast
    return {
        Status.DRAFT: (cast.jorge, "authorize", {"verdict": "authorize", "reason": WHY}),
        Status.AUTHORIZED: (
            cast.elsa,
            "judge_licence",
            {"verdict": "allowed", "clause": "7.2", "analysis": WHY, "licence": file("contrato.pdf", PDF)},
        ),
        Status.LICENCE_CHECKED: (cast.jorge, "choose_option", {**ARGUED, "chosen": "supplier", "reason": WHY}),
        Status.OPTION_CHOSEN: (
            cast.laura,
            "estimate_impact",
            {"hours": "6", "cost": "5,400", "risk": WHY, "support": WHY},
        ),
        Status.IMPACT_WEIGHED: (
            cast.gina,
            "make_copy",
            {
                "copy": file("copia.zip", make_archive("copia")),
                "patch": file("aviso.diff", PATCH),
                "change_log": WHY,
                "reapply_notes": WHY,
            },
        ),
        Status.COPIED: (cast.laura, "test_copy", {"passed": "passed", "notes": WHY, "seen_hash": find_last_hash()}),
        Status.TESTED: (cast.jorge, "release", {"note": WHY}),
        Status.RELEASED: (cast.laura, "revert", {"reason": WHY}),
    }


@pytest.mark.clause("M28", "M29", "M30", "M31", "M32")
def test_the_whole_way_by_its_forms(scene: Packages):
    change = scene.ask()
    for status, following in pairwise(WAY):
        person, act, data = forms(scene)[status]
        page = make_client(person).get(at("change", change.folio))
        assert page.context["offers"][0]["act"].name == act
        empty = send(person, change, act)
        assert empty.status_code == 200
        assert empty.context["form"].errors
        answer = send(person, change, act, **data)
        assert answer.status_code == 302, answer.context["form"].errors
        change.refresh_from_db()
        assert change.status == following
    page = text_of(make_client(scene.cast.elsa).get(at("change", change.folio)))
    for words in (
        "Autorizado",
        "cláusula 7.2",
        "El proveedor. A favor",
        "6 horas al año, $5,400.00",
        "+fy.1",
        "Volvió",
    ):
        assert words in page
    assert not PackageUpload.objects.exists()


@pytest.mark.clause("M28", "M32")
@pytest.mark.parametrize("status", WAY)
def test_each_status_tells_whose_turn_it_is(scene: Packages, status):
    change = scene.bring(status)
    before = Event.objects.count()
    for person in (scene.cast.laura, scene.cast.jorge, scene.cast.elsa, scene.cast.fabian, scene.cast.gina):
        page = make_client(person).get(at("change", change.folio))
        assert page.status_code == 200
        offered = {offer["act"].name for offer in page.context["offers"]}
        assert offered <= {act.name for act in ACTS}
        if change.is_live and not offered - {"cancel"}:
            assert "Le toca a" in text_of(page)
        listed = text_of(make_client(person).get(at("list")))
        assert change.folio in listed
        assert make_client(person).get(at("package", change.package_id)).status_code == 200
    assert Event.objects.count() == before


@pytest.mark.clause("M29")
def test_forbidden_is_the_end_and_consent_may_come_later(scene: Packages):
    change = scene.bring(Status.AUTHORIZED)
    data = {"verdict": "needs_consent", "clause": "4", "analysis": WHY, "licence": file("contrato.pdf", PDF)}
    assert send(scene.cast.elsa, change, "judge_licence", **data).status_code == 302
    page = make_client(scene.cast.elsa).get(at("change", change.folio))
    assert "falta el consentimiento del proveedor" in text_of(make_client(scene.cast.elsa).get(at("list")))
    assert "add_consent" in [offer["act"].name for offer in page.context["offers"]]
    wrong = send(scene.cast.elsa, change, "add_consent", consent=file("carta.pdf", b"no es un pdf"))
    assert "es un PDF" in " ".join(wrong.context["form"].errors["consent"])
    assert send(scene.cast.elsa, change, "add_consent", consent=file("carta.pdf", PDF)).status_code == 302
    other = scene.bring(Status.AUTHORIZED, package_pk=scene.register("v4").pk)
    data = {**data, "verdict": "forbidden", "licence": file("contrato.pdf", PDF)}
    assert send(scene.cast.elsa, other, "judge_licence", **data).status_code == 302
    assert "La licencia no lo permite" in text_of(make_client(scene.cast.elsa).get(at("change", other.folio)))
    assert send(scene.cast.jorge, other, "authorize", verdict="authorize", reason=WHY).status_code == 409
    listed = text_of(make_client(scene.cast.elsa).get(at("list")))
    assert "Prohibido" in listed
    assert "No se modifica" in listed


@pytest.mark.clause("M29")
def test_a_consent_that_nobody_asked_for_is_told(scene: Packages):
    change = scene.bring(Status.AUTHORIZED)
    data = {"verdict": "allowed", "clause": "7.2", "analysis": NEED, "licence": file("contrato.pdf", PDF)}
    page = send(scene.cast.elsa, change, "judge_licence", consent=file("carta.pdf", PDF), **data)
    assert "pide consentimiento" in " ".join(page.context["form"].errors["consent"])
    page = send(scene.cast.elsa, change, "judge_licence", cancelar="consent", clause="7.2", analysis=NEED)
    assert NEED in page.content.decode()
    del data["licence"]
    assert send(scene.cast.elsa, change, "judge_licence", **data).status_code == 302


@pytest.mark.clause("M30")
def test_one_option_argued_is_refused_and_kept(scene: Packages):
    change = scene.bring(Status.LICENCE_CHECKED)
    page = send(scene.cast.jorge, change, "choose_option", own_in_favour=WHY, own_against=WHY, chosen="own", reason=WHY)
    assert page.status_code == 200
    assert set(page.context["form"].errors) == {name for name in ARGUED if not name.startswith("own_")}
    assert WHY in page.content.decode()
    change.refresh_from_db()
    assert change.status == Status.LICENCE_CHECKED


@pytest.mark.clause("M32")
def test_a_copy_that_is_the_original_is_refused_and_nothing_moves(scene: Packages):
    content = make_archive("el original")
    change = scene.bring(Status.IMPACT_WEIGHED, package_pk=scene.register("v4", "el original").pk)
    data = {"patch": file("a.diff", PATCH), "change_log": WHY, "reapply_notes": WHY}
    page = send(scene.cast.gina, change, "make_copy", copy=file("copia.zip", content), **data)
    assert "igual al original" in " ".join(page.context["form"].errors["copy"])
    assert WHY in page.content.decode()
    cancelled = send(scene.cast.gina, change, "make_copy", cancelar="copy", change_log=WHY, reapply_notes=WHY)
    assert cancelled.status_code == 200
    assert WHY in cancelled.content.decode()
    assert not operations.find_upload(scene.cast.gina, "copy", change.pk)
    assert operations.find_upload(scene.cast.gina, "patch", change.pk)


@pytest.mark.clause("M32")
def test_revert_gives_back_the_original_byte_for_byte(scene: Packages):
    package = scene.register("v4", "el original")
    content = make_archive("el original")
    change = scene.bring(Status.RELEASED, package_pk=package.pk)
    page = text_of(make_client(scene.cast.laura).get(at("list")))
    assert "Ver y revertir" in page
    assert send(scene.cast.laura, change, "revert", reason=WHY).status_code == 302
    package.refresh_from_db()
    assert package.in_use is None
    page = make_client(scene.cast.laura).get(at("change", change.folio)).content.decode()
    tokens = re.findall(r"/control/paquetes/archivos/([^/]+)/", page)
    assert package.original.token in tokens
    assert {PackageFile.objects.get(token=token).kind for token in tokens} == {"original", "copy", "patch", "licence"}
    stored = make_client(scene.cast.gina).get(at("file", package.original.token))
    assert b"".join(stored.streaming_content) == content


@pytest.mark.clause("M32")
def test_a_test_of_an_older_copy_is_not_of_the_new_one(scene: Packages):
    change = scene.bring(Status.COPIED)
    seen = find_seen_hash(make_client(scene.cast.jorge).get(at("change", change.folio)))
    scene.copy(scene.test(change, passed=False))
    page = send(scene.cast.jorge, change, "test_copy", passed="passed", notes=WHY, seen_hash=seen)
    assert page.status_code == 409
    assert "Ya hay otra copia, PAC-500-v3.2+fy.2" in text_of(page)
    assert WHY in page.content.decode()
    change.refresh_from_db()
    assert change.status == Status.COPIED
    new = find_seen_hash(page)  # the page shows the new copy, which may be tested now
    assert new == find_last_hash() != seen
    without = send(scene.cast.jorge, change, "test_copy", passed="passed", notes=WHY)
    assert "La página perdió su validez" in text_of(without)
    assert send(scene.cast.jorge, change, "test_copy", passed="passed", notes=WHY, seen_hash=new).status_code == 302


def find_seen_hash(page: Any) -> str:
    """Return the hash of the copy that the form of the test says it shows."""
    found = re.search(r'name="seen_hash" value="([0-9a-f]{64})"', page.content.decode())
    assert found
    return found.group(1)


@pytest.mark.clause("M31")
@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("5400", "5400.00"),
        ("5,400", "5400.00"),
        ("$5,400.50", "5400.50"),
        ("1,234,567.8", "1234567.80"),
        ("845,00", None),
        ("1,5", None),
        ("54,00.00", None),
        ("5,4000", None),
        (",400", None),
        ("5,400,", None),
        ("1.000,50", None),
        ("٣", None),
        ("1e3", None),
    ],
)
def test_a_comma_stands_between_thousands_alone(scene: Packages, typed: str, stored: str | None):
    change = scene.bring(Status.OPTION_CHOSEN)
    page = send(scene.cast.laura, change, "estimate_impact", hours="6", cost=typed, risk=WHY, support=WHY)
    if stored is None:
        assert "Escriba el costo al año" in " ".join(page.context["form"].errors["cost"])
        assert typed in page.content.decode()
    else:
        assert str(ImpactEstimate.objects.get().cost) == stored


@pytest.mark.clause("M28", "M29", "M30", "M32")
@pytest.mark.parametrize("act", [act for act in ACTS if act.name not in ("estimate_impact", "make_copy", "cancel")])
def test_who_decides_types_the_password(act: Any):
    assert act.form_class.asks_password


@pytest.mark.clause("M30")
def test_the_decision_of_who_modifies_asks_the_password(scene: Packages):
    change = scene.bring(Status.LICENCE_CHECKED)
    page = send(scene.cast.jorge, change, "choose_option", **ARGUED, chosen="own", reason=WHY, password="otra")
    assert page.status_code == 200
    assert 'type="password"' in page.content.decode()
    change.refresh_from_db()
    assert change.status == Status.LICENCE_CHECKED


@pytest.mark.clause("M32")
@pytest.mark.parametrize("status", [Status.AUTHORIZED, Status.IMPACT_WEIGHED])
def test_the_first_button_of_a_form_with_files_sends_it(scene: Packages, status: str):
    change = scene.bring(status)
    page = make_client(scene.cast.laura).get(at("change", change.folio)).content.decode()
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        buttons = re.findall(r'<button[^>]*type="submit"[^>]*>', form)
        assert not buttons or "cancelar" not in buttons[0]


@pytest.mark.clause("M16", "M32")
def test_what_was_typed_for_a_step_that_is_over_is_shown(scene: Packages):
    change = scene.bring(Status.OPTION_CHOSEN)
    data = {"hours": "6", "cost": "5,400", "risk": "Que no entre el parche.", "support": "Lo mantiene el proveedor."}
    assert send(scene.cast.gina, change, "estimate_impact", **data).status_code == 302
    late = send(scene.cast.laura, change, "estimate_impact", **{**data, "risk": "Otro riesgo que tardé en escribir."})
    assert late.status_code == 409
    page = text_of(late)
    assert "Lo que escribió" in page
    assert "Otro riesgo que tardé en escribir." in page
    assert "5,400" in page
    assert PASSWORD not in page


@pytest.mark.clause("M28", "M32")
def test_an_upload_of_another_is_shown_and_the_head_of_it_cancels_it(scene: Packages):
    change = scene.bring(Status.IMPACT_WEIGHED)
    upload = operations.begin_upload(
        kind="copy", name="copia.zip", size=50, actor=scene.cast.laura, change_pk=change.pk
    )
    address = at("drop_upload", change.folio, upload.token)
    words = "Laura Mesa sube «copia.zip»: "
    gina, jorge = make_client(scene.cast.gina), make_client(scene.cast.jorge)
    page = gina.get(at("change", change.folio))
    assert words in text_of(page)
    assert address not in page.content.decode()
    assert words not in text_of(make_client(scene.cast.laura).get(at("change", change.folio)))  # it is in her form
    assert gina.post(address).status_code == 403
    assert PackageUpload.objects.exists()
    assert address in jorge.get(at("change", change.folio)).content.decode()
    assert jorge.post(address).url == at("change", change.folio)
    assert not PackageUpload.objects.exists()
    assert "Esa subida ya no existe" in text_of(jorge.post(address))
    sent = send(scene.cast.gina, change, "make_copy", copy=file("copia.zip", make_archive("copia")))
    assert "copy" not in sent.context["form"].errors
