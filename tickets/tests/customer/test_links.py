"""Signed links: one contact, one ticket, 30 days; void when the contact is disabled or his mail changes (M15, M16)."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.urls import reverse

from accounts.models import User
from accounts.web import form_memory
from factureya.testing.pages import key_in, log_in, png, statements, text_of
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import make_ticket
from tickets import access, notifications, operations
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
START = "2026-11-24 10:00-06:00"


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def ticket(ana):
    return make_ticket(Ticket.Status.WAITING, requester=ana)


def follow(client, person, ticket):
    return client.get(f"/enlace/{notifications.make_link_token(person, ticket)}/")


def at(name, ticket):
    return reverse(f"tickets:{name}", args=[ticket.number])


@pytest.mark.clause("M16")
def test_a_good_link_leads_to_the_clean_address_and_says_whose_it_is(client, ana, ticket):
    response = follow(client, ana, ticket)
    assert response.url == at("detail", ticket)
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    page = text_of(client.get(response.url))
    assert "Entró con el enlace que enviamos a Ana Robles" in page
    assert "¿Nos comparte el XML?" in page
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.WAITING  # reading decides nothing


@pytest.mark.clause("M16")
def test_it_shows_no_other_ticket(client, ana, ticket):
    other = make_ticket(requester=ana)
    follow(client, ana, ticket)
    assert client.get(at("detail", other)).url.startswith(reverse("account_login"))
    assert client.get("/tickets/").url.startswith(reverse("account_login"))
    assert other.number not in client.get(at("detail", ticket)).content.decode()


@pytest.mark.clause("M13", "M17")
def test_the_contact_answers_by_link_with_files(client, ana, ticket):
    follow(client, ana, ticket)
    key = key_in(client.get(at("detail", ticket)))
    client.post(at("add_information", ticket), {"body": "Aquí va.", "key": key, "files": [png("una.png")]})
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.OPEN
    message = ticket.messages.last()
    assert message.author == ana
    token = message.files.get().attachment.token
    file = client.get(f"/archivos/{token}/")
    assert list(file.streaming_content)
    assert file.status_code == 200


@pytest.mark.clause("M15")
def test_the_contact_confirms_by_link_and_only_the_post_decides(client, ana, ticket):
    follow(client, ana, ticket)
    client.get(at("confirm", ticket))
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.WAITING
    client.post(at("confirm", ticket))
    ticket.refresh_from_db()
    assert ticket.closed_reason == Ticket.ClosedReason.CONFIRMED


@pytest.mark.clause("M12")
def test_what_he_writes_to_a_closed_ticket_opens_one_he_can_see(client, ana, ticket):
    follow(client, ana, ticket)
    operations.confirm_resolved(ticket.pk, author=ana)
    key = key_in(client.get(at("follow_up", ticket)))
    response = client.post(at("follow_up", ticket), {"body": "Sigue.", "key": key}, follow=True)
    following = Ticket.objects.get(follows=ticket)
    assert following.number in text_of(response)
    assert client.get(at("detail", following)).status_code == 200


@pytest.mark.clause("M16")
@pytest.mark.parametrize("token", ["x", "WzEsIkZZIl0:1abc:firma", "a:b:c:d", "%00", "ñ"])
def test_a_forged_link_is_explained(client, token):
    response = client.get(f"/enlace/{token}/")
    assert response.status_code == 404
    assert "El enlace ya no sirve" in text_of(response)
    assert "pedir ahí un enlace nuevo" in text_of(response)


@pytest.mark.clause("M16")
def test_a_token_with_a_changed_number_is_forged(client, ana, ticket):
    other = make_ticket(requester=ana)
    head, stamp, signature = notifications.make_link_token(ana, ticket).rsplit(":", 2)
    other_head = notifications.make_link_token(ana, other).rsplit(":", 2)[0]
    assert client.get(f"/enlace/{other_head}:{stamp}:{signature}/").status_code == 404
    assert head != other_head


@pytest.mark.clause("M16")
def test_it_lives_thirty_days(client, ana, ticket, noon):
    token = notifications.make_link_token(ana, ticket)
    noon.shift(timedelta(days=30) - timedelta(seconds=1))
    assert client.get(f"/enlace/{token}/").status_code == 302
    noon.shift(timedelta(seconds=1))
    assert client.get(f"/enlace/{token}/").status_code == 404
    assert client.get(at("detail", ticket)).url.startswith(reverse("account_login"))  # the exchanged one too


def change_mail(ana: User) -> None:
    """Nothing does that to a contact (`contact_keeps_the_mail`); a link must not rely on it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        on = "" if connection.vendor == "sqlite" else " ON accounts_user"
        cursor.execute(f"DROP TRIGGER contact_keeps_the_mail{on}")
    ana.email = "otra@ocaso.mx"


