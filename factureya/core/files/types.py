"""Find out what a file really is by its content: the allow-list of M17, and the re-encoding of images.

An image is decoded and written anew, so that nothing but its pixels stays: no EXIF, no position, no text, no second
file hidden behind the first. Every other file stays unchanged.
"""

import codecs
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.parsers import expat

from django.conf import settings
from PIL import Image, ImageOps

# Pillow only warns from 89 to 179 million pixels; our own limit is lower, so the warning is a refusal too.
warnings.simplefilter("error", Image.DecompressionBombWarning)


class Unacceptable(Exception):
    """Say that a content is refused; the text is Spanish, follows the file's name, and says what to do."""


@dataclass(frozen=True)
class Kind:
    """Describe a type of file that is stored: how it is served, and the extensions its name may have (ours first)."""

    content_type: str
    extensions: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Hold the size of a re-encoded picture in pixels, and its small copy (empty if the picture is small enough)."""

    width: int
    height: int
    small: bytes


@dataclass(frozen=True)
class Examined:
    """Hold what is known of a good file: its kind, the bytes to store, and its picture if it is one."""

    kind: Kind
    stored: bytes
    picture: Picture | None = None


PNG = Kind("image/png", ("png",))
JPEG = Kind("image/jpeg", ("jpg", "jpeg"))
WEBP = Kind("image/webp", ("webp",))
PDF = Kind("application/pdf", ("pdf",))
XML = Kind("application/xml", ("xml",))
TEXT = Kind("text/plain", ("txt",))
KINDS = (PNG, JPEG, WEBP, PDF, XML, TEXT)
PICTURES = frozenset(kind.content_type for kind in (PNG, JPEG, WEBP))  # re-encoded by us, always
SMALL_SIDE = 512  # pixels of the longer side: twice what a page shows, for dense screens
SMALL_FROM_BYTES = 48 * 1024  # a lighter picture is its own small copy
# By mail only, kept byte by byte and served as a download of no particular type.
EML = Kind("message/rfc822", ("eml",))
TNEF = Kind("application/ms-tnef", ("dat", "tnef"))
TNEF_SIGNATURE = b"\x78\x9f\x3e\x22"
EXTENSIONS = frozenset(e for kind in KINDS for e in kind.extensions) | {"gif"}

# Pillow's name of the format -> what is written. The first frame of a GIF becomes a PNG, which loses nothing.
_SAVED_AS: dict[str, tuple[Kind, dict[str, Any]]] = {
    "PNG": (PNG, {"format": "PNG", "compress_level": 4}),  # half the time of 6 on the worst picture
    "GIF": (PNG, {"format": "PNG", "compress_level": 4}),
    "JPEG": (JPEG, {"format": "JPEG", "quality": 88}),
    "WEBP": (WEBP, {"format": "WEBP", "quality": 88}),
}
_IMAGE_EXTENSIONS = {"png", "jpg", "jpeg", "gif", "webp"}
# Extension of a file outside the allow-list -> why it is refused, and what to send instead.
_PROGRAM_REFUSAL = "es un programa, y los programas no se aceptan. Envíe una captura de pantalla o un PDF."
_REFUSAL_BY_EXTENSION = {
    **dict.fromkeys("exe com bat cmd msi scr dll ps1 vbs js jar sh apk app dmg lnk".split(), _PROGRAM_REFUSAL),
    **dict.fromkeys(
        "key cer pfx p12 pem".split(), "puede ser su llave o certificado. No lo envíe a nadie: Factureya nunca lo pide."
    ),
    **dict.fromkeys(
        "html htm xhtml mht svg svgz".split(),
        "es una página web o un dibujo, que no se aceptan. Envíe una captura en PNG o JPG.",
    ),
    **dict.fromkeys(
        "heic heif avif tif tiff bmp".split(),
        "es una imagen de un tipo que no se acepta. Guárdela como JPG o PNG y súbala de nuevo.",
    ),
}
_UNKNOWN_REFUSAL = "es de un tipo que no se acepta. Envíe PNG, JPG, WebP, GIF, PDF, XML o TXT."
_DRAWING_ELEMENTS = {"html", "svg", "script"}
_STORABLE_MODES = {"PNG": {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}, "JPEG": {"L", "RGB"}, "WEBP": {"RGB", "RGBA"}}
_MAX_JPEG_SCANS = 100  # a progressive photo has about ten; each scan walks over all pixels again

# One 40-megapixel picture takes about 300 MB while it is turned and written: two at a time, the others wait.
_decoding_slots = threading.BoundedSemaphore(2)


def examine_file(extension: str, content: bytes) -> Examined:
    """Find out what an uploaded file really is; return its kind and the bytes to store. Raises Unacceptable.

    An image is recognised by its content, whatever its extension is. For PDF, XML and TXT the extension chooses a
    check, which the content must pass. All else is refused, with a text that says what to send instead.
    """
    if picture_format := _detect_picture_format(content):
        return _reencode_picture(picture_format, content)
    if extension in _IMAGE_EXTENSIONS:
        raise Unacceptable(
            "no es una imagen, aunque su nombre lo diga. Tome la captura de nuevo, guárdela como PNG o JPG y súbala."
        )
    if check := _CHECK_BY_EXTENSION.get(extension):
        return Examined(check(content), content)
    if content.startswith((b"MZ", b"\x7fELF", b"#!")):
        raise Unacceptable(_PROGRAM_REFUSAL)
    raise Unacceptable(_REFUSAL_BY_EXTENSION.get(extension, _UNKNOWN_REFUSAL))


def _detect_picture_format(content: bytes) -> str:
    """Return Pillow's name of the image format that the content begins with, or an empty text."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    return "WEBP" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""


