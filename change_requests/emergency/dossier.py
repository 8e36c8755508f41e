"""Draw the dossier of an emergency: who asked, authorized and opened it, every act, the verdicts, the seal (M27)."""

from change_requests.documents.form_draw import FOOT
from change_requests.documents.sheet import BOTTOM, INK_2, MONO, REGULAR, RIGHT, Row, Sheet
from change_requests.emergency import wording
from change_requests.emergency.grant_page import JOINED
from change_requests.emergency.models import EmergencyGrant, GrantReview
from change_requests.emergency.operations.reviewing import Item, count_items, find_items
from change_requests.emergency.review_page import describe_act, list_values, make_verdict_chip
from change_requests.emergency.wording import show_instant
from factureya.core.models import ChainHead
from factureya.core.record import anchors


class CountedSheet(Sheet):
    """Draw pages that say how many there are: «Página 2 de 5»."""

    def __init__(self, title: str, *, subject: str, foot: str, total: int) -> None:
        """Open the first page; `total` is how many there will be."""
        self.total = total
        super().__init__(title, subject=subject, foot=foot)

    @property
    def pages(self) -> int:
        """Return how many pages were drawn."""
        return self._page

    def _close_page(self) -> None:
        """Draw the foot of a page: its line of text, the page's number and the number of pages."""
        self.draw_text(46.0, BOTTOM - 16, self._foot, REGULAR, 7.5, INK_2)
        self.canvas.setFont(REGULAR, 7.5)
        self.canvas.drawRightString(RIGHT, BOTTOM - 16, f"Página {self._page} de {self.total}")


def render_dossier(grant: EmergencyGrant) -> bytes:
    """Return the dossier of an emergency as PDF; it is drawn twice, the first time only to count the pages."""
    grant = EmergencyGrant.objects.select_related(*JOINED, "credential__custodian_a", "credential__custodian_b").get(
        pk=grant.pk
    )
    items = find_items(grant)
    _, pages = _draw(grant, items, total=0)
    pdf, _ = _draw(grant, items, total=pages)
    return pdf


def _draw(grant: EmergencyGrant, items: list[Item], *, total: int) -> tuple[bytes, int]:
    """Return the dossier as PDF, and how many pages it has; `total` is the number of pages that each foot shows."""
    sheet = CountedSheet(
        "Expediente de emergencia", subject=f"Expediente de la emergencia {grant.folio}", foot=FOOT, total=total
    )
    _draw_request(sheet, grant)
    _draw_decisions(sheet, grant)
    _draw_window(sheet, grant)
    _draw_changes(sheet, grant)
    sheet.draw_section(f"Registro: {len(items)} {'acto' if len(items) == 1 else 'actos'}")
    for number, item in enumerate(items, start=1):
        _draw_item(sheet, number, item)
    _draw_review(sheet, grant, items)
    _draw_chain_head(sheet, grant)
    return sheet.finish(), sheet.pages


def _draw_request(sheet: Sheet, grant: EmergencyGrant) -> None:
    """Draw the request: who asked for the emergency, for which customer and fields, how long, and why."""
    title = f"{grant.folio} · {grant.account.alias}" + (" · SIMULACRO" if grant.drill else "")
    sheet.draw_section(title)
    for label, value in (
        ("Estado", str(grant.get_status_display())),
        ("Pedida", f"{show_instant(grant.requested_at)} (hora del centro de México)"),
        ("La usa", grant.operator_name),
        ("Causa", grant.cause.title),
        (str(grant.get_incident_kind_display()), grant.incident),
        ("Cliente", f"{grant.customer.legal_name} · {grant.customer.rfc}"),
        ("Datos que puede tocar", wording.list_labels(grant.fields)),
        ("Tiempo pedido", wording.show_minutes(grant.minutes_asked)),
        ("Qué hará y por qué", grant.reason),
    ):
        sheet.draw_pair(label, value)


def _draw_decisions(sheet: Sheet, grant: EmergencyGrant) -> None:
    """Draw each decision: who decided, as holder or alternate of which office (*cargo*), and why."""
    sheet.draw_section("Autorizaciones")
    for decision in grant.authorizations.select_related("delegation__absent").order_by("decided_at", "pk"):
        stands_in = f", suplente de {decision.delegation.absent}" if decision.delegation else ""
        verdict = str(decision.get_verdict_display())
        minutes = f", {wording.show_minutes(decision.minutes)}" if decision.minutes else ""
        sheet.draw_pair("Decidió", f"{decision.authorizer_name}{stands_in}, {decision.get_office_display()}")
        sheet.draw_pair("", f"{verdict}{minutes} · {show_instant(decision.decided_at)}")
        sheet.draw_pair("", f"«{decision.reason}»")


