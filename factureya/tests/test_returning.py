"""A post whose session has ended: no dead end after the login, and nothing typed is lost (people H2, reports 17)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.web import form_memory
from factureya.testing import request_histories
from factureya.testing.desk import page_of
from factureya.testing.pages import hidden_in, key_in, log_in, text_of
from factureya.testing.people import make_agent, make_superuser
from factureya.testing.tickets import make_ticket
from factureya.tests.test_access import TABLE, world  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db

HELD = "Su sesión se cerró; guardamos lo que escribió."
WORDS = "Se explicó por teléfono y quedó claro."
WHO = ("laura", "elsa", "root")  # between them they may open every page
# Addresses that answer to GET with no page to show words on: a redirect elsewhere, a file.
NO_PAGE = {
    "admin:index",
    "admin:login",
    "admin:logout",
    "admin:password_change",
    "admin:password_change_done",
    "admin:jsi18n",
    "admin:tickets_ticket_mail_original",
    "admin:tickets_ticket_statement_pdf",
    "admin:tickets_ticket_statement_csv",
    "control:expediente_zip",
    "control:evidence",
    "emergency:dossier",
    "packages:file",
    "packages:original_pieces",
    "packages:pieces",
}


def end_session(client: Client) -> None:
    """The session's cookie is gone, as after closing the browser."""
    del client.cookies[django_settings.SESSION_COOKIE_NAME]


def next_of(answer: Any) -> str:
    """Where the login leads."""
    assert answer.status_code == 302, answer.status_code
    where = urlsplit(answer.url)
    assert where.path == reverse("account_login")
    return parse_qs(where.query)["next"][0]


def come_back(client: Client, person: User, answer: Any) -> Any:
    """Sign in again in the same browser, and open what the login leads to."""
    page = next_of(answer)
    log_in(client, person)
    return client.get(page, follow=True)


STAFF_ADDRESSES = sorted(name for name in TABLE if name.startswith(("admin:", "control:", "emergency:", "packages:")))


@pytest.mark.clause("M17")
@pytest.mark.parametrize("role", WHO)
def test_no_post_comes_back_from_the_login_as_405_and_no_word_is_lost(world, role):  # noqa: F811
    person, wrong, shown = world.people[role], [], 0
    for name in STAFF_ADDRESSES:
        row = TABLE[name][0]
        client = world.client(role)
        client.get(_home(role))  # the browser knows whose it is
        end_session(client)
        address = reverse(name, args=row.args(world)) + row.query
        answer = client.post(address, {"reason": WORDS, "password": "no-se-guarda"})
        if name == "admin:logout" or answer.status_code in {404, 405}:
            continue
        page = come_back(client, person, answer)
        if page.status_code == 405:
            wrong.append(f"{name}: 405")
        if page.status_code == 200 and name not in NO_PAGE:
            shown += 1
            html = page.content.decode()
            if WORDS not in html or "no-se-guarda" in html:
                wrong.append(f"{name}: words lost at {page.request['PATH_INFO']}")
    assert not wrong, "\n".join(wrong)
    assert shown


def _home(role: str) -> str:
    return reverse("admin:index" if role in {"dario", "laura", "root"} else "control:inbox")


@pytest.mark.clause("M17")
def test_people_h2_reply_note_choices_and_properties_come_back(client):
    agent, ticket = make_agent(), make_ticket()
    log_in(client, agent)
    page = client.get(page_of(ticket) + "?vista=abiertos")
    end_session(client)
    data = {
        **hidden_in(page),
        "note_key": page.context["composer"].note.key.token,
        "kind": "respuesta",
        "body": "Una respuesta larga",
        "note": "Y una nota",
        "after": "detalle",
        "category": "access",
        "category_was": ticket.category,
    }
    for name in ("write", "properties", "release_close"):
        answer = client.post(page_of(ticket, name) + "?vista=abiertos", data)
        assert next_of(answer).startswith(page_of(ticket) + "?vista=abiertos")
    back = come_back(client, agent, answer)
    form = back.context["form"]
    assert (form["body"].value(), form["note"].value()) == ("Una respuesta larga", "Y una nota")
    assert form["after"].value() == "detalle"
    assert [value for value, _l, chosen in back.context["categories"] if chosen] == ["access"]
    assert HELD in text_of(back)
    assert ticket.messages.count() == 1


