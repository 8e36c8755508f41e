"""Define what the database refuses of the catalogue: a row is ended, once, and never changed or deleted (M4, M9).

A row enters and ends with its event alone (M26).
"""

from factureya.core import triggers
from factureya.core.guard_terms import changed, last_event_is, translate


def _only_ended(table: str, columns: str, *keys: str, in_use: str) -> list[triggers.Guard]:
    """Return the guards of a table whose rows are ended and nothing else; `columns` are all others, by spaces.

    `keys` are its unique columns; of the column `in_use` each value has one row that has not ended.
    """
    only_ends = triggers.Guard(
        f"{table}_only_ends",
        table,
        "UPDATE",
        when=f"OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL OR {changed(columns)}",
        message="un renglón del catálogo solo se termina",
    )
    # SQLite's INSERT OR REPLACE would delete the row in use without running its DELETE trigger.
    in_use_stays = triggers.Guard(
        f"{table}_in_use_stays",
        table,
        "INSERT",
        when=f"""NEW.ended_at IS NULL
            AND EXISTS (SELECT 1 FROM {table} WHERE {in_use} = NEW.{in_use} AND ended_at IS NULL)""",
        message="row exists",
        engines=("sqlite",),
    )
    stays = triggers.never_deleted(table, *keys, message="el catálogo conserva sus renglones")
    return [translate(only_ends), in_use_stays, *stays]


def _told(table: str, added: str, ended: str) -> list[triggers.Guard]:
    """Return the guards by which a row enters and ends only with its event; `added` and `ended` are true with it."""
    enters = triggers.Guard(
        f"{table}_is_told",
        table,
        "INSERT",
        when=f"NEW.ended_at IS NOT NULL OR NOT ({added})",
        message="un renglón del catálogo se agrega con su evento",
    )
    ends = triggers.Guard(
        f"{table}_end_is_told",
        table,
        "UPDATE",
        when=f"OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NOT ({ended})",
        message="un renglón del catálogo se termina con su evento",
    )
    return [translate(enters), translate(ends)]


_SAYS_CATEGORY = "DATA[label] = NEW.label AND DATA[team] = NEW.team"
_ENDED = last_event_is("'category:' || OLD.slug", "category.ended", "DATA[label] = OLD.label")
# Who renames a category writes one event, in the chain of the new one, which is there when the old one ends.
_REPLACED = f"""EXISTS (SELECT 1 FROM tickets_ticketcategory n
    WHERE {last_event_is("'category:' || n.slug", "category.renamed", "DATA[slug] = OLD.slug")})"""
_CHANGED = "scope.explanation_changed"

GUARDS = [
    *_only_ended(
        "tickets_ticketcategory",
        "id slug label team is_for_customers position added_at form_key",
        *("id", "slug", "form_key"),
        in_use="label",
    ),
    *_told(
        "tickets_ticketcategory",
        added=last_event_is("'category:' || NEW.slug", "category.added category.renamed", _SAYS_CATEGORY),
        ended=f"{_ENDED} OR {_REPLACED}",
    ),
    *_only_ended("tickets_scopeexplanation", "id scope text added_at", "id", in_use="scope"),
    *_told(
        "tickets_scopeexplanation",
        added=last_event_is("'scope:' || NEW.scope", _CHANGED, "DATA[after] = NEW.text"),
        ended=last_event_is("'scope:' || OLD.scope", _CHANGED, "DATA[before] = OLD.text"),
    ),
    *_only_ended("tickets_salesmember", "id user_id added_at form_key", "id", "form_key", in_use="user_id"),
    *_told(
        "tickets_salesmember",
        added=last_event_is("'user:' || NEW.user_id", "sales.joined", "1 = 1"),
        ended=last_event_is("'user:' || OLD.user_id", "sales.left", "1 = 1"),
    ),
    triggers.Guard(
        "ticket_category_is_on_file",
        "tickets_ticket",
        "INSERT",
        when="""NOT EXISTS (SELECT 1 FROM tickets_ticketcategory c
            WHERE c.slug = NEW.category AND c.team = NEW.team)""",
        message="la categoría de un ticket está en el catálogo, con su equipo",
    ),
    triggers.Guard(
        "ticket_category_stays_on_file",
        "tickets_ticket",
        "UPDATE",
        when="""(NEW.category <> OLD.category OR NEW.team <> OLD.team) AND NOT EXISTS (
            SELECT 1 FROM tickets_ticketcategory c WHERE c.slug = NEW.category AND c.team = NEW.team)""",
        message="la categoría de un ticket está en el catálogo, con su equipo",
    ),
]