def _reencode_picture(picture_format: str, content: bytes) -> Examined:
    """Return an image decoded and written anew, so that nothing hidden in it is stored, with its small copy.

    Only the first frame is written, upright, with its transparency and without metadata. Raises Unacceptable if the
    image cannot be read, or has so many pixels (or scans, as a JPEG may have) that it takes too much memory or time.
    """
    kind, save_options = _SAVED_AS[picture_format]
    damaged = Unacceptable("está dañada o incompleta. Tome la captura de nuevo y súbala.")
    if picture_format == "JPEG" and content.count(b"\xff\xda") > _MAX_JPEG_SCANS:  # \xff\xda begins a scan
        raise damaged
    try:
        with _decoding_slots, Image.open(BytesIO(content), formats=[picture_format]) as image:
            if image.width * image.height > settings.ATTACHMENT_MAX_PIXELS:  # by the header: nothing is decoded yet
                raise _make_pixel_refusal(f"{image.width:,} × {image.height:,} puntos")
            plain = _convert_mode(ImageOps.exif_transpose(image), save_options["format"])
            plain.info.clear()  # what Pillow would otherwise copy: comment, ICC profile, transparency
            out = BytesIO()
            plain.save(out, **save_options)
            width, height = plain.size
            small = _make_small_copy(plain) if out.tell() > SMALL_FROM_BYTES else b""
    except Unacceptable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _make_pixel_refusal("demasiados puntos") from error
    except Exception as error:  # a decoder fed with a hostile file raises nearly anything; none of it is ours
        raise damaged from error
    return Examined(kind, out.getvalue(), Picture(width, height, small))


def _make_small_copy(image: Image.Image) -> bytes:
    """Return a copy of a picture for lists, as WebP of at most SMALL_SIDE pixels a side; `image` itself is shrunk."""
    image.thumbnail((2 * SMALL_SIDE, 2 * SMALL_SIDE))  # rough: before the conversion a palette cannot blend colours
    image = _convert_mode(image, "WEBP")
    image.thumbnail((SMALL_SIDE, SMALL_SIDE))
    out = BytesIO()
    image.save(out, format="WEBP", quality=80)
    return out.getvalue()


def _make_pixel_refusal(how_many: str) -> Unacceptable:
    """Return, not raise, the error for an image with too many pixels. `how_many` says in Spanish how large it is."""
    millions = settings.ATTACHMENT_MAX_PIXELS // 1_000_000
    text = f"tiene {how_many} y el máximo es {millions} millones. Recórtela o redúzcala y súbala de nuevo."
    return Unacceptable(text)


def _convert_mode(image: Image.Image, file_format: str) -> Image.Image:
    """Return an image converted to a colour mode that `file_format` can store; the image looks the same."""
    if image.has_transparency_data and image.mode not in {"LA", "RGBA"}:
        return image.convert("RGBA")  # the other modes can only call one colour, or some of a palette, transparent
    return image if image.mode in _STORABLE_MODES[file_format] else image.convert("RGB")


def _check_pdf(content: bytes) -> Kind:
    """Return the kind PDF if a file begins with «%PDF-» and ends with «%%EOF»; else raise Unacceptable."""
    # Some programs leave blanks before «%PDF-» or bytes after «%%EOF»; a file that is cut off has no «%%EOF».
    if content.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-") and b"%%EOF" in content[-2048:]:
        return PDF
    raise Unacceptable("no es un PDF o está incompleto. Ábralo, guárdelo de nuevo como PDF y súbalo.")


def _check_xml(content: bytes) -> Kind:
    """Return the kind XML if a file is well-formed XML; raise Unacceptable if not.

    A DOCTYPE (and so every entity), a web page and a drawing are refused too.
    """
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = _refuse_drawing
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: an encoding that does not exist
        raise Unacceptable(
            "no es un XML bien formado. Descárguelo de nuevo; si así se lo entregaron, guárdelo como .txt y súbalo."
        ) from error
    return XML


def _refuse_doctype(*_declaration: object) -> None:
    """Raise Unacceptable: the XML parser calls this function when it meets a DOCTYPE, which may define entities."""
    raise Unacceptable("trae una declaración DOCTYPE, que no se acepta por seguridad. Suba el XML tal como se emitió.")


def _refuse_drawing(name: str, _attributes: object) -> None:
    """Raise Unacceptable if the XML element `name` belongs to a web page or a drawing; called for each element."""
    if name.rpartition(":")[2].lower() in _DRAWING_ELEMENTS:
        raise Unacceptable("es una página web o un dibujo, no un XML de datos. Envíe una captura en PNG o JPG.")


def _check_text(content: bytes) -> Kind:
    """Return the kind TEXT if a file is text without control characters; raise Unacceptable if not.

    Tabs, line ends, form feeds and the end mark of old DOS texts (0x1A) may be in it.
    """
    text = _decode_text(content)
    if text is None or any(c < " " and c not in "\t\n\r\f\x1a" for c in text) or "\x7f" in text:
        raise Unacceptable("no es texto simple. Guárdelo como texto (.txt) desde el Bloc de notas y súbalo.")
    return TEXT


def _decode_text(content: bytes) -> str | None:
    """Return bytes as text: UTF-16 if they begin with its byte order mark, else UTF-8 or cp1252; None if none fits."""
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ["utf-16"] if is_utf16 else ["utf-8", "cp1252"]:
        with suppress(UnicodeDecodeError):
            return content.decode(encoding)
    return None


_CHECK_BY_EXTENSION: dict[str, Callable[[bytes], Kind]] = {"pdf": _check_pdf, "xml": _check_xml, "txt": _check_text}
