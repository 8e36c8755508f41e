"""Make one request of the authority that waits for mesa de control, and one that was answered (M2)."""

from datetime import datetime, timedelta

from accounts.models import User
from factureya.core import clock
from factureya.demo import files
from tickets.models import AuthorityRequest
from tickets.operations.authority import close_request, receive_request

UNIT = "Administración Desconcentrada de Auditoría Fiscal de Puebla"
DONE = "Se verificó con la unidad por teléfono y se entregó por escrito la lista de folios fiscales."


def seed(people: dict[str, User], now: datetime) -> None:
    """Let an invented official send two requests about Ana's company, and Laura answer one; `seed_demo` calls it."""
    laura = User.objects.get(pk=people["laura"].pk)
    rfc = people["ana"].contact.customer.rfc
    with clock.at(now - timedelta(days=9)):
        answered = _send("500-46-2026-0871", rfc, "Los folios fiscales cancelados en junio.")
    with clock.at(now - timedelta(days=7)):
        close_request(answered.pk, actor=laura, is_answered=True, outcome=DONE)
    with clock.at(now - timedelta(hours=5)):
        _send("500-46-2026-1234", rfc, "Los comprobantes emitidos de enero a marzo.")


def _send(document_number: str, rfc: str, body: str) -> AuthorityRequest:
    """Send the official's request with this document number about the taxpayer `rfc`, and return it."""
    document = files.store({"kind": "pdf", "name": "oficio.pdf", "text": f"Oficio {document_number} (demostración)"})
    return receive_request(
        unit=UNIT,
        official="Marta Ríos Escamilla",
        position="Subadministradora",
        email="marta.rios@sat.example",
        document_number=document_number,
        taxpayer_rfc=rfc,
        body=body,
        document=document,
        form_key=f"demo-{document_number}",
    )
