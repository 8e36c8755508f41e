"""On PostgreSQL no search of the log reads the whole table, with 100,000 events (M26)."""

from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import User
from factureya.core import clock
from factureya.core.models import Event
from factureya.oversight import search
from factureya.oversight.search import LogQuery, Scope
from factureya.oversight.verbs import Group
from factureya.testing.people import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
EVENTS, PEOPLE = 100_000, 200


@pytest.fixture
def people() -> list[User]:
    """Fill the log with events of many people about many tickets, a few of them emergencies."""
    found = [make_user() for _ in range(PEOPLE)]
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_event (chain, seq, prev, hash, verb, at, actor_id, actor_name, data) "
            "SELECT 'ticket:FY-' || (n %% 9000), n, '', md5(n::text), "
            "CASE WHEN n %% 5000 = 0 THEN 'grant.opened' WHEN n %% 3 = 0 THEN 'ticket.answered' "
            "ELSE 'request.approved_by' END, "
            "%s - n * interval '1 minute', (%s::int[])[1 + n %% %s], 'x', '{}' FROM generate_series(1, %s) n",
            [now, [person.pk for person in found], PEOPLE, EVENTS],
        )
        cursor.execute("ANALYZE core_event")
    return found


@pytest.mark.clause("M26")
def test_no_search_reads_the_whole_log(people: list[User]) -> None:
    today = clock.now().date()
    chains = [f"ticket:FY-{number}" for number in range(300)]
    queries = [
        (LogQuery(), None),
        (LogQuery(), Scope([], [people[0].pk])),
        (LogQuery(), Scope(["ticket:FY-17"])),
        (LogQuery(), Scope(chains, [people[3].pk, people[4].pk])),
        *((LogQuery(group=group), None) for group in Group),
        (LogQuery(group=Group.EMERGENCIES, first_day=today - timedelta(days=30)), None),
        (LogQuery(first_day=today - timedelta(days=40), last_day=today - timedelta(days=30)), None),
    ]
    for query, scope in queries:
        page = search.read_page(query, scope)
        after = LogQuery(query.text, query.group, query.first_day, query.last_day, page.next)
        for asked in (query, after):
            for plan in explain(asked, scope):
                assert "Seq Scan on core_event" not in plan, f"{query} {scope}\n{plan}"


def explain(query: LogQuery, scope: Scope | None) -> list[str]:
    """Return the plan of each list of events that a search reads."""
    lists = search.select_lists(query, scope)
    beyond = [search.NEWEST_FIRST.select_beyond(events, query.cursor)[:26] for events in lists]
    return [events.explain() for events in beyond]


@pytest.mark.clause("M26")
def test_the_events_are_there(people: list[User]) -> None:
    assert Event.objects.filter(actor=people[0]).count() == EVENTS // PEOPLE
