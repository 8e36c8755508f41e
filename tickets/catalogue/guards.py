"""Define what the database refuses of the catalogue: a row is ended, once, and never changed or deleted (M4, M9)."""

from factureya.core import triggers
from factureya.core.guard_terms import changed, translate


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


GUARDS = [
    *_only_ended(
        "tickets_ticketcategory", "id slug label team is_for_customers position added_at", "id", "slug", in_use="label"
    ),
    *_only_ended("tickets_scopeexplanation", "id scope text added_at", "id", in_use="scope"),
    *_only_ended("tickets_salesmember", "id user_id added_at", "id", in_use="user_id"),
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
