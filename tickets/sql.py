"""Write the reviewed raw SQL of this app: several questions in one statement, quotas, and words of the subject.

No SQL of ours holds data: every part is compiled by the ORM from a queryset, with its parameters apart, so that
`visible_to` and the conditions of the queue's views are the same code here and everywhere.
"""

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from tickets.models import searchable

MAX_WORDS = 6
MAX_REMEMBERED = 1000  # groups of questions
_remembered: dict[Hashable, dict[str, "Question"]] = {}
_remembered_at: dict[Hashable, tuple[Any, dict[str, "Question"]]] = {}


@dataclass(frozen=True)
class Question:
    """Hold one scalar subselect and its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


def capped_count(rows: QuerySet[Any], cap: int) -> Question:
    """Return the subselect that counts the rows no further than `cap`, so that a long list costs no more."""
    return _make_question(rows.order_by().values("pk")[:cap], "(SELECT COUNT(*) FROM ({}) AS capped)", "0")


def first_pk(rows: QuerySet[Any]) -> Question:
    """Return the subselect for the primary key of the first row in the queryset's order, or NULL."""
    return _make_question(rows.values("pk")[:1], "({})", "NULL")


def first_value(rows: QuerySet[Any]) -> Question:
    """Return the subselect for the value of the first row of a queryset of single values, or NULL."""
    return _make_question(rows[:1], "({})", "NULL")


def all_rows(rows: QuerySet[Any]) -> Question:
    """Return the subselect for all rows of a queryset of `values_list`, a few in its order; `read_rows` reads them."""
    columns = ", ".join(f"r.{connection.ops.quote_name(name)}" for name in rows.query.values_select)
    row = "CAST(json_agg(json_build_array({})) AS text)" if _is_postgresql() else "json_group_array(json_array({}))"
    return _make_question(rows, f"(SELECT {row.format(columns)} FROM ({{}}) AS r)", "NULL")


def read_rows(answer: str | None) -> list[tuple[Any, ...]]:
    """Return the rows that `all_rows` asked for, in their order; a date is text."""
    return [tuple(row) for row in json.loads(answer)] if answer else []


def remember(key: Hashable, make: Callable[[], dict[str, Question]]) -> dict[str, Question]:
    """Return the questions that this process made under `key` before, or else make them.

    To compile a queryset costs more than to run it. No answer is remembered. The key must hold all that their SQL and
    parameters depend on: the person and his rights, and an instant if they have one.
    """
    questions = _remembered.get(key)  # read once: another thread may clear the group between two looks
    if questions is None:
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        questions = _remembered[key] = make()
    return questions


def remember_at(
    key: Hashable, instant: datetime, make: Callable[[datetime], dict[str, Question]]
) -> dict[str, Question]:
    """Return questions that depend on an instant besides `key`; one made at another instant gets this one in its place.

    `make` takes the instant, which must stand in the parameters as it is.
    """
    adapt = connection.ops.adapt_datetimefield_value
    found = _remembered_at.get(key)
    if found is None:
        if len(_remembered_at) >= MAX_REMEMBERED:
            _remembered_at.clear()
        found = _remembered_at[key] = (adapt(instant), make(instant))
    earlier, questions = found
    return {
        name: replace(
            question, params=tuple(adapt(instant) if param == earlier else param for param in question.params)
        )
        for name, question in questions.items()
    }


def _make_question(rows: QuerySet[Any], template: str, if_empty: str) -> Question:
    """Return a subselect for `ask_all`: the `template`, with the SQL that selects these rows in place of its {}.

    If there can be no rows, as for `none()`, Django makes no SQL. Then `if_empty` is the subselect.
    """
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:
        return Question(if_empty)
    return Question(template.format(sql), params)


def ask_all(questions: Mapping[str, Question]) -> dict[str, Any]:
    """Ask the database for all these subselects in one statement, and return each one's value under its name."""
    with connection.cursor() as cursor:
        statement = "SELECT " + ", ".join(question.sql for question in questions.values())
        cursor.execute(statement, [param for question in questions.values() for param in question.params])
        return dict(zip(questions, cursor.fetchone(), strict=True))


def show_count(count: int, cap: int) -> str:
    """Return a count that stopped at `cap` as text, no further than «99+»."""
    return "99+" if count >= cap else str(count)


def split_words(text: str) -> list[str]:
    """Return the words of a search as they are compared, no more than MAX_WORDS."""
    return re.findall(r"[a-z0-9]+", searchable(text))[:MAX_WORDS]


def match_words(words: Sequence[str]) -> Q | Func:
    """Return the filter for tickets whose subject has a word that begins with «pago» and one with «cfdi», and so on.

    PostgreSQL has an index on the same expression. SQLite has none, and also finds the text inside a word.
    """
    if not _is_postgresql():
        condition = Q()
        for word in words:
            condition &= Q(search_words__contains=word)
        return condition
    vector = Func(F("search_words"), template="to_tsvector('simple', %(expressions)s)")
    # ["pago", "cfdi"] becomes: to_tsvector('simple', search_words) @@ to_tsquery('simple', 'pago:* & cfdi:*')
    query = Func(Value(" & ".join(f"{word}:*" for word in words)), template="to_tsquery('simple', %(expressions)s)")
    return Func(vector, query, template="(%(expressions)s)", arg_joiner=" @@ ", output_field=BooleanField())


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"
