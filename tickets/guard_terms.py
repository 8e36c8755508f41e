"""Write the SQL by which the guards of a ticket's rows ask for its chain, and for the offices of who acted (M3)."""

TICKET = "tickets_ticket"
CHAIN = f"(SELECT 'ticket:' || t.number FROM {TICKET} t WHERE t.id = NEW.ticket_id)"


def make_desk_sql(person: str, offices: tuple[str, ...], at: str) -> str:
    """Return the SQL condition that a person is active staff and holds one of these offices at the ticket's provider.

    A supervisor, who is of our own desk, works on the tickets of every provider (M3). `person` and `at`, the instant,
    are SQL, such as columns of the new row.
    """
    names = ", ".join(f"'{office}'" for office in offices)
    return f"""EXISTS (SELECT 1 FROM accounts_user u JOIN accounts_roleassignment o ON o.user_id = u.id
        JOIN {TICKET} t ON t.provider_id = o.provider_id OR o.office = 'supervisor'
        WHERE u.id = {person} AND u.is_active AND u.is_staff
          AND t.id = NEW.ticket_id AND o.office IN ({names}) AND o.ended_by_id IS NULL
          AND T[o.starts_at] <= T[{at}] AND (o.ends_at IS NULL OR T[o.ends_at] > T[{at}]))"""
