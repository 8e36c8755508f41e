"""Write the reviewed raw SQL of this app: several questions in one statement, quotas, and words of the subject.

No SQL of ours holds data: every part is compiled by the ORM from a queryset, with its parameters apart, so that
`visible_to` and the conditions of the queue's views are the same code here and everywhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from tickets.models import searchable

MAX_WORDS = 6


@dataclass(frozen=True)
class Question:
    """Hold one scalar subselect and its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


def capped_count(rows: QuerySet[Any], cap: int) -> Question:
    """Return the question how many rows there are, counted no further than `cap`."""
    return _make_question(rows.order_by().values("pk")[:cap], "(SELECT COUNT(*) FROM ({}) AS capped)", "0")


def first_pk(rows: QuerySet[Any]) -> Question:
    """Return the question for the key of the first row in the queryset's order."""
    return _make_question(rows.values("pk")[:1], "({})", "NULL")


def _make_question(rows: QuerySet[Any], template: str, nothing: str) -> Question:
    """Return the question with the rows' SQL in the template; the answer `nothing` if there can be no rows."""
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:
        return Question(nothing)
    return Question(template.format(sql), params)


def ask_all(questions: Mapping[str, Question]) -> dict[str, Any]:
    """Return the answer to each of these questions by its name; one statement asks them all."""
    asked = questions.values()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT " + ", ".join(question.sql for question in asked),
            [param for question in asked for param in question.params],
        )
        return dict(zip(questions, cursor.fetchone(), strict=True))


def show_count(count: int, cap: int) -> str:
    """Return a count that stopped at `cap` as text, no further than «99+»."""
    return "99+" if count >= cap else str(count)


def split_words(text: str) -> list[str]:
    """Return the words of a search as they are compared, no more than MAX_WORDS."""
    return re.findall(r"[a-z0-9]+", searchable(text))[:MAX_WORDS]


def match_words(words: Sequence[str]) -> Q | Func:
    """Return the condition that the subject has words that begin with each of these (SQLite: contain each).

    On PostgreSQL it is the expression of the index `search_words`.
    """
    if connection.vendor != "postgresql":
        condition = Q()
        for word in words:
            condition &= Q(search_words__contains=word)
        return condition
    vector = Func(F("search_words"), template="to_tsvector('simple', %(expressions)s)")
    query = Func(Value(" & ".join(f"{word}:*" for word in words)), template="to_tsquery('simple', %(expressions)s)")
    return Func(vector, query, template="(%(expressions)s)", arg_joiner=" @@ ", output_field=BooleanField())
