"""What the pages of the desk ask in one statement is right at once: nothing but its SQL is remembered (M3, M4, M9)."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from accounts.models import Office
from factureya.core.clock import now
from factureya.testing.desk import QUEUE, agent_in, third_party_in
from factureya.testing.pages import text_of
from factureya.testing.people import give_office, make_agent, make_staff, make_user, own_provider
from factureya.testing.tickets import make_ticket
from tickets import sql
from tickets.catalogue import operations as catalogue
from tickets.desk import lists
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


def test_a_colleague_whose_time_is_over_leaves_the_list(client: Client) -> None:
    agent = agent_in(client, full_name="Darío Salgado")
    other = make_user(is_staff=True, full_name="Úrsula Ávila")
    held = give_office(other, Office.AGENT, provider=own_provider(), ends_at=now() + timedelta(minutes=9))
    assert client.get(QUEUE).context["others"] == [(other.pk, "Úrsula Ávila")]
    with time_machine.travel(held.starts_at + timedelta(minutes=20), tick=False):
        assert client.get(QUEUE).context["others"] == []
    assert [pk for pk, _name, _is_chosen in client.get(QUEUE).context["agents"]] == [str(agent.pk), str(other.pk)]


def test_a_new_colleague_joins_the_list(client: Client) -> None:
    agent_in(client)
    assert client.get(QUEUE).context["others"] == []
    colleague = make_agent(full_name="Ñeca «la Rápida» O'Ñoño")
    assert client.get(QUEUE).context["others"] == [(colleague.pk, colleague.full_name)]


@pytest.mark.clause("M4")
def test_categories_follow_the_catalogue_at_once(client: Client) -> None:
    agent_in(client)
    laura = make_staff(Office.SUPERVISOR)

    def offered() -> list[str]:
        return [label for _slug, label, _is_chosen in client.get(QUEUE).context["categories"]]

    assert "Cancelación" in offered()
    assert "Ventas" not in offered()  # the list of another team
    added = catalogue.add_category(supervisor=laura, label='Carta "Porte" 3.1', team="support")
    assert offered()[-1] == 'Carta "Porte" 3.1'
    catalogue.end_category(added.pk, supervisor=laura)
    assert 'Carta "Porte" 3.1' not in offered()


@pytest.mark.clause("M9")
def test_the_page_of_a_ticket_shows_the_explanation_of_now(client: Client) -> None:
    agent_in(client)
    ticket = make_ticket()
    path = f"/admin/tickets/ticket/{ticket.pk}/change/"
    before = client.get(path)
    assert [row.scope for row in before.context["explanations"]] == ["internet", "equipment"]
    changed = catalogue.change_explanation(
        "internet", supervisor=make_staff(Office.SUPERVISOR), text="Es su red.\n50 %"
    )
    page = client.get(path)
    assert "Es su red." in text_of(page)
    assert page.context["explanations"][0].pk == changed.pk


@pytest.mark.clause("M3")
def test_counts_are_of_who_asks(client: Client) -> None:
    make_ticket()
    agent_in(client)
    assert client.get(QUEUE).context["view_counts"]["abiertos"] == 1
    third_party_in(client)
    assert client.get(QUEUE).context["view_counts"]["abiertos"] == 0


def test_more_questions_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MAX_REMEMBERED", 2)
    monkeypatch.setattr(sql, "_remembered", {})
    for team in ("support", "sales", ""):
        assert sql.read_rows(sql.ask_all(lists.ask_categories(team))["categories"])
    assert list(sql._remembered) == [("categories", "")]


def test_no_rows_are_an_empty_list() -> None:
    questions = {
        "none": sql.all_rows(Ticket.objects.none().values_list("pk")),
        "nothing": sql.all_rows(Ticket.objects.values_list("pk", "subject")),
    }
    assert [sql.read_rows(answer) for answer in sql.ask_all(questions).values()] == [[], []]
