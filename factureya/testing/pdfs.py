"""Forms as customers return them, and as somebody hostile would."""

import zlib
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO

from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from change_requests.documents import form_draw, form_fields
from change_requests.documents.form_draw import FormData

ADDRESS = ("Av. Ñandú & Peñón 3505, int. 4, Col. Las Ánimas; " * 7)[:300]
ACCESS_ANSWERS = {
    "rfc": "EKU9003173C9",
    "legal_name": "Papelería Ocaso & Ñandú SA de CV",
    "kind": "/Alta",
    "person_full_name": "José Ñúñez & Peña",
    "person_email": "jose@ocaso.example",
    "person_phone": "222 555 0134",
    "person_position": "Auxiliar contable",
    "reason": "Entra a contabilidad; emitirá las facturas de la matriz.",
    "oath": "/Yes",
}
CHANGE_ANSWERS = {
    "rfc": "EKU9003173C9",
    "kind": "/Cambio",
    "new_fiscal_address": ADDRESS,
    "new_phone": "222 555 0178",
    "reason": "Cambio de oficinas: ya no estamos en Juárez. " * 6,
    "oath": "/Yes",
}
ANSWERS = {form_fields.ACCESS: ACCESS_ANSWERS, form_fields.CHANGE: CHANGE_ANSWERS}


def filled(form: str, answers: Mapping[str, str] | None = None, data: FormData = form_draw.BLANK) -> bytes:
    """Return the form as a customer saves it."""
    if answers is None and data is form_draw.BLANK:
        return _usual(form)
    return fill(form_draw.render_form(form, data), ANSWERS[form] if answers is None else answers)


@cache
def _usual(form: str) -> bytes:
    return fill(form_draw.render_form(form), ANSWERS[form])


def fill(content: bytes, answers: Mapping[str, str]) -> bytes:
    """Return a PDF form with these values, also in its read-only fields."""
    writer = PdfWriter(clone_from=BytesIO(content))
    for page in writer.pages:
        if "/Annots" in page:
            writer.update_page_form_field_values(page, dict(answers), auto_regenerate=False)
    if "kind" in answers:
        _choose(writer, answers["kind"])
    return saved(writer)


def _choose(writer: PdfWriter, choice: str) -> None:
    """Turn a radio button on, as a reader does: the group has the value, each button its state."""
    fields = [field.get_object() for field in writer.root_object["/AcroForm"]["/Fields"]]
    group = next(field for field in fields if field.get("/T") == "kind")
    group[NameObject("/V")] = NameObject(choice)
    for button in group["/Kids"]:
        button = button.get_object()
        button[NameObject("/AS")] = NameObject(choice if choice in button["/AP"]["/N"] else "/Off")


def changed(content: bytes, change: Callable[[PdfWriter], None]) -> bytes:
    """Return the same PDF after `change`."""
    writer = PdfWriter(clone_from=BytesIO(content))
    change(writer)
    return saved(writer)


def appended(content: bytes, answers: Mapping[str, str]) -> bytes:
    """Return the form saved as Acrobat does: the changes behind the original, text in UTF-16."""
    writer = PdfWriter(BytesIO(content), incremental=True)
    for field in writer.root_object["/AcroForm"]["/Fields"]:
        field = field.get_object()
        if (value := answers.get(field["/T"])) is not None:
            field[NameObject("/V")] = ByteStringObject(b"\xfe\xff" + value.encode("utf-16-be"))
    return saved(writer)


def saved(writer: PdfWriter) -> bytes:
    """Return the bytes of a writer."""
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def with_javascript(writer: PdfWriter) -> None:
    """Add a script that runs when the document opens."""
    action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("app.alert(1)")}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(action)


def with_field_script(writer: PdfWriter) -> None:
    """Add a script behind a field, its name written in escapes."""
    field = writer.root_object["/AcroForm"]["/Fields"][0].get_object()
    action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("x")}
    field[NameObject("/AA")] = DictionaryObject({NameObject("/K"): DictionaryObject(action)})


def with_launch(writer: PdfWriter) -> None:
    """Add an action that starts a program."""
    action = {NameObject("/S"): NameObject("/Launch"), NameObject("/F"): TextStringObject("calc.exe")}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(action)


def with_remote(writer: PdfWriter) -> None:
    """Add a button that sends the form to somebody."""
    action = {NameObject("/S"): NameObject("/SubmitForm"), NameObject("/F"): TextStringObject("http://x.example/")}
    writer.pages[0]["/Annots"][0].get_object()[NameObject("/A")] = DictionaryObject(action)


