"""Categories, explanations and the sales team as data: who edits them, and what old tickets keep (M4, M9)."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Office, Provider, User
from factureya.core.models import Event
from factureya.core.refusals import FormUsed, NotAllowed, WrongStatus
from factureya.testing.desk import QUEUE, agent_in, fresh, page_of
from factureya.testing.pages import log_in, text_of
from factureya.testing.people import end_offices, make_agent, make_auditor, make_contact, make_staff
from factureya.testing.tickets import make_ticket
from tickets import operations as tickets
from tickets.catalogue import operations, reading
from tickets.catalogue.models import SalesMember, ScopeExplanation, TicketCategory
from tickets.models import Ticket
from tickets.operations import Incomplete

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M4", "M9")]
PAGE = "/admin/tickets/ticket/catalogo/"


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Méndez")


def category(slug: str) -> TicketCategory:
    return TicketCategory.objects.get(slug=slug)


def last_event() -> Event:
    return Event.objects.latest("pk")


# -- Categories --------------------------------------------------------------------------------------


def test_the_first_categories_are_those_that_tickets_had():
    assert reading.list_categories() == Ticket.Category.choices
    assert "requests" not in dict(reading.list_categories(for_customers=True))


def test_a_new_category_is_offered_and_its_tickets_go_to_its_team(laura):
    added = operations.add_category(supervisor=laura, label="  Renovación de   contrato ", team="sales")
    assert (added.label, added.slug, reading.find_team(added.slug)) == (
        "Renovación de contrato",
        "renovacion-de-c",
        "sales",
    )
    assert (added.slug, added.label) in reading.list_categories(for_customers=True)
    assert make_ticket(category=added.slug).team == "sales"
    event = Event.objects.get(verb="category.added")
    assert (event.chain, event.actor, event.data["label"]) == (added.chain, laura, added.label)


def test_old_tickets_keep_their_words(laura):
    old = make_ticket(category="access")
    renamed = operations.rename_category(category("access").pk, supervisor=laura, label="Acceso y contraseña")
    assert (fresh(old).category_label, make_ticket(category=renamed.slug).category_label) == (
        "Acceso al sistema",
        "Acceso y contraseña",
    )
    names = dict(reading.list_categories())
    assert "Acceso al sistema" not in names.values()
    assert list(names).index(renamed.slug) == 2  # in its place
    assert last_event().verb == "ticket.opened"
    assert Event.objects.get(verb="category.renamed").data["before"] == "Acceso al sistema"


def test_an_ended_category_is_not_chosen_any_more(laura):
    ticket, other = make_ticket(category="access"), make_ticket()
    operations.end_category(category("access").pk, supervisor=laura)
    with pytest.raises(WrongStatus, match="ya no se usa"):
        tickets.classify(other.pk, agent=make_agent(), category="access", impact=1)
    assert tickets.classify(ticket.pk, agent=make_agent(), category="access", impact=1).impact == 1
    assert Event.objects.filter(verb="category.ended").count() == 1


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda s: operations.add_category(supervisor=s, label=" ", team="sales"), "Escriba el nombre"),
        (lambda s: operations.add_category(supervisor=s, label="x" * 61, team="sales"), "hasta 60"),
        (lambda s: operations.add_category(supervisor=s, label="ventas", team="sales"), "Ya hay una"),
        (lambda s: operations.add_category(supervisor=s, label="Otra", team="x"), "Soporte o Ventas"),
        (lambda s: operations.end_category(category("other").pk, supervisor=s), "la usa el correo"),
        (lambda s: operations.rename_category(category("requests").pk, supervisor=s, label="Z"), "la usa el correo"),
        (lambda s: operations.rename_category(category("sales").pk, supervisor=s, label="Cancelación"), "Ya hay una"),
        (lambda s: operations.change_explanation("internet", supervisor=s, text=" "), "Escriba la explicación"),
        (lambda s: operations.change_explanation("internet", supervisor=s, text="x" * 2001), "hasta 2000"),
        (lambda s: operations.change_explanation("luz", supervisor=s, text="x"), "internet o equipo"),
        (lambda s: operations.join_sales(make_contact().pk, supervisor=s), "no atiende tickets"),
    ],
)
def test_what_cannot_be_edited(laura, call, reason):
    rows = [list(model.objects.values()) for model in (TicketCategory, ScopeExplanation, SalesMember)]
    with pytest.raises(WrongStatus, match=reason):
        call(laura)
    assert rows == [list(model.objects.values()) for model in (TicketCategory, ScopeExplanation, SalesMember)]


def test_the_last_category_of_sales_is_not_ended_but_renamed(laura):
    with pytest.raises(WrongStatus, match="última categoría de Ventas"):
        operations.end_category(category("sales").pk, supervisor=laura)
    renamed = operations.rename_category(category("sales").pk, supervisor=laura, label="Cotizaciones")
    assert reading.find_sales_category() == renamed.slug
    other = operations.add_category(supervisor=laura, label="Renovaciones", team="sales")
    operations.end_category(renamed.pk, supervisor=laura)
    assert reading.find_sales_category() == other.slug


def test_no_new_ticket_gets_an_ended_category_but_one_that_follows_does(laura):
    closed = make_ticket("closed", category="access")
    operations.end_category(category("access").pk, supervisor=laura)
    with pytest.raises(Incomplete, match="Elija sobre qué es"):
        make_ticket(category="access")
    assert tickets.follow_up(closed.pk, author=closed.requester, body="Otra vez").category == "access"


def test_a_label_in_use_is_the_same_in_capitals(laura):
    operations.add_category(supervisor=laura, label="Nómina", team="support")
    with pytest.raises(WrongStatus, match="Ya hay una categoría «NÓMINA»"):
        operations.add_category(supervisor=laura, label="NÓMINA", team="support")


def test_who_is_a_supervisor_no_longer_edits_nothing(laura):
    assert laura.holds(Office.SUPERVISOR)  # what this instance remembers
    end_offices(User.objects.get(pk=laura.pk))
    with pytest.raises(NotAllowed):
        operations.add_category(supervisor=laura, label="Otra", team="support")


def test_a_sales_team_of_people_who_left_is_empty(laura):
    seller, agent = make_agent(), make_agent(full_name="Darío Salgado")
    operations.join_sales(seller.pk, supervisor=laura)
    assert reading.find_sales_pks() == {seller.pk}
    end_offices(seller)
    assert reading.find_sales_pks() == set()
    ticket = make_ticket(category="sales")
    assert tickets.take(ticket.pk, agent=agent).assignee == agent


def test_a_category_that_ended_is_ended_once(laura):
    operations.end_category(category("credits").pk, supervisor=laura)
    with pytest.raises(WrongStatus, match="ya no se usa"):
        operations.end_category(category("credits").pk, supervisor=laura)


@pytest.mark.parametrize("make_person", [make_agent, make_auditor, make_contact])
def test_only_a_supervisor_edits(make_person):
    person = make_person()
    for call in (
        lambda: operations.add_category(supervisor=person, label="Otra", team="support"),
        lambda: operations.change_explanation("internet", supervisor=person, text="Otra"),
        lambda: operations.join_sales(person.pk, supervisor=person),
    ):
        with pytest.raises(NotAllowed):
            call()


# -- Sales, a team of its own ------------------------------------------------------------------------


def test_sales_tickets_stand_apart_in_the_queue(client):
    agent_in(client)
    sales, other = make_ticket(category="sales", subject="Cotización"), make_ticket(subject="No timbra")
    for view in ("abiertos", "por-asignar"):
        text = text_of(client.get(QUEUE, {"vista": view}))
        assert (sales.subject in text, other.subject in text) == (False, True)
    for view in ("ventas", "ventas-por-asignar"):
        text = text_of(client.get(QUEUE, {"vista": view}))
        assert (sales.subject in text, other.subject in text) == (True, False)


def test_only_the_sales_team_takes_sales_once_it_has_people(laura):
    seller, agent = make_agent(full_name="Sara Ventas"), make_agent(full_name="Darío Salgado")
    first = make_ticket(category="sales")
    assert tickets.take(first.pk, agent=agent).assignee == agent  # nobody is of sales yet
    operations.join_sales(seller.pk, supervisor=laura)
    second = make_ticket(category="sales")
    with pytest.raises(WrongStatus, match="Darío Salgado no es del equipo de Ventas"):
        tickets.take(second.pk, agent=agent)
    with pytest.raises(WrongStatus, match="no es del equipo"):
        tickets.assign(second.pk, agent=agent, assignee=agent)
    assert tickets.assign(second.pk, agent=agent, assignee=seller).assignee == seller
    answered = tickets.answer(make_ticket(category="sales").pk, agent=agent, body="Hola", wait_reason=None)
    assert answered.assignee is None  # he answered, but it is not his team
    assert Event.objects.get(verb="sales.joined").chain == seller.chain


def test_a_ticket_that_becomes_sales_leaves_the_agent_who_is_not(laura):
    seller, agent = make_agent(), make_agent()
    operations.join_sales(seller.pk, supervisor=laura)
    ticket = make_ticket()
    tickets.take(ticket.pk, agent=agent)
    moved = tickets.classify(ticket.pk, agent=agent, category="sales", impact=1)
    assert (moved.team, moved.assignee) == ("sales", None)
    assert ticket.events().last().data["is_unassigned"] is True
    tickets.take(ticket.pk, agent=seller)
    back = tickets.classify(ticket.pk, agent=agent, category="other", impact=1)
    assert (back.team, back.assignee) == ("support", seller)


def test_who_left_sales_takes_none(laura):
    seller, other = make_agent(), make_agent()
    member = operations.join_sales(seller.pk, supervisor=laura)
    operations.join_sales(other.pk, supervisor=laura)
    operations.leave_sales(member.pk, supervisor=laura)
    with pytest.raises(WrongStatus, match="ya no es de Ventas"):
        operations.leave_sales(member.pk, supervisor=laura)
    with pytest.raises(WrongStatus, match="ya es de Ventas"):
        operations.join_sales(other.pk, supervisor=laura)
    with pytest.raises(WrongStatus, match="no es del equipo"):
        tickets.take(make_ticket(category="sales").pk, agent=seller)


def test_the_list_of_assignees_has_the_sales_team(client, laura):
    seller = make_agent(full_name="Sara Ventas")
    operations.join_sales(seller.pk, supervisor=laura)
    agent_in(client)
    page = client.get(page_of(make_ticket(category="sales")))
    assert [name for _pk, name, _chosen in page.context["assignees"]] == ["Sara Ventas"]


# -- The page ----------------------------------------------------------------------------------------


def test_a_supervisor_edits_on_the_page(client, laura):
    log_in(client, laura)
    seller = make_agent(full_name="Sara Ventas")

    def post(**fields: Any) -> str:
        return text_of(client.post(PAGE, fields, follow=True))

    assert "«Nómina» ya se puede elegir." in post(hacer="agregar", label="Nómina", team="support")
    added = TicketCategory.objects.get(label="Nómina")
    assert "se llama desde ahora «Recibos de nómina»" in post(hacer=f"nombrar:{added.pk}", label="Recibos de nómina")
    renamed = TicketCategory.objects.get(label="Recibos de nómina")
    assert "ya no se ofrece" in post(hacer=f"terminar:{renamed.pk}")
    seen = reading.find_explanation("internet").pk
    assert "se envía desde ahora" in post(hacer="explicar:internet", text="Llame a su proveedor.", seen=seen)
    assert "Sara Ventas ya es de Ventas." in post(hacer="sumar", person=seller.pk)
    member = SalesMember.objects.get()
    assert "Sara Ventas ya no es de Ventas" in post(hacer=f"quitar:{member.pk}")
    assert "Recibos de nómina" not in text_of(client.get(reverse("admin:tickets_ticket_catalogue")))


def test_what_is_refused_is_said_beside_its_field_and_kept(client, laura):
    log_in(client, laura)
    for fields, reason in (
        ({"hacer": "agregar", "label": "Ventas", "team": "sales"}, "Ya hay una categoría «Ventas»."),
        ({"hacer": "agregar", "label": "", "team": "sales"}, "Escriba el nombre de la categoría"),
        ({"hacer": "explicar:internet", "text": ""}, "Escriba la explicación"),
        ({"hacer": "sumar", "person": "999"}, "Elija a la persona"),
        ({"hacer": f"nombrar:{category('access').pk}", "label": "Ventas"}, "Ya hay una categoría «Ventas»."),
        ({"hacer": f"terminar:{category('other').pk}"}, "la usa el correo"),
    ):
        answer = client.post(PAGE, fields)
        assert reason in text_of(answer)
        assert "<title>Error: " in answer.content.decode()
    for wrong in ("", "x", "nombrar:x", "terminar:"):
        assert client.post(PAGE, {"hacer": wrong, "label": "Otra"}).status_code == 404


def test_the_auditor_reads_it_and_an_agent_does_not_see_it(client):
    agent_in(client)
    assert client.get(PAGE).status_code == 404
    assert PAGE not in client.get(QUEUE).content.decode()
    log_in(client, make_auditor())
    page = client.get(PAGE)
    assert page.status_code == 200
    assert 'name="hacer"' not in page.content.decode()


# -- Two at once, and twice ------------------------------------------------------------------------


def test_who_had_not_read_the_explanation_of_now_changes_nothing(client, laura):
    log_in(client, laura)
    old = reading.find_explanation("internet")
    operations.change_explanation("internet", supervisor=laura, text="Nueva de otra persona")
    post = {"hacer": "explicar:internet", "text": "Lo que escribí", "seen": old.pk}
    answer = client.post(PAGE, post)
    text, html = text_of(answer), answer.content.decode()
    assert "Otra persona cambió la explicación" in text
    assert "La explicación de ahora Nueva de otra persona" in text
    assert "Lo que escribí" in text
    now = reading.find_explanation("internet")
    assert now.text == "Nueva de otra persona"
    assert f'name="seen" value="{now.pk}"' in html
    client.post(PAGE, {**post, "seen": now.pk})
    assert reading.find_explanation("internet").text == "Lo que escribí"


@pytest.mark.parametrize("seen", ["", "x", "0"])
def test_an_explanation_without_what_was_read_is_refused(client, laura, seen):
    log_in(client, laura)
    answer = client.post(PAGE, {"hacer": "explicar:internet", "text": "Otra", "seen": seen})
    assert "Otra persona cambió la explicación" in text_of(answer)
    assert not Event.objects.filter(verb="scope.explanation_changed").exists()


def test_a_double_click_does_it_once(client, laura):
    log_in(client, laura)
    seller = make_agent(full_name="Sara Ventas")
    page = client.get(PAGE)
    access, seen = category("access"), reading.find_explanation("internet").pk
    for fields, model, verb in (
        ({"hacer": "agregar", "label": "Nómina", "team": "support"}, TicketCategory, "category.added"),
        ({"hacer": f"nombrar:{access.pk}", "label": "Entrar"}, TicketCategory, "category.renamed"),
        ({"hacer": "explicar:internet", "text": "Otra", "seen": seen}, ScopeExplanation, "scope.explanation_changed"),
        ({"hacer": "sumar", "person": seller.pk}, SalesMember, "sales.joined"),
    ):
        before, once = model.objects.count(), client.get(PAGE).context["once"]
        for _click in range(2):
            assert client.post(PAGE, {**fields, "once": once}).status_code == 302, fields
        assert model.objects.count() == before + 1
        assert Event.objects.filter(verb=verb).count() == 1
    assert page.content.decode().count('name="once"') == 7  # one for each of the five names, and two that add


def test_a_form_that_was_sent_says_nothing_else(laura):
    operations.add_category(supervisor=laura, label="Nómina", team="support", form_key="k")
    with pytest.raises(FormUsed):
        operations.add_category(supervisor=laura, label="Otra", team="support", form_key="k")
    assert TicketCategory.objects.filter(form_key="k").count() == 1


def test_a_category_does_not_get_the_name_that_it_has(laura):
    with pytest.raises(WrongStatus, match="ya se llama"):
        operations.rename_category(category("access").pk, supervisor=laura, label="Acceso  al sistema ")
    assert operations.rename_category(category("access").pk, supervisor=laura, label="ACCESO AL SISTEMA").pk


def test_a_third_partys_agent_is_of_no_sales_team(laura):
    stranger = make_staff(Office.THIRD_PARTY_AGENT, provider=Provider.objects.create(name="Otro"))
    with pytest.raises(WrongStatus, match="no atiende tickets de Factureya"):
        operations.join_sales(stranger.pk, supervisor=laura)
