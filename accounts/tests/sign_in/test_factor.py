"""The second factor: enrolled, asked of staff by the admin and by /control/, and taken away by two people."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    SECRET_SESSION_KEY,
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from accounts import operations
from accounts.models import FactorReset, Office, RoleAssignment, User
from factureya.core.models import OutboxMessage
from factureya.testing.people import PASSWORD, make_agent, make_contact, make_staff, make_superuser, make_user
from factureya.testing.tickets import make_ticket

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ADMIN, CONTROL = "/admin/accounts/customer/", "/control/"


@pytest.fixture
def required(settings):
    settings.STAFF_MFA_REQUIRED = True


def code(secret: str = SECRET) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def sign_in(client, person, **more):
    return client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD, **more})


def enrolled(person):
    """The person with an app and recovery codes."""
    # allauth encrypts through an adapter that needs no request for it
    TOTP.activate(person, SECRET)
    RecoveryCodes.activate(person)
    return person


def prove_again(client):
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


def test_the_secret_is_encrypted_at_rest():
    person = enrolled(make_user())
    stored = Authenticator.objects.filter(user=person)
    assert SECRET not in str([authenticator.data for authenticator in stored])


def test_enrolling_shows_an_image_of_ours_and_the_secret(client, django_capture_on_commit_callbacks):
    sign_in(client, make_contact())
    prove_again(client)
    url = reverse("mfa_activate_totp")
    qr = reverse("accounts:totp_qr")
    assert client.get(qr).status_code == 404
    page = client.get(url).content.decode()
    secret = client.session[SECRET_SESSION_KEY]
    assert "data:" not in page
    assert qr in page
    assert " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)) in page
    image = client.get(qr)
    assert image["Content-Type"] == "image/svg+xml"
    assert "no-store" in image["Cache-Control"]
    assert Client().get(qr).status_code == 302

    wrong = client.post(url, {"code": "000000"}).content.decode()
    assert "Ese código no es correcto" in wrong
    with django_capture_on_commit_callbacks(execute=True):
        done = client.post(url, {"code": code(secret)})
    assert done.url == reverse("mfa_view_recovery_codes")
    codes = client.get(done.url).content.decode()
    assert "Sus códigos de respaldo" in codes
    assert OutboxMessage.objects.filter(kind="account/totp_activated").exists()


def test_enrolling_ends_the_sessions_that_only_knew_the_password(client):
    """A thief's session from before would read the recovery codes, and pass with one for two factors."""
    dario, thief = make_agent(), Client()
    sign_in(thief, dario)
    prove_again(thief)
    sign_in(client, dario)
    prove_again(client)
    client.get(reverse("mfa_activate_totp"))
    client.post(reverse("mfa_activate_totp"), {"code": code(client.session[SECRET_SESSION_KEY])})
    assert "_auth_user_id" in client.session
    assert client.get(reverse("mfa_view_recovery_codes")).status_code == 200
    answer = thief.get(reverse("mfa_view_recovery_codes"))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("account_login"))
    assert [event.verb for event in dario.events()] == ["person.joined", "office.granted", "factor.enrolled"]


def test_signing_in_takes_the_second_step_or_a_recovery_code(client):
    ana = enrolled(make_contact())
    assert sign_in(client, ana).url == reverse("mfa_authenticate")
    assert client.get(reverse("accounts:home")).status_code == 302
    step = reverse("mfa_authenticate")
    assert "Segundo paso" in client.get(step).content.decode()
    assert "Ese código no es correcto" in client.post(step, {"code": "000000"}).content.decode()
    assert client.post(step, {"code": code()}).url == reverse("tickets:list")

    spare = Authenticator.objects.get(user=ana, type="recovery_codes").wrap().get_unused_codes()[0]
    other = Client()
    sign_in(other, ana)
    assert other.post(step, {"code": spare}).url == reverse("tickets:list")
    cache.clear()
    third = Client()
    sign_in(third, ana)
    assert third.post(step, {"code": spare}).status_code == 200


@pytest.mark.parametrize(("office", "place"), [(Office.AGENT, ADMIN), (Office.SECURITY_OFFICER, CONTROL)])
def test_staff_without_a_factor_is_sent_to_enrol(client, required, office, place):
    person = make_staff(office)
    sign_in(client, person)
    answer = client.get(place)
    assert answer.url.startswith(reverse("mfa_activate_totp"))
    prove_again(client)
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    assert "El personal necesita la verificación en dos pasos" in page
    client.post(reverse("mfa_activate_totp"), {"code": code(client.session[SECRET_SESSION_KEY])})
    assert client.get(place).status_code == 200


@pytest.mark.parametrize(("office", "place"), [(Office.AGENT, ADMIN), (Office.SECURITY_OFFICER, CONTROL)])
def test_a_session_that_showed_no_factor_is_asked(client, required, office, place):
    person = enrolled(make_staff(office))
    client.force_login(person)  # for example a session from before the factor was enrolled elsewhere
    assert client.get(place).url.startswith(reverse("mfa_reauthenticate"))
    assert client.post(place).url.startswith(reverse("mfa_reauthenticate"))
    answer = client.post(f"{reverse('mfa_reauthenticate')}?next={place}", {"code": code()})
    assert answer.url == place
    assert client.get(place).status_code == 200


