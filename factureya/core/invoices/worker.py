"""Read one CFDI in a process with limits: `worker.py [FOLDER] < file` prints JSON; the folder has certificates.

It imports nothing of ours. The file is looked at before `satcfdi` gets it: a DOCTYPE (and so every entity), too many
levels or elements, and what is no CFDI are refused at the first sign.
"""

import base64
import json
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.parsers import expat

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree
from satcfdi.cfdi import CFDI
from satcfdi.exceptions import NamespaceMismatchError
from satcfdi.transform import xslt_transform

MAX_DEPTH, MAX_ELEMENTS = (60, 200_000)
MAX_ATTRIBUTES, MAX_NAMESPACES = (200, 1_000)  # of one element, and of the whole file
MAX_TEXT = 1_000  # characters; longer ones are cut, as in a description
MAX_DIGITS = 30  # of an amount; the SAT allows 18 and 6 decimals
STAMP = "{http://www.sat.gob.mx/TimbreFiscalDigital}TimbreFiscalDigital"
VERSIONS = {
    "http://www.sat.gob.mx/cfd/3}Comprobante": ("3.3",),
    "http://www.sat.gob.mx/cfd/4}Comprobante": ("4.0",),
    "http://www.sat.gob.mx/esquemas/retencionpago/1}Retenciones": ("1.0",),
    "http://www.sat.gob.mx/esquemas/retencionpago/2}Retenciones": ("2.0",),
}
# Elements of the invoice's own; the other ones are left out if satcfdi cannot read the whole.
NEEDED = {"Emisor", "Receptor", "Conceptos", "Impuestos", "Complemento", "Periodo", "Totales"}
SEAL_ATTRIBUTES = ("Sello", "NoCertificado", "Certificado", "NumCert", "Cert")
COMPLEMENT_NAMES = {  # of the others the name in the file is shown
    "Nomina": "Nómina",
    "CartaPorte": "Carta porte",
    "ComercioExterior": "Comercio exterior",
    "ImpuestosLocales": "Impuestos locales",
    "LeyendasFiscales": "Leyendas fiscales",
}
TAX_NAMES = {"001": "ISR", "002": "IVA", "003": "IEPS", "01": "ISR", "02": "IVA", "03": "IEPS"}
UUID_PATTERN = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")


class Refused(Exception):
    """Report in one word why the file is not read, and which value of it is at fault, if it is one."""

    def __init__(self, word: str, detail: str = "") -> None:
        super().__init__(word)
        self.word, self.detail = word, detail


