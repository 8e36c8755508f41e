"""Invoices made by code with what they must be read as, and XMLs that no reader may take."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from factureya.testing.invoices import (
    DECLARATION,
    ISSUER,
    RECEIVER,
    TFD,
    UUID,
    make_concept,
    make_invoice,
    make_retention,
    make_stamp,
)


@dataclass(frozen=True)
class Sample:
    """Hold one XML and the values that it must be read as."""

    name: str
    xml: bytes
    expected: dict[str, Any] = field(default_factory=dict)


# -- The samples -------------------------------------------------------------------------------------

STANDARD = {
    "version": "4.0",
    "kind": "I",
    "uuid": UUID,
    "issuer_rfc": ISSUER,
    "receiver_rfc": RECEIVER,
    "issuer_name": "Papelería Ocaso",
    "total": Decimal("4872.00"),
    "subtotal": Decimal("4200.00"),
    "currency": "MXN",
    "issued_at": datetime(2026, 11, 23, 17, 2),
    "stamped_at": datetime(2026, 11, 23, 17, 3, 11),
    "is_stamped": True,
    "seal_verdict": "unknown",
}
UNSTAMPED = STANDARD | {"uuid": "", "stamped_at": None, "is_stamped": False, "seal_verdict": "none"}
WITHHELD = STANDARD | {
    "version": "2.0",
    "kind": "R",
    "total": Decimal("1000.50"),
    "subtotal": None,
    "issued_at": datetime(2026, 1, 13, 14, 15, 16),
}
PAYMENTS_20 = (
    '<pago20:Pagos xmlns:pago20="http://www.sat.gob.mx/Pagos20" Version="2.0">'
    '<pago20:Totales MontoTotalPagos="1160.00"/><pago20:Pago FechaPago="2026-11-03T12:00:00" FormaDePagoP="03" '
    'MonedaP="MXN" TipoCambioP="1" Monto="1160.00"><pago20:DoctoRelacionado IdDocumento="' + UUID + '" '
    'MonedaDR="MXN" EquivalenciaDR="1" NumParcialidad="1" ImpSaldoAnt="1160.00" ImpPagado="1160.00" '
    'ImpSaldoInsoluto="0.00" ObjetoImpDR="01"/></pago20:Pago></pago20:Pagos>'
)
PAYMENTS_10 = (
    '<pago10:Pagos xmlns:pago10="http://www.sat.gob.mx/Pagos" Version="1.0"><pago10:Pago '
    'FechaPago="2020-11-03T12:00:00" FormaDePagoP="03" MonedaP="MXN" Monto="1160.00"/></pago10:Pagos>'
)
PAYROLL = (
    '<nomina12:Nomina xmlns:nomina12="http://www.sat.gob.mx/nomina12" Version="1.2" TipoNomina="O" '
    'FechaPago="2026-11-15" FechaInicialPago="2026-11-01" FechaFinalPago="2026-11-15" NumDiasPagados="15" '
    'TotalPercepciones="7000.00" TotalDeducciones="700.00"><nomina12:Receptor Curp="RIAA800101MPLVNN09" '
    'TipoContrato="01" TipoRegimen="02" NumEmpleado="7" PeriodicidadPago="04" ClaveEntFed="PUE"/></nomina12:Nomina>'
)
WAYBILL = (
    '<cartaporte31:CartaPorte xmlns:cartaporte31="http://www.sat.gob.mx/CartaPorte31" Version="3.1" '
    'IdCCP="CCC12345-1234-1234-1234-123456789012" TranspInternac="No"><cartaporte31:Ubicaciones/>'
    '<cartaporte31:Mercancias PesoBrutoTotal="1" UnidadPeso="KGM" NumTotalMercancias="1"/></cartaporte31:CartaPorte>'
)
WAYBILL_20 = WAYBILL.replace("artaporte31", "artaporte20").replace("CartaPorte31", "CartaPorte20").replace("3.1", "2.0")
LOCAL_TAXES = (
    '<implocal:ImpuestosLocales xmlns:implocal="http://www.sat.gob.mx/implocal" version="1.0" '
    'TotaldeRetenciones="0.00" TotaldeTraslados="84.00"><implocal:TrasladosLocales ImpLocTrasladado="ISH" '
    'TasadeTraslado="2.00" Importe="84.00"/></implocal:ImpuestosLocales>'
)
NOTHING_TO_PAY = {"SubTotal": "0", "Moneda": "XXX", "Total": "0", "FormaPago": None, "MetodoPago": None}
ZERO = {"total": Decimal(0), "subtotal": Decimal(0), "currency": "XXX"}
TWO_TAXES = (
    '<cfdi:Impuestos TotalImpuestosRetenidos="420.00" TotalImpuestosTrasladados="672.00"><cfdi:Retenciones>'
    '<cfdi:Retencion Impuesto="001" Importe="420.00"/></cfdi:Retenciones><cfdi:Traslados>'
    '<cfdi:Traslado Base="4200.00" Impuesto="002" TipoFactor="Tasa" TasaOCuota="0.160000" Importe="672.00"/>'
    "</cfdi:Traslados></cfdi:Impuestos>"
)
ADDENDA = (
    '<cfdi:Addenda><x:Todo xmlns:x="urn:cliente"><x:Comprobante Version="9"/>'
    '<tfd:TimbreFiscalDigital xmlns:tfd="urn:otro" UUID="no"/></x:Todo></cfdi:Addenda>'
)


def make_samples() -> list[Sample]:
    """Return all the invoices made by code that must be read right."""
    return [*_kinds(), *_values(), *_encodings(), *_namespaces(), *_retentions()]


def _sample(name: str, xml: str, expected: dict[str, Any] | None = None, **more: Any) -> Sample:
    """Return an invoice in UTF-8 with a declaration, read as STANDARD but for what is said."""
    return Sample(name, (DECLARATION + xml).encode(), (STANDARD if expected is None else expected) | more)


def _kinds() -> Iterator[Sample]:
    """Make invoices of both versions, of each type and with each complement."""
    for version in ("3.3", "4.0"):
        yield _sample(f"income-{version}", make_invoice(version), version=version)
        yield _sample(f"unstamped-{version}", make_invoice(version, stamp=""), UNSTAMPED, version=version)
        expense = make_invoice(version, TipoDeComprobante="E")
        yield _sample(f"expense-{version}", expense, version=version, kind="E")
        moved = make_invoice(version, TipoDeComprobante="T", taxes="", **NOTHING_TO_PAY)
        yield _sample(f"transfer-{version}", moved, STANDARD | ZERO, version=version, kind="T")
    for name, version, kind, complement, shown in (
        ("payments-2.0", "4.0", "P", PAYMENTS_20, "Pagos"),
        ("payments-1.0", "3.3", "P", PAYMENTS_10, "Pagos"),
        ("waybill-3.1", "4.0", "T", WAYBILL, "Carta porte"),
        ("waybill-2.0", "3.3", "T", WAYBILL_20, "Carta porte"),
    ):
        xml = make_invoice(version, TipoDeComprobante=kind, taxes="", complements=complement, **NOTHING_TO_PAY)
        yield _sample(name, xml, STANDARD | ZERO, version=version, kind=kind, complements=(shown,))
    for version in ("3.3", "4.0"):
        xml = make_invoice(version, TipoDeComprobante="N", taxes="", complements=PAYROLL, Total="3500.00")
        expected = {"kind": "N", "complements": ("Nómina",), "total": Decimal("3500.00"), "version": version}
        yield _sample(f"payroll-{version}", xml, **expected)
    xml = make_invoice(complements=LOCAL_TAXES + PAYMENTS_20)
    yield _sample("two-complements", xml, complements=("Impuestos locales", "Pagos"))
    unknown = '<otro:Complemento2030 xmlns:otro="urn:otro" a="1"><otro:b/></otro:Complemento2030>'
    yield _sample("unknown-complement", make_invoice(complements=unknown), complements=("Complemento2030",))
    broken = PAYROLL.replace(' Version="1.2"', "")  # satcfdi does not read it; the rest is read
    yield _sample("broken-complement", make_invoice(complements=broken), complements=("Nómina",))


def _values() -> Iterator[Sample]:
    """Make invoices with values that programs write in ways of their own."""
    yield _sample("rfc-with-blanks", make_invoice(issuer={"Rfc": f" {ISSUER.lower()} "}))
    yield _sample("rfc-with-ampersand", make_invoice(issuer={"Rfc": "H&E951128469"}), issuer_rfc="H&E951128469")
    yield _sample("rfc-with-enye", make_invoice(receiver={"Rfc": "ÑAÑ010203AB1"}), receiver_rfc="ÑAÑ010203AB1")
    yield _sample("public", make_invoice(receiver={"Rfc": "XAXX010101000"}), receiver_rfc="XAXX010101000")
    yield _sample("uuid-in-small-letters", make_invoice(stamp=make_stamp(UUID.lower())))
    dollars = make_invoice(Moneda="USD", TipoCambio="18.5000", Total="4872")
    yield _sample("dollars", dollars, currency="USD", total=Decimal(4872))
    yield _sample("discount", make_invoice(Descuento="100.00"), discount=Decimal("100.00"))
    yield _sample("six-decimals", make_invoice(Total="4872.000001"), total=Decimal("4872.000001"))
    yield _sample("withheld", make_invoice(taxes=TWO_TAXES), receiver_name="FACTUREYA")
    unsealed = make_invoice(stamp="", Sello=None, Certificado=None, NoCertificado=None)
    yield _sample("never-sealed", unsealed, UNSTAMPED)
    yield _sample("500-lines", make_invoice(concepts=make_concept() * 500))
    named = make_invoice(issuer={"Nombre": "La Niña\u2009& <Cía>  'S'"})
    yield _sample("odd-name", named, issuer_name="La Niña & <Cía> 'S'")
    yield _sample("unknown-code", make_invoice(FormaPago="ZZ"), payment_form="ZZ")
    yield _sample("no-taxes", make_invoice(taxes=""), taxes=())


def _encodings() -> Iterator[Sample]:
    """Make one invoice in many encodings."""
    xml = make_invoice()
    for label, codec, first in (
        ("UTF-8", "utf-8-sig", ""),
        ("ISO-8859-1", "iso-8859-1", ""),
        ("windows-1252", "cp1252", ""),
        ("UTF-16", "utf-16", ""),
        ("UTF-16", "utf-16-le", "\ufeff"),
        ("UTF-16", "utf-16-be", "\ufeff"),
        ("US-ASCII", "ascii", ""),
    ):
        text = f'{first}<?xml version="1.0" encoding="{label}"?>{xml}'
        yield Sample(f"in-{codec}", text.encode(codec, "xmlcharrefreplace"), STANDARD)
    yield Sample("no-declaration", xml.encode(), STANDARD)
    yield Sample("single-quotes", f"<?xml version='1.0'?>\r\n{xml.replace(chr(34), chr(39))}".encode(), STANDARD)
    yield Sample("small-encoding", f'<?xml version="1.0" encoding="utf-8" standalone="yes"?>{xml}'.encode(), STANDARD)


def _namespaces() -> Iterator[Sample]:
    """Make invoices whose namespaces are declared where one does not expect them."""
    plain = make_invoice()
    default = plain.replace("<cfdi:", "<").replace("</cfdi:", "</").replace("xmlns:cfdi=", "xmlns=")
    yield _sample("default-namespace", default)
    yield _sample("other-prefix", plain.replace("cfdi:", "ns0:").replace("xmlns:cfdi", "xmlns:ns0"))
    outer = make_invoice(root=f' xmlns:tfd="{TFD}"', stamp=make_stamp(declared=False))
    yield _sample("stamp-declared-outside", outer)
    yield _sample("stamp-with-other-prefix", make_invoice(stamp=make_stamp(prefix="t")))
    unprefixed = make_stamp().replace("tfd:", "").replace("xmlns:tfd", "xmlns")
    yield _sample("stamp-without-prefix", make_invoice(stamp=unprefixed))
    schema = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.sat.gob.mx/cfd/4 x"'
    yield _sample("schema-location", make_invoice(root=schema))
    yield _sample("unused-namespaces", make_invoice(root="".join(f' xmlns:n{n}="urn:{n}"' for n in range(30))))
    inner = plain.replace("<cfdi:Emisor", '<cfdi:Emisor xmlns:cfdi="http://www.sat.gob.mx/cfd/4"')
    yield _sample("declared-again", inner)
    second = f"<cfdi:Complemento>{make_stamp()}</cfdi:Complemento>"
    twice = make_invoice("3.3", stamp="", complements=LOCAL_TAXES, tail=second)
    yield _sample("stamp-in-second-complement", twice, version="3.3", complements=("Impuestos locales",))
    yield _sample("addenda", make_invoice(tail=ADDENDA))
    commented = plain.replace("<cfdi:Receptor", "<!-- <cfdi:Total/> --><?proceso algo?><cfdi:Receptor")
    yield _sample("comments", commented + "<!-- fin -->\n")
    yield _sample("other-stamp", make_invoice(stamp=make_stamp().replace(TFD, "urn:otro")), UNSTAMPED)


def _retentions() -> Iterator[Sample]:
    """Make CFDI of withholdings of both versions."""
    yield _sample("retention-2.0", make_retention(), WITHHELD)
    yield _sample("retention-unstamped", make_retention(stamp=""), UNSTAMPED | WITHHELD | _no_stamp())
    old = {"version": "1.0", "issued_at": datetime(2016, 1, 13, 14, 15, 16)}
    yield _sample("retention-1.0", make_retention("1.0"), WITHHELD, **old)
    abroad = (
        '<r:Receptor NacionalidadR="Extranjero"><r:Extranjero NumRegIdTribR="998" NomDenRazSocR="World"/></r:Receptor>'
    )
    yield _sample("retention-abroad", make_retention(receiver=abroad), WITHHELD, receiver_rfc="998")


def _no_stamp() -> dict[str, Any]:
    """Return what is read of the stamp of an invoice that has none."""
    return {"uuid": "", "stamped_at": None, "is_stamped": False, "seal_verdict": "none"}


# -- What no reader may take -------------------------------------------------------------------------


def make_hostile() -> list[Sample]:
    """Return XMLs that must be refused; `expected` has a word of the reason."""
    texts = {**_attacks(), **_damaged(), **_foreign(), **_faulty()}
    samples = [Sample(name, text.encode(), {"reason": reason}) for name, (text, reason) in texts.items()]
    big = (DECLARATION + make_invoice()).encode() + b" " * 50 * 1024 * 1024
    split = b'<?xml version="1.0" encoding="UTF-8"?>' + make_invoice().encode("utf-16")
    return [
        *samples,
        Sample("50-megabytes", big, {"reason": "más de 5 MB"}),
        Sample("declared-in-another-encoding", split, {"reason": "bien formado"}),
        Sample("nul", make_invoice().encode().replace(b"B", b"\0", 1), {"reason": "bien formado"}),
    ]


def _attacks() -> dict[str, tuple[str, str]]:
    """Return XMLs that read other files, call a server, or take all memory and time; each with a word of the reason."""
    start, end = make_invoice().partition("<cfdi:Emisor")[0], "</cfdi:Comprobante>"
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    xxe = '<!DOCTYPE cfdi:Comprobante [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    outside = '<!DOCTYPE cfdi:Comprobante SYSTEM "http://127.0.0.1:9/cfdi.dtd">'
    many_attributes = "".join(f' a{n}=""' for n in range(300_000))
    many_names = "".join(f' xmlns:a{n}="u"' for n in range(100_000))
    return {
        "xxe": (f"{DECLARATION}{xxe}{start}&x;{end}", "DOCTYPE"),
        "billion-laughs": (f'{DECLARATION}<!DOCTYPE a [<!ENTITY a0 "ja">{laughs}]>{start}&a11;{end}', "DOCTYPE"),
        "outside-dtd": (f"{DECLARATION}{outside}{make_invoice()}", "DOCTYPE"),
        "parameter-entity": (f'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hosts"> %p;]>{make_invoice()}', "DOCTYPE"),
        "empty-doctype": (f"<!DOCTYPE a>{make_invoice()}", "DOCTYPE"),
        "100000-levels": (f"{start}{'<a>' * 100_000}{'</a>' * 100_000}{end}", "complejo"),
        "million-elements": (f"{start}{'<a/>' * 1_000_000}{end}", "complejo"),
        "300000-attributes": (f"{start}<a{many_attributes}/>{end}", "complejo"),
        "100000-namespaces": (f"{start}<a{many_names}/>{end}", "complejo"),
    }


def _damaged() -> dict[str, tuple[str, str]]:
    """Return texts that are no well-formed XML."""
    reason = "bien formado"
    return {
        "cut-off": (make_invoice()[:-9], reason),
        "two-roots": (make_invoice() * 2, reason),
        "undefined-entity": (make_invoice().replace('"B"', '"&nada;"'), reason),
        "twice-the-same-attribute": (make_invoice(root=' Version="4.0"'), reason),
        "undeclared-prefix": (make_invoice(complements="<x:Nada/>"), reason),
        "empty": ("", reason),
        "no-xml": ("PDF-1.7 no soy un XML", reason),
        "unknown-encoding": (f'<?xml version="1.0" encoding="x-nada"?>{make_invoice()}', reason),
    }


def _foreign() -> dict[str, tuple[str, str]]:
    """Return XMLs that are no CFDI, or of a version that is not read."""
    return {
        "web-page": ("<html><body/></html>", "no un CFDI"),
        "cfdi-in-no-namespace": ('<Comprobante Version="4.0"/>', "no un CFDI"),
        "version-3.2": ('<c:Comprobante xmlns:c="http://www.sat.gob.mx/cfd/3" version="3.2"/>', "versión"),
        "version-9": (make_invoice(Version="9.0"), "versión"),
    }


def _faulty() -> dict[str, tuple[str, str]]:
    """Return CFDI without a value that they need, or with one that cannot be."""
    return {
        "no-total": (make_invoice(Total=None), "«Total»"),
        "no-issuer": (make_invoice().replace("cfdi:Emisor", "cfdi:Otro"), "falta"),
        "no-lines": (make_invoice().replace("cfdi:Conceptos", "cfdi:Otros"), "falta"),
        "total-not-a-number": (make_invoice(Total="NaN"), "«Total»"),
        "total-infinite": (make_invoice(Total="Infinity"), "«Total»"),
        "total-of-1e999999": (make_invoice(Total="1e999999"), "«Total»"),
        "total-of-words": (make_invoice(Total="mil"), "no es válido"),
        "long-total": (make_invoice(Total="9" * 4_000_000), "«Total»"),
        "date-of-words": (make_invoice(Fecha="ayer"), "no es válido"),
        "unknown-type": (make_invoice(TipoDeComprobante="Q"), "«TipoDeComprobante»"),
        "uuid-of-words": (make_invoice(stamp=make_stamp("ninguno")), "«UUID»"),
        "two-stamps": (make_invoice(stamp=make_stamp() * 2), "«TimbreFiscalDigital»"),
    }