def with_file(writer: PdfWriter) -> None:
    """Add a file inside the file."""
    writer.add_attachment("factura.exe", b"MZ")


def with_pages(writer: PdfWriter, pages: int = 200) -> None:
    """Add that many pages."""
    while len(writer.pages) < pages:
        writer.add_blank_page(612, 792)


def with_password(writer: PdfWriter) -> None:
    """Set a password to open it."""
    writer.encrypt("secreto", algorithm="RC4-128")


def with_permissions(writer: PdfWriter) -> None:
    """Set no password to open it, but one to change it."""
    writer.encrypt("", "dueño", algorithm="RC4-128")


def flattened(writer: PdfWriter) -> None:
    """Return what a printer driver or a scanner leaves: no fields."""
    del writer.root_object["/AcroForm"]
    writer.remove_annotations(None)


def foreign(writer: PdfWriter) -> None:
    """Return a form that is not ours."""
    for field in writer.root_object["/AcroForm"]["/Fields"]:
        field = field.get_object()
        field[NameObject("/T")] = TextStringObject(f"otro_{field['/T']}")


def dynamic(writer: PdfWriter) -> None:
    """Return an XFA form, whose page is not what its fields say."""
    writer.root_object["/AcroForm"][NameObject("/XFA")] = TextStringObject("<xdp/>")


def looping_pages(writer: PdfWriter) -> None:
    """Return a page tree that contains itself."""
    pages = writer.root_object["/Pages"]
    pages[NameObject("/Kids")].append(pages.indirect_reference)


def looping_fields(writer: PdfWriter) -> None:
    """Return fields that are their own kids."""
    group = DictionaryObject({NameObject("/T"): TextStringObject("form")})
    reference = writer._add_object(group)
    group[NameObject("/Kids")] = ArrayObject([reference])
    writer.root_object["/AcroForm"][NameObject("/Fields")] = ArrayObject([reference])


def many_objects(writer: PdfWriter) -> None:
    """Return a hundred thousand small objects."""
    numbers = ArrayObject([ArrayObject([NumberObject(n)]) for n in range(100_000)])
    writer.root_object[NameObject("/Muchos")] = writer._add_object(numbers)


def nested(depth: int = 50_000) -> bytes:
    """Return arrays in arrays, deeper than a parser that recurses can go."""
    return _document(b"<</Type/Catalog/Pages 2 0 R/X " + b"[" * depth + b"]" * depth + b">>")


def bomb(size: int = 600 * 1024 * 1024) -> bytes:
    """Return an object stream of a few megabytes that unpacks to what no process of ours may hold."""
    packer = zlib.compressobj(9)
    piece = b"0 " * (8 * 1024 * 1024)
    packed = b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()
    stream = StreamObject()
    stream._data = packed
    body = b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>stream\n" % len(packed) + packed + b"\nendstream"
    return _document(b"<</Type/Catalog/Pages 2 0 R/AcroForm 9 0 R>>", body, in_stream=True)


def field_bomb() -> bytes:
    """Return our form with a field whose value unpacks to what no process of ours may hold."""

    def change(writer: PdfWriter) -> None:
        value = StreamObject()
        packer = zlib.compressobj(9)
        piece = b" " * (16 * 1024 * 1024)
        value._data = b"".join(packer.compress(piece) for _ in range(8)) + packer.flush()
        value[NameObject("/Filter")] = NameObject("/FlateDecode")
        field = writer.root_object["/AcroForm"]["/Fields"][4].get_object()
        field[NameObject("/V")] = writer._add_object(value)

    return changed(filled(form_fields.CHANGE), change)


def _document(catalog: bytes, stream: bytes = b"", *, in_stream: bool = False) -> bytes:
    """Return a PDF written by hand; with `in_stream`, object 9 lies in object 5, as a cross-reference stream says."""
    objects = {1: catalog, 2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>", 3: b"<</Type/Page/Parent 2 0 R>>"}
    if stream:
        objects[5] = stream
    out, at = b"%PDF-1.7\n", {}
    for number, body in objects.items():
        at[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    rows = b"".join(
        bytes([2]) + (5).to_bytes(4, "big") + b"\0"
        if number == 9 and in_stream
        else bytes([1 if number in at else 0]) + at.get(number, start if number == 10 else 0).to_bytes(4, "big") + b"\0"
        for number in range(11)
    )
    head = b"<</Type/XRef/Size 11/W[1 4 1]/Root 1 0 R/Length %d>>" % len(rows)
    return out + b"10 0 obj\n" + head + b"stream\n" + rows + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF" % start


def texts(content: bytes) -> str:
    """Return the words of a PDF."""
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages)
