"""Invoices (CFDI) made by code: a Comprobante, a CFDI of withholdings, a stamp, and seals that hold."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

UUID = "6128396F-C09B-4EC6-8699-43C5F7E3B230"
ISSUER, RECEIVER = "POC150312AB0", "FYU090821Q7A"
CERTIFICATE, SAT_CERTIFICATE = "30001000000500003416", "30001000000500003456"
TFD = "http://www.sat.gob.mx/TimbreFiscalDigital"
RETENTIONS = {"1.0": "http://www.sat.gob.mx/esquemas/retencionpago/1"}
RETENTIONS["2.0"] = "http://www.sat.gob.mx/esquemas/retencionpago/2"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
STANDARD_TAXES = (
    '<cfdi:Impuestos TotalImpuestosTrasladados="672.00"><cfdi:Traslados>'
    '<cfdi:Traslado Base="4200.00" Impuesto="002" TipoFactor="Tasa" TasaOCuota="0.160000" Importe="672.00"/>'
    "</cfdi:Traslados></cfdi:Impuestos>"
)


def make_stamp(uuid: str = UUID, *, prefix: str = "tfd", declared: bool = True, **attributes: str) -> str:
    """Return the stamp of the SAT as XML; without `declared` its prefix must be declared further out."""
    values = {
        "Version": "1.1",
        "UUID": uuid,
        "FechaTimbrado": "2026-11-23T17:03:11",
        "RfcProvCertif": "SAT970701NN3",
        "SelloCFD": "c2VsbG8=",
        "NoCertificadoSAT": SAT_CERTIFICATE,
        "SelloSAT": "c2F0",
        **attributes,
    }
    where = f' xmlns:{prefix}="{TFD}"' if declared else ""
    return f"<{prefix}:TimbreFiscalDigital{where}{write_attributes(values)}/>"


def make_invoice(
    version: str = "4.0",
    *,
    stamp: str | None = None,
    complements: str = "",
    concepts: str = "",
    taxes: str = STANDARD_TAXES,
    issuer: dict[str, str] | None = None,
    receiver: dict[str, str] | None = None,
    root: str = "",
    tail: str = "",
    **attributes: str | None,
) -> str:
    """Return a Comprobante as XML without a declaration: stamped, of $4,872.00 MXN, unless the caller says otherwise.

    An attribute that is None is left out; `root` is text inside the first tag, `tail` stands before the last tag.
    """
    is_old = version == "3.3"
    values = _root_values(version) | attributes
    emisor = {"Rfc": ISSUER, "Nombre": "Papelería Ocaso", "RegimenFiscal": "601"} | (issuer or {})
    receptor = {"Rfc": RECEIVER, "Nombre": "FACTUREYA", "UsoCFDI": "G03"}
    if not is_old:
        receptor |= {"DomicilioFiscalReceptor": "72000", "RegimenFiscalReceptor": "601"}
    holder = make_stamp() if stamp is None else stamp
    inside = f"<cfdi:Complemento>{complements}{holder}</cfdi:Complemento>" if complements or holder else ""
    return (
        f'<cfdi:Comprobante xmlns:cfdi="http://www.sat.gob.mx/cfd/{version[0]}"{root}{write_attributes(values)}>'
        f"<cfdi:Emisor{write_attributes(emisor)}/><cfdi:Receptor{write_attributes(receptor | (receiver or {}))}/>"
        f"<cfdi:Conceptos>{concepts or make_concept(version)}</cfdi:Conceptos>{taxes}{inside}{tail}</cfdi:Comprobante>"
    ).replace(' Base="4200.00"' if is_old else "\0", "")


def _root_values(version: str) -> dict[str, str | None]:
    """Return the attributes of a Comprobante of this version, in the order of the SAT."""
    values: dict[str, str | None] = {
        "Version": version,
        "Serie": "B",
        "Folio": "0411",
        "Fecha": "2026-11-23T17:02:00",
        "Sello": "c2VsbG8=",
        "FormaPago": "03",
        "NoCertificado": CERTIFICATE,
        "Certificado": "Y2VydA==",
        "SubTotal": "4200.00",
        "Moneda": "MXN",
        "Total": "4872.00",
        "TipoDeComprobante": "I",
        "Exportacion": "01" if version == "4.0" else None,
        "MetodoPago": "PUE",
        "LugarExpedicion": "72000",
    }
    return values


def make_concept(version: str = "4.0", **attributes: str) -> str:
    """Return one line of a Comprobante as XML."""
    values: dict[str, str | None] = {
        "ClaveProdServ": "14111507",
        "Cantidad": "10",
        "ClaveUnidad": "H87",
        "Unidad": "Pieza",
        "Descripcion": "Papel bond carta",
        "ValorUnitario": "420.00",
        "Importe": "4200.00",
        "ObjetoImp": "01" if version == "4.0" else None,
    }
    return f"<cfdi:Concepto{write_attributes(values | attributes)}/>"


def make_retention(version: str = "2.0", *, stamp: str | None = None, receiver: str = "", **attributes: str) -> str:
    """Return a CFDI of withholdings as XML without a declaration."""
    is_new = version == "2.0"
    values = {"Version": version, "FolioInt": "77", "Sello": "c2VsbG8=", "CveRetenc": "14"}
    values |= {"NoCertificado": CERTIFICATE, "Certificado": "Y2VydA=="} if is_new else {"NumCert": CERTIFICATE}
    values |= {"FechaExp": "2026-01-13T14:15:16", "LugarExpRetenc": "72000"} if is_new else {}
    values |= {} if is_new else {"Cert": "Y2VydA==", "FechaExp": "2016-01-13T14:15:16-06:00"}
    if is_new:
        issuer = f'<r:Emisor RfcE="{ISSUER}" NomDenRazSocE="Papelería Ocaso" RegimenFiscalE="601"/>'
        national = f'<r:Nacional RfcR="{RECEIVER}" NomDenRazSocR="FACTUREYA" DomicilioFiscalR="72000"/>'
        party = receiver or f'<r:Receptor NacionalidadR="Nacional">{national}</r:Receptor>'
        period = '<r:Periodo MesIni="01" MesFin="01" Ejercicio="2026"/>'
        amounts = 'MontoTotOperacion="1000.50" MontoTotGrav="1000.50" MontoTotExent="0" MontoTotRet="100.05"'
        withheld = '<r:ImpRetenidos BaseRet="1000.50" ImpuestoRet="001" MontoRet="100.05" TipoPagoRet="01"/>'
    else:
        issuer = f'<r:Emisor RFCEmisor="{ISSUER}" NomDenRazSocE="Papelería Ocaso"/>'
        party = f'<r:Receptor Nacionalidad="Nacional"><r:Nacional RFCRecep="{RECEIVER}"/></r:Receptor>'
        period = '<r:Periodo MesIni="1" MesFin="1" Ejerc="2016"/>'
        amounts = 'montoTotOperacion="1000.50" montoTotGrav="1000.50" montoTotExent="0" montoTotRet="100.05"'
        withheld = '<r:ImpRetenidos BaseRet="1000.50" Impuesto="01" montoRet="100.05" TipoPagoRet="Pago definitivo"/>'
    holder = f"<r:Complemento>{make_stamp()}</r:Complemento>" if stamp is None else stamp
    return (
        f'<r:Retenciones xmlns:r="{RETENTIONS[version]}"{write_attributes(values | attributes)}>'
        f"{issuer}{party}{period}<r:Totales {amounts}>{withheld}</r:Totales>{holder}</r:Retenciones>"
    )


def write_attributes(values: dict[str, Any]) -> str:
    """Return these attributes as XML, each after a blank; those that are None are left out."""
    return "".join(f" {name}={quoteattr(value)}" for name, value in values.items() if value is not None)


# -- Seals -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealer:
    """Hold a key and its certificate, whose number has 20 digits, as the SAT's have."""

    number: str
    key: rsa.RSAPrivateKey
    certificate: bytes

    @classmethod
    def make(cls, number: str) -> "Sealer":
        """Return a new key with a certificate that it signs itself."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Certificado de prueba")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(int.from_bytes(number.encode(), "big"))
        builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        signed = builder.not_valid_after(datetime(2040, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
        return cls(number, key, signed.public_bytes(Encoding.DER))

    def seal(self, text: str) -> str:
        """Return the seal of a *cadena original*."""
        return base64.b64encode(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()

    def write_to(self, folder: Path) -> None:
        """Write the certificate into a folder, where the reader finds it by its number."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.number}.cer").write_bytes(self.certificate)


def make_sealed(issuer: Sealer, sat: Sealer, **attributes: str) -> str:
    """Return an invoice 4.0 that its issuer and the SAT sealed, as their rules say."""
    values = _root_values("4.0") | {"NoCertificado": issuer.number, **attributes}
    values["Certificado"] = base64.b64encode(issuer.certificate).decode()
    parts = [
        *(value for name, value in values.items() if name not in {"Sello", "Certificado"} and value is not None),
        *(ISSUER, "Papelería Ocaso", "601", RECEIVER, "FACTUREYA", "72000", "601", "G03"),
        *("14111507", "10", "H87", "Pieza", "Papel bond carta", "420.00", "4200.00", "01"),
        *("4200.00", "002", "Tasa", "0.160000", "672.00", "672.00"),
    ]
    own_seal = issuer.seal(f"||{'|'.join(str(part) for part in parts)}||")
    stamped = f"||1.1|{UUID}|2026-11-23T17:03:11|SAT970701NN3|{own_seal}|{sat.number}||"
    stamp = make_stamp(SelloCFD=own_seal, NoCertificadoSAT=sat.number, SelloSAT=sat.seal(stamped))
    return make_invoice(stamp=stamp, **{**values, "Sello": own_seal})