def main() -> None:
    """Read an XML from standard input and print, as JSON, {"invoice": {…}} or {"refusal": word, "detail": name}."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        output: dict[str, Any] = {"invoice": read_xml(sys.stdin.buffer.read(), folder)}
    except Refused as refusal:
        output = {"refusal": refusal.word, "detail": refusal.detail}
    except (MemoryError, RecursionError):
        output = {"refusal": "heavy", "detail": ""}
    sys.stdout.write(json.dumps(output))


def read_xml(content: bytes, folder: Path | None) -> dict[str, Any]:
    """Return what the XML of a CFDI says, ready for JSON; `folder` has the certificates. Raises Refused."""
    Scanner().scan(content)
    root = parse_xml(content)
    stamps = [element for element in list_complements(root) if element.tag == STAMP]
    if len(stamps) > 1:
        raise Refused("value", "TimbreFiscalDigital")
    cfdi = make_cfdi(root)
    invoice = describe_retention(cfdi) if root.tag.endswith("}Retenciones") else describe_invoice(cfdi)
    stamp = read_stamp(cfdi)
    return {
        "version": str(cfdi["Version"]),
        **invoice,
        **stamp,
        "complements": name_complements(root),
        "seal_verdict": check_seals(root, stamps[0], folder) if stamps and stamp["is_stamped"] else "none",
    }


class Scanner:
    """Walk through an XML once, without building anything, and refuse what must not be parsed."""

    def __init__(self) -> None:
        self.depth = self.elements = self.namespaces = 0

    def scan(self, content: bytes) -> None:
        """Raise Refused for an XML that is not well-formed, has a DOCTYPE, is too deep or large, or is no CFDI."""
        parser = expat.ParserCreate(namespace_separator="}")
        parser.StartDoctypeDeclHandler = self.refuse_doctype
        parser.StartElementHandler = self.enter_element
        parser.EndElementHandler = self.leave_element
        parser.StartNamespaceDeclHandler = self.count_namespace
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: an encoding that does not exist
            raise Refused("broken") from error

    def refuse_doctype(self, *_declaration: object) -> None:
        """Raise Refused: the parser calls this at a DOCTYPE, before it reads what it declares."""
        raise Refused("doctype")

    def enter_element(self, name: str, attributes: dict[str, str]) -> None:
        """Count an element, and look at the name and version of the first one. Raises Refused."""
        self.depth += 1
        self.elements += 1
        if self.elements == 1:
            check_root(name, attributes)
        if self.depth > MAX_DEPTH or self.elements > MAX_ELEMENTS or len(attributes) > MAX_ATTRIBUTES:
            raise Refused("heavy")

    def count_namespace(self, *_declaration: object) -> None:
        """Count a declared namespace. Raises Refused for too many."""
        self.namespaces += 1
        if self.namespaces > MAX_NAMESPACES:
            raise Refused("heavy")

    def leave_element(self, _name: str) -> None:
        """Count one level less."""
        self.depth -= 1


def check_root(name: str, attributes: dict[str, str]) -> None:
    """Raise Refused unless the first element is that of a CFDI, of a version that is read."""
    if name not in VERSIONS:
        raise Refused("foreign")
    version = attributes.get("Version") or attributes.get("version", "")
    if version not in VERSIONS[name]:
        raise Refused("version", cut(version)[:20])


def parse_xml(content: bytes) -> Any:
    """Return the root of a scanned XML, parsed without entities, DTD, network, comments and instructions."""
    parser = etree.XMLParser(
        **dict.fromkeys(("resolve_entities", "load_dtd", "dtd_validation", "huge_tree", "recover"), False),
        **dict.fromkeys(("no_network", "remove_comments", "remove_pis"), True),
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Refused("broken") from error
    if root.getroottree().docinfo.internalDTD is not None:  # the two parsers read the file in different ways
        raise Refused("doctype")
    return root


def make_cfdi(root: Any) -> Any:
    """Return what satcfdi reads of an invoice, whose *Addenda* is left out: it may hold anything.

    If satcfdi cannot read the whole, it gets the invoice without its other complements and details. Raises Refused.
    """
    tree = deepcopy(root)
    for name in SEAL_ATTRIBUTES:
        tree.set(name, tree.get(name, ""))  # an invoice that is not sealed yet may have none; satcfdi wants them
    merge_complements(tree)
    with suppress(KeyError, AttributeError, TypeError, ValueError, ArithmeticError, NamespaceMismatchError):
        return CFDI.from_xml(tree)
    drop_details(tree)
    try:
        return CFDI.from_xml(tree)
    except KeyError as error:
        raise Refused("incomplete", cut(str(error.args[0]))[:40]) from error
    except (AttributeError, TypeError) as error:  # an element is not there
        raise Refused("incomplete") from error
    except (ValueError, ArithmeticError, NamespaceMismatchError) as error:
        raise Refused("value") from error


def merge_complements(tree: Any) -> None:
    """Move what all *Complemento* elements hold into the first, the only one that satcfdi reads, and drop *Addenda*."""
    namespace = etree.QName(tree).namespace
    first: Any = None
    for element in tree.findall(f"{{{namespace}}}Complemento"):
        if first is None:
            first = element
        else:
            first.extend(list(element))
            tree.remove(element)
    for element in tree.findall(f"{{{namespace}}}Addenda"):
        tree.remove(element)


def drop_details(tree: Any) -> None:
    """Take out of an invoice what its main facts do not need: complements but the stamp, and details of the lines."""
    for element in list(tree):
        name = etree.QName(element).localname
        if name not in NEEDED:
            tree.remove(element)
        elif name == "Complemento":
            drop_children(element, but=STAMP)
        elif name == "Conceptos":
            for concept in element:
                drop_children(concept)


def drop_children(element: Any, but: str = "") -> None:
    """Take the children out of an element, all `but` those with this tag."""
    for child in list(element):
        if child.tag != but:
            element.remove(child)


def describe_invoice(cfdi: Any) -> dict[str, Any]:
    """Return the main facts of a Comprobante (3.3, 4.0). Raises Refused for a value that cannot be."""
    issuer, receiver = cfdi["Emisor"], cfdi["Receptor"]
    kind = code(cfdi["TipoDeComprobante"])
    if kind not in set("IETNP"):
        raise Refused("value", "TipoDeComprobante")
    return {
        "kind": kind,
        "issuer_rfc": clean_rfc(issuer["Rfc"]),
        "issuer_name": cut(issuer.get("Nombre")),
        "receiver_rfc": clean_rfc(receiver["Rfc"]),
        "receiver_name": cut(receiver.get("Nombre")),
        "total": amount(cfdi["Total"], "Total"),
        "subtotal": amount(cfdi["SubTotal"], "SubTotal"),
        "discount": amount(cfdi.get("Descuento"), "Descuento"),
        "currency": code(cfdi["Moneda"]),
        "issued_at": instant(cfdi["Fecha"]),
        "concepts": [describe_concept(concept) for concept in cfdi["Conceptos"]],
        "taxes": list_taxes(cfdi.get("Impuestos") or {}),
        "series": cut(cfdi.get("Serie")),
        "folio": cut(cfdi.get("Folio")),
        "issuer_regime": shown(issuer.get("RegimenFiscal")),
        "receiver_regime": shown(receiver.get("RegimenFiscalReceptor")),
        "receiver_postal_code": cut(receiver.get("DomicilioFiscalReceptor")),
        "cfdi_use": shown(receiver.get("UsoCFDI")),
        "place_of_issue": cut(cfdi.get("LugarExpedicion")),
        "payment_form": shown(cfdi.get("FormaPago")),
        "payment_method": shown(cfdi.get("MetodoPago")),
        "certificate_number": cut(cfdi["NoCertificado"]),
        "seal": cut(cfdi["Sello"]),
    }


def describe_concept(concept: Any) -> dict[str, Any]:
    """Return one line of an invoice."""
    return {
        "description": cut(concept["Descripcion"]),
        "quantity": amount(concept["Cantidad"], "Cantidad"),
        "unit": cut(concept.get("Unidad")) or shown(concept["ClaveUnidad"]),
        "unit_price": amount(concept["ValorUnitario"], "ValorUnitario"),
        "amount": amount(concept["Importe"], "Importe"),
        "discount": amount(concept.get("Descuento"), "Descuento"),
    }


def list_taxes(taxes: Any) -> list[dict[str, Any]]:
    """Return the taxes of an invoice: those that were added, and then those that were withheld."""
    return [
        {
            "name": TAX_NAMES.get(code(tax["Impuesto"]), code(tax["Impuesto"])),
            "rate": amount(tax.get("TasaOCuota"), "TasaOCuota"),
            "amount": amount(tax.get("Importe"), "Importe"),
            "is_withheld": group == "Retenciones",
        }
        for group in ("Traslados", "Retenciones")
        for tax in (taxes.get(group) or {}).values()
    ]


def describe_retention(cfdi: Any) -> dict[str, Any]:
    """Return the main facts of a CFDI of withholdings (1.0, 2.0); its one line is what was withheld for."""
    issuer, party, totals = cfdi["Emisor"], cfdi["Receptor"], cfdi["Totales"]
    receiver = party.get("Nacional") or party.get("Extranjero") or {}
    total = amount(totals["MontoTotOperacion"], "MontoTotOperacion")
    lines = {"quantity": None, "unit": "", "unit_price": None, "amount": total, "discount": None}
    reason = cut(cfdi.get("DescRetenc")) or shown(cfdi["CveRetenc"])
    return {
        "kind": "R",
        "issuer_rfc": clean_rfc(issuer.get("RfcE") or issuer.get("RFCEmisor")),
        "issuer_name": cut(issuer.get("NomDenRazSocE")),
        "receiver_rfc": clean_rfc(first_of(receiver, "RfcR", "RFCRecep", "NumRegIdTribR", "NumRegIdTrib")),
        "receiver_name": cut(receiver.get("NomDenRazSocR")),
        "total": total,
        "currency": "MXN",
        "issued_at": instant(cfdi["FechaExp"]),
        "concepts": [{"description": reason, **lines}],
        "taxes": [describe_withheld(tax) for tax in totals.get("ImpRetenidos") or ()],
        "folio": cut(cfdi.get("FolioInt")),
        "issuer_regime": shown(issuer.get("RegimenFiscalE")),
        "receiver_postal_code": cut(receiver.get("DomicilioFiscalR")),
        "place_of_issue": cut(cfdi.get("LugarExpRetenc")),
        "certificate_number": cut(first_of(cfdi, "NoCertificado", "NumCert")),
        "seal": cut(cfdi["Sello"]),
    }


def describe_withheld(tax: Any) -> dict[str, Any]:
    """Return one tax of a CFDI of withholdings."""
    number = code(tax.get("ImpuestoRet") or tax.get("Impuesto"))
    name = TAX_NAMES.get(number, number)
    return {"name": name, "rate": None, "amount": amount(tax["MontoRet"], "MontoRet"), "is_withheld": True}


def read_stamp(cfdi: Any) -> dict[str, Any]:
    """Return what the stamp of the SAT says; only `is_stamped` as False if there is none. Raises Refused."""
    stamp = (cfdi.get("Complemento") or {}).get("TimbreFiscalDigital")
    if getattr(stamp, "tag", None) != STAMP:
        return {"is_stamped": False, "uuid": "", "stamped_at": None}
    uuid = cut(stamp["UUID"]).upper()
    if not UUID_PATTERN.fullmatch(uuid):
        raise Refused("value", "UUID")
    return {
        "is_stamped": True,
        "uuid": uuid,
        "stamped_at": instant(stamp["FechaTimbrado"]),
        "pac_rfc": clean_rfc(stamp.get("RfcProvCertif")),
        "sat_certificate_number": cut(stamp["NoCertificadoSAT"]),
        "sat_seal": cut(stamp["SelloSAT"]),
    }


def list_complements(root: Any) -> list[Any]:
    """Return the elements inside an invoice's *Complemento* elements, its stamp among them."""
    namespace = etree.QName(root).namespace
    return [child for holder in root.findall(f"{{{namespace}}}Complemento") for child in holder]


