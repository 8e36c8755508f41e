"""What is left of a company's credits: entered, guarded, and shown (M28)."""

from datetime import date

import pytest
import time_machine
from django.urls import reverse

from accounts import operations
from accounts.models import CreditBalance, CreditImport, CreditImportRow, Customer, Office, Provider, User
from accounts.operations.credits import name_version
from factureya.core.record.state import find_flaws
from factureya.core.refusals import Invalid, NotAllowed, Refused, Stale
from factureya.testing.credits import PACKAGE, enter
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import (
    give_office,
    make_agent,
    make_auditor,
    make_contact,
    make_customer,
    make_representative,
    make_staff,
    own_provider,
)
from factureya.testing.raw_sql import execute, execute_as_owner, insert, refused_by, sqlite_only, update
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M28")]


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Mesa")


@pytest.fixture
def ocaso() -> Customer:
    return make_customer("POC930314QX7", "Papelería Ocaso SA de CV")


# -- One company, by hand ----------------------------------------------------------------------------


def test_a_supervisor_enters_the_credits_and_one_event_says_so(laura, ocaso):
    balance = enter(ocaso, laura)
    assert (balance.summary, balance.source, balance.recorded_by) == ("34 de 200", "entered", laura)
    event = ocaso.events().get()
    assert (event.verb, event.actor, event.data["summary"]) == ("credits.set", laura, "34 de 200")
    assert enter(ocaso, laura, remaining=30).remaining == 30
    assert [e.data["before"] and e.data["before"]["remaining"] for e in ocaso.events()] == [None, 34]


def test_the_same_credits_again_change_nothing(laura, ocaso):
    balance = enter(ocaso, laura)
    assert operations.set_credits(ocaso.pk, actor=laura, seen="old", **PACKAGE) is False
    assert CreditBalance.objects.get().recorded_at == balance.recorded_at
    assert ocaso.events().count() == 1


def test_who_saw_other_credits_is_told(laura, ocaso):
    enter(ocaso, laura)
    with pytest.raises(Stale):
        operations.set_credits(ocaso.pk, actor=laura, seen="", **{**PACKAGE, "remaining": 1})
    assert CreditBalance.objects.get().remaining == 34


@pytest.mark.parametrize("office", set(Office) - {Office.SUPERVISOR})
def test_nobody_else_enters_or_imports_credits(office, ocaso):
    other = make_staff(office)
    with pytest.raises(NotAllowed):
        enter(ocaso, other)
    with pytest.raises(NotAllowed):
        operations.upload_credits(actor=other, name="x.csv", content=b"x", form_key="k")
    assert not CreditBalance.objects.exists()
    assert not CreditImport.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"package": "  "}, "package"),
        ({"total": 0, "remaining": 0}, "total"),
        ({"total": 10**8}, "total"),
        ({"remaining": 201}, "remaining"),
        ({"remaining": -1}, "remaining"),
    ],
)
def test_numbers_that_cannot_be_are_refused(laura, ocaso, values, field):
    with pytest.raises(Invalid) as refusal:
        enter(ocaso, laura, **values)
    assert field in refusal.value.errors
    assert not ocaso.events().exists()


def test_only_a_verified_company_has_credits(laura):
    with pytest.raises(Refused, match="verificada"):
        enter(make_customer(verified=False), laura)
    with pytest.raises(Refused, match="verificada"):
        enter(make_customer(is_drill=True), laura)


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"remaining": 40, "valid_until": None}, "Quedan pocos"),
        ({"remaining": 41, "valid_until": None}, ""),
        ({"remaining": 0, "valid_until": None}, "Agotados"),
        ({"remaining": 100, "valid_until": date(2036, 11, 29)}, "Vencidos"),
        ({"remaining": 100, "valid_until": date(2036, 12, 30)}, "Vencen pronto"),
        ({"remaining": 100, "valid_until": date(2036, 12, 31)}, ""),
    ],
)
def test_when_credits_are_low_or_end_soon(laura, ocaso, values, warning):
    with time_machine.travel("2036-11-30T18:00:00Z", tick=False):
        balance = enter(ocaso, laura, **values)
        assert balance.warning == warning
        assert CreditBalance.objects.low().exists() == balance.is_low
        assert CreditBalance.objects.expiring().exists() == (balance.has_expired or balance.expires_soon)


# -- The database ---------------------------------------------------------------------------------------


@pytest.mark.clause("M26")
def test_raw_sql_changes_no_credits(laura, ocaso):
    balance = enter(ocaso, laura)
    with refused_by("credits_change_with_their_event"):
        update(balance, remaining=200)
    with refused_by("credits_change_with_their_event"):
        update(balance, customer_id=make_customer().pk)
    with refused_by("credits_within_their_package", "credits_change_with_their_event"):
        update(balance, remaining=201)
    with refused_by("accounts_creditbalance_no_delete"):
        execute("DELETE FROM accounts_creditbalance")
    with refused_by("credits_enter_with_their_event"):
        insert(balance, customer_id=make_customer().pk)
    assert CreditBalance.objects.get().remaining == 34


