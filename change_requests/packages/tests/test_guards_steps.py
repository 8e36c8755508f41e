"""What no raw SQL does to a verdict, an option, an impact or a copy (M29–M32), on both engines."""

from collections.abc import Callable
from typing import Any

import pytest

from change_requests.packages import operations
from change_requests.packages.models import (
    FileKind,
    IdentifiedCopy,
    ImpactEstimate,
    LicenceVerdict,
    MaintenanceOption,
    PackageChange,
)
from factureya.core.clock import now
from factureya.testing.packages import NEED, PATCH, PDF, WHY, Packages, Status, make_archive, store_file
from factureya.testing.people import make_hugo
from factureya.testing.raw_sql import insert, refused_by, update

pytestmark = pytest.mark.django_db


def verdict(scene: Packages, change: PackageChange, **others: Any) -> dict[str, Any]:
    if "document" not in others:
        others["document"] = store_file(scene, change, FileKind.LICENCE, PDF)
    return {
        "change": change,
        "verdict": "allowed",
        "clause": "7",
        "analysis": NEED,
        "judged_by": scene.cast.laura,
        "judged_at": now(),
        **others,
    }


@pytest.mark.clause("M29")
@pytest.mark.parametrize(
    ("others", "name"),
    [
        ({"verdict": "tal vez"}, "licence_verdict_is_known"),
        ({"clause": "  "}, "licence_verdict_cites_its_clause"),
        ({"analysis": "Sí, dice que sí."}, "licence_verdict_cites_its_clause"),
        ({"judged_by": "gina"}, "licence_judged_by_who_may"),
        ({"judged_by": "ana"}, "licence_judged_by_who_may"),
        ({"document": "original"}, "licence_has_its_document"),
        ({"consent": "original"}, "licence_has_its_document|licence_consent_is_whole"),
    ],
    ids=str,
)
def test_a_verdict_is_whole(scene: Packages, others: dict[str, Any], name: str):
    change = scene.bring(Status.AUTHORIZED)
    values = {
        key: getattr(scene.cast, value, scene.package.original)
        if key in ("judged_by", "document", "consent")
        else value
        for key, value in others.items()
    }
    columns = verdict(scene, change, **values)
    with refused_by(name):
        LicenceVerdict.objects.create(**columns)


@pytest.mark.clause("M28", "M29")
def test_no_verdict_before_the_authorization(scene: Packages):
    judged = scene.bring(Status.LICENCE_CHECKED)
    operations.cancel_change(judged.pk, reason=WHY, actor=scene.cast.laura)
    with refused_by("licence_judged_after_authorization"):
        insert(judged.licence_verdict, change_id=scene.ask().pk)


@pytest.mark.clause("M29")
@pytest.mark.parametrize(
    "columns", [{"verdict": "allowed"}, {"clause": "9"}, {"analysis": NEED * 2}, {"judged_by_name": "Otra"}], ids=str
)
def test_a_verdict_stays(scene: Packages, columns: dict[str, Any]):
    change = scene.judge(scene.bring(Status.AUTHORIZED), "needs_consent")
    with refused_by("licence_verdict_stays"):
        update(change.licence_verdict, **columns)


@pytest.mark.clause("M29")
def test_a_consent_is_a_file_given_once_in_its_step(scene: Packages):
    change = scene.judge(scene.bring(Status.AUTHORIZED), "needs_consent")
    judged, laura = change.licence_verdict, scene.cast.laura
    consent = store_file(scene, change, FileKind.CONSENT, PDF)
    given = {"consent_by_id": laura.pk, "consent_at": now()}
    with refused_by("licence_consent_is_a_file"):
        update(judged, consent_id=judged.document_id, **given)
    with refused_by("licence_consent_is_whole"):
        update(judged, consent_by_id=laura.pk)
    with refused_by("licence_consent_in_its_step"):
        update(judged, consent_id=consent.pk, consent_by_id=scene.cast.gina.pk, consent_at=now())
    update(judged, consent_id=consent.pk, **given)
    with refused_by("licence_verdict_stays"):
        update(judged, consent_id=None, consent_by_id=None, consent_at=None)


@pytest.mark.clause("M29")
def test_no_consent_to_what_is_allowed_or_over(scene: Packages):
    change = scene.bring(Status.AUTHORIZED)
    consent = store_file(scene, change, FileKind.CONSENT, PDF)
    given = {"consent_id": consent.pk, "consent_by_id": scene.cast.laura.pk, "consent_at": now()}
    judged = scene.judge(change).licence_verdict
    with refused_by("licence_consent_is_whole", "licence_consent_in_its_step"):
        update(judged, **given)


# -- M30 ----------------------------------------------------------------------------------------------


def option(scene: Packages, change: PackageChange, **others: Any) -> MaintenanceOption:
    columns = {"change": change, "who": "own", "in_favour": WHY, "against": WHY, "argued_by": scene.cast.jorge}
    return MaintenanceOption.objects.create(**{**columns, "argued_at": now(), **others})