def _draw_window(sheet: Sheet, grant: EmergencyGrant) -> None:
    """Draw who opened the emergency, when and with which seal (pair of half passwords), and when and why it ended."""
    assert grant.credential is not None  # only opened emergencies have a dossier
    sheet.draw_section("Apertura y fin")
    for label, value in (
        (
            "Sello",
            f"n.º {grant.credential.generation}, {grant.credential.custodian_a} y {grant.credential.custodian_b}",
        ),
        ("Mitad A", f"{grant.half_a_by} · {show_instant(grant.half_a_at, seconds=True)}"),
        ("Mitad B", f"{grant.half_b_by} · {show_instant(grant.half_b_at, seconds=True)}"),
        ("Tiempo autorizado", wording.show_minutes(grant.minutes_granted)),
        ("Abierta", show_instant(grant.opened_at, seconds=True)),
        ("Termina a más tardar", show_instant(grant.ends_at, seconds=True)),
        ("Terminó", show_instant(grant.ended_at, seconds=True) or "Sigue abierta"),
        ("Por qué terminó", wording.describe_end(grant) or "Sigue abierta"),
    ):
        sheet.draw_pair(label, value)


def _draw_changes(sheet: Sheet, grant: EmergencyGrant) -> None:
    """Draw which fields of the customer were changed, before and after, and why."""
    changes = list(grant.changes.order_by("pk"))
    sheet.draw_section("Datos que cambiaron")
    if not changes:
        sheet.draw_paragraph("Ninguno.")
        return
    rows = [
        Row(
            wording.list_labels([change.field]),
            wording.show_value(change.field, change.old),
            wording.show_value(change.field, change.new),
        )
        for change in changes
    ]
    sheet.draw_table(("Dato", "Antes", "Después"), rows)
    for change in changes:
        sheet.draw_pair("Motivo", f"{change.reason} · {show_instant(change.at, seconds=True)}")


def _draw_item(sheet: Sheet, number: int, item: Item) -> None:
    """Draw one act: what was done, when, on what, from where, its result, what it changed, and its verdict."""
    record, outcome = item.record, item.outcome
    sheet.reserve_height(60)  # points: the first lines of an act stay on one page
    result = (
        f"respuesta {outcome.status}, {outcome.ms} ms" if outcome else "sin resultado" if item.is_gap else "sistema"
    )  # no outcome: a gap, or what the system did
    foreseen = "previsto" if item.is_foreseen else "no previsto"
    sheet.draw_pair(f"Acto {number}", f"{describe_act(item)} · {record.object_text or '—'} · {result} · {foreseen}")
    sheet.draw_pair("", f"{show_instant(record.at, seconds=True)} · {record.operator} · {record.method} {record.path}")
    sheet.draw_pair("", record.client)
    for row in list_values(item):
        sheet.draw_pair("", f"{row['label']}: antes «{row['old']}», después «{row['new']}»")
    sheet.draw_pair("", record.sha256, font=MONO)
    note = f": «{item.verdict.note}»" if item.verdict and item.verdict.note else ""
    reviewer = f" · {item.verdict.reviewer_name}, {show_instant(item.verdict.at)}" if item.verdict else ""
    sheet.draw_pair("Veredicto", f"{make_verdict_chip(item).label}{note}{reviewer}")


def _draw_review(sheet: Sheet, grant: EmergencyGrant, items: list[Item]) -> None:
    """Draw the signed review, or by when it must be signed; an open emergency has no review yet."""
    sheet.draw_section("Revisión")
    review = GrantReview.objects.filter(grant=grant).first()
    if review is None:
        sheet.draw_paragraph("La emergencia sigue abierta.")
        return
    counts = count_items(items)
    sheet.draw_pair(
        "Declara",
        f"{counts['acts']} actos, {counts['writes']} escrituras, {counts['gaps']} huecos, "
        f"{counts['unforeseen']} no previstos, {counts['observed']} observados",
    )
    if review.signed_at is None:
        sheet.draw_pair("Por firmar", f"a más tardar el {show_instant(review.due_at)}")
        return
    sheet.draw_pair("Firmó", f"{review.reviewer_name} · {show_instant(review.signed_at)}")
    sheet.draw_pair("En conjunto", "Conforme" if review.conform else "Con observaciones")
    sheet.draw_pair("Conclusión", review.findings)
    sheet.draw_pair("Sella hasta el evento", str(review.head_seq))
    sheet.draw_pair("Huella sellada", review.head_hash, font=MONO)


def _draw_chain_head(sheet: Sheet, grant: EmergencyGrant) -> None:
    """Draw the last hash of the emergency's chain of events, and the last anchor (daily hash over all chains)."""
    head = ChainHead.objects.get(chain=grant.chain)
    sheet.draw_section("Huella del registro")
    sheet.draw_pair("Cadena", grant.chain)
    sheet.draw_pair("Último evento", str(head.seq))
    sheet.draw_pair("Huella", head.hash, font=MONO)
    sheet.draw_pair("Ancla", anchors.describe_anchor() or "Todavía no hay")
