"""Read a returned form as a proposal, which counts only after it was compared with what is on file (M7, M20).

`pdf_worker` reads the file in a process with limits. Each fault has its own answer in Spanish, which says
what to do; a form with a fault is never applied.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from django.db.models import TextChoices

from accounts.models import Customer
from change_requests.documents import form_fields as fields
from factureya.core.running.limited import Limits, Stopped, run_limited

MAX_BYTES = 5 * 1024 * 1024  # a filled form has some 100 KB
MAX_PAGES = 10  # as the worker counts them
LIMITS = Limits(max_memory=400 * 1024 * 1024, processor_seconds=5, total_seconds=20)
WORKER = Path(__file__).with_name("pdf_worker.py")
_DATE_PATTERN = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})|(\d{4})-(\d{1,2})-(\d{1,2})")
ALONE = "Envíe la evidencia en archivos aparte."
AGAIN = "Descargue el formato vigente del portal, llénelo y guárdelo sin imprimirlo."


class Fault(TextChoices):
    """Name why a form is not taken, and say what to do; `receive_email --json` shows the name after `form-`."""

    TOO_BIG = ("too-big", f"El archivo pesa más de {MAX_BYTES // 1024 // 1024} MB. {AGAIN} {ALONE}")
    BROKEN = ("broken", f"El archivo está dañado o no es un PDF. {AGAIN}")
    ENCRYPTED = (
        "encrypted",
        f"El PDF está protegido con contraseña y no se puede leer. {AGAIN} No le ponga contraseña.",
    )
    PAGES = (
        "pages",
        f"El PDF tiene más de {MAX_PAGES} páginas. Envíe solo el formato; la evidencia va en archivos aparte.",
    )
    JAVASCRIPT = ("javascript", f"El PDF contiene código (JavaScript), que no se acepta por seguridad. {AGAIN}")
    LAUNCH = ("launch", f"El PDF contiene acciones que abren programas, archivos o sitios, que no se aceptan. {AGAIN}")
    EMBEDDED = ("embedded", f"El PDF lleva otros archivos dentro, que no se aceptan. {AGAIN} {ALONE}")
    HEAVY = ("heavy", f"El PDF es demasiado complejo para leerse con seguridad. {AGAIN}")
    SCAN = (
        "scan",
        "El formato viene escaneado o impreso a PDF y sus campos no se pueden leer, así que lo revisa una persona. "
        "Para que sea más rápido, llene el formato en su computadora y guárdelo sin imprimirlo.",
    )
    FOREIGN = ("foreign", f"El PDF no es ninguno de nuestros dos formatos. {AGAIN}")
    OLD_VERSION = ("old-version", f"El formato es de una versión anterior; la vigente es la {fields.VERSION}. {AGAIN}")
    FORGED = (
        "forged",
        "El folio del formato no lleva nuestro sello o el sello no corresponde. Descargue de nuevo el formato desde la "
        "solicitud en el portal, sin cambiar el folio ni el sello.",
    )
    OTHER_CUSTOMER = (
        "other-customer",
        "El folio del formato no es de su empresa. Inicie su propia solicitud en el portal o use el formato en blanco.",
    )
    POWERS = (
        "powers",
        "La solicitud solo la presenta el representante legal o un apoderado con poderes vigentes, desde el correo "
        "registrado. Pídale que la envíe o que la haga en el portal.",
    )
    RFC = ("rfc", "El RFC escrito en el formato no es el de su empresa. Revíselo y envíe el formato de nuevo.")
    EMAIL = (
        "email",
        "El correo registrado escrito en el formato no es el de su empresa. Revíselo y envíe el formato de nuevo.",
    )
    INCOMPLETE = (
        "incomplete",
        "Al formato le faltan datos o alguno no es válido. Corríjalos y envíe el formato de nuevo.",
    )
    WRONG_BOX = (
        "wrong-box",
        "La Solicitud de Baja o Cambio de Información Sensible se envía a mesadecontrol@factureya.com; este buzón solo "
        "recibe la Solicitud de Control de Acceso. Envíe el mismo formato a esa dirección: aquí no se aplicó nada.",
    )


class Unreadable(Exception):
    """Report that a form is not taken: `fault` names the reason, and the text says in Spanish what to do."""

    def __init__(self, fault: Fault, details: Mapping[str, str] | None = None) -> None:
        """Keep the fault and, by field, its details."""
        super().__init__(fault.label)
        self.fault = fault
        self.details = dict(details or {})  # by field, where one is at fault


@dataclass(frozen=True)
class Proposal:
    """Hold a form as it came back: which form, whose it claims to be, and what was written."""

    form: str
    folio: str
    seal: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Answers:
    """Hold the answers of a form as the wizard keeps them.

    `person_email` is the person of an access request; `names_colleague`: the person must have access already.
    """

    kind: str
    draft: dict[str, object]
    person_email: str = ""
    names_colleague: bool = False


def read_form(content: bytes) -> Proposal:
    """Return what a filled PDF form says, as a proposal that nobody has checked yet.

    Raises Unreadable for a file that is too big, no PDF, or no form of ours. Raises NotRun if the machine could not run
    the worker to its end, or lacks the library: the mail is then handled again later. It takes at most 20 seconds.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(Fault.TOO_BIG)
    if b"%PDF-" not in content[:1024]:
        raise Unreadable(Fault.BROKEN)
    return read_fields(_ask_worker(content))


