"""A NUL in an address or a form, which PostgreSQL stores in no text, is as good as absent: never a 500."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Office
from accounts.web.form_memory import new_key
from factureya.testing.people import make_contact, make_staff
from tickets.customer.views_person import NEW

pytestmark = pytest.mark.django_db


@pytest.mark.clause("M16")
def test_in_the_address_of_a_file(client: Client) -> None:
    assert client.get("/archivos/a%00b/").status_code == 404
    client.force_login(make_contact())
    assert client.get("/archivos/a%00b/").status_code == 404


@pytest.mark.clause("M17")
def test_in_the_name_of_a_file_to_take_away(client: Client) -> None:
    ana = make_contact()
    client.force_login(ana)
    form = {"key": new_key(ana, NEW).token, "quitar": "a\0b"}
    assert client.post(reverse("tickets:new"), form).status_code == 200


@pytest.mark.parametrize("page", ["limit_person", "resend_invitation", "cancel_invitation"])
def test_in_the_name_of_a_person(client: Client, page: str) -> None:
    client.force_login(make_contact(representative=True))
    form = {"person": "a\0b", "email": "a\0b"}
    assert client.post(reverse(f"accounts:{page}"), form).status_code == 404


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages"])
def test_in_a_cookie(client: Client, name: str) -> None:
    answer = client.get(reverse("account_login"), HTTP_COOKIE=f'{name}="aaaaaaaaaaaaaaaa\\000"')
    assert answer.status_code == 200
    assert name not in answer.wsgi_request.COOKIES


@pytest.mark.parametrize("page", ["accounts/customer", "accounts/user", "tickets/ticket", "core/event"])
def test_in_a_search_of_the_admin(client: Client, page: str) -> None:
    boss = make_staff(Office.SUPERVISOR, is_superuser=True)
    client.force_login(boss)
    assert client.get(f"/admin/{page}/", {"q": "a\0b"}).status_code == 200
