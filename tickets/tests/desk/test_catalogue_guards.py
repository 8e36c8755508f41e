"""What the database holds of the catalogue: a row enters and ends with its event, and never changes (M4, M9)."""

from typing import Any

import pytest
from django.db import transaction

from accounts.models import Office, User
from factureya.core import audit, clock
from factureya.core.models import Chained
from factureya.testing.people import make_agent, make_staff
from factureya.testing.raw_sql import copy_statement, execute, execute_bare, insert, refused_by, sqlite_only, update
from factureya.testing.tickets import make_ticket
from tickets.catalogue import guards, operations, reading
from tickets.catalogue.models import SalesMember, ScopeExplanation, TicketCategory

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M4", "M9")]


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR)


def category(slug: str) -> TicketCategory:
    return TicketCategory.objects.get(slug=slug)


def tell(verb: str, subject: Chained, **data: Any) -> None:
    """Write the event of an edit, and nothing else."""
    with transaction.atomic():
        audit.record(verb, subject, actor=None, **data)


def end(row: Any, laura: User) -> None:
    """End a row of the catalogue by its operation."""
    if isinstance(row, TicketCategory):
        operations.end_category(row.pk, supervisor=laura)
    elif isinstance(row, ScopeExplanation):
        operations.change_explanation(row.scope, supervisor=laura, text="La que sigue")
    else:
        operations.leave_sales(row.pk, supervisor=laura)


def test_no_row_enters_without_its_event(laura):
    member = operations.join_sales(make_agent().pk, supervisor=laura)
    operations.leave_sales(member.pk, supervisor=laura)
    explanation = reading.find_explanation("internet")
    with refused_by("tickets_ticketcategory_is_told"):
        insert(category("sales"), slug="luz", label="Luz")
    with refused_by("tickets_salesmember_is_told"):
        insert(member, ended_at=None)
    with refused_by("tickets_scopeexplanation_is_told"):
        insert(explanation, text="Sin rastro", ended_at=clock.now())
    tell("category.added", TicketCategory(slug="luz"), label="Luz", team="sales")
    for other in ({"label": "Gas"}, {"team": "support"}, {"ended_at": clock.now()}):
        with refused_by("tickets_ticketcategory_is_told"):
            insert(category("sales"), **{"slug": "luz", "label": "Luz", **other})
    insert(category("sales"), slug="luz", label="Luz")


def test_no_row_ends_without_its_event(laura):
    member = operations.join_sales(make_agent().pk, supervisor=laura)
    explanation = reading.find_explanation("internet")
    for row in (category("sales"), explanation, member):
        with refused_by(f"{row._meta.db_table}_end_is_told"):
            update(row, ended_at=clock.now())
    tell("category.renamed", TicketCategory(slug="ventas-2"), label="Ventas 2", team="sales", before="x", slug="sales")
    with refused_by("tickets_ticketcategory_end_is_told"):
        update(category("sales"), ended_at=clock.now())  # none is in its place
    tell("scope.explanation_changed", explanation, before="Otra", after="Sin rastro")
    with refused_by("tickets_scopeexplanation_end_is_told"):
        update(explanation, ended_at=clock.now())


@pytest.mark.parametrize(
    ("model", "column", "value"),
    [
        (TicketCategory, "label", "Otra cosa"),
        (TicketCategory, "team", "sales"),
        (ScopeExplanation, "text", "Otra cosa"),
        (SalesMember, "added_at", "now"),
    ],
)
def test_a_row_is_only_ended(laura, model, column, value):
    operations.join_sales(make_agent().pk, supervisor=laura)
    row = model.objects.order_by("pk").first()
    table = model._meta.db_table
    with refused_by(f"{table}_only_ends"):
        update(row, **{column: clock.now() if value == "now" else value})
    with refused_by(f"{table}_no_delete"):
        execute(f"DELETE FROM {table}")
    end(row, laura)
    with refused_by(f"{table}_only_ends"):
        update(row, ended_at=None)


def test_constraints_of_the_catalogue(laura):
    operations.join_sales(make_agent().pk, supervisor=laura)
    with refused_by("one_open_membership_of_sales", "tickets_salesmember_in_use_stays"):
        insert(SalesMember.objects.get())
    sales, explanation = category("sales"), reading.find_explanation("internet")
    tell("category.added", TicketCategory(slug="sales-2"), label=sales.label, team="sales")
    with refused_by("one_category_in_use_per_label", "tickets_ticketcategory_in_use_stays"):
        insert(sales, slug="sales-2")
    tell("category.added", TicketCategory(slug="sales-2"), label="", team="sales")
    with refused_by("category_has_label"):
        insert(sales, slug="sales-2", label="")
    tell("category.added", TicketCategory(slug="sales-2"), label="Otra", team="x")
    with refused_by("category_team_is_known"):
        insert(sales, slug="sales-2", label="Otra", team="x")
    tell("scope.explanation_changed", explanation, before="x", after=explanation.text)
    with refused_by("one_explanation_in_use_per_scope", "tickets_scopeexplanation_in_use_stays"):
        insert(explanation)
    tell("scope.explanation_changed", explanation, before=explanation.text, after="")
    update(explanation, ended_at=clock.now())
    with refused_by("explanation_has_text"):
        insert(explanation, text="", ended_at=None)
    tell("scope.explanation_changed", ScopeExplanation(scope="luz"), before="x", after=explanation.text)
    with refused_by("scope_is_known"):
        insert(explanation, scope="luz", ended_at=None)


@sqlite_only
def test_replace_erases_no_row_of_the_catalogue(laura):
    member = operations.join_sales(make_agent().pk, supervisor=laura)
    explanation = reading.find_explanation("internet")
    tell("category.added", category("sales"), label="Otra", team="support")
    tell("category.added", TicketCategory(slug="sales-2"), label="Ventas", team="sales")
    tell("scope.explanation_changed", explanation, before=explanation.text, after="Otra")
    for row, columns, name in (
        (category("sales"), {"label": "Otra", "team": "support"}, "tickets_ticketcategory_no_replace"),
        (category("sales"), {"slug": "sales-2"}, "tickets_ticketcategory_in_use_stays"),
        (explanation, {"text": "Otra"}, "tickets_scopeexplanation_in_use_stays"),
        (member, {"added_at": clock.now()}, "tickets_salesmember_in_use_stays"),
    ):
        sql, params = copy_statement(type(row), row.pk, "INSERT OR REPLACE", **columns)
        with refused_by(name):
            execute_bare(sql, *params)


def test_a_ticket_has_a_category_on_file_with_its_team():
    ticket = make_ticket()
    with refused_by("ticket_category_is_on_file"):
        insert(ticket, number="FY-0000-0000", category="luz", reminder_id=None)
    with refused_by("ticket_category_stays_on_file"):
        update(ticket, category="luz")
    with refused_by("ticket_category_stays_on_file"):
        update(ticket, team="sales")
    update(ticket, team="sales", category="sales")


def test_every_guard_has_a_test_here():
    named = {"ticket_category_is_on_file", "ticket_category_stays_on_file"}
    tables = ("tickets_ticketcategory", "tickets_scopeexplanation", "tickets_salesmember")
    endings = (*("only_ends", "in_use_stays", "no_delete", "no_truncate", "no_replace"), *("is_told", "end_is_told"))
    assert {guard.name for guard in guards.GUARDS} == named | {f"{t}_{e}" for t in tables for e in endings}