@pytest.mark.clause("M16", "M17")
def test_people_h2_another_person_gets_nothing(client):
    agent, other, ticket = make_agent(), make_agent(), make_ticket()
    log_in(client, agent)
    data = {**hidden_in(client.get(page_of(ticket))), "kind": "respuesta", "body": WORDS}
    end_session(client)
    answer = client.post(page_of(ticket, "write"), data)
    discarded = client.post(reverse("admin:tickets_ticket_mail_discard", args=[1]), {"reason": WORDS})
    for page in (come_back(client, other, answer), come_back(client, other, discarded)):
        assert WORDS not in page.content.decode()
        assert HELD not in text_of(page)


@pytest.mark.clause("M17")
def test_a_post_of_nobody_known_is_not_kept(client):
    ticket = make_ticket()
    answer = client.post(page_of(ticket, "write"), {"body": WORDS, "key": "forjada"})
    assert next_of(answer) == page_of(ticket)
    assert "form.draft" not in client.session
    client.cookies[form_memory.COOKIE] = "forjada"
    client.post(page_of(ticket, "write"), {"body": WORDS})
    assert "form.draft" not in client.session


@pytest.mark.clause("M17")
def test_people_h2_the_whole_call_comes_back(client):
    agent, caller = make_agent(), make_ticket().requester
    log_in(client, agent)
    call = client.post(reverse("admin:tickets_ticket_call_start"), {"contacto": caller.pk}).url
    key = key_in(client.get(call))
    end_session(client)
    data = {"key": key, "subject": "No timbra", "description": WORDS}
    back = come_back(client, agent, client.post(call, data))
    assert back.context["call"].contact == caller
    assert back.context["form"]["description"].value() == WORDS
    assert HELD in text_of(back)


@pytest.mark.clause("M17", "M21")
def test_reports_17_an_officers_reason_comes_back_in_its_form(world):  # noqa: F811
    elsa = world.people["elsa"]
    client = world.client("elsa")
    page = reverse("control:request", args=[world.formal.folio])
    html = client.get(page).content.decode()
    act = reverse("control:decide", args=[world.formal.folio])
    assert act in html
    end_session(client)
    data = {"decision": "reject", "reason": request_histories.WHY, "password": "no-se-guarda", "seen_hash": "x"}
    answer = client.post(act, data)
    assert next_of(answer) == page
    back = come_back(client, elsa, answer)
    form = back.context["acts"][0].form
    assert (form["reason"].value(), form["decision"].value()) == (request_histories.WHY, "reject")
    assert "no-se-guarda" not in back.content.decode()
    client.post(act, data)  # sent, and refused: what was kept is not offered any more
    assert "form.draft" not in client.session


@pytest.mark.clause("M17")
def test_people_h2_asking_for_the_factor_loses_nothing_either(client, settings):
    settings.STAFF_MFA_REQUIRED = False
    agent, ticket = make_agent(), make_ticket()
    log_in(client, agent)
    data = {**hidden_in(client.get(page_of(ticket))), "kind": "respuesta", "body": WORDS}
    settings.STAFF_MFA_REQUIRED = True
    answer = client.post(page_of(ticket, "write"), data)
    assert parse_qs(urlsplit(answer.url).query)["next"] == [page_of(ticket)]
    settings.STAFF_MFA_REQUIRED = False
    assert client.get(page_of(ticket)).context["form"]["body"].value() == WORDS


@pytest.mark.clause("M17")
def test_a_form_of_the_admin_gives_back_what_was_typed(client):
    root = make_superuser()
    log_in(client, root)
    client.get(reverse("admin:core_holiday_changelist"))
    end_session(client)
    posted = client.post(reverse("admin:core_holiday_add"), {"day": "2027-05-05", "name": "Batalla de Puebla"})
    back = come_back(client, root, posted)
    assert "Batalla de Puebla" in back.content.decode()
    assert HELD in text_of(back)


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", ["limit_person", "resend_invitation", "cancel_invitation"])
def test_a_customers_post_only_address_is_no_dead_end_either(client, name):
    answer = client.post(reverse(f"accounts:{name}"), {"person": "beto@demo.example"})
    assert next_of(answer) == reverse("accounts:people")
