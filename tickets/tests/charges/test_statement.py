"""The monthly statement: only what was accepted, never more, and totals that agree to the cent (M18)."""

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from pypdf import PdfReader
from reportlab.pdfbase import pdfmetrics

from accounts.models import Customer
from factureya.core import clock
from factureya.testing.charges import TERMS, decide, note, propose
from factureya.testing.people import Neighbours, make_neighbours
from factureya.testing.tickets import make_ticket
from tickets.charges import money, pdf
from tickets.charges.months import Month
from tickets.charges.operations import ChargeTerms, void_time
from tickets.charges.pdf import draw_pdf
from tickets.charges.statement import Statement, build_statement, compute_cost, count_minutes, read_statement
from tickets.charges.tables import HEADING, write_csv
from tickets.models import ChargeProposal, Ticket, TimeEntry

pytestmark = pytest.mark.clause("M18")
NOVEMBER = datetime(2026, 11, 24, 16, tzinfo=UTC)
SEED, MONTHS = 18, 1_000
Status = ChargeProposal.Status


def sum_csv(statement: Statement) -> tuple[Decimal, Decimal]:
    """The sum of the totals of the lines of a CSV file, and the total that its last line says."""
    text = write_csv(statement).decode("utf-8-sig")
    *lines, totals = list(csv.reader(io.StringIO(text)))[1:]
    return sum((Decimal(line[-1]) for line in lines), Decimal(0)), Decimal(totals[-1])


# -- 1,000 random months -----------------------------------------------------------------------------


def make_charge(rng: random.Random, pk: int, month: Month) -> tuple[ChargeProposal, list[TimeEntry]]:
    """A charge of about this month with any price and rate of IVA, decided or not, and what was worked on it."""
    rate, tax_rate = rng.randint(1, 200_000), rng.choice([1600, 800, 0, 1650])
    lines = [rng.randint(1, 300) for _ in range(rng.randint(1, 4))]
    subtotal = sum(money.compute_amount(minutes, rate) for minutes in lines)
    tax = money.compute_tax(subtotal, tax_rate)
    proposed_at = month.start + timedelta(minutes=rng.randint(-50_000, 43_000))
    status = rng.choice([Status.ACCEPTED] * 4 + list(Status))
    charge = ChargeProposal(
        pk=pk,
        seq=1,
        ticket=Ticket(number="FY-7K3M-9QX1", subject="=1+1", status="open"),
        proposed_at=proposed_at,
        expires_at=proposed_at + timedelta(days=3),
        status=status,
        ended_at=None if status == Status.PROPOSED else proposed_at + timedelta(minutes=rng.randint(1, 4_000)),
        minutes=sum(lines),
        rate_cents=rate,
        subtotal_cents=subtotal,
        tax_rate=tax_rate,
        tax_cents=tax,
        total_cents=subtotal + tax,
    )
    if status != Status.ACCEPTED:
        return charge, []
    entries = [make_entry(rng, charge.ended_at) for _ in range(rng.randint(0, 6))]
    return charge, entries


def make_entry(rng: random.Random, since: datetime) -> TimeEntry:
    """Minutes that were noted some time after the decision; some were voided later."""
    created_at = since + timedelta(minutes=rng.randint(0, 90_000))
    voided_at = created_at + timedelta(minutes=rng.randint(1, 60_000)) if rng.random() < 0.2 else None
    return TimeEntry(minutes=rng.randint(1, 300), created_at=created_at, voided_at=voided_at)


def test_the_sum_of_the_lines_is_the_total_in_1000_random_months() -> None:
    rng = random.Random(SEED)
    charged = 0
    for number in range(MONTHS):
        month = Month(rng.randint(2024, 2030), rng.randint(1, 12))
        charges = [make_charge(rng, pk, month) for pk in range(rng.randint(0, 12))]
        with clock.at(month.end + timedelta(days=200)):
            statement = build_statement(Customer(rfc="XAXX010101000"), month, charges)
        assert statement.subtotal_cents + statement.tax_cents == statement.total_cents, number
        assert sum(row.total_cents for row in statement.rows) == statement.total_cents, number
        lines, total = sum_csv(statement)
        assert lines == total == money.to_pesos(statement.total_cents), number
        assert all(row.total_cents == 0 for row in statement.rows if not row.is_accepted)
        charged += len(statement.charged)
    assert charged > MONTHS


