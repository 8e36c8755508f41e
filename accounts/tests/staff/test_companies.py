"""What staff decides about a company that signed up: verify, join, refuse; by operation and in the admin."""

from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts import operations
from accounts.models import Contact, Customer, Office
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from factureya.testing.people import (
    make_agent,
    make_contact,
    make_customer,
    make_representative,
    make_staff,
    make_superuser,
    own_provider,
)
from factureya.testing.races import kinds, race
from factureya.testing.tickets import make_ticket
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
RFC = "MAB9307148T4"


def signed_up(rfc: str = RFC, **user):
    """A contact of an unverified company, with a proven mail."""
    return make_contact(make_customer(rfc, verified=False), **user)


def company_of(person) -> Customer:
    return Contact.objects.select_related("customer").get(user=person).customer


def mails(kind: str) -> list[str]:
    return list(OutboxMessage.objects.filter(kind=kind).values_list("to", flat=True))


def test_verifying_makes_the_first_contact_the_representative():
    ana, agent = signed_up(), make_agent()
    customer = operations.verify_company(company_of(ana).pk, actor=agent)
    assert (customer.is_verified, customer.verified_by) == (True, agent)
    assert Contact.objects.get(user=ana).is_representative
    assert [event.verb for event in customer.events()] == ["company.verified"]
    assert mails("accounts/company_verified") == [ana.email]


def test_nothing_is_decided_before_the_mail_is_proven():
    ana = signed_up()
    ana.emailaddress_set.update(verified=False)
    assert not Customer.objects.to_verify().exists()
    with pytest.raises(operations.Refused, match="comprueba su correo"):
        operations.verify_company(company_of(ana).pk, actor=make_agent())


@pytest.mark.parametrize("office", set(Office) - {Office.AGENT, Office.SUPERVISOR})
@pytest.mark.clause("M3")
def test_only_own_agents_and_supervisors_decide(office):
    ana, other = signed_up(), make_staff(office)
    pk = company_of(ana).pk
    for decide in (operations.verify_company, operations.join_company):
        with pytest.raises(operations.Refused):
            decide(pk, actor=other)
    with pytest.raises(operations.Refused):
        operations.refuse_company(pk, reason="x", actor=other)
    assert company_of(ana).waits_for_staff


def test_a_company_is_decided_once():
    ana, agent = signed_up(), make_agent()
    pk = company_of(ana).pk
    operations.refuse_company(pk, reason="No es su RFC", actor=agent)
    with pytest.raises(operations.Refused, match="no aceptada"):
        operations.verify_company(pk, actor=agent)


def test_a_second_company_with_the_rfc_is_joined_not_verified():
    known = make_representative(make_customer(RFC, verified=False), email="ana@ejemplo.mx")
    carla, agent = signed_up(), make_agent()
    with pytest.raises(operations.Refused, match="Ya hay una empresa verificada"):
        operations.verify_company(company_of(carla).pk, actor=agent)
    ticket = make_ticket(requester=carla)
    second = company_of(carla)
    name = company_of(known).legal_name

    assert operations.join_company(second.pk, actor=agent) == company_of(known)
    second.refresh_from_db()
    contact = Contact.objects.get(user=carla)
    assert (contact.customer, contact.role) == (company_of(known), Contact.Role.CONTACT)
    assert Ticket.objects.get(pk=ticket.pk).customer == company_of(known)
    assert second.joined_to == company_of(known)
    assert second.state_label == "Unida a otra"
    assert company_of(known).legal_name == name
    assert [event.verb for event in second.events()] == ["company.joined"]
    assert mails("accounts/company_joined") == [carla.email]
    assert mails("accounts/people_joined") == ["ana@ejemplo.mx"]


def test_there_must_be_a_known_company_to_join():
    with pytest.raises(operations.Refused, match="No hay una empresa verificada"):
        operations.join_company(company_of(signed_up()).pk, actor=make_agent())


def test_a_refused_company_keeps_its_tickets_and_reads_the_reason(client):
    carla, agent = signed_up(), make_agent()
    ticket = make_ticket(requester=carla)
    with pytest.raises(operations.Refused, match="motivo"):
        operations.refuse_company(company_of(carla).pk, reason="  ", actor=agent)
    customer = operations.refuse_company(company_of(carla).pk, reason="No es su RFC", actor=agent)
    assert not customer.is_verified
    assert mails("accounts/company_refused") == [carla.email]
    client.force_login(carla)
    page = client.get(reverse("accounts:home")).content.decode()
    assert "No es su RFC" in page
    assert "No aceptada" in page
    assert Ticket.objects.visible_to(carla).get() == ticket


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"verified_at": now()}, "verified_company_names_who"),
        ({"refused_at": now()}, "refused_company_has_reason"),
        ({"joined_to": "self"}, "company_not_joined_to_itself"),
        ({"verified": True, "refused_at": now(), "refusal_reason": "x"}, "verified_company_is_not_refused_or_joined"),
    ],
)
def test_half_decisions_are_refused_by_the_database(fields, name):
    customer = make_customer(verified=fields.pop("verified", False))
    if fields.get("joined_to") == "self":
        fields["joined_to"] = customer
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Customer.objects.filter(pk=customer.pk).update(**fields)


