"""What a ticket of the load data goes through: the steps, texts and times of one history, from a seeded generator.

Pure: no database. The shares are those of a help desk that keeps up: nearly everything is closed, a tenth of
that by silence (M15), and a steady few are Abierto or En espera however many tickets there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

HISTORY = timedelta(days=900)

SUBJECTS = [
    ("stamping", 3, "No puedo timbrar: error CFDI40147 con el cliente {who}"),
    ("stamping", 3, "El SAT reporta mi sello como revocado, serie {n}"),
    ("stamping", 2, "El complemento de pago de la factura {n} no se timbra"),
    ("stamping", 2, "Diferencia de un centavo en la factura {n}"),
    ("cancellation", 2, "La cancelación de la factura {n} sigue en proceso"),
    ("cancellation", 1, "Necesito el acuse de cancelación de la factura {n}"),
    ("access", 3, "Olvidé mi contraseña y el código no llega"),
    ("access", 1, "Alta de una cuenta para {who}"),
    ("credits", 2, "No veo los créditos del paquete {n}"),
    ("sales", 1, "Precio del paquete de {n} créditos"),
    ("other", 1, "El logotipo sale encimado en el PDF de la factura {n}"),
    ("other", 2, "La addenda de {who} sale sin número de proveedor"),
    ("other", 2, "No llega el correo con la factura {n} a {who}"),
]
NAMES = ["Ferretería Lupita", "Grupo Lindavista", "Abarrotes El Sol", "Clínica San Juan", "Muebles Cholula"]
QUESTION = """Desde la mañana me aparece el mismo mensaje y no avanza. Ya probé con otro navegador.

Pasos que siguió:
1. Entré a Nueva factura
2. Elegí al cliente {who}
3. Capturé el folio {n}
4. Di clic en Timbrar

Qué esperaba que pasara:
Que se timbrara como ayer."""
ASK = "Buenos días. Para revisarlo, ¿nos comparte el XML del folio {n}, por favor? Está en Facturas › Borradores."
SOLVED = "Encontramos la causa y ya quedó corregido. Vuelva a intentarlo con {who} y confírmenos, por favor."
DETAIL = "Aquí está lo que pide del folio {n}. Sigue apareciendo el mismo mensaje con {who}."
THANKS = "Quedó resuelto, gracias."
NOTE = "Ya se reprodujo con el folio {n} en pruebas; el dato de {who} estaba incompleto."

# Each history is a string of steps: t take, q ask for detail, s propose a solution, i information, n note,
# c confirm, w reminder, x silence (reminder, close).
CLOSED = ["tsc", "tsc", "sc", "tqisc", "tqisc", "tnqisc", "tqiqisc", "tsx", "tqx", "tsisc"]
ACTIVE = ["", "", "t", "tqi", "tqi", "tqiqi", "ts", "tq", "tsis", "tq", "t", "qi", "tnqiqis"]
PHRASES = {"q": ASK, "s": SOLVED, "i": DETAIL, "c": THANKS, "n": NOTE}


@dataclass(frozen=True)
class History:
    """Hold one ticket to be: when it opens, its steps with their instants, and its texts."""

    opened_at: datetime
    steps: Sequence[tuple[str, datetime]]
    subject: str
    category: str
    impact: int
    question: str
    words: dict[str, str]
    is_phone: bool

    def text(self, step: str) -> str:
        """Return what is written in this step."""
        return PHRASES[step].format(**self.words)


def make_history(rng: Random, present: datetime, *, active: bool, steps: str = "") -> History:
    """Return a history that ends closed within the last HISTORY, or one that goes on now.

    A wait that goes on began less than 60 hours ago, so no sweep is due on freshly loaded data.
    """
    steps = steps or rng.choice(ACTIVE if active else CLOSED)
    spans = [timedelta(minutes=rng.randint(4, 90 if step in "tn" else 400)) for step in steps]
    if active:
        last = present - timedelta(minutes=rng.randint(5, 60 * 36))
        opened_at = last - sum(spans, timedelta())
    else:
        opened_at = present - timedelta(days=8, seconds=rng.randint(0, int(HISTORY.total_seconds())))
    at, dated = opened_at, []
    for step, after in zip(steps, spans, strict=True):
        at += after
        dated.append((step, at))
    category, impact, subject = rng.choice(SUBJECTS)
    words = {"who": rng.choice(NAMES), "n": f"A-{rng.randint(100, 99_999)}"}
    return History(
        opened_at,
        dated,
        subject.format(**words),
        category,
        impact,
        QUESTION.format(**words),
        words,
        is_phone=rng.random() < 0.15,
    )