def test_every_page_of_the_admin_asks_the_factor(client, required):
    client.force_login(make_superuser())
    for name in ("index", "accounts_user_changelist", "accounts_user_invite", "jsi18n"):
        answer = client.get(reverse(f"admin:{name}"))
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("mfa_activate_totp"))


def test_the_portals_ticket_pages_are_no_way_round(client, required):
    ticket, person = make_ticket(), make_agent()
    client.force_login(person)
    for path in (reverse("tickets:detail", args=[ticket.number]), reverse("tickets:file", args=["x"])):
        assert client.get(path).url.startswith(reverse("mfa_activate_totp"))


def test_a_customer_needs_none(client, required):
    client.force_login(make_contact())
    assert client.get(reverse("accounts:home")).status_code == 200
    assert client.get(ADMIN).status_code == 403
    assert client.get(CONTROL).status_code == 403


def test_signing_in_with_the_factor_opens_the_admin(client, required):
    person = enrolled(make_agent())
    sign_in(client, person)
    assert client.post(reverse("mfa_authenticate"), {"code": code()}).url == "/admin/"
    assert client.get(ADMIN).status_code == 200


def test_staff_does_not_take_the_own_factor_off_and_a_customer_may(client, required):
    staff, ana = enrolled(make_agent()), enrolled(make_contact())
    url = reverse("mfa_deactivate_totp")
    sign_in(client, staff)
    client.post(reverse("mfa_authenticate"), {"code": code()})
    prove_again(client)
    assert "El personal no desactiva" in client.post(url).content.decode()
    assert Authenticator.objects.filter(user=staff, type="totp").exists()
    cache.clear()
    other = Client()
    sign_in(other, ana)
    other.post(reverse("mfa_authenticate"), {"code": code()})
    prove_again(other)
    assert "¿Desactivar" in other.get(url).content.decode()
    assert other.post(url).url == reverse("mfa_index")
    assert not Authenticator.objects.filter(user=ana).exists()


def test_the_pages_of_the_factor(client, django_capture_on_commit_callbacks):
    ana = enrolled(make_contact())
    client.force_login(ana)
    assert "Está activa." in client.get(reverse("mfa_index")).content.decode()
    again = client.get(reverse("mfa_view_recovery_codes"))
    assert again.url.startswith(reverse("account_reauthenticate"))
    assert "Usar mejor el código" in client.get(again.url).content.decode()
    assert client.post(again.url, {"password": "x"}).status_code == 200
    prove_again(client)
    assert client.get(reverse("mfa_view_recovery_codes")).status_code == 200
    text = client.get(reverse("mfa_download_recovery_codes"))
    assert "attachment" in text["Content-Disposition"]
    assert ana.email in text.content.decode()
    url = reverse("mfa_generate_recovery_codes")
    assert "dejarán de servir" in client.get(url).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(url).url == reverse("mfa_view_recovery_codes")
    assert OutboxMessage.objects.filter(kind="account/recovery_codes_generated").exists()


# -- Two people take a lost factor away --------------------------------------------------------------


def second_superuser():
    return make_superuser("root2@factureya.com")


def test_one_asks_another_approves_and_the_person_starts_anew(client):
    dario, root, elsa = (enrolled(make_agent()), make_superuser(), make_staff(Office.SECURITY_OFFICER))
    session = Client()
    session.force_login(dario)
    assert session.get(reverse("accounts:home")).status_code == 200

    boss = Client()
    boss.force_login(root)
    url = reverse("admin:accounts_user_request_reset", args=[dario.pk])
    assert "Escriba el motivo." in boss.post(url, {"factor-reason": ""}).content.decode()
    boss.post(url, {"factor-reason": "Le robaron el teléfono; lo vi en persona"})
    reset = FactorReset.objects.get()
    assert Authenticator.objects.filter(user=dario).exists()
    approve = reverse("admin:accounts_user_approve_reset", args=[dario.pk, reset.pk])
    boss.post(approve)
    assert Authenticator.objects.filter(user=dario).exists()
    page = boss.get(reverse("admin:accounts_user_change", args=[dario.pk])).content.decode()
    assert "Falta que otra persona lo apruebe" in page

    client.force_login(elsa)
    assert "Le robaron el teléfono" in client.get(CONTROL).content.decode()
    decide = reverse("control:decide_factor_reset", args=[reset.pk])
    assert client.post(decide, {"decision": "approve"}).url == CONTROL
    assert not Authenticator.objects.filter(user=dario).exists()
    reset.refresh_from_db()
    assert (reset.approved, reset.decided_by) == (True, elsa)
    assert session.get(reverse("accounts:home")).status_code == 302
    kinds = OutboxMessage.objects.filter(to=dario.email).order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["accounts/factor_reset_requested", "accounts/factor_reset_done"]
    verbs = [event.verb for event in dario.events()]
    assert verbs == ["person.joined", "office.granted", "factor.reset_requested", "factor.reset"]
    client.post(decide, {"decision": "approve"})
    assert "Ya se decidió" in client.get(CONTROL).content.decode()


