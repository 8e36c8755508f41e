"""An answer that the problem is not of our service names which, says why, and is counted apart (M9)."""

import pytest

from accounts.models import Office
from factureya.core import clock
from factureya.oversight.evidence.facts import Facts
from factureya.oversight.evidence.portal import find_m9
from factureya.testing.desk import agent_in, fresh, page_of, reply
from factureya.testing.pages import text_of
from factureya.testing.people import make_agent, make_staff
from factureya.testing.raw_sql import refused_by, update
from factureya.testing.tickets import let_it_close, mails_about, make_ticket
from tickets import operations
from tickets.catalogue import operations as catalogue
from tickets.catalogue.reading import find_explanation
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M9")]
AFTER = {"internet": "fuera-internet", "equipment": "fuera-equipo"}


@pytest.mark.parametrize("scope", AFTER)
def test_it_waits_for_a_confirmation_with_its_explanation(scope):
    ticket = make_ticket()
    answered = operations.answer_out_of_scope(ticket.pk, agent=make_agent(), scope=scope, body="Buenos días, Ana.")
    assert (answered.status, answered.wait_reason, answered.out_of_scope) == ("waiting", "authorization", scope)
    assert answered.asks_confirmation
    explanation = find_explanation(scope).text
    assert ticket.messages.latest("seq").body == f"Buenos días, Ana.\n\n{explanation}"
    event = ticket.events().last()
    assert (event.verb, event.data["scope"]) == ("ticket.answered_out_of_scope", scope)
    mail = mails_about(ticket)[-1]
    assert (mail.kind, explanation.splitlines()[0][:40] in mail.body) == ("tickets/answered", True)
    assert "Confirme si quedó resuelto" in mail.subject


@pytest.mark.parametrize("scope", ["", "luz", "fuera", "internet "])
def test_without_naming_which_it_is_refused(scope):
    ticket = make_ticket()
    with pytest.raises(operations.Incomplete, match="internet o equipo"):
        operations.answer_out_of_scope(ticket.pk, agent=make_agent(), scope=scope, body="No es nuestro")
    assert (fresh(ticket).status, ticket.messages.count()) == ("open", 1)


def test_it_closes_by_confirmation_or_silence_and_stays_counted():
    agent = make_agent()
    confirmed, silent = make_ticket(), make_ticket()
    for ticket, scope in ((confirmed, "internet"), (silent, "equipment")):
        operations.answer_out_of_scope(ticket.pk, agent=agent, scope=scope)
    operations.confirm_resolved(confirmed.pk, author=confirmed.requester)
    let_it_close(fresh(silent))
    assert (fresh(confirmed).closed_reason, fresh(confirmed).out_of_scope) == ("confirmed", "internet")
    assert (fresh(silent).closed_reason, fresh(silent).out_of_scope) == ("unanswered", "equipment")
    text = find_m9(Facts(clock.now())).text
    assert "1 de internet y 1 de equipo" in text


@pytest.mark.parametrize("how", ["reply", "answer"])
def test_a_reply_or_another_answer_ends_it(how):
    ticket, agent = make_ticket(), make_agent()
    operations.answer_out_of_scope(ticket.pk, agent=agent, scope="internet")
    if how == "reply":
        operations.add_information(ticket.pk, author=ticket.requester, body="No, es el sello")
    else:
        operations.answer(ticket.pk, agent=agent, body="Perdón, ya vimos", wait_reason="detail")
    assert fresh(ticket).out_of_scope is None


def test_an_explanation_that_changes_leaves_what_was_sent():
    ticket, agent = make_ticket(), make_agent()
    old = find_explanation("internet").text
    operations.answer_out_of_scope(ticket.pk, agent=agent, scope="internet")
    laura = make_staff(Office.SUPERVISOR)
    catalogue.change_explanation("internet", supervisor=laura, text="Llame a su proveedor de internet.")
    with pytest.raises(operations.WrongStatus, match="ya dice eso"):
        catalogue.change_explanation("internet", supervisor=laura, text="Llame a su proveedor de internet.")
    operations.answer_out_of_scope(ticket.pk, agent=agent, scope="internet")
    said = Message.objects.filter(ticket=ticket, side="staff").order_by("seq").values_list("body", flat=True)
    assert list(said) == [old, "Llame a su proveedor de internet."]


@pytest.mark.parametrize("scope", AFTER)
def test_an_agent_chooses_it_on_sending(client, scope):
    agent_in(client)
    ticket = make_ticket()
    page = client.get(page_of(ticket))
    assert f"pasar a En espera: fuera de alcance, {'internet' if scope == 'internet' else 'equipo'}" in text_of(page)
    assert find_explanation(scope).text.splitlines()[0] in text_of(page)
    assert reply(client, ticket, body="", after=AFTER[scope]).status_code == 302
    assert fresh(ticket).out_of_scope == scope
    text = text_of(client.get(page_of(ticket)))
    assert f"fuera de alcance ({'internet' if scope == 'internet' else 'equipo'})" in text


def test_an_explanation_that_the_agent_had_not_read_is_not_sent(client):
    agent_in(client)
    ticket, laura = make_ticket(), make_staff(Office.SUPERVISOR)
    old = find_explanation("internet").pk
    catalogue.change_explanation("internet", supervisor=laura, text="Llame a su proveedor de internet.")
    answer = reply(client, ticket, body="Buenos días", after="fuera-internet", explanation_internet=old)
    text = text_of(answer)
    assert "La explicación de fuera de alcance cambió" in text
    assert "Llame a su proveedor de internet." in text
    assert "Buenos días" in text
    assert '<details class="fy-small fy-wide" open>' in answer.content.decode()
    assert (fresh(ticket).status, ticket.messages.count()) == ("open", 1)
    assert reply(client, ticket, body="Buenos días", after="fuera-internet").status_code == 302
    assert ticket.messages.latest("seq").body == "Buenos días\n\nLlame a su proveedor de internet."


def test_the_page_refuses_one_that_names_none(client):
    agent_in(client)
    ticket = make_ticket()
    answer = reply(client, ticket, body="No es nuestro", after="fuera")
    assert "Elija de la lista qué pasa al enviar." in text_of(answer)
    assert "No es nuestro" in text_of(answer)
    assert fresh(ticket).status == "open"


def test_what_the_database_refuses():
    ticket = make_ticket()
    with refused_by("out_of_scope_asks_confirmation"):
        update(ticket, out_of_scope="internet")
    operations.answer_out_of_scope(ticket.pk, agent=make_agent(), scope="internet")
    with refused_by("out_of_scope_is_known"):
        update(ticket, out_of_scope="luz")
    operations.confirm_resolved(ticket.pk, author=ticket.requester)
    with refused_by("ticket_closed_is_final"):
        update(ticket, out_of_scope=None)
    assert Ticket.objects.get(pk=ticket.pk).out_of_scope == "internet"