def test_all_months_of_a_charge_add_up_to_what_was_worked_and_never_to_more_than_was_accepted() -> None:
    rng = random.Random(SEED)
    for number in range(200):
        month = Month(2026, 1)
        charge, entries = make_charge(rng, number, month)
        months, shown = [Month(2025, 10)], 0
        while months[-1] < Month(2026, 12):
            months.append(months[-1].following)
        with clock.at(months[-1].end):
            for each in months:
                statement = build_statement(Customer(), each, [(charge, entries)])
                shown += statement.total_cents
                assert sum(compute_cost(charge, count_minutes(entries, each.end))) == shown or not entries
                assert shown <= charge.total_cents
        worked = count_minutes(entries, months[-1].end)
        expected = compute_cost(charge, worked) if charge.is_accepted else (0, 0)
        assert shown == sum(expected), number


def test_money_is_rounded_as_decimals_say() -> None:
    rng = random.Random(SEED)
    for _ in range(5_000):
        minutes, rate, tax_rate = rng.randint(1, 6_000), rng.randint(1, 1_000_000), rng.randint(0, 10_000)
        exact = Decimal(minutes) * rate / 60
        assert money.compute_amount(minutes, rate) == int(exact.quantize(Decimal(1), "ROUND_HALF_UP"))
        exact = Decimal(rate) * tax_rate / 10_000
        assert money.compute_tax(rate, tax_rate) == int(exact.quantize(Decimal(1), "ROUND_HALF_UP"))
    assert money.to_cents(Decimal("450.00")) == 45_000
    with pytest.raises(ValueError, match="fraction"):
        money.to_cents(Decimal("0.005"))
    assert (money.format_cents(104_400), money.format_cents(-5)) == ("$1,044.00", "-$0.05")
    assert (money.format_rate(1600), money.format_rate(850)) == ("16 %", "8.5 %")
    assert [money.format_minutes(m) for m in (0, 35, 250, 120, -5)] == [
        "0 min",
        "35 min",
        "4 h 10 min",
        "2 h",
        "-5 min",
    ]


# -- Months ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "1999-01", "2026-1", "２０２６-11", "2026-11x"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Month.parse(text)


def test_a_month_is_local() -> None:
    month = Month.parse("2026-12")
    assert (str(month), month.label, month.name) == ("2026-12", "diciembre de 2026", "Diciembre")
    assert month.start == datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert (str(month.previous), str(month.following), str(Month(2026, 1).previous)) == (
        "2026-11",
        "2027-01",
        "2025-12",
    )
    assert Month.of(datetime(2026, 12, 1, 5, 59, tzinfo=UTC)) == Month(2026, 11)


# -- Out of the database -----------------------------------------------------------------------------


@pytest.fixture
def cast() -> Neighbours:
    with time_machine.travel(NOVEMBER, tick=False):
        return make_neighbours()


@pytest.mark.django_db
def test_only_worked_minutes_of_accepted_charges_are_charged(cast: Neighbours) -> None:
    with time_machine.travel(NOVEMBER, tick=False) as traveller:
        done, fewer, more = (decide(propose(cast), cast.ana) for _ in "123")
        declined, undecided = decide(propose(cast), cast.ana, accepts=False), propose(cast)
        note(done.ticket, 120, done)
        note(fewer.ticket, 61, fewer)
        for minutes in (100, 100):
            note(more.ticket, minutes, more)
        free = note(make_ticket(requester=cast.ana), 250)
        voided = note(free.ticket, 30)
        void_time(free.ticket_id, agent=cast.laura, seq=voided.seq, reason="Era otro ticket")
        decide(propose(cast, make_ticket(requester=cast.carla)), cast.carla)
        traveller.shift(3600)
        statement = read_statement(cast.customer, Month(2026, 11))
    amounts = {row.charge.pk: (row.time, row.amount, row.worked) for row in statement.rows}
    assert amounts == {
        done.pk: ("120 min", "$900.00", 120),
        fewer.pk: ("61 de 120 min", "$457.50", 61),
        more.pk: ("120 min", "$900.00", 200),
        declined.pk: ("120 min", "Sin cargo", 0),
        undecided.pk: ("120 min", "Por decidir", 0),
    }
    assert (statement.subtotal_cents, statement.tax_cents, statement.total_cents) == (225_750, 36_120, 261_870)
    assert (statement.free_tickets, statement.free_minutes) == (1, 250)
    assert (len(statement.charged), len(statement.undecided), statement.tax_label) == (3, 1, "IVA 16 %")
    assert not statement.is_finished


