"""A change of a package goes through its seven steps, each by the person who may, in this order alone (M28–M32)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Office, User
from change_requests.packages import operations, policy, progress, store
from change_requests.packages.models import FileKind, PackageChange, PackageUpload
from factureya.core.models import Event, OutboxMessage
from factureya.core.refusals import Invalid, NotAllowed, Refused, WrongStatus
from factureya.testing.packages import (
    ARGUMENTS,
    NEED,
    PDF,
    WAY,
    WHY,
    Packages,
    Status,
    find_bytes,
    find_seen,
    make_archive,
)
from factureya.testing.people import give_office, make_hugo, make_staff
from factureya.testing.raw_sql import everything

pytestmark = pytest.mark.django_db


def verbs(change: PackageChange) -> list[str]:
    return [event.verb.partition(".")[2] for event in Event.objects.filter(chain=change.chain).order_by("seq")]


@pytest.mark.clause("M28", "M29", "M30", "M31", "M32")
def test_the_whole_way(scene: Packages):
    change = scene.bring(Status.RELEASED)
    copy = scene.last_copy(change)
    scene.package.refresh_from_db()
    assert scene.package.in_use == copy
    assert copy.label == "PAC-500-v3.2+fy.1"
    assert copy.sha256 != copy.original_sha256 == scene.package.original.sha256
    assert verbs(change) == [
        *("requested", "authorized", "licence_judged", "option_chosen", "impact_estimated", "impact_signed"),
        *("copy_made", "copy_tested", "released"),
    ]
    assert not PackageUpload.objects.exists()


@pytest.mark.clause("M32")
def test_a_revert_gives_back_the_same_bytes(scene: Packages):
    original = find_bytes(scene.package.original).read_bytes()
    change = scene.bring(Status.REVERTED)
    scene.package.refresh_from_db()
    assert scene.package.in_use is None
    with store.open_file(scene.package.original) as content:
        assert content.read() == original == make_archive("PAC-500 v3.2")
    assert store.describe_download(scene.package.original)["Content-Length"] == str(len(original))
    assert scene.last_copy(change).file.size  # the copy is kept


@pytest.mark.clause("M28")
@pytest.mark.parametrize("kind", [kind for kind in FileKind if kind != FileKind.ORIGINAL])
def test_nothing_is_uploaded_before_the_authorization(scene: Packages, kind: FileKind):
    change = scene.ask()
    before = everything()
    for actor in (scene.cast.gina, scene.cast.laura, scene.cast.jorge):
        with pytest.raises(WrongStatus, match="no se sube nada"):
            operations.begin_upload(kind=kind, name="a.zip", size=10, actor=actor, change_pk=change.pk)
    assert everything() == before


ACTS: dict[str, tuple[Status, str, Callable[[Packages, PackageChange, User], Any]]] = {
    "authorize": (
        Status.DRAFT,
        "jorge",
        lambda scene, change, actor: operations.authorize_change(change.pk, reason=WHY, actor=actor),
    ),
    "refuse": (
        Status.DRAFT,
        "jorge",
        lambda scene, change, actor: operations.refuse_change(change.pk, reason=WHY, actor=actor),
    ),
    "judge_licence": (
        Status.AUTHORIZED,
        "laura elsa",
        lambda scene, change, actor: operations.judge_licence(
            change.pk,
            verdict="allowed",
            clause="7",
            analysis=NEED,
            document_upload=operations.store_bytes(
                PDF, kind=FileKind.LICENCE, name="a.pdf", actor=actor, change_pk=change.pk
            ).pk,
            actor=actor,
        ),
    ),
    "choose_option": (
        Status.LICENCE_CHECKED,
        "jorge",
        lambda scene, change, actor: operations.choose_option(
            change.pk, arguments=ARGUMENTS, chosen="third", reason=WHY, actor=actor
        ),
    ),
    "estimate_impact": (
        Status.OPTION_CHOSEN,
        "laura gina",
        lambda scene, change, actor: operations.estimate_impact(
            change.pk, hours=Decimal(1), cost=Decimal(1), risk=WHY, loses_support=True, support=WHY, actor=actor
        ),
    ),
    "test_copy": (
        Status.COPIED,
        "laura jorge",
        lambda scene, change, actor: operations.record_test(
            change.pk, seen_hash=find_seen(change), passed=True, notes=WHY, actor=actor
        ),
    ),
    "release": (
        Status.TESTED,
        "jorge",
        lambda scene, change, actor: operations.release_change(change.pk, note=WHY, actor=actor),
    ),
    "revert": (
        Status.RELEASED,
        "laura gina jorge",
        lambda scene, change, actor: operations.revert_change(change.pk, reason=WHY, actor=actor),
    ),
    "cancel": (
        Status.TESTED,
        "laura jorge",
        lambda scene, change, actor: operations.cancel_change(change.pk, reason=WHY, actor=actor),
    ),
}


def list_other_steps(act: str) -> list[Status]:
    """Return the statuses in which nobody may do this."""
    own = set(PackageChange.LIVE) if act == "cancel" else {ACTS[act][0]}
    return [status for status in (*WAY, Status.REFUSED) if status not in own]


@pytest.mark.clause("M28", "M29", "M30", "M31", "M32")
@pytest.mark.parametrize("act", ACTS)
def test_each_act_is_of_the_people_who_may(scene: Packages, act: str):
    status, names, run = ACTS[act]
    change = scene.bring(status)
    hugo = make_hugo()  # an implementer of Desarrollo
    strangers = [person for name, person in vars(scene.cast).items() if name not in names.split()]
    before = everything()
    for person in (*strangers, hugo, make_staff(Office.AUDITOR), make_staff()):
        assert act not in policy.list_acts(person, change)
        with pytest.raises(Refused):
            run(scene, change, person)
    changed = [now for before_rows, now in zip(before, everything(), strict=True) if before_rows != now]
    assert not [rows for rows in changed if any("folio" in row or "verdict" in row for row in rows)]
    allowed = getattr(scene.cast, names.split()[0])
    assert act in policy.list_acts(allowed, change)
    run(scene, change, allowed)


@pytest.mark.clause("M28", "M29", "M30", "M31", "M32")
@pytest.mark.parametrize(("act", "status"), [(act, status) for act in ACTS for status in list_other_steps(act)])
def test_each_act_has_its_step(scene: Packages, act: str, status: str):
    _own, names, run = ACTS[act]
    if status == Status.REFUSED:
        change = operations.cancel_change(scene.ask().pk, reason=WHY, actor=scene.cast.laura)
    else:
        change = scene.bring(status)
    with pytest.raises(WrongStatus):
        run(scene, change, getattr(scene.cast, names.split()[0]))
    change.refresh_from_db()
    assert change.status == status


@pytest.mark.clause("M28")
def test_who_asks_does_not_authorize(scene: Packages):
    give_office(scene.cast.laura, Office.IT_HEAD)
    change = scene.ask()
    with pytest.raises(NotAllowed, match="no lo autoriza"):
        operations.authorize_change(change.pk, reason=WHY, actor=scene.cast.laura)
    assert change.events().count() == 1


@pytest.mark.clause("M28")
@pytest.mark.parametrize("need", ["", "   ", "Corta", " " * 50])
def test_a_need_is_written(scene: Packages, need: str):
    with pytest.raises(Invalid) as refusal:
        scene.ask(need=need)
    assert "need" in refusal.value.errors
    assert not PackageChange.objects.exists()


@pytest.mark.clause("M28")
def test_one_change_at_a_time_and_one_per_form(scene: Packages):
    change = scene.ask(form_key="a" * 20)
    assert scene.ask(form_key="a" * 20) == change
    with pytest.raises(WrongStatus, match=change.folio):
        scene.ask()
    scene_of_another = scene.cast.gina
    with pytest.raises(WrongStatus):
        scene.ask(form_key="a" * 20, actor=scene_of_another)


@pytest.mark.clause("M28")
def test_a_refused_change_stays_refused(scene: Packages):
    change = operations.refuse_change(scene.ask().pk, reason=WHY, actor=scene.cast.jorge)
    assert (change.status, change.end_reason) == ("refused", "not_authorized")
    with pytest.raises(WrongStatus):
        operations.authorize_change(change.pk, reason=WHY, actor=scene.cast.jorge)
    assert scene.ask().status == "draft"  # another may be asked for


@pytest.mark.clause("M29")
def test_a_forbidden_change_is_over(scene: Packages):
    change = scene.judge(scene.bring(Status.AUTHORIZED), "forbidden")
    assert (change.status, change.end_reason) == ("refused", "licence")
    for act in (
        lambda: operations.authorize_change(change.pk, reason=WHY, actor=scene.cast.jorge),
        lambda: scene.choose(change),
        lambda: operations.add_consent(change.pk, consent_upload=None, actor=scene.cast.laura),
    ):
        with pytest.raises(WrongStatus):
            act()


@pytest.mark.clause("M29")
def test_a_consent_is_waited_for(scene: Packages):
    change = scene.judge(scene.bring(Status.AUTHORIZED), "needs_consent")
    assert change.status == "authorized"
    turn = progress.find_turn(change)
    assert turn is not None
    assert turn.text == "el consentimiento del proveedor"
    with pytest.raises(WrongStatus):
        scene.choose(change)
    with pytest.raises(Invalid) as refusal:
        operations.add_consent(change.pk, consent_upload=None, actor=scene.cast.laura)
    assert refusal.value.field == "consent"
    consent = scene.upload(FileKind.CONSENT, PDF, scene.cast.elsa, change)
    with pytest.raises(Invalid, match="otra persona"):
        operations.add_consent(change.pk, consent_upload=consent, actor=scene.cast.laura)
    change = operations.add_consent(change.pk, consent_upload=consent, actor=scene.cast.elsa)
    assert change.status == "licence_checked"


@pytest.mark.clause("M29")
def test_a_consent_may_come_along(scene: Packages):
    change = scene.bring(Status.AUTHORIZED)
    consent = scene.upload(FileKind.CONSENT, PDF, scene.cast.laura, change)
    assert scene.judge(change, "needs_consent", consent_upload=consent).status == "licence_checked"


@pytest.mark.clause("M29")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"verdict": "maybe"}, "verdict"),
        ({"clause": "  "}, "clause"),
        ({"analysis": "Sí."}, "analysis"),
        ({"document_upload": None}, "document"),
    ],
)
def test_a_verdict_is_whole(scene: Packages, changes: dict[str, Any], field: str):
    change = scene.bring(Status.AUTHORIZED)
    document = scene.upload(FileKind.LICENCE, PDF, scene.cast.laura, change)
    given: dict[str, Any] = {"verdict": "allowed", "clause": "7.2", "analysis": NEED, "document_upload": document}
    before = everything()
    with pytest.raises(Invalid) as refusal:
        operations.judge_licence(change.pk, actor=scene.cast.laura, **{**given, **changes})
    assert field in refusal.value.errors
    assert everything() == before


@pytest.mark.clause("M30")
@pytest.mark.parametrize("missing", ["own", "supplier", "third"])
@pytest.mark.parametrize("side", [0, 1])
def test_all_three_are_argued(scene: Packages, missing: str, side: int):
    change = scene.bring(Status.LICENCE_CHECKED)
    texts = list(ARGUMENTS[missing])
    texts[side] = " "
    with pytest.raises(Invalid) as refusal:
        operations.choose_option(
            change.pk,
            arguments={**ARGUMENTS, missing: (texts[0], texts[1])},
            chosen="own",
            reason=WHY,
            actor=scene.cast.jorge,
        )
    assert refusal.value.field == f"{missing}_{('in_favour', 'against')[side]}"
    with pytest.raises(Invalid):
        operations.choose_option(
            change.pk, arguments={"own": ARGUMENTS["own"]}, chosen="own", reason=WHY, actor=scene.cast.jorge
        )
    assert not change.options.exists()


@pytest.mark.clause("M31")
@pytest.mark.parametrize(("hours", "cost", "field"), [("0", "5", "hours"), ("5", "0", "cost"), ("-1", "5", "hours")])
def test_own_maintenance_is_weighed(scene: Packages, hours: str, cost: str, field: str):
    change = scene.bring(Status.OPTION_CHOSEN)
    with pytest.raises(Invalid) as refusal:
        operations.estimate_impact(
            change.pk,
            hours=Decimal(hours),
            cost=Decimal(cost),
            risk=WHY,
            loses_support=False,
            support=WHY,
            actor=scene.cast.gina,
        )
    assert refusal.value.field == field


@pytest.mark.clause("M31")
def test_another_signs_the_impact_of_own_maintenance(scene: Packages):
    give_office(scene.cast.gina, Office.IT_HEAD)
    change = scene.bring(Status.OPTION_CHOSEN)
    change = operations.estimate_impact(
        change.pk,
        hours=Decimal(6),
        cost=Decimal(5400),
        risk=WHY,
        loses_support=False,
        support=WHY,
        actor=scene.cast.gina,
    )
    assert change.status == "option_chosen"
    with pytest.raises(NotAllowed, match="no lo firma"):
        operations.sign_impact(change.pk, actor=scene.cast.gina)
    assert operations.sign_impact(change.pk, actor=scene.cast.jorge).status == "impact_weighed"


@pytest.mark.clause("M31")
def test_others_maintenance_needs_no_signature(scene: Packages):
    change = scene.choose(scene.bring(Status.LICENCE_CHECKED), "supplier")
    change = operations.estimate_impact(
        change.pk, hours=Decimal(0), cost=Decimal(0), risk=WHY, loses_support=False, support=WHY, actor=scene.cast.gina
    )
    assert change.status == "impact_weighed"


@pytest.mark.clause("M28")
def test_a_cancelled_change_leaves_no_upload(scene: Packages, packages_folder: Any, django_capture_on_commit_callbacks):
    change = scene.bring(Status.IMPACT_WEIGHED)
    scene.upload(FileKind.COPY, make_archive("a medias"), scene.cast.gina, change)
    with django_capture_on_commit_callbacks(execute=True):
        operations.cancel_change(change.pk, reason=WHY, actor=scene.cast.laura)
    assert not PackageUpload.objects.exists()
    assert change.events().latest("seq").verb == "package_change.cancelled"


@pytest.mark.clause("M28")
def test_whose_turn_it_is_reads_so(scene: Packages):
    change = scene.ask()
    mails = OutboxMessage.objects.filter(about=change.chain, kind="packages/step")
    assert set(mails.values_list("to", flat=True)) == {scene.cast.laura.email, scene.cast.jorge.email}
    assert "le toca a usted" in mails.get(to=scene.cast.jorge.email).body
    assert "le toca a usted" not in mails.get(to=scene.cast.laura.email).body
    assert f"/control/paquetes/cambios/{change.folio}/" in mails.get(to=scene.cast.laura.email).body
