"""Pages of a list: every row once, whatever is equal or NULL, forth and back; a foreign cursor does no harm."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from factureya.core import keyset
from factureya.core.models import OutboxMessage

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ORDERS = {
    "up": keyset.Order("due_at"),
    "down": keyset.Order("due_at", is_descending=True),
    "key": keyset.Order(),
    "key down": keyset.Order(is_descending=True),
    "named": keyset.Order("due_at", name="key", read_key=str),
    "text": keyset.Order("due_at", key="key", read_key=str),
}


@pytest.fixture
def mails() -> list[OutboxMessage]:
    """Eleven mails of four instants, so that ties stand at the ends of pages."""
    return [
        OutboxMessage.objects.create(
            key=f"k{n:02}", message_id=f"{n}@b.mx", to="a@b.mx", due_at=NOON + n % 4 * timedelta(minutes=1)
        )
        for n in range(11)
    ]


def sorted_as(order: keyset.Order, mails: list[OutboxMessage]) -> list[int]:
    rows = sorted(mails, key=lambda mail: (mail.due_at if order.at else NOON, mail.pk), reverse=order.is_descending)
    return [mail.pk for mail in rows]


def walk(order: keyset.Order, size: int, *lists) -> list[keyset.Page[OutboxMessage]]:
    """Every page of the lists, each found by what the address of the page before says."""
    pages = [keyset.page(order, None, *lists, size=size)]
    while following := pages[-1].next:
        assert len(pages) < 20
        pages.append(keyset.page(order, order.read_from(dict([following.pair])), *lists, size=size))
    return pages


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10, 11, 12])
@pytest.mark.parametrize("name", ORDERS)
def test_pages_hold_every_row_once_and_lead_back_to_the_beginning(mails, name, size):
    order, rows = ORDERS[name], OutboxMessage.objects.all()
    pages = walk(order, size, rows)
    assert [mail.pk for page in pages for mail in page.rows] == sorted_as(order, mails)
    assert pages[0].previous is None
    for before, here in pairwise(pages):
        cursor = order.read_from(dict([here.previous.pair]))
        back = keyset.page(order, cursor, rows, size=size)
        assert [mail.pk for mail in back.rows] == [mail.pk for mail in before.rows]
        assert (back.previous is None) == (before is pages[0])
        assert back.next == before.next


@pytest.mark.parametrize("name", ["up", "down"])
def test_several_lists_are_one(mails, name):
    order = ORDERS[name]
    lists = [OutboxMessage.objects.filter(pk__in=[mail.pk for mail in mails[start::3]]) for start in range(3)]
    pages = walk(order, 2, *lists)
    assert [mail.pk for page in pages for mail in page.rows] == sorted_as(order, mails)
    back = keyset.page(order, order.read_from(dict([pages[-1].previous.pair])), *lists, size=2)
    assert back.rows == pages[-2].rows


def test_a_step_back_beyond_the_beginning_shows_the_whole_first_page(mails, django_assert_num_queries):
    order, rows = ORDERS["key"], OutboxMessage.objects.all()
    cursor = order.cursor_at(mails[2], is_back=True)
    with django_assert_num_queries(2):
        page = keyset.page(order, cursor, rows, size=4)
    assert (page.rows, page.previous) == (mails[:4], None)
    with django_assert_num_queries(1):
        assert keyset.page(order, order.cursor_at(mails[4], is_back=True), rows, size=4).previous is None


def test_rows_without_an_instant_come_last(mails):
    OutboxMessage.objects.filter(pk__in=[mails[0].pk, mails[5].pk]).update(claimed_at=NOON)
    order = keyset.Order("place")
    rows = OutboxMessage.objects.annotate(place=keyset.late_when_null("claimed_at"))
    found = [mail.pk for page in walk(order, 3, rows) for mail in page.rows]
    others = [mail.pk for mail in mails if mail.pk not in (mails[0].pk, mails[5].pk)]
    assert found == [mails[0].pk, mails[5].pk, *others]


@pytest.mark.parametrize(
    "text",
    ["", "x", "1", "1.", ".1", "1.x", "-1.1", "1.5.2", "²-1", "9" * 60, f"{10**18 - 1}.1", f"{10**18}.1", "1709-99"],
)
def test_a_cursor_that_is_none_of_the_list_is_the_first_page(text):
    assert ORDERS["up"].read(text) is None
    assert ORDERS["up"].read_from({"despues": text, "antes": text}) is None


def test_a_cursor_without_instant_is_none_of_a_list_with_one():
    assert ORDERS["key"].read("12") == keyset.Cursor(12)
    assert ORDERS["key"].read("1.12") is None


def test_links_keep_the_other_parameters_of_the_address(mails):
    page = keyset.page(ORDERS["key"], None, OutboxMessage.objects.all(), size=2)
    assert page.links({"vista": "a b"}, "/x/") == {
        "previous_url": "",
        "next_url": f"/x/?vista=a+b&despues={mails[1].pk}",
    }


def test_an_empty_list_is_one_empty_page():
    for cursor in (None, keyset.Cursor(3), keyset.Cursor(3, is_back=True)):
        assert keyset.page(ORDERS["key"], cursor, OutboxMessage.objects.all()) == keyset.Page([])