@pytest.mark.django_db
def test_a_finished_month_never_changes(cast: Neighbours) -> None:
    with time_machine.travel(NOVEMBER, tick=False) as traveller:
        charge = decide(propose(cast), cast.ana)
        entry = note(charge.ticket, 60, charge)
        late = propose(cast)
        traveller.move_to(datetime(2026, 12, 2, 16, tzinfo=UTC))
        before = write_csv(read_statement(cast.customer, Month(2026, 11)))
        note(charge.ticket, 90, charge)
        void_time(charge.ticket_id, agent=cast.laura, seq=entry.seq, reason="Eran de otro")
        traveller.shift(60)
        november, december = (read_statement(cast.customer, Month(2026, number)) for number in (11, 12))
    assert write_csv(november) == before
    assert (november.total_cents, november.is_finished) == (52_200, True)
    assert {row.charge.pk: row.state for row in november.rows} == {charge.pk: "accepted", late.pk: "lapsed"}
    assert [row.amount for row in december.rows] == ["$225.00"]  # 90 minutes in all, 60 charged before
    assert november.total_cents + december.total_cents == sum(compute_cost(charge, 90))


@pytest.mark.django_db
def test_a_correction_is_a_credit_in_its_own_month(cast: Neighbours) -> None:
    with time_machine.travel(NOVEMBER, tick=False) as traveller:
        charge = decide(propose(cast), cast.ana)
        entry = note(charge.ticket, 60, charge)
        traveller.move_to(datetime(2026, 12, 2, 16, tzinfo=UTC))
        void_time(charge.ticket_id, agent=cast.laura, seq=entry.seq, reason="Eran de otro")
        traveller.shift(60)
        december = read_statement(cast.customer, Month(2026, 12))
    assert december.total_cents == -52_200
    assert "-522.00" in write_csv(december).decode()
    assert "-$522.00" in read_pdf(december)


@pytest.mark.django_db
def test_no_cell_is_a_formula(cast: Neighbours) -> None:
    with time_machine.travel(NOVEMBER, tick=False):
        propose(cast, make_ticket(requester=cast.ana, subject='=HYPERLINK("http://x.example")'))
        statement = read_statement(cast.customer, Month(2026, 11))
    text = write_csv(statement)
    assert text.startswith(b"\xef\xbb\xbf" + HEADING[0].encode())
    assert "\"'=HYPERLINK" in text.decode()


def read_pdf(statement: Statement) -> str:
    """The text of all pages of a statement's PDF."""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(draw_pdf(statement))).pages)


@pytest.mark.django_db
def test_the_pdf_says_what_the_page_says_over_many_pages(cast: Neighbours) -> None:
    terms = ChargeTerms((("Trabajo", 7),), 33_333, TERMS.reason)
    with time_machine.travel(NOVEMBER, tick=False) as traveller:
        for _ in range(3):
            charge = decide(propose(cast, terms=terms), cast.ana)
            note(charge.ticket, 7, charge)
        traveller.shift(60)
        statement = read_statement(cast.customer, Month(2026, 11))
    text = read_pdf(statement)
    for shown in (
        "Estado de cuenta, noviembre de 2026",
        "POC930314QX7",
        "Aceptado: Ana Robles",
        "El mes no ha terminado",
    ):
        assert shown in text
    assert money.format_cents(statement.total_cents) in text
    assert draw_pdf(statement) == draw_pdf(statement)
    long = Statement(statement.customer, statement.month, list(statement.rows) * 40, is_finished=True)
    assert "Página 4" in read_pdf(long)
    empty = Statement(statement.customer, statement.month, [], is_finished=True)
    assert "no hay cargos" in read_pdf(empty)


def test_no_column_of_the_pdf_reaches_into_the_next() -> None:
    ends = [left + width for left, width in zip(pdf._TEXTS, pdf._WIDTHS, strict=True)]
    assert all(end < left for end, left in zip(ends, pdf._TEXTS[1:], strict=False))
    longest = ["5999 de 6000 min", "$1,000,000.00", "$1,160,000.00"]
    begins = [
        right - pdfmetrics.stringWidth(text, pdf.REGULAR, pdf._SIZE)
        for right, text in zip(pdf._NUMBERS, longest, strict=True)
    ]
    assert all(begin > end for begin, end in zip(begins, [ends[-1], *pdf._NUMBERS], strict=False))
