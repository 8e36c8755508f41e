"""The identified copy of a change: which one counts, who tests and releases it, which one is reverted (M32)."""

import pytest

from change_requests.packages import operations
from change_requests.packages.models import PackageUpload
from factureya.core.refusals import Invalid, NotAllowed, Stale, WrongStatus
from factureya.testing.packages import WHY, Packages, Status, find_seen
from factureya.testing.raw_sql import everything

pytestmark = pytest.mark.django_db


@pytest.mark.clause("M32")
def test_a_copy_equal_to_the_original_is_refused(scene: Packages):
    change = scene.bring(Status.IMPACT_WEIGHED)
    with pytest.raises(Invalid, match="igual al original"):
        scene.copy(change, "PAC-500 v3.2")
    change.refresh_from_db()
    assert change.status == "impact_weighed"


@pytest.mark.clause("M32")
def test_a_failed_copy_stays_and_the_next_has_the_next_label(scene: Packages):
    change = scene.test(scene.bring(Status.COPIED), passed=False)
    assert change.status == "impact_weighed"
    with pytest.raises(Invalid, match="ya está guardado"):
        scene.copy(change, f"copia {change.folio} 0")
    for upload in PackageUpload.objects.all():
        operations.drop_upload(upload.pk, actor=scene.cast.gina)
    change = scene.release(scene.test(scene.copy(change)))
    assert list(change.copies.values_list("label", "test_passed")) == [
        ("PAC-500-v3.2+fy.1", False),
        ("PAC-500-v3.2+fy.2", True),
    ]


@pytest.mark.clause("M32")
def test_a_test_is_of_the_copy_that_was_tested(scene: Packages):
    change = scene.bring(Status.COPIED)
    seen = find_seen(change)
    scene.copy(scene.test(change, passed=False))
    before = everything()
    for stale in (seen, "", scene.package.original.sha256):
        with pytest.raises(Stale, match=r"\+fy\.2"):
            operations.record_test(change.pk, seen_hash=stale, passed=True, notes=WHY, actor=scene.cast.jorge)
    assert everything() == before
    change = operations.record_test(
        change.pk, seen_hash=find_seen(change), passed=True, notes=WHY, actor=scene.cast.jorge
    )
    assert change.status == "tested"


@pytest.mark.clause("M32")
def test_who_made_the_copy_neither_tests_nor_releases_it(scene: Packages):
    change = scene.bring(Status.COPIED)
    with pytest.raises(NotAllowed, match="no la prueba"):
        operations.record_test(change.pk, seen_hash=find_seen(change), passed=True, notes=WHY, actor=scene.cast.gina)
    scene.test(change)
    with pytest.raises(NotAllowed, match="no la libera"):
        operations.release_change(change.pk, note=WHY, actor=scene.cast.gina)


@pytest.mark.clause("M32")
def test_only_the_copy_in_use_is_reverted(scene: Packages):
    first = scene.bring(Status.RELEASED)
    second = scene.bring(Status.RELEASED)
    with pytest.raises(WrongStatus, match="ya no está en uso"):
        scene.revert(first)
    scene.revert(second)
    scene.package.refresh_from_db()
    assert scene.package.in_use is None