@pytest.mark.clause("M30")
@pytest.mark.parametrize(
    ("others", "name"),
    [
        ({"who": "nadie"}, "option_who_is_known"),
        ({"in_favour": "   "}, "option_is_argued"),
        ({"against": "Nada"}, "option_is_argued"),
        ({"chosen": True}, "chosen_option_has_reason"),
        ({"reason": WHY}, "chosen_option_has_reason"),
    ],
    ids=str,
)
def test_an_option_is_argued(scene: Packages, others: dict[str, Any], name: str):
    change = scene.bring(Status.LICENCE_CHECKED)
    with refused_by(name):
        option(scene, change, **others)


@pytest.mark.clause("M30")
def test_one_of_each_and_one_chosen(scene: Packages):
    change = scene.bring(Status.LICENCE_CHECKED)
    option(scene, change, chosen=True, reason=WHY)
    with refused_by("one_option_per_who", "maintenanceoption_no_replace", "UNIQUE.*who"):
        option(scene, change)
    with refused_by("one_chosen_option", "option_insert_replaces_none"):
        option(scene, change, who="third", chosen=True, reason=WHY)
    with refused_by("option_chosen_by_it_head"):
        option(scene, change, who="third", argued_by=scene.cast.laura)


@pytest.mark.clause("M30")
def test_an_option_in_its_step_for_ever(scene: Packages):
    change = scene.bring(Status.AUTHORIZED)
    with refused_by("option_argued_in_its_step"):
        option(scene, change)
    change = scene.choose(scene.judge(change))
    for columns in ({"chosen": True, "reason": WHY}, {"against": WHY * 2}):
        with refused_by("change_requests_maintenanceoption_no_update"):
            update(change.options.get(who="third"), **columns)


# -- M31 ----------------------------------------------------------------------------------------------


def impact(scene: Packages, change: PackageChange, **others: Any) -> ImpactEstimate:
    columns = {"change": change, "is_own": True, "hours": 6, "cost": 5400, "risk": WHY, "support": WHY}
    columns |= {"loses_support": False, "estimated_by": scene.cast.gina, "estimated_at": now()}
    return ImpactEstimate.objects.create(**{**columns, **others})


@pytest.mark.clause("M31")
@pytest.mark.parametrize(
    ("others", "name"),
    [
        ({"hours": 0}, "own_impact_is_weighed"),
        ({"cost": 0}, "own_impact_is_weighed"),
        ({"hours": -1}, "impact_is_not_negative|own_impact_is_weighed"),
        ({"cost": -1}, "impact_is_not_negative|own_impact_is_weighed"),
        ({"risk": "  "}, "impact_has_its_texts"),
        ({"support": "Igual"}, "impact_has_its_texts"),
        ({"is_own": False}, "impact_says_who_maintains"),
        ({"estimated_by": "jorge"}, "impact_estimated_by_who_may"),
        ({"signed_by": "jorge", "signed_at": "now"}, "impact_estimated_by_who_may"),
        ({"signed_at": "now"}, "impact_signed_whole"),
    ],
    ids=str,
)
def test_an_impact_is_whole(scene: Packages, others: dict[str, Any], name: str):
    change = scene.bring(Status.OPTION_CHOSEN)
    values = {key: getattr(scene.cast, str(value), value) for key, value in others.items()}
    values = {key: now() if value == "now" else value for key, value in values.items()}
    with refused_by(name):
        impact(scene, change, **values)


@pytest.mark.clause("M31")
def test_an_impact_of_others_is_not_own(scene: Packages):
    change = scene.choose(scene.bring(Status.LICENCE_CHECKED), "third")
    with refused_by("impact_says_who_maintains"):
        impact(scene, change)
    with refused_by("impact_is_not_negative"):
        impact(scene, change, is_own=False, cost=-1)
    written = impact(scene, change, is_own=False, hours=0, cost=0)
    with refused_by("impact_signed_whole"):
        update(written, signed_by_id=scene.cast.jorge.pk, signed_at=now())


@pytest.mark.clause("M31")
def test_an_impact_is_signed_once_by_the_head_of_it(scene: Packages):
    change = scene.bring(Status.LICENCE_CHECKED)
    with refused_by("impact_estimated_in_its_step", "impact_says_who_maintains"):
        impact(scene, change)
    change = scene.choose(change)
    written = impact(scene, change)
    with refused_by("impact_signed_by_another", "impact_signed_by_it_head"):
        update(written, signed_by_id=scene.cast.gina.pk, signed_at=now())
    with refused_by("impact_signed_by_it_head"):
        update(written, signed_by_id=scene.cast.laura.pk, signed_at=now())
    for columns in ({"hours": 1}, {"cost": 1}, {"risk": WHY * 2}, {"loses_support": True}):
        with refused_by("impact_stays"):
            update(written, **columns)
    operations.sign_impact(change.pk, actor=scene.cast.jorge)
    with refused_by("impact_stays"):
        update(written, signed_at=now())