@pytest.mark.clause("M26")
def test_credits_changed_by_the_tables_owner_are_found(laura, ocaso):
    balance = enter(ocaso, laura)
    assert not [flaw for flaw in find_flaws() if "créditos" in flaw.problem]
    execute_as_owner("UPDATE accounts_creditbalance SET remaining = 200 WHERE id = %s", balance.pk)
    (flaw,) = [flaw for flaw in find_flaws() if "créditos" in flaw.problem]
    assert "remaining" in flaw.problem


@sqlite_only
def test_replace_is_refused(laura, ocaso):
    balance = enter(ocaso, laura)
    with refused_by("accounts_creditbalance_no_replace|credits_enter_with_their_event"):
        execute(
            "INSERT OR REPLACE INTO accounts_creditbalance SELECT id, package, total, total, valid_until, source,"
            " recorded_at, customer_id, recorded_by_id FROM accounts_creditbalance WHERE id = %s",
            balance.pk,
        )


# -- Pages ----------------------------------------------------------------------------------------------


def test_a_supervisor_enters_credits_on_the_companys_page(laura, ocaso):
    client = make_client(laura)
    address = reverse("admin:accounts_creditbalance_change", args=[ocaso.pk])
    assert "Todavía no hay créditos" in text_of(client.get(address))
    posted = {"package": "PAC-200", "total": "200", "remaining": "34", "valid_until": "2036-12-31", "seen": ""}
    wrong = client.post(address, {**posted, "remaining": "201"})
    assert "No pueden quedar más que los 200 del paquete." in text_of(wrong)
    assert 'value="201"' in wrong.content.decode()  # what was typed is kept
    answer = client.post(address, posted, follow=True)
    assert "34 de 200" in text_of(answer)
    assert "Guardamos los créditos." in text_of(answer)
    stale = client.post(address, {**posted, "remaining": "12"})
    assert "Alguien anotó otros créditos" in text_of(stale)
    seen = name_version(CreditBalance.objects.get())
    assert f'value="{seen.replace("+", "+")}"' in stale.content.decode()
    assert "no cambió nada" in text_of(client.post(address, posted, follow=True))


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", True), ("?ver=vencen", False), ("?ver=todos", True), ("?ver=x&q=POC", True), ("?q=nadie", False)],
)
def test_the_list_shows_who_has_few_credits(laura, ocaso, query, shown):
    enter(ocaso, laura, valid_until=None)
    page = text_of(make_client(make_agent()).get(reverse("admin:accounts_creditbalance_changelist") + query))
    assert ("Papelería Ocaso" in page) == shown
    assert "Importar" not in page


def test_the_customer_sees_the_credits_in_the_portal(laura):
    ana = make_representative(full_name="Ana Robles")
    beto = make_contact(ana.contact.customer)
    limited = make_contact(ana.contact.customer, own_tickets_only=True)
    carla = make_representative(full_name="Carla Sol")
    assert "Todavía no hay créditos" in text_of(make_client(ana).get(reverse("accounts:home")))
    enter(ana.contact.customer, laura)
    for person, sees in ((ana, True), (beto, True), (limited, False), (carla, False)):
        client = make_client(person)
        assert ("34 de 200" in text_of(client.get(reverse("accounts:home")))) == sees
        assert ("Quedan pocos: 34 de 200" in text_of(client.get(reverse("tickets:list")))) == sees
    enter(ana.contact.customer, laura, remaining=150, valid_until=None)
    assert "150 de 200" not in text_of(make_client(ana).get(reverse("tickets:list")))


@pytest.mark.clause("M3")
def test_our_agent_sees_the_credits_in_the_ticket_and_a_third_party_does_not(laura):
    ticket = make_ticket()
    enter(ticket.customer, laura)
    address = reverse("admin:tickets_ticket_change", args=[ticket.pk])
    page = text_of(make_client(make_agent()).get(address))
    assert "34 de 200" in page
    assert "Quedan pocos" in page
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=own_provider())
    assert "34 de 200" not in text_of(make_client(irma).get(address))
    assert CreditImportRow.objects.count() == 0


def test_the_list_of_packages_leads_there_who_may_read_it(laura):
    address = f'href="{reverse("admin:accounts_creditbalance_changelist")}"'
    both = make_staff(Office.THIRD_PARTY_AGENT, provider=Provider.objects.create(name="Soporte Externo"))
    give_office(both, Office.INFORMATION_OWNER)
    for person, sees in (
        (laura, True),
        (make_auditor(), True),
        (make_staff(Office.INFORMATION_OWNER), False),
        (both, False),
    ):
        answer = make_client(person).get(reverse("packages:list"))
        assert (answer.status_code, address in answer.content.decode()) == (200, sees)