def read_fields(texts: Mapping[str, str]) -> Proposal:
    """Return what the fields of a PDF (`texts`, by name) propose. Raises Unreadable unless it is our form of today."""
    form = next((code for code, slug in fields.SLUGS.items() if texts.get("form") == slug), None)
    if form is None:
        raise Unreadable(Fault.FOREIGN)
    if texts.get("version") != fields.VERSION:
        raise Unreadable(Fault.OLD_VERSION)
    values = {name: _clean(texts.get(name, ""), field.lines > 1) for name, field in fields.map_fields(form).items()}
    return Proposal(form, values.pop("folio").upper(), values.pop("seal"), values)


def check_owner(proposal: Proposal, *, owner: int | None, sender: int) -> None:
    """Raise Unreadable unless the folio of a returned form, if it has one, belongs to the company that sent the form.

    `owner` is the primary key of the folio's company, or None for an unknown folio. `sender` is the primary key of the
    company that sent the form. The seal is checked first, so that nobody without a seal learns which folios exist.
    """
    if not (proposal.folio or proposal.seal):
        return
    if owner is None or not fields.is_sealed(proposal.form, proposal.folio, owner, proposal.seal):
        raise Unreadable(Fault.FORGED)
    if owner != sender:
        raise Unreadable(Fault.OTHER_CUSTOMER)


def compare_form(proposal: Proposal, customer: Customer) -> Answers:
    """Return the answers of a returned form, for a draft of this company.

    Raises Unreadable if a field is missing or wrong, or if the form has the RFC or registered mail of somebody else.
    """
    values = proposal.values
    if clean_rfc(values["rfc"]) not in {"", customer.rfc}:  # an empty RFC is no fault
        raise Unreadable(Fault.RFC)
    if values["signer_email"].lower() not in {"", customer.registered_email.lower()}:
        raise Unreadable(Fault.EMAIL)
    faults = _find_faults(proposal)
    if faults:
        raise Unreadable(Fault.INCOMPLETE, faults)
    kind = fields.KINDS[proposal.form][values["kind"]]
    person = {name.removeprefix("person_"): text for name, text in values.items() if name.startswith("person_")}
    draft = {"reason": values["reason"], **kind.read_pdf(person, _find_items(values))}
    if kind.has_date:
        draft["effective_date"] = _parse_day(values["effective_date"]) or ""
    return Answers(kind.code, draft, person.get("email", "").lower(), kind.names_colleague)


def clean_rfc(text: str) -> str:
    """Return an RFC as it is stored, from how people write it."""
    return re.sub(r"[\s.-]", "", text).upper()


def _ask_worker(content: bytes) -> dict[str, str]:
    """Return the texts of a PDF's fields, by name, as the worker process read them.

    Raises Unreadable with the reason that the worker gave; with Fault.HEAVY if its limits or an error stopped it.
    Raises NotRun if the machine is to blame (`run_limited`).
    """
    try:
        answer = json.loads(run_limited(WORKER, content, limits=LIMITS))
    except (Stopped, ValueError) as error:
        raise Unreadable(Fault.HEAVY) from error
    if "refusal" in answer:
        raise Unreadable(Fault(answer["refusal"]))
    texts: dict[str, str] = answer["fields"]
    return texts


def _find_faults(proposal: Proposal) -> dict[str, str]:
    """Return a Spanish text for each missing or wrong field of a returned form; `compare_form` checks the RFC."""
    values, faults = proposal.values, {}
    for name, field in fields.map_fields(proposal.form).items():
        # A field that is fixed has our own text, which people cannot edit.
        if name != "rfc" and len(values.get(name, "")) > field.max_length and not field.is_fixed:
            faults[name] = f"Tiene más de {field.max_length} caracteres."
    for name in _DATE_FIELDS & values.keys():
        if values[name] and _parse_day(values[name]) is None:
            faults[name] = "Escriba la fecha como 31/12/2026."
    if values["kind"] not in fields.KINDS[proposal.form]:
        faults["kind"] = "Elija qué solicita."
    if not values["oath"]:
        faults["oath"] = "Marque la casilla de la protesta de decir verdad."
    return faults


def _find_items(values: Mapping[str, str]) -> dict[str, str]:
    """Return the new values of a returned form, by field, as a draft has them: ISO dates, a power by its code word."""
    items = {
        name.removeprefix("new_"): text
        for name, text in values.items()
        if name.startswith("new_") and text and text != fields.UNCHOSEN
    }
    for pdf_name in _DATE_FIELDS & {f"new_{name}" for name in items}:  # the new values that are dates
        name = pdf_name.removeprefix("new_")
        items[name] = _parse_day(items[name]) or ""
    if power := items.get("representative_power"):
        items["representative_power"] = fields.POWERS.get(power, power)
    return items


_DATE_FIELDS = {"effective_date", "new_representative_valid_from", "new_representative_valid_until"}


def _parse_day(text: str) -> str | None:
    """Return a date that people wrote, «31/12/2026» or «2026-12-31», as YYYY-MM-DD; None when it is no date."""
    match = _DATE_PATTERN.fullmatch(text)
    if match is None:
        return None
    # Groups 1 to 3 are of «31/12/2026», groups 4 to 6 of «2026-12-31».
    day, month, year = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _clean(text: str, is_long: bool) -> str:
    """Return a field's text in NFC without control or invisible characters; only a long field keeps line breaks."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Unicode's categories of control and invisible characters begin with C. A tab becomes a space below.
    visible = "".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C" or c == "\t")
    if is_long:
        return "\n".join(" ".join(line.split()) for line in visible.split("\n")).strip()
    return " ".join(visible.split())
