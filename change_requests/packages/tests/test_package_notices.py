"""The mails about packages: to whom, what they say, and never a file or a link that decides (M28–M32)."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.template import engines

from accounts.models import Office, User
from change_requests.packages import operations, progress
from change_requests.packages.list_page import make_change_rows
from factureya.core.models import OutboxMessage
from factureya.testing.packages import WHY, Packages, Status, damage
from factureya.testing.people import give_office, make_auditor, make_hugo

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M28", "M29", "M30", "M31", "M32")]


class Blank(str):
    """What a missing variable would render as: an error instead."""

    __slots__ = ()

    def __contains__(self, _item: object) -> bool:
        return True

    def __mod__(self, name: Any) -> str:
        raise AssertionError(f"missing variable in a mail: {name}")


@pytest.fixture(autouse=True)
def _no_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines["mail"].engine, "string_if_invalid", Blank("%s"))


def to(kind: str, **about: Any) -> set[str]:
    return set(OutboxMessage.objects.filter(kind=f"packages/{kind}", **about).values_list("to", flat=True))


def test_every_mail_is_sent_and_is_whole(scene: Packages):
    released = scene.bring(Status.RELEASED)
    scene.register("v3.3", replaces_pk=scene.package.pk)
    scene.revert(released)
    operations.cancel_change(scene.ask().pk, reason=WHY, actor=scene.cast.laura)
    damage(scene.package.original)
    operations.compare_files()
    kinds = {path.stem for path in (Path(django_settings.BASE_DIR) / "templates/mail/packages").glob("[!_]*.txt")}
    assert {kind.partition("/")[2] for kind in OutboxMessage.objects.values_list("kind", flat=True)} >= kinds
    for mail in OutboxMessage.objects.filter(kind__startswith="packages/"):
        assert mail.subject
        assert "\n" not in mail.subject
        assert "Qué sigue:" in mail.body
        links = re.findall(r"https?://\S+", mail.body)
        assert links
        assert all("/control/paquetes/" in link for link in links)


@pytest.mark.parametrize(
    ("status", "names", "turn"),
    [
        (Status.DRAFT, "laura jorge", "jorge"),
        (Status.AUTHORIZED, "laura jorge elsa", "laura elsa"),
        (Status.LICENCE_CHECKED, "laura jorge", "jorge"),
        (Status.OPTION_CHOSEN, "laura jorge gina", "laura gina"),
        (Status.IMPACT_WEIGHED, "laura jorge gina", "laura gina"),
        (Status.COPIED, "laura jorge", "laura jorge"),
        (Status.TESTED, "laura jorge", "jorge"),
    ],
)
def test_each_step_tells_whose_turn_it_is(scene: Packages, status: Status, names: str, turn: str):
    change = scene.bring(status)
    last = list(change.events())[-1]
    mails = OutboxMessage.objects.filter(kind="packages/step", key__startswith=last.hash)
    assert set(mails.values_list("to", flat=True)) == {getattr(scene.cast, name).email for name in names.split()}
    mine = {mail.to for mail in mails if "le toca a usted" in mail.body}
    assert mine == {getattr(scene.cast, name).email for name in turn.split()}


def test_who_watches_reads_what_is_in_use(scene: Packages):
    auditor = make_auditor()
    change = scene.bring(Status.RELEASED)
    cast = scene.cast
    watchers = {person.email for person in (cast.elsa, cast.fabian, cast.jorge, cast.laura, cast.gina, auditor)}
    assert to("in_use") == watchers
    scene.revert(change)
    body = OutboxMessage.objects.filter(kind="packages/in_use", to=auditor.email).latest("pk").body
    assert "El aviso llegaba dos veces." in body
    assert scene.package.original.sha256 in body


def test_a_closed_account_gets_no_mail(scene: Packages):
    change = scene.ask()
    scene.cast.laura.is_active = False
    scene.cast.laura.save(update_fields=["is_active"])
    operations.refuse_change(change.pk, reason=WHY, actor=scene.cast.jorge)
    assert to("ended") == {scene.cast.jorge.email}


@pytest.mark.parametrize(
    ("status", "name"),
    [(Status.DRAFT, "laura"), (Status.OPTION_CHOSEN, "gina"), (Status.COPIED, "gina"), (Status.TESTED, "gina")],
)
def test_who_took_the_part_that_bars_him_has_no_turn(scene: Packages, status: Status, name: str):
    person = getattr(scene.cast, name)
    give_office(person, Office.IT_HEAD)
    change = scene.bring(status)
    if status == Status.OPTION_CHOSEN:
        change = operations.estimate_impact(
            change.pk, hours=Decimal(6), cost=Decimal(1), risk=WHY, loses_support=False, support=WHY, actor=person
        )
    person = User.objects.get(pk=person.pk)
    assert not progress.is_turn_of(person, change)
    assert progress.is_turn_of(scene.cast.jorge, change)
    last = list(change.events())[-1]
    mail = OutboxMessage.objects.get(kind="packages/step", key__startswith=last.hash, to=person.email)
    assert "le toca a usted" not in mail.body
    rows = {row.change.pk: row.is_mine for row in make_change_rows([change], person)}
    assert rows == {change.pk: False}


def test_a_developer_has_no_turn(scene: Packages):
    hugo = make_hugo()
    change = scene.bring(Status.IMPACT_WEIGHED)
    assert not progress.is_turn_of(hugo, change)
    assert hugo.email not in to("step")
