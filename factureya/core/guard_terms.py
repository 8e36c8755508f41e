"""Write a guard's condition once for both engines: a few terms of our own become the SQL of SQLite and PostgreSQL.

A condition that is unknown (NULL) lets a row pass: hence every «NOT EXISTS (…)».
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from factureya.core.triggers import Guard

Pair = tuple[str, str]  # the SQL of SQLite and of PostgreSQL

_TERMS: dict[str, Pair] = {"≠": ("IS NOT", "IS DISTINCT FROM")}
# The same with an operand in brackets: an instant to compare (on SQLite a number, because its text has several forms),
# the instant a minute before it, and an instant in seconds, to reckon with; SQLite keeps milliseconds, so a comparison
# allows for a hundredth of a second. Then a date as YYYY-MM-DD text, and the day of an instant in Mexico City, which
# has had no summer time since 2022. Of the data of an event, called `v`: a value as text, and an instant, by its path.
_OPERATORS: dict[str, Pair] = {
    "T": ("julianday({})", "{}"),
    "MINUTE_BEFORE": ("(julianday({}) - 1.0 / 1440)", "({} - interval '1 minute')"),
    "SEC": ("(julianday({}) * 86400.0)", "EXTRACT(EPOCH FROM {})"),
    "ISO": ("{}", "to_char({}, 'YYYY-MM-DD')"),
    "DAY": ("date({}, '-6 hours')", "to_char({} AT TIME ZONE 'America/Mexico_City', 'YYYY-MM-DD')"),
    "DATA": ("CAST(json_extract(v.data, '$.{}') AS text)", "(v.data #>> string_to_array('{}', '.'))"),
    "DATA_AT": (
        "julianday(json_extract(v.data, '$.{}'))",
        "CAST(v.data #>> string_to_array('{}', '.') AS timestamptz)",
    ),
}


def translate(guard: Guard, terms: Mapping[str, Pair] | None = None) -> Guard:
    """Return the guard with two conditions, for SQLite and PostgreSQL: our terms and `terms` are replaced by SQL."""
    condition = guard.when if isinstance(guard.when, str) else guard.when[0]  # not translated yet, so always a text
    all_terms = {**_TERMS, **(terms or {})}
    return replace(guard, when=(_replace_terms(condition, all_terms, 0), _replace_terms(condition, all_terms, 1)))


def _replace_terms(condition: str, terms: Mapping[str, Pair], engine: int) -> str:
    """Return the condition with our terms and operators replaced by the SQL of an engine: 0 SQLite, 1 PostgreSQL."""
    for term, sql in terms.items():
        condition = condition.replace(term, sql[engine])
    for operator, sql in _OPERATORS.items():
        # For example the operator T: on SQLite «T[d.at]» becomes «julianday(d.at)».
        condition = re.sub(rf"\b{operator}\[([^]]*)\]", sql[engine].format(r"\1"), condition)
    return condition


def changed(columns: str) -> str:
    """Return the SQL condition that one of these columns ("a b c") gets another value; NULL counts as a value."""
    return "(" + " OR ".join(f"NEW.{column} ≠ OLD.{column}" for column in columns.split()) + ")"


def guards(table: str, event: str, *rows: tuple[str, str, str]) -> list[Guard]:
    """Return a guard of this table and event for each row: its name, its condition and the text of its refusal."""
    return [Guard(name, table, event, when, message) for name, when, message in rows]


def last_event_is(chain: str, verbs: str, condition: str) -> str:
    """Return the SQL condition that a chain's last event has one of these verbs ("a.b c.d") and meets a condition.

    `chain` is SQL for the chain's name. In the condition the event is called `v`; DATA[…] is a value of its data as
    text, and DATA_AT[…] an instant. An operation writes the event first and the row after it; so the condition
    does not hold for a row that somebody writes without an operation.
    """
    names = ", ".join(f"'{verb}'" for verb in verbs.split())
    return f"""EXISTS (SELECT 1 FROM core_chainhead h JOIN core_event v ON v.chain = h.chain AND v.seq = h.seq
        WHERE h.chain = {chain} AND v.verb IN ({names}) AND {condition})"""