def name_complements(root: Any) -> list[str]:
    """Return the names of an invoice's complements but its stamp, each once, in the order of the file."""
    names = [etree.QName(element).localname for element in list_complements(root) if element.tag != STAMP]
    return list(dict.fromkeys(COMPLEMENT_NAMES.get(name, name)[:60] for name in names))[:20]


# -- Seals -------------------------------------------------------------------------------------------


def check_seals(root: Any, stamp: Any, folder: Path | None) -> str:
    """Return whether the seals hold: «valid», «invalid», or «unknown» if the certificate is not at hand.

    The seal of the SAT covers the issuer's seal alone, so that one is checked too: it covers all that the file says.
    """
    certificate = load_certificate(folder, stamp.get("NoCertificadoSAT") or stamp.get("noCertificadoSAT") or "")
    if certificate is None:
        return "unknown"
    is_old = (stamp.get("Version") or stamp.get("version")) == "1.0"
    names = "version UUID FechaTimbrado selloCFD noCertificadoSAT" if is_old else ""
    names = names or "Version UUID FechaTimbrado RfcProvCertif Leyenda SelloCFD NoCertificadoSAT"
    seal = stamp.get("SelloSAT") or stamp.get("selloSAT") or ""
    digest = hashes.SHA1() if is_old else hashes.SHA256()  # noqa: S303 - as the SAT prescribed until 2017
    text = join_values(stamp.get(name) for name in names.split())
    own_seal = stamp.get("SelloCFD") or stamp.get("selloCFD") or ""
    is_same = "".join(own_seal.split()) == "".join((root.get("Sello") or "").split()) != ""
    if not (is_same and verifies(certificate, seal, text, digest)):
        return "invalid"
    return check_own_seal(root)


