"""Make the demo's attachments: drawn screenshots, a small PDF and a small XML, the same bytes every time."""

from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

import fontpkg_atkinson_hyperlegible
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageDraw, ImageFont

from factureya.core.files import store as files_store
from factureya.core.models import Attachment

DRAFT = "demo"  # the key of the form, emptied when the story's message takes the file
_FONTS = Path(fontpkg_atkinson_hyperlegible.__file__).parent / "files"
_XML = """<?xml version="1.0" encoding="UTF-8"?>
<cfdi:Comprobante xmlns:cfdi="http://www.sat.gob.mx/cfd/4" Version="4.0" Serie="A" Folio="1029"
  Fecha="2026-11-23T17:02:00" Sello="" NoCertificado="00001000000504465028" Certificado="" Moneda="MXN"
  TipoDeComprobante="I" Exportacion="01" SubTotal="10000.00" Total="11600.00" LugarExpedicion="72000">
  <cfdi:Emisor Rfc="POC150312AB0" Nombre="PAPELERIA OCASO" RegimenFiscal="601"/>
  <cfdi:Receptor Rfc="XAXX010101000" Nombre="PUBLICO EN GENERAL" UsoCFDI="S01"
    RegimenFiscalReceptor="616" DomicilioFiscalReceptor="72000"/>
  <cfdi:Conceptos>
    <cfdi:Concepto ClaveProdServ="14111507" Cantidad="100" ClaveUnidad="H87" Descripcion="Papel bond carta"
      ValorUnitario="100.00" Importe="10000.00" ObjetoImp="02"/>
  </cfdi:Conceptos>
{stamp}</cfdi:Comprobante>
"""
_STAMP = """  <cfdi:Complemento>
    <tfd:TimbreFiscalDigital xmlns:tfd="http://www.sat.gob.mx/TimbreFiscalDigital" Version="1.1" UUID="{uuid}"
      FechaTimbrado="2026-11-23T17:03:11" RfcProvCertif="SAT970701NN3" SelloCFD=""
      NoCertificadoSAT="00001000000505211329" SelloSAT=""/>
  </cfdi:Complemento>
"""


def store(description: dict[str, Any]) -> Attachment:
    """Make the demo file that a story describes (`kind`, `name`, `title`, `text`), and store it as an attachment.

    An XML is an invoice, stamped if the story gives it a `uuid`.
    """
    makers = {"xml": _make_invoice, "screen": _draw_screen, "pdf": _make_pdf}
    content = makers[description["kind"]](description)
    return files_store.store(SimpleUploadedFile(description["name"], content), draft=DRAFT)


def _make_invoice(description: dict[str, Any]) -> bytes:
    """Return a demo invoice (CFDI 4.0); it is stamped if the description has a `uuid`."""
    uuid = description.get("uuid", "")
    return _XML.format(stamp=_STAMP.format(uuid=uuid) if uuid else "").encode()


def _draw_screen(description: dict[str, Any]) -> bytes:
    """Return a demo screenshot (PNG): a window with this `title`, a form, and an error message with this `text`."""
    image = Image.new("RGB", (960, 540), "#eef1f4")
    draw = ImageDraw.Draw(image)
    regular, bold = _load_font("Regular", 20), _load_font("Bold", 24)
    draw.rectangle((40, 30, 920, 510), fill="#ffffff", outline="#9aa5b1")
    draw.rectangle((40, 30, 920, 84), fill="#20435c")
    draw.text((60, 42), description.get("title", "Factureya"), font=bold, fill="#ffffff")
    for number, label in enumerate(("Cliente", "Uso de CFDI", "Forma de pago")):
        top = 110 + 62 * number
        draw.text((70, top + 8), label, font=regular, fill="#3e4c59")
        draw.rectangle((260, top, 880, top + 42), outline="#9aa5b1", fill="#f8fafc")
    draw.rectangle((70, 320, 890, 420), fill="#fde8e8", outline="#b42318", width=2)
    for number, line in enumerate(wrap(" ".join(description["text"].split()), 76, break_on_hyphens=False)):
        draw.text((90, 340 + 28 * number), line, font=regular, fill="#7a271a")
    draw.rectangle((740, 446, 890, 490), fill="#20435c")
    draw.text((782, 456), "Aceptar", font=regular, fill="#ffffff")
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _make_pdf(description: dict[str, Any]) -> bytes:
    """Return a demo PDF of one page with the one line `text`; so small a file needs no library."""
    line = description["text"].replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    stream = f"BT /F1 16 Tf 72 720 Td ({line}) Tj ET".encode("cp1252")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref_start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % xref_start
    return bytes(out)


def _load_font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(next(_FONTS.glob(f"*{weight}*.ttf"))), size)
