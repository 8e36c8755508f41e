"""Read one CFDI in a process with limits: `main.py [FOLDER] < file` prints JSON; the folder has certificates.

It imports nothing of ours but the files beside it. The XML is looked at before `satcfdi` gets it: a DOCTYPE (and so
every entity), too many levels or elements, and what is no CFDI are refused at the first sign.
"""

import json
import re
import sys
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any
from xml.parsers import expat

from lxml import etree
from satcfdi.cfdi import CFDI
from satcfdi.exceptions import NamespaceMismatchError
from seals import check_seals
from values import Refused, amount, clean_rfc, code, cut, first_of, instant, shown

MAX_DEPTH, MAX_ELEMENTS = (60, 200_000)
MAX_ATTRIBUTES, MAX_NAMESPACES = (200, 1_000)  # of one element, and of the whole file
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
    stamp: Any = (cfdi.get("Complemento") or {}).get("TimbreFiscalDigital")
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


if __name__ == "__main__":
    main()
