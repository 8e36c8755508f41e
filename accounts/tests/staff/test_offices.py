"""Offices: dated, granted by somebody else, with what they allow checked at use (M3); staff invitations."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import offices, operations
from accounts.models import Invitation, Office, Provider, RoleAssignment, User
from accounts.operations import staff
from accounts.operations.common import insert_assignment
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from factureya.testing.people import (
    PASSWORD,
    give_office,
    make_agent,
    make_contact,
    make_staff,
    make_superuser,
    make_user,
    own_provider,
)
from factureya.testing.tickets import make_ticket
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M3")]


def grant(person, office=Office.AGENT, **more) -> RoleAssignment:
    own = own_provider() if office in {Office.AGENT, Office.SUPERVISOR} else None
    more.setdefault("provider", own)
    return operations.grant_office(person.pk, office=office, actor=make_superuser(), **more)


def again(person) -> User:
    return User.objects.get(pk=person.pk)


def may_enter(client, url_name="admin:accounts_customer_changelist") -> int:
    return client.get(reverse(url_name)).status_code


def test_granting_gives_the_place_the_group_and_one_event():
    dario = make_user()
    ticket = make_ticket()
    grant(dario)
    dario = again(dario)
    assert dario.is_staff
    assert [group.name for group in dario.groups.all()] == ["Agente"]
    assert dario.has_perm("tickets.view_ticket")
    assert dario.get_group_permissions(dario) == set()  # no office is of a single object
    assert Ticket.objects.visible_to(dario).get() == ticket
    assert [event.verb for event in dario.events()] == ["person.joined", "office.granted", "person.staff_changed"]


def test_ending_takes_it_away_at_once(client):
    dario = make_user()
    assignment = grant(dario)
    client.force_login(dario)
    assert may_enter(client) == 200
    operations.end_office(assignment.pk, actor=make_superuser())
    assert may_enter(client) == 403
    dario = again(dario)
    assert not dario.is_staff
    assert not dario.groups.exists()
    assert not dario.has_perm("tickets.view_ticket")
    with pytest.raises(operations.Refused, match="ya terminó"):
        operations.end_office(assignment.pk, actor=make_superuser())


def test_an_office_with_days_holds_on_those_days_and_nothing_needs_to_run(client):
    dario, start = make_user(), now() + timedelta(days=2)
    end = start + timedelta(days=3)
    grant(dario, starts_at=start, ends_at=end)
    moments = {start - timedelta(seconds=1): 403, start: 200, end - timedelta(seconds=1): 200, end: 403}
    for moment, code in moments.items():
        with time_machine.travel(moment, tick=False):
            client.force_login(dario)
            assert may_enter(client) == code
            assert again(dario).has_perm("accounts.view_customer") == (code == 200)


def test_an_office_that_had_not_begun_never_begins():
    dario = make_user()
    assignment = grant(dario, starts_at=now() + timedelta(days=2))
    operations.end_office(assignment.pk, actor=make_superuser())
    with time_machine.travel(now() + timedelta(days=3)):
        assert not again(dario).offices
    grant(dario)
    assert again(dario).holds(Office.AGENT)


@pytest.mark.parametrize("office", Office)
def test_only_a_superuser_grants_and_ends(office):
    somebody, target = make_staff(office), make_user()
    with pytest.raises(operations.Refused, match="superusuario"):
        operations.grant_office(target.pk, office=Office.AGENT, provider=own_provider(), actor=somebody)
    assignment = grant(target)
    with pytest.raises(operations.Refused, match="superusuario"):
        operations.end_office(assignment.pk, actor=somebody)


def test_what_is_not_granted():
    root, dario = make_superuser(), make_user()
    third = Provider.objects.create(name="Mesa Norte")
    refused = [
        (root, {"office": Office.IT_HEAD}, "sí mismo"),
        (make_contact(), {"office": Office.IT_HEAD}, "contacto de un cliente"),
        (dario, {"office": "king"}, "Elija el cargo"),
        (dario, {"office": Office.AGENT}, "Indique el prestador"),
        (dario, {"office": Office.AGENT, "provider": third}, "trabaja en Factureya"),
        (dario, {"office": Office.SUPERVISOR, "provider": third}, "trabaja en Factureya"),
        (dario, {"office": Office.THIRD_PARTY_AGENT, "provider": own_provider()}, "otro prestador"),
        (dario, {"office": Office.IT_HEAD, "provider": third}, "no lleva prestador"),
        (dario, {"office": Office.IT_HEAD, "ends_at": now() - timedelta(days=1)}, "después de empezar"),
    ]
    for person, terms, says in refused:
        with pytest.raises(operations.Refused, match=says):
            operations.grant_office(person.pk, actor=root, **terms)
    grant(dario, Office.IT_HEAD)
    with pytest.raises(operations.Refused, match="Ya tiene"):
        grant(dario, Office.IT_HEAD)
    assert RoleAssignment.objects.count() == 1


@pytest.mark.parametrize(
    ("office", "terms", "name"),
    [
        (Office.AGENT, {}, "desk_office_has_provider"),
        (Office.IT_HEAD, {"provider": "own"}, "desk_office_has_provider"),
        (Office.IT_HEAD, {"ends_at": now() - timedelta(days=1)}, "office_ends_after_it_starts"),
    ],
)
def test_the_database_refuses_a_wrong_office(office, terms, name):
    provider = own_provider() if terms.pop("provider", None) else None
    with pytest.raises(IntegrityError, match=name):
        give_office(make_user(), office, provider=provider, **terms)


def test_the_database_lets_nobody_grant_to_himself():
    root = make_superuser()
    with pytest.raises(IntegrityError, match="office_granted_by_another"), transaction.atomic():
        insert_assignment(root, "office.granted", office=Office.IT_HEAD, provider=None, granted_by=root, actor=root)


def test_one_open_assignment_per_office():
    dario = make_agent()
    with pytest.raises(IntegrityError), transaction.atomic():
        give_office(dario, Office.AGENT, provider=own_provider())


def test_every_office_has_its_permissions_and_they_exist():
    assert set(offices.PERMISSIONS) == set(Office)
    known = {f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")}
    assert offices.list_permissions(Office) <= known


def test_groups_and_own_permissions_give_nothing():
    ana = make_user(is_staff=True)
    group = Group.objects.create(name="Supervisor")
    group.permissions.set(Permission.objects.all())
    ana.groups.add(group)
    ana.user_permissions.set(Permission.objects.all())
    assert not again(ana).has_perm("tickets.view_ticket")


def test_a_third_party_agent_sees_the_own_providers_tickets_only():
    third = Provider.objects.create(name="Mesa Norte")
    irma = make_user()
    grant(irma, Office.THIRD_PARTY_AGENT, provider=third)
    ticket = make_ticket()
    assert not Ticket.objects.visible_to(again(irma)).exists()
    Ticket.objects.filter(pk=ticket.pk).update(provider=third)
    assert Ticket.objects.visible_to(again(irma)).get() == ticket
    assert not again(irma).has_perm("accounts.view_customer")


# -- From when, and why ------------------------------------------------------------------------------


def test_an_office_is_granted_from_now_on():
    dario, midnight = make_user(), timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    with pytest.raises(operations.Refused, match="hacia atrás"):
        grant(dario, starts_at=midnight - timedelta(seconds=1))
    before = now()
    assert grant(dario, starts_at=midnight).starts_at >= before  # the first day is today: from now


@pytest.mark.clause("M26")
def test_the_events_of_an_office_hold_the_whole_row_and_the_reason():
    dario, root, end = make_user(), make_superuser(), now() + timedelta(days=9)
    held = grant(dario, Office.IT_HEAD, ends_at=end, reason="  Nombramiento 12/2026 ")
    operations.end_office(held.pk, reason="Cambió de área", actor=root)
    granted, ended = (event.data for event in dario.events() if event.verb.startswith("office."))
    assert (granted["office"], granted["provider"], granted["reason"]) == ("it_head", None, "Nombramiento 12/2026")
    row = granted["rows"]["office"]
    assert (row["user"], row["granted_by"], row["ends_at"]) == (dario.pk, root.pk, end.isoformat())
    assert granted["starts_at"] == row["starts_at"] == row["granted_at"]
    assert (ended["reason"], ended["rows"]["office"]["pk"]) == ("Cambió de área", held.pk)
    assert ended["rows"]["office"]["ended_by"] == root.pk


@pytest.mark.parametrize("reason", ["", "corto", "         x"])
def test_an_office_of_control_takes_a_reason_in_the_admin(client, reason):
    client.force_login(make_superuser())
    dario = make_user()
    data = {"office": "it_head", "provider": "", "first_day": "", "last_day": ""}
    page = client.post(at("grant", dario.pk), {**data, "reason": reason}).content.decode()
    assert "al menos 10 caracteres" in page
    client.post(at("grant", dario.pk), {**data, "reason": "Nombramiento 12/2026"})
    held = RoleAssignment.objects.get(user=dario)
    page = client.post(at("end", dario.pk, held.pk), {"reason": reason}, follow=True).content.decode()
    assert "al menos 10 caracteres" in page
    assert again(dario).holds("it_head")
    client.post(at("end", dario.pk, held.pk), {"reason": "Cambió de área\0"})
    assert not again(dario).holds("it_head")


# -- Invitations to staff ----------------------------------------------------------------------------


def invite(email="nadia@factureya.com", office=Office.AGENT, **more) -> str:
    more.setdefault("provider", own_provider())
    operations.invite_staff(email=email, office=office, actor=make_superuser(), **more)
    mail = OutboxMessage.objects.filter(to=email).latest("pk")
    return re.search(r"/cuenta/invitacion/(\S+)/", mail.body).group(1)


def test_a_superuser_invites_and_the_invited_chooses_the_password(client):
    token = invite()
    url = reverse("accounts:accept_invitation", args=[token])
    assert "Agente" in client.get(url).content.decode()
    client.post(url, {"full_name": "Nadia Sol", "password": "tormenta-de-julio-88"})
    nadia = User.objects.get(email="nadia@factureya.com")
    assert (nadia.is_staff, nadia.offices, nadia.is_superuser) == (True, {"agent"}, False)
    assert [event.verb for event in nadia.events()] == ["person.joined", "staff.joined", "person.staff_changed"]
    assert may_enter(client) == 200
    assert Client().get(url).status_code == 410


def test_who_may_not_invite_staff():
    for person in (make_agent(), make_staff(Office.SUPERVISOR), make_contact(representative=True)):
        with pytest.raises(operations.Refused, match="superusuario"):
            operations.invite_staff(email="x@factureya.com", office=Office.AGENT, provider=own_provider(), actor=person)
    taken = make_contact()
    with pytest.raises(operations.Refused, match="ya tiene cuenta"):
        invite(taken.email)


def test_an_invitation_of_a_superuser_who_is_none_any_more_is_void():
    token = invite()
    User.objects.filter(is_superuser=True).update(is_superuser=False)
    with pytest.raises(operations.Refused):
        operations.accept_invitation(token, full_name="Nadia", password=PASSWORD)


# -- The admin's pages -------------------------------------------------------------------------------


def at(name: str, *args) -> str:
    return reverse(f"admin:accounts_user_{name}", args=args)


def test_a_superuser_works_on_people_in_the_admin(client):
    root, dario = make_superuser(), make_user("dario@factureya.com", "Dario Paz")
    client.force_login(root)
    assert client.get(at("changelist")).status_code == 200
    assert "Dario Paz" in client.get(at("changelist"), {"q": "dario"}).content.decode()
    assert client.get(at("change", dario.pk)).status_code == 200
    data = {"office": "agent", "provider": own_provider().pk, "first_day": "", "last_day": "2030-01-31"}
    assert client.post(at("grant", dario.pk), data).url == at("change", dario.pk)
    assignment = RoleAssignment.objects.get(user=dario)
    assert assignment.ends_at.isoformat() == "2030-02-01T06:00:00+00:00"
    page = client.get(at("change", dario.pk)).content.decode()
    assert "Terminar" in page
    assert client.post(at("end", dario.pk, assignment.pk)).url == at("change", dario.pk)
    assert not again(dario).is_staff
    wrong = client.post(at("grant", dario.pk), {"office": "agent"}).content.decode()
    assert "Indique el prestador." in wrong
    assert "<title>Error: " in wrong
    assert client.post(at("grant", root.pk), data).status_code == 200
    assert not RoleAssignment.objects.filter(user=root).exists()


@pytest.mark.parametrize("field", ["first_day", "last_day"])
@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_an_office_of_another_era_is_refused_beside_its_day(client, field, day):
    dario = make_user()
    client.force_login(make_superuser())
    answer = client.post(at("grant", dario.pk), {"office": "it_head", field: day})
    assert "Escriba un día entre los años 2000 y 2100." in answer.content.decode()
    assert not RoleAssignment.objects.filter(user=dario).exists()


def test_a_superuser_invites_resends_and_cancels_in_the_admin(client):
    client.force_login(make_superuser())
    assert client.get(at("invite")).status_code == 200
    data = {"email": "nadia@factureya.com", "office": "it_head", "provider": ""}
    assert client.post(at("invite"), data).url == at("changelist")
    invitation = Invitation.objects.get()
    assert "nadia@factureya.com" in client.get(at("changelist")).content.decode()
    client.post(at("resend", invitation.pk))
    assert OutboxMessage.objects.filter(kind="accounts/invited_staff").count() == 2
    client.post(at("cancel", invitation.pk))
    invitation.refresh_from_db()
    assert invitation.cancelled_at
    page = client.post(at("invite"), {"email": "", "office": ""}).content.decode()
    assert "Elija el cargo." in page
    verbs = [event.verb for event in invitation.events()]
    assert verbs == ["staff.invited", "invitation.resent", "invitation.cancelled"]


def test_deactivating_ends_sessions_at_once_and_an_old_cookie_does_not_come_back(client):
    root, ana, boss = make_superuser(), make_contact(), Client()
    client.post(reverse("account_login"), {"login": ana.email, "password": PASSWORD})
    assert client.get(reverse("accounts:home")).status_code == 200
    boss.force_login(root)
    url = at("close", ana.pk)
    assert "Escriba el motivo." in boss.post(url, {"close-reason": ""}).content.decode()
    assert boss.post(url, {"close-reason": "Se fue"}).url == at("change", ana.pk)
    assert client.get(reverse("accounts:home")).status_code == 302
    login = client.post(reverse("account_login"), {"login": ana.email, "password": PASSWORD})
    assert login.url == reverse("account_inactive")
    assert "desactivada" in client.get(login.url).content.decode()
    boss.post(url, {"close-reason": "Volvió"})
    assert again(ana).is_active
    assert client.get(reverse("accounts:home")).status_code == 302
    assert [event.verb for event in ana.events()] == ["person.joined", "person.deactivated", "person.reactivated"]
    for person, says in ((root, "propia cuenta"),):
        with pytest.raises(operations.Refused, match=says):
            operations.deactivate_user(person.pk, reason="x", actor=root)


def test_providers(client):
    url = reverse("admin:accounts_provider_changelist")
    client.force_login(make_superuser())
    assert client.post(url, {"name": "Mesa  Norte"}).url == url
    assert Provider.objects.filter(name="Mesa Norte", is_own=False).exists()
    assert "Ya hay un prestador" in client.post(url, {"name": "mesa norte"}).content.decode()
    client.force_login(make_staff(Office.SUPERVISOR))
    assert "Mesa Norte" in client.get(url).content.decode()
    assert client.post(url, {"name": "Otra"}).status_code == 403
    client.force_login(make_agent())
    assert client.get(url).status_code == 403


@pytest.mark.parametrize("office", Office)
def test_nobody_but_a_superuser_reaches_people_in_the_admin(client, office):
    """But Auditoría, who reads the lists and the people and does nothing there (M26)."""
    person, target = make_staff(office), make_agent()
    client.force_login(person)
    assignment = RoleAssignment.objects.get(user=target)
    shown = 200 if office == Office.AUDITOR else 403
    assert client.get(at("changelist")).status_code == shown
    assert client.get(at("invite")).status_code == 403
    assert client.get(at("change", target.pk)).status_code == shown
    for url in (
        at("grant", target.pk),
        at("close", target.pk),
        at("request_reset", target.pk),
        at("end", target.pk, assignment.pk),
        at("approve_reset", target.pk, 1),
        at("decline_reset", target.pk, 1),
        at("resend", 1),
        at("cancel", 1),
        at("invite"),
    ):
        assert client.post(url).status_code == 403
    assert again(target).is_active


def test_who_waits_long_for_the_person_ends_the_office_when_the_wait_is_over(monkeypatch):
    """The guard takes no end that is more than a minute before its event, so the end is read after the lock."""
    held = grant(make_user())
    lock_user = staff.lock_user
    with time_machine.travel(now() + timedelta(hours=1), tick=False) as traveller:

        def wait(pk: int) -> User:
            traveller.shift(timedelta(minutes=2))
            return lock_user(pk)

        monkeypatch.setattr(staff, "lock_user", wait)
        ended = operations.end_office(held.pk, actor=make_superuser())
        assert ended.ends_at == now()