VOID = {
    "disabled": lambda ana: setattr(ana, "is_active", False),
    "mail changed": change_mail,
    "now staff": lambda ana: setattr(ana, "is_staff", True),
}


@pytest.mark.clause("M16")
@pytest.mark.parametrize("reason", VOID)
def test_a_void_link_opens_nothing_even_after_the_exchange(client, ana, ticket, reason):
    token = notifications.make_link_token(ana, ticket)
    client.get(f"/enlace/{token}/")
    key = form_memory.new_key(ana, ticket.number).token
    VOID[reason](ana)
    ana.save()
    assert client.get(f"/enlace/{token}/").status_code == 404
    assert client.get(at("detail", ticket)).status_code == 302
    assert client.post(at("add_information", ticket), {"body": "x", "key": key}).url.startswith(
        reverse("account_login")
    )
    assert ticket.messages.count() == 2
    assert ticket.number not in client.session["tickets.links"]


@pytest.mark.clause("M16")
def test_a_contact_who_may_no_longer_see_the_ticket_is_out(client, ana):
    ticket = make_ticket(requester=make_contact(ana.contact.customer))
    token = notifications.make_link_token(ana, ticket)
    client.get(f"/enlace/{token}/")
    ana.contact.own_tickets_only = True
    ana.contact.save()
    assert client.get(at("detail", ticket)).status_code == 404
    assert client.get(f"/enlace/{token}/").status_code == 404


@pytest.mark.clause("M16")
@pytest.mark.parametrize("make", [make_contact, make_agent])
def test_somebody_else_who_is_logged_in_does_not_act_by_it(client, ana, ticket, make):
    Ticket.objects.filter(pk=ticket.pk).update(provider=ticket.provider)
    other = make(full_name="Carla Espinosa")
    log_in(client, other)
    response = follow(client, ana, ticket)
    if make is make_agent:  # an agent sees the ticket as himself, by his office
        assert response.url == at("detail", ticket)
        return
    assert response.status_code == 404
    assert "Este enlace es de otra persona" in text_of(response)
    assert "Usted ingresó como Carla Espinosa" in text_of(response)
    assert client.get(at("detail", ticket)).status_code == 404


@pytest.mark.clause("M16")
def test_a_colleague_who_is_logged_in_goes_to_the_ticket_as_himself(client, ana, ticket):
    beto = make_contact(ana.contact.customer)
    log_in(client, beto)
    assert follow(client, ana, ticket).url == at("detail", ticket)
    assert "Entró con el enlace" not in text_of(client.get(at("detail", ticket)))


@pytest.mark.clause("M16")
def test_a_void_link_of_somebody_else_says_no_more_than_a_forged_one(client, ana, ticket):
    token = notifications.make_link_token(ana, ticket)
    ana.is_active = False
    ana.save()
    log_in(client, make_contact())
    assert "El enlace ya no sirve" in text_of(client.get(f"/enlace/{token}/"))


@pytest.mark.clause("M16")
def test_a_session_keeps_the_last_links_only(client, ana):
    tickets = [make_ticket(requester=ana) for _ in range(access.MAX_GRANTS + 1)]
    for each in tickets:
        follow(client, ana, each)
    assert client.get(at("detail", tickets[0])).status_code == 302
    assert client.get(at("detail", tickets[-1])).status_code == 200


@pytest.mark.clause("M16")
def test_a_page_by_link_takes_five_statements(client, ana, ticket):
    follow(client, ana, ticket)
    with statements() as found:
        client.get(at("detail", ticket))
    assert len(found) == 5, "\n".join(found)


@pytest.mark.clause("M16")
def test_the_link_changes_the_session_key(client, ana, ticket):
    session = client.session
    session["form.draft"] = None
    session.save()
    before = client.cookies["sessionid"].value
    follow(client, ana, ticket)
    assert client.cookies["sessionid"].value != before