def check_own_seal(root: Any) -> str:
    """Return «valid» if the issuer's seal covers what the file says, else «invalid»; «unknown» without certificate."""
    try:
        content = base64.b64decode(root.get("Certificado") or root.get("Cert") or "")
        certificate = x509.load_der_x509_certificate(content)
        text = str(xslt_transform(root.tag, root.get("Version"))(root))
    except (ValueError, etree.LxmlError):
        return "unknown"
    digest = hashes.SHA1() if root.tag.startswith("{http://www.sat.gob.mx/esquemas/retencionpago/1}") else None  # noqa: S303
    return "valid" if verifies(certificate, root.get("Sello"), text, digest or hashes.SHA256()) else "invalid"


def load_certificate(folder: Path | None, number: str) -> Any:
    """Return the certificate of the SAT with this number of 20 digits, or None if it is not in the folder."""
    if folder is None or not re.fullmatch(r"[0-9]{20}", number):
        return None
    with suppress(OSError, ValueError):
        certificate = x509.load_der_x509_certificate((folder / f"{number}.cer").read_bytes())
        serial = certificate.serial_number
        if serial.to_bytes((serial.bit_length() + 7) // 8, "big") == number.encode():
            return certificate
    return None


def verifies(certificate: Any, seal: str, text: str, digest: Any) -> bool:
    """Return whether `seal` (base64) is the signature of the text by the certificate's key."""
    try:
        certificate.public_key().verify(base64.b64decode(seal), text.encode(), padding.PKCS1v15(), digest)
    except (InvalidSignature, ValueError, AttributeError, TypeError):  # the last two: a key that is not RSA
        return False
    return True


def join_values(values: Iterable[str | None]) -> str:
    """Return the SAT's *cadena original* of these values: each on one line; those that are not there are left out."""
    return "||" + "|".join(" ".join(value.split()) for value in values if value) + "||"


# -- Values ------------------------------------------------------------------------------------------


def cut(value: Any) -> str:
    """Return a text of the file without line breaks and doubled blanks, and no longer than MAX_TEXT."""
    return " ".join(str(value or "").split())[:MAX_TEXT]


def clean_rfc(value: Any) -> str:
    """Return an RFC in capitals and without the blanks that some programs write around it."""
    return cut(value).upper()[:40]


def code(value: Any) -> str:
    """Return the code of a value of a catalogue of the SAT: «I», «MXN»."""
    return cut(getattr(value, "code", value))[:20]


def shown(value: Any) -> str:
    """Return a value of a catalogue with its meaning: «601 - General de Ley Personas Morales»."""
    return cut(value)[:200]


def first_of(values: Any, *names: str) -> Any:
    """Return the first of these values that is there, or an empty text."""
    return next((values[name] for name in names if values.get(name)), "")


def amount(value: Decimal | None, name: str) -> str | None:
    """Return a number as text, None for none. Raises Refused if it is not finite or has too many digits."""
    if value is None:
        return None
    if not value.is_finite() or abs(value.adjusted()) > MAX_DIGITS or len(value.as_tuple().digits) > MAX_DIGITS:
        raise Refused("value", name)
    return format(value, "f")


def instant(value: datetime) -> str:
    """Return a time as the file says it, without its zone."""
    return value.replace(tzinfo=None, microsecond=0).isoformat()


if __name__ == "__main__":
    main()
