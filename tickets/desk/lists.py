"""Ask for the few rows that a page's lists offer, in the statement that counts the views (M3, M4, M9)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from factureya.core import clock
from tickets import sql
from tickets.catalogue.models import ScopeExplanation
from tickets.catalogue.reading import select_in_use, sort_explanations
from tickets.desk.queue import select_colleagues


def ask_categories(team: str = "") -> dict[str, sql.Question]:
    """Return the question for slug and label of the categories in use, in their order; `team`: only this team's."""
    return sql.remember(("categories", team), lambda: {"categories": sql.all_rows(_select_categories(team))})


def _select_categories(team: str) -> Any:
    rows = select_in_use()
    return (rows.filter(team=team) if team else rows).values_list("slug", "label")


def ask_explanations() -> dict[str, sql.Question]:
    """Return the question for the explanations in use; `read_explanations` reads them."""
    rows = ScopeExplanation.objects.filter(ended_at__isnull=True).values_list("pk", "scope", "text")
    return sql.remember("explanations", lambda: {"explanations": sql.all_rows(rows)})


def read_explanations(answers: Mapping[str, Any]) -> list[ScopeExplanation]:
    """Return the explanations in use, in the order of the scopes."""
    rows = sql.read_rows(answers["explanations"])
    return sort_explanations(ScopeExplanation(pk=pk, scope=scope, text=text) for pk, scope, text in rows)


def ask_colleagues(provider_ids: Sequence[int]) -> dict[str, sql.Question]:
    """Return the question for key and name of those who work at these providers' desks now, by name (M3)."""

    def make(instant: datetime) -> dict[str, sql.Question]:
        return {"colleagues": sql.all_rows(select_colleagues(provider_ids, instant))}

    return sql.remember_at(("colleagues", *provider_ids), clock.now(), make)
