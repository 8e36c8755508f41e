"""Side doors that must not be there, sign-in and its limits, passwords, and where each person lands."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, get_resolver, resolve, reverse

from accounts import operations
from accounts.models import Office, User
from accounts.web.proofs import read_client_ip, read_client_network
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from factureya.testing.people import PASSWORD, make_agent, make_contact, make_staff, make_superuser, make_user

pytestmark = pytest.mark.django_db
NEW = "tormenta-de-julio-88"
LOGIN = "account_login"


def sign_in(client, email, password=PASSWORD, **more):
    return client.post(reverse(LOGIN), {"login": email, "password": password, **more})


def neutral(response, email: str) -> str:
    page = response.content.decode().replace(email, "X")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)


# -- What does not exist -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "account_email",
        "account_set_password",
        "account_confirm_email",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "account_verify_phone",
        "account_change_phone",
        "account_signup_by_passkey",
        "account_request_login_code",
        "account_confirm_login_code",
        "account_password_reset_completed",
        "mfa_trust",
        "mfa_list_webauthn",
        "mfa_add_webauthn",
        "mfa_login_webauthn",
        "mfa_signup_webauthn",
        "socialaccount_connections",
        "socialaccount_signup",
        "usersessions_list",
        "admin:auth_user_password_change",
        "admin:accounts_user_password_change",
        "admin:accounts_user_add",
        "admin:accounts_user_delete",
        "admin:accounts_customer_add",
        "admin:accounts_customer_delete",
        "admin:accounts_customer_history",
        "admin:accounts_provider_delete",
        "admin:auth_group_changelist",
        "admin:account_emailaddress_changelist",
        "admin:mfa_authenticator_changelist",
    ],
)
def test_no_such_page(name):
    for args in ([], [1], ["x"]):
        with pytest.raises(NoReverseMatch):
            reverse(name, args=args)


@pytest.mark.parametrize(
    "path",
    [
        "/cuenta/email/",
        "/cuenta/login/",
        "/cuenta/signup/",
        "/cuenta/password/set/",
        "/cuenta/3rdparty/",
        "/cuenta/2fa/",
        "/cuenta/sessions/",
        "/accounts/",
        "/admin/accounts/user/1/password/",
        "/admin/accounts/user/1/change/",
        "/admin/accounts/user/add/",
        "/admin/auth/group/",
        "/admin/account/emailaddress/",
        "/admin/mfa/authenticator/",
    ],
)
def test_no_such_address(client, path):
    client.force_login(make_superuser())
    assert client.get(path).status_code == 404
    assert client.post(path).status_code in {404, 405}


def test_the_admin_knows_no_stock_pages_of_accounts():
    for model in (EmailAddress, Authenticator, Group):
        assert not admin.site.is_registered(model)


def test_every_page_of_cuenta_is_one_we_listed():
    names = {pattern.name for pattern in get_resolver("accounts.urls").url_patterns if getattr(pattern, "name", None)}
    assert names == {
        "account_login",
        "account_logout",
        "account_signup",
        "account_email_verification_sent",
        "account_inactive",
        "account_reauthenticate",
        "account_change_password",
        "account_reset_password",
        "account_confirm_password_reset_code",
        "account_complete_password_reset",
        "mfa_index",
        "mfa_authenticate",
        "mfa_reauthenticate",
        "mfa_activate_totp",
        "mfa_deactivate_totp",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
    }


def test_the_admins_own_login_password_and_logout_lead_to_ours(client):
    assert client.get("/admin/login/?next=/admin/tickets/ticket/").url == (
        f"{reverse(LOGIN)}?next=/admin/tickets/ticket/"
    )
    assert client.post("/admin/login/", {"username": "x", "password": "y"}).url.startswith(reverse(LOGIN))
    assert client.get("/admin/").url == "/admin/login/?next=/admin/"
    client.force_login(make_agent())
    assert client.get("/admin/password_change/").url == reverse("account_change_password")
    assert client.get("/admin/password_change/done/").url == reverse("account_change_password")
    assert client.get("/admin/logout/").status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/admin/logout/")
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/accounts/user/", "/admin/jsi18n/"])
def test_customers_and_other_offices_do_not_enter_the_admin(client, path):
    inside = {Office.AGENT, Office.THIRD_PARTY_AGENT, Office.SUPERVISOR, Office.AUDITOR}  # the last one only reads
    for person in [make_contact(), *(make_staff(office) for office in set(Office) - inside)]:
        client.force_login(person)
        assert client.get(path).status_code == 403


def test_is_staff_alone_opens_nothing(client):
    client.force_login(make_user(is_staff=True))
    assert client.get("/admin/").status_code == 403
    assert client.get("/control/").status_code == 403


# -- Signing in --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "lands"),
    [
        (make_contact, "/tickets/"),
        (make_agent, "/admin/"),
        (lambda: make_staff(Office.SUPERVISOR), "/admin/"),
        (lambda: make_staff(Office.IMPLEMENTER), "/control/"),
        (lambda: make_staff(Office.DEVELOPER), "/cuenta/"),
    ],
)
def test_where_each_person_lands(client, make, lands):
    assert sign_in(client, make().email).url == lands
    assert client.get(reverse(LOGIN)).url == lands
    assert client.get(reverse("account_signup")).url == lands


@pytest.mark.parametrize(
    ("target", "lands"),
    [
        ("/cuenta/", "/cuenta/"),
        ("https://malo.example/", "/tickets/"),
        ("//malo.example/", "/tickets/"),
        ("https://localhost/", "/tickets/"),
        ("javascript:alert(1)", "/tickets/"),
    ],
)
def test_next_never_leaves_the_site(client, target, lands):
    assert sign_in(client, make_contact().email, next=target).url == lands


def test_the_answer_does_not_tell_whether_an_address_exists(client):
    ana = make_contact(email="ana@ejemplo.mx")
    known = sign_in(client, "ana@ejemplo.mx", "no-es-esta-contraseña")
    unknown = sign_in(client, "nadie@ejemplo.mx", "no-es-esta-contraseña")
    assert known.status_code == unknown.status_code == 200
    assert "El correo o la contraseña no son correctos" in known.content.decode()
    assert neutral(known, "ana@ejemplo.mx") == neutral(unknown, "nadie@ejemplo.mx")
    assert sign_in(client, ana.email.upper()).status_code == 302


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"login": "", "password": "x"}, "Escriba su correo."),
        ({"login": "ana", "password": "x"}, "Escriba el correo completo"),
        ({"login": "a" * 400 + "@ejemplo.mx", "password": "x"}, "Un correo tiene hasta"),
        ({"login": "ana@ejemplo.mx", "password": ""}, "Escriba su contraseña."),
    ],
)
def test_each_field_has_its_words(client, data, says):
    page = client.post(reverse(LOGIN), data).content.decode()
    assert says in page
    assert "<title>Error: " in page
    assert data["login"] in page


def test_five_failures_close_an_account_for_a_while_known_or_not(client):
    ana = make_contact(email="ana@ejemplo.mx")
    pages = {}
    for email in ("ana@ejemplo.mx", "nadie@ejemplo.mx"):
        for n in range(5):
            sign_in(Client(REMOTE_ADDR=f"10.0.{len(pages)}.{n}"), email, "mala-contraseña-1")
        other = Client(REMOTE_ADDR=f"10.0.{len(pages)}.99")
        pages[email] = neutral(sign_in(other, email, "mala-contraseña-1"), email)
    assert "Fueron demasiados intentos" in pages["ana@ejemplo.mx"]
    assert pages["ana@ejemplo.mx"] == pages["nadie@ejemplo.mx"]
    right = sign_in(Client(REMOTE_ADDR="10.9.9.9"), ana.email)
    assert "Fueron demasiados intentos" in right.content.decode()


def test_the_host_name_does_not_double_the_limit():
    make_contact(email="ana@ejemplo.mx")
    for n, host in enumerate(["localhost", "127.0.0.1", "testserver"] * 2):
        answer = sign_in(Client(REMOTE_ADDR=f"10.0.0.{n}", HTTP_HOST=host), "ana@ejemplo.mx", "mala-contraseña-1")
    assert "Fueron demasiados intentos" in answer.content.decode()


def test_one_address_trying_many_accounts_is_slowed(client):
    for n in range(10):
        sign_in(client, f"persona{n}@ejemplo.mx", "mala-contraseña-1")
    answer = sign_in(client, "persona11@ejemplo.mx", "mala-contraseña-1")
    assert "Fueron demasiados intentos" in answer.content.decode()
    for _ in range(25):
        answer = sign_in(client, "x")
    assert answer.status_code == 429
    assert "<html" in answer.content.decode()


def test_everybody_failing_together_is_slowed_and_success_does_not_count(settings):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login_failed_everybody": "3/m/key"}
    ana = make_contact()
    for n in range(5):
        assert sign_in(Client(REMOTE_ADDR=f"10.1.0.{n}"), ana.email).status_code == 302
    for n in range(3):
        sign_in(Client(REMOTE_ADDR=f"10.2.0.{n}"), f"p{n}@ejemplo.mx", "mala-contraseña-1")
    answer = sign_in(Client(REMOTE_ADDR="10.3.0.1"), ana.email)
    assert "Fueron demasiados intentos" in answer.content.decode()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "10.0.0.1"),
        (0, None, "10.0.0.1"),
        (1, "6.6.6.6", "6.6.6.6"),
        (1, "1.1.1.1, 6.6.6.6", "6.6.6.6"),
        (2, "1.1.1.1, 6.6.6.6, 7.7.7.7", "6.6.6.6"),
        (2, "6.6.6.6", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, None, "10.0.0.1"),
    ],
)
def test_the_clients_address_is_what_our_proxies_saw(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"x-forwarded-for": forwarded} if forwarded is not None else {}
    request = RequestFactory(headers=headers).get("/", REMOTE_ADDR="10.0.0.1")
    assert read_client_ip(request) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:7:aa::1", "2001:db8:0:7::"),
        ("2001:db8:0:7:bb::2", "2001:db8:0:7::"),
        ("unix:", "unix:"),
    ],
)
def test_tries_are_counted_by_the_network_of_an_ipv6_address(address, network):
    assert read_client_network(RequestFactory().get("/", REMOTE_ADDR=address)) == network


def test_logging_out_takes_a_post(client):
    client.force_login(make_contact())
    assert "¿Quiere salir?" in client.get(reverse("account_logout")).content.decode()
    assert client.get(reverse("accounts:home")).status_code == 200
    assert client.post(reverse("account_logout")).url == "/"
    assert client.get(reverse("accounts:home")).status_code == 302


def test_an_unproven_mail_does_not_enter(client):
    ana = make_contact()
    ana.emailaddress_set.update(verified=False)
    assert sign_in(client, ana.email).url == reverse("account_email_verification_sent")
    assert client.get(reverse("accounts:home")).status_code == 302
    assert OutboxMessage.objects.get().kind == "account/email_confirmation_signup"
    ana.last_login = now()
    ana.save()
    cache.clear()
    sign_in(Client(), ana.email)
    assert OutboxMessage.objects.latest("pk").kind == "account/email_confirmation"


def test_the_demos_accounts_show_only_in_the_demo(client, settings):
    settings.DEMO = False
    assert "demo.example" not in client.get(reverse(LOGIN)).content.decode()
    settings.DEMO = True
    page = client.get(reverse(LOGIN)).content.decode()
    assert "ana@demo.example" in page
    assert "Factureya-demo-2026" in page


# -- Passwords ---------------------------------------------------------------------------------------


def test_changing_the_password_takes_the_old_one_and_ends_other_sessions(client):
    ana = make_contact()
    other = Client()
    sign_in(client, ana.email)
    sign_in(other, ana.email)
    url = reverse("account_change_password")
    wrong = client.post(url, {"oldpassword": "x", "password1": NEW}).content.decode()
    assert "Su contraseña actual no es esa." in wrong
    weak = client.post(url, {"oldpassword": PASSWORD, "password1": "corta"}).content.decode()
    assert "al menos 12 caracteres" in weak
    assert client.post(url, {"oldpassword": PASSWORD, "password1": NEW}).url == reverse("accounts:home")
    assert "Su contraseña cambió." in client.get(reverse("accounts:home")).content.decode()
    assert other.get(reverse("accounts:home")).status_code == 302
    assert [event.verb for event in ana.events()] == ["person.joined", "person.password_changed"]
    mail = OutboxMessage.objects.get()
    assert (mail.kind, mail.to) == ("account/password_changed", ana.email)
    assert sign_in(Client(), ana.email, NEW).status_code == 302


@pytest.mark.clause("M7")
def test_resetting_by_code_ends_every_session(client):
    ana = make_contact()
    other = Client()
    sign_in(other, ana.email)
    answer = client.post(reverse("account_reset_password"), {"email": ana.email})
    assert answer.url == reverse("account_confirm_password_reset_code")
    mail = OutboxMessage.objects.get()
    code = re.search(r"^[A-Z]{4}-[A-Z]{4}$", mail.body, re.M).group()
    assert mail.is_secret
    assert "Ese código no es correcto" in client.post(answer.url, {"code": "AAAA-AAAA"}).content.decode()
    answer = client.post(answer.url, {"code": code})
    assert answer.url == reverse("account_complete_password_reset")
    assert client.get(answer.url).status_code == 200
    assert client.post(answer.url, {"password1": NEW}).url == reverse(LOGIN)
    assert other.get(reverse("accounts:home")).status_code == 302
    assert sign_in(Client(), ana.email).status_code == 200
    assert sign_in(client, ana.email, NEW).status_code == 302
    assert OutboxMessage.objects.filter(kind="account/password_reset").exists()


def test_asking_for_a_code_does_not_tell_whether_an_address_exists():
    make_contact(email="ana@ejemplo.mx")
    pages = []
    for email in ("ana@ejemplo.mx", "nadie@ejemplo.mx"):
        client = Client()
        answer = client.post(reverse("account_reset_password"), {"email": email})
        page = client.get(answer.url)
        wrong = client.post(answer.url, {"code": "AAAA-AAAA"})
        pages.append((answer.status_code, answer.url, neutral(page, email), neutral(wrong, email)))
    assert pages[0] == pages[1]
    assert OutboxMessage.objects.get(to="nadie@ejemplo.mx").kind == "account/unknown_account"


def test_a_reset_without_its_code_leads_back(client):
    assert client.get(reverse("account_complete_password_reset")).url == reverse("account_reset_password")
    assert client.get(reverse("account_confirm_password_reset_code")).url == reverse(LOGIN)


def test_too_many_codes_for_one_address_are_refused():
    make_contact(email="ana@ejemplo.mx")
    codes = [
        Client(REMOTE_ADDR=f"10.0.0.{n}")
        .post(reverse("account_reset_password"), {"email": "ana@ejemplo.mx"})
        .status_code
        for n in range(4)
    ]
    assert codes == [302, 302, 302, 429]


def test_links_in_mails_come_from_the_settings_not_from_the_host(client, settings):
    settings.SITE_URL = "https://atencion.factureya.example"
    client.post(reverse("account_reset_password"), {"email": "nadie@ejemplo.mx"}, HTTP_HOST="localhost")
    assert "https://atencion.factureya.example/cuenta/registro/" in OutboxMessage.objects.get().body


def test_a_closed_account_gets_no_code():
    ana = make_contact(email="ana@ejemplo.mx")
    operations.deactivate_user(ana.pk, reason="Se fue", actor=make_superuser())
    Client().post(reverse("account_reset_password"), {"email": "ana@ejemplo.mx"})
    assert OutboxMessage.objects.get().kind == "account/unknown_account"


def test_home_resolves_below_cuenta():
    assert resolve("/cuenta/").view_name == "accounts:home"


def test_the_first_superuser_proves_the_mail_like_everybody(client):
    User.objects.create_superuser("raiz@factureya.com", PASSWORD, full_name="Raíz")
    verify = reverse("account_email_verification_sent")
    assert sign_in(client, "raiz@factureya.com").url == verify
    code = re.search(r"^[A-Z]{4}-[A-Z]{4}$", OutboxMessage.objects.get().body, re.M).group()
    assert client.post(verify, {"code": code, "action": "verify"}).url == "/admin/"