@pytest.mark.clause("M31")
def test_who_estimated_never_signs(scene: Packages):
    written = impact(scene, scene.bring(Status.OPTION_CHOSEN))
    with refused_by("impact_signed_by_another", "impact_stays", "impact_signed_by_it_head"):
        update(written, estimated_by_id=scene.cast.jorge.pk, signed_by_id=scene.cast.jorge.pk, signed_at=now())


# -- M32 ----------------------------------------------------------------------------------------------


@pytest.fixture
def made(scene: Packages) -> Callable[..., IdentifiedCopy]:
    """A function that inserts a copy in its step, with other columns."""
    change = scene.bring(Status.IMPACT_WEIGHED)
    file = store_file(scene, change, FileKind.COPY, make_archive("copia"))
    patch = store_file(scene, change, FileKind.PATCH, PATCH)
    columns = {
        "change": change,
        "package": scene.package,
        "number": 1,
        "label": "PAC-500-v3.2+fy.1",
        "file": file,
        "patch": patch,
        "original_sha256": scene.package.original.sha256,
        "sha256": file.sha256,
        "change_log": WHY,
        "reapply_notes": WHY,
        "made_by": scene.cast.gina,
        "made_at": now(),
    }
    return lambda **others: IdentifiedCopy.objects.create(**{**columns, **others})


@pytest.mark.clause("M32")
@pytest.mark.parametrize(
    ("others", "name"),
    [
        ({"number": 0}, "copies_count_from_one|copy_has_its_label"),
        ({"number": 2}, "copy_has_its_label"),
        ({"label": "PAC-500-v3.2"}, "copy_has_its_label"),
        ({"label": "PAC-500-v3.2+fy.01"}, "copy_has_its_label"),
        ({"sha256": "0" * 64}, "copy_has_its_hashes"),
        ({"original_sha256": "0" * 64}, "copy_has_its_hashes"),
        ({"change_log": "  "}, "copy_is_documented"),
        ({"reapply_notes": "Igual"}, "copy_is_documented"),
        ({"test_passed": True}, "copy_tested_whole"),
    ],
    ids=str,
)
def test_a_copy_is_identified(made: Callable[..., IdentifiedCopy], others: dict[str, Any], name: str):
    with refused_by(name):
        made(**others)


@pytest.mark.clause("M32")
def test_a_copy_is_no_original_and_has_its_patch(scene: Packages, made: Callable[..., IdentifiedCopy]):
    original = scene.package.original
    with refused_by("copy_is_not_the_original", "copy_has_its_hashes"):
        made(file=original, sha256=original.sha256)
    with refused_by("copy_has_its_patch"):
        made(patch=original)
    with refused_by("copy_made_by_who_may"):
        made(made_by=make_hugo())
    with refused_by("copy_made_by_who_may"):
        made(tested_by=scene.cast.laura, tested_at=now(), test_passed=True, test_notes=WHY)
    with refused_by("copy_made_in_its_step", "copy_has_its_hashes", "copy_has_its_label"):
        made(package=scene.register("v9"))


@pytest.mark.clause("M32")
def test_the_same_bytes_are_never_copy_and_original(scene: Packages):
    original = scene.package.original
    with refused_by("copy_is_not_the_original", "copy_has_its_hashes", "copy_stays"):
        update(scene.last_copy(scene.bring(Status.COPIED)), sha256=original.sha256)


@pytest.mark.clause("M32")
def test_a_copy_stays_and_is_tested_once_by_another(scene: Packages):
    change = scene.bring(Status.COPIED)
    copy = scene.last_copy(change)
    for columns in ({"label": "X"}, {"number": 7}, {"change_log": WHY * 2}, {"reapply_notes": WHY * 2}):
        with refused_by("copy_stays"):
            update(copy, **columns)
    tested = {"tested_at": now(), "test_passed": True, "test_notes": WHY}
    with refused_by("copy_tested_by_another"):
        update(copy, tested_by_id=scene.cast.gina.pk, **tested)
    with refused_by("copy_tested_in_its_step"):
        update(copy, tested_by_id=scene.cast.elsa.pk, **tested)
    with refused_by("copy_tested_whole"):
        update(copy, tested_by_id=scene.cast.laura.pk, **{**tested, "test_notes": "Bien"})
    scene.test(change, passed=False)
    with refused_by("copy_stays"):
        update(copy, test_passed=True)
    with refused_by("copy_stays"):
        update(copy, test_notes=WHY * 2)


@pytest.mark.clause("M32")
def test_one_copy_per_number_and_label(scene: Packages):
    change = scene.test(scene.bring(Status.COPIED), passed=False)
    copy = scene.last_copy(change)
    with refused_by("one_copy_per_number", "copy_has_its_label", "UNIQUE", "no_replace"):
        insert(copy)
