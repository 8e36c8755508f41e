"""Write a statement as CSV: one line per charge and the totals, safe to open in a spreadsheet (M18)."""

from collections.abc import Iterator, Sequence

from factureya.core.spreadsheets import BOM, write_line
from factureya.core.templatetags.fy import when_long
from tickets.charges import money
from tickets.charges.statement import Row, Statement

HEADING = (
    *("propuesto", "ticket", "asunto", "estado", "decidió", "cuándo", "minutos", "precio por hora"),
    *("subtotal", "IVA", "total"),
)


def write_csv(statement: Statement) -> bytes:
    """Return the statement as a CSV file, in UTF-8 with its mark; amounts are pesos with two decimals."""
    lines = [HEADING, *map(_make_line, statement.rows), *_make_totals(statement)]
    return (BOM + "".join(map(write_line, lines))).encode()


def _make_line(row: Row) -> Sequence[object]:
    """Return the cells of a charge."""
    charge = row.charge
    return (
        when_long(charge.proposed_at),
        charge.ticket.number,
        charge.ticket.subject,
        row.state_label,
        row.decision,
        when_long(charge.ended_at) if row.decision else "",
        str(row.minutes),
        money.to_pesos(charge.rate_cents),
        money.to_pesos(row.subtotal_cents),
        money.to_pesos(row.tax_cents),
        money.to_pesos(row.total_cents),
    )


def _make_totals(statement: Statement) -> Iterator[Sequence[object]]:
    """Yield the line of totals."""
    sums = (statement.subtotal_cents, statement.tax_cents, statement.total_cents)
    yield ("Total", *[""] * (len(HEADING) - len(sums) - 1), *map(money.to_pesos, sums))