def test_declining_leaves_the_factor(client):
    dario, root = enrolled(make_agent()), make_superuser()
    reset = operations.request_factor_reset(dario.pk, reason="Dice que lo perdió", actor=root)
    client.force_login(second_superuser())
    page = client.get(reverse("admin:accounts_user_change", args=[dario.pk])).content.decode()
    assert "Aprobar y cerrar sus sesiones" in page
    client.post(reverse("admin:accounts_user_decline_reset", args=[dario.pk, reset.pk]))
    reset.refresh_from_db()
    assert reset.approved is False
    assert Authenticator.objects.filter(user=dario).exists()
    again = operations.request_factor_reset(dario.pk, reason="Ahora sí", actor=root)
    client.post(reverse("admin:accounts_user_approve_reset", args=[dario.pk, again.pk]))
    assert not Authenticator.objects.filter(user=dario).exists()


def test_who_may_not_ask_or_decide():
    dario, root, other = enrolled(make_agent()), make_superuser(), second_superuser()
    enrolled(root)
    for office in set(Office) - {Office.SECURITY_OFFICER}:
        with pytest.raises(operations.Refused):
            operations.request_factor_reset(dario.pk, reason="x", actor=make_staff(office))
    with pytest.raises(operations.Refused, match="propio"):
        operations.request_factor_reset(root.pk, reason="x", actor=root)
    with pytest.raises(operations.Refused, match="no tiene segundo factor"):
        operations.request_factor_reset(make_user().pk, reason="x", actor=root)
    with pytest.raises(operations.Refused, match="comprobó"):
        operations.request_factor_reset(dario.pk, reason=" ", actor=root)
    reset = operations.request_factor_reset(dario.pk, reason="x", actor=root)
    with pytest.raises(operations.Refused, match="Ya está pedido"):
        operations.request_factor_reset(dario.pk, reason="x", actor=other)
    with pytest.raises(operations.Refused, match="no lo aprueba"):
        operations.approve_factor_reset(reset.pk, actor=root)
    for office in set(Office) - {Office.SECURITY_OFFICER}:
        with pytest.raises(operations.Refused):
            operations.approve_factor_reset(reset.pk, actor=make_staff(office))
    officer = make_staff(Office.SECURITY_OFFICER)
    assert officer.holds(Office.SECURITY_OFFICER)
    operations.end_office(RoleAssignment.objects.get(user=officer).pk, actor=root)
    with pytest.raises(operations.Refused, match="cargos de hoy"):  # the object in hand still says so
        operations.approve_factor_reset(reset.pk, actor=officer)
    mine = operations.request_factor_reset(root.pk, reason="x", actor=other)
    with pytest.raises(operations.Refused, match="propio"):
        operations.approve_factor_reset(mine.pk, actor=root)


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        (
            "decided_by_id = requested_by_id, decided_at = requested_at, approved = true",
            "factor_reset_takes_two_people",
        ),
        ("requested_by_id = user_id", "factor_reset_by_others"),
        ("decided_by_id = user_id, decided_at = requested_at, approved = true", "factor_reset_by_others"),
        ("approved = true", "factor_reset_decided_whole"),
        ("reason = ''", "factor_reset_has_reason"),
    ],
)
def test_raw_sql_cannot_make_a_reset_of_one_person(sql, name):
    operations.request_factor_reset(enrolled(make_agent()).pk, reason="x", actor=make_superuser())
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE accounts_factorreset SET {sql}")


@pytest.mark.parametrize("office", Office)
def test_the_control_page_by_office(client, office):
    person = make_staff(office)
    client.force_login(person)
    answer = client.get(CONTROL)
    inside = office in {
        Office.SUPERVISOR,
        Office.SECURITY_OFFICER,
        Office.INFORMATION_OWNER,
        Office.IT_HEAD,
        Office.IMPLEMENTER,
        Office.AUDITOR,
    }
    assert answer.status_code == (200 if inside else 403)
    if inside:
        page = answer.content.decode()
        assert Office(office).label in page
        assert ("Nada le toca por ahora" in page) == (office != Office.AUDITOR)  # who reads and writes nothing
    decide = client.post(reverse("control:decide_factor_reset", args=[1]))
    assert decide.status_code == (404 if office == Office.SECURITY_OFFICER else 403)


def test_control_is_closed_to_strangers_customers_and_superusers(client):
    assert client.get(CONTROL).url.startswith(reverse("account_login"))
    for person in (make_contact(), make_superuser()):
        client.force_login(person)
        assert client.get(CONTROL).status_code == 403
    assert User.objects.exists()