def test_two_verified_companies_with_one_rfc_are_refused_by_the_database():
    make_customer(RFC)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_customer(RFC)


# -- The admin ---------------------------------------------------------------------------------------

LIST = "admin:accounts_customertoverify_changelist"


def at(name: str, person) -> str:
    return reverse(f"admin:accounts_customertoverify_{name}", args=[company_of(person).pk])


def test_the_list_shows_what_is_remarkable(client):
    make_customer(RFC)
    twin = signed_up()
    odd = make_contact(make_customer("VACE460910SX6", verified=False, rfc_check_failed=True))
    client.force_login(make_agent())
    page = client.get(reverse(LIST)).content.decode()
    assert company_of(twin).legal_name in page
    assert "RFC ya verificado" in page
    assert company_of(odd).legal_name in page
    assert "Dígito verificador" in page
    assert "Unir a" in client.get(at("change", twin)).content.decode()
    assert "Verificar la empresa" in client.get(at("change", odd)).content.decode()


def test_an_agent_verifies_joins_and_refuses_in_the_admin(client):
    first, second, third = signed_up(), signed_up(), signed_up("GODE561231GR8")
    client.force_login(make_agent())
    assert client.post(at("verify", first)).url == reverse(LIST)
    assert company_of(first).is_verified
    twin = company_of(second)
    assert client.post(at("verify", second)).url == at("change", second)
    assert client.post(at("join", second)).url == reverse(LIST)
    assert company_of(second) == company_of(first)
    assert not Customer.objects.get(pk=twin.pk).waits_for_staff
    page = client.post(at("refuse", third), {"reason": ""}).content.decode()
    assert "Escriba el motivo; la persona lo leerá." in page
    assert "<title>Error: " in page
    assert client.post(at("refuse", third), {"reason": "No existe"}).url == reverse(LIST)
    assert company_of(third).refusal_reason == "No existe"
    gone = at("change", third)
    assert client.get(gone).status_code == 404


@pytest.mark.clause("M3")
def test_a_third_party_and_a_superuser_decide_nothing_in_the_admin(client):
    ana = signed_up()
    for person, sees_customers in ((make_staff(Office.THIRD_PARTY_AGENT), 403), (make_superuser(), 200)):
        client.force_login(person)
        assert client.get(reverse(LIST)).status_code == 403
        assert client.get(at("change", ana)).status_code == 403
        for name in ("verify", "join", "refuse"):
            assert client.get(at(name, ana)).status_code == 405
            assert client.post(at(name, ana)).status_code == 403
        url = reverse("admin:accounts_customer_changelist")
        assert client.get(url).status_code == sees_customers
        url = reverse("admin:accounts_customer_change", args=[company_of(ana).pk])
        assert client.get(url).status_code == sees_customers


@pytest.mark.clause("M1")
def test_registered_data_are_shown_and_not_editable(client):
    ana = make_contact(make_customer(RFC, "Mudanzas Abril"), representative=True)
    client.force_login(make_agent())
    url = reverse("admin:accounts_customer_change", args=[company_of(ana).pk])
    page = client.get(url).content.decode()
    assert "Mudanzas Abril" in page
    assert 'name="rfc"' not in page
    assert client.post(url, {"rfc": "X"}).status_code == 405
    found = client.get(reverse("admin:accounts_customer_changelist"), {"q": "mudanzas"})
    assert "Mudanzas Abril" in found.content.decode()
    nothing = client.get(reverse("admin:accounts_customer_changelist"), {"q": "zzz"})
    assert "Ningún cliente" in nothing.content.decode()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_agents_verify_two_doubles_at_once_one_wins():
    own_provider()
    pks = [company_of(signed_up()).pk, company_of(signed_up()).pk]
    calls = [partial(operations.verify_company, pk, actor=make_agent()) for pk in pks]
    assert kinds(race(*calls)) == {"ok": 1, "Refused": 1}
    assert Customer.objects.verified_with(RFC).count() == 1
