"""Files that people send: what is kept, what is refused and why, and what is left on the disk (M17)."""

import hashlib
import os
import resource
import stat
import struct
import zlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from accounts.web.form_memory import list_files
from factureya.core import tasks
from factureya.core.files import store, types
from factureya.core.models import Attachment

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M17")]
DRAFT = "borrador-de-prueba"
PDF = b"%PDF-1.7\n1 0 obj << >> endobj\ntrailer << >>\n%%EOF\n"
XML = '<?xml version="1.0" encoding="UTF-8"?><cfdi:Comprobante xmlns:cfdi="http://www.sat.gob.mx/cfd/4" Total="1"/>'


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def picture(form: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (40, 30), **how: Any) -> bytes:
    out = BytesIO()
    Image.new(mode, size, how.pop("color", 0)).save(out, form, **how)
    return out.getvalue()


def upload(name: str, content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def kept(name: str, content: bytes) -> Attachment:
    attachment = store.store(upload(name, content), draft=DRAFT)
    attachment.refresh_from_db()
    return attachment


def refusal(name: str, content: bytes) -> str:
    with pytest.raises(store.RefusedFile) as caught:
        store.store(upload(name, content), draft=DRAFT)
    assert not Attachment.objects.exists()
    assert str(caught.value).startswith(f"«{caught.value.name}» ")
    return str(caught.value)


def reopened(attachment: Attachment) -> Image.Image:
    with attachment.file.open() as file:
        image = Image.open(BytesIO(file.read()))
        image.load()
        return image


def png_header(width: int, height: int) -> bytes:
    """A PNG that only claims to be that large."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + body + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


# -- What is kept ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "as_name", "content_type"),
    [
        ("captura.png", picture("PNG"), "captura.png", "image/png"),
        ("foto.JPEG", picture("JPEG"), "foto.jpeg", "image/jpeg"),
        ("foto.webp", picture("WEBP"), "foto.webp", "image/webp"),
        ("animada.gif", picture("GIF", "P"), "animada.png", "image/png"),
        ("image", picture("PNG"), "image.png", "image/png"),  # pasted
        ("foto.png", picture("JPEG"), "foto.jpg", "image/jpeg"),  # a phone that renames
        ("pagina.html", picture("PNG"), "pagina.html.png", "image/png"),
        ("acuse.PDF", PDF, "acuse.pdf", "application/pdf"),
        ("acuse.pdf", b"\r\n" + PDF + b"\0" * 100, "acuse.pdf", "application/pdf"),
        ("cfdi.xml", XML.encode(), "cfdi.xml", "application/xml"),
        ("cfdi.xml", b"\xef\xbb\xbf" + XML.encode(), "cfdi.xml", "application/xml"),
        ("cfdi.xml", XML.replace("UTF-8", "ISO-8859-1").encode("latin-1"), "cfdi.xml", "application/xml"),
        ("cfdi.xml", b"<c><x:addenda/></c>", "cfdi.xml", "application/xml"),  # a prefix nobody declared
        ("error.txt", "Código 301: el sello no es válido\r\n".encode(), "error.txt", "text/plain"),
        ("error.txt", "Código 301".encode("cp1252"), "error.txt", "text/plain"),
        ("error.txt", "Código 301".encode("utf-16"), "error.txt", "text/plain"),
    ],
)
def test_good_files_are_kept(name, content, as_name, content_type):
    attachment = kept(name, content)
    assert (attachment.name, attachment.content_type, attachment.draft) == (as_name, content_type, DRAFT)
    stored = Path(attachment.file.path).read_bytes()
    assert attachment.size == len(stored)
    assert attachment.sha256 == hashlib.sha256(stored).hexdigest()
    if not content_type.startswith("image/"):
        assert stored == content


def test_a_random_name_and_private_modes(media):
    first, second = kept("a.png", picture()), kept("a.png", picture())
    assert first.token != second.token
    assert len(first.token) == 43
    path = Path(first.file.path)
    assert path == media / first.token[:2] / first.token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(media.stat().st_mode) == 0o700


def test_metadata_is_dropped_and_orientation_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    exif[0x010F] = "Fabricante"
    exif.get_ifd(0x8825)[1] = "N"
    photo = picture("JPEG", size=(60, 20), exif=exif, comment=b"un comentario", icc_profile=b"perfil")
    image = reopened(kept("foto.jpg", photo))
    assert image.size == (20, 60)
    assert not image.getexif()
    assert {"exif", "comment", "icc_profile"}.isdisjoint(image.info)


def test_png_text_is_dropped():
    text = PngInfo()
    text.add_text("Author", "Ana")
    text.add_itxt("XML:com.adobe.xmp", "<x/>", zip=True)
    attachment = kept("captura.png", picture("PNG", pnginfo=text, dpi=(300, 300)))
    assert not reopened(attachment).info
    assert b"Ana" not in Path(attachment.file.path).read_bytes()


def test_what_hides_behind_the_pixels_is_gone():
    attachment = kept("captura.png", picture("PNG") + b"<script>alert(1)</script>")
    assert b"script" not in Path(attachment.file.path).read_bytes()


def test_the_first_frame_of_a_gif():
    frames = [Image.new("P", (8, 8), n) for n in (0, 1, 2)]
    for n, frame in enumerate(frames):
        frame.putpalette([n * 100] * 3 + [0] * 765)
    out = BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100, comment="secreto")
    image = reopened(kept("animada.gif", out.getvalue()))
    assert image.format == "PNG"
    assert getattr(image, "n_frames", 1) == 1
    assert image.convert("RGB").getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("form", "mode", "color", "how"),
    [
        ("PNG", "RGBA", (10, 20, 30, 99), {}),
        ("PNG", "LA", (10, 99), {}),
        ("PNG", "P", 0, {"transparency": 0}),
        ("WEBP", "RGBA", (10, 20, 30, 99), {"lossless": True}),
        ("GIF", "P", 0, {"transparency": 0}),
    ],
)
def test_alpha_is_kept(form, mode, color, how):
    image = reopened(kept(f"captura.{form.lower()}", picture(form, mode, color=color, **how)))
    assert image.convert("RGBA").getpixel((0, 0))[3] in (0, 98, 99, 100)


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "1"), ("PNG", "L"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "L"), ("JPEG", "CMYK")]
)
def test_every_mode_of_pixels_is_written(form, mode):
    assert reopened(kept("captura", picture(form, mode))).size == (40, 30)


def test_the_pixel_limit_itself_is_allowed(settings):
    settings.ATTACHMENT_MAX_PIXELS = 1200
    assert kept("a.png", picture(size=(40, 30)))


# -- What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("vacio.png", b"", "está vacío"),
        ("bomba.png", png_header(30_000, 30_000), "máximo es 40 millones"),
        ("bomba.png", png_header(10_000, 10_000), "máximo es 40 millones"),
        ("grande.png", png_header(8_000, 5_001), "8,000 × 5,001 puntos"),
        ("cortada.png", picture(size=(300, 300), color="red")[:-200], "dañada o incompleta"),
        ("cortada.png", b"\x89PNG\r\n\x1a\n", "dañada o incompleta"),
        ("cortada.jpg", picture("JPEG", size=(300, 300))[:400], "dañada o incompleta"),
        ("cortada.gif", picture("GIF", "P", size=(300, 300))[:60], "dañada o incompleta"),
        ("cortada.webp", picture("WEBP", size=(300, 300))[:60], "dañada o incompleta"),
        ("barridos.jpg", b"\xff\xd8\xff" + b"\xff\xda\0\x08" * 101, "dañada o incompleta"),
        ("pagina.png", b"<html><script>alert(1)</script></html>", "no es una imagen, aunque"),
        ("dibujo.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no es una imagen, aunque"),
        ("dibujo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "captura en PNG o JPG"),
        ("dibujo.xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "página web o un dibujo"),
        ("pagina.xml", b"<h:html xmlns:h='http://www.w3.org/1999/xhtml'/>", "página web o un dibujo"),
        ("pagina.html", b"<p>", "página web o un dibujo"),
        ("programa.exe", b"MZ\x90\0", "es un programa"),
        ("programa.bin", b"\x7fELF\x02", "es un programa"),
        ("programa.txt", b"MZ\x90\0\x03", "no es texto simple"),
        ("programa.pdf", b"MZ\x90\0\x03", "no es un PDF"),
        ("cortado.pdf", PDF[:20], "no es un PDF o está incompleto"),
        ("sello.key", b"\x30\x82", "Factureya nunca lo pide"),
        ("foto.heic", b"\0\0\0\x18ftypheic", "Guárdela como JPG o PNG"),
        ("datos.zip", b"PK\x03\x04", "de un tipo que no se acepta"),
        ("sin-extension", b"hola", "de un tipo que no se acepta"),
        ("cfdi.xml", b"<a><b></a>", "no es un XML bien formado"),
        ("cfdi.xml", b'<?xml version="1.0" encoding="klingon"?><a/>', "no es un XML bien formado"),
        ("cfdi.xml", b"no", "no es un XML bien formado"),
        ("risas.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        ("ajeno.xml", b'<!DOCTYPE a SYSTEM "http://ejemplo.mx/a.dtd"><a/>', "DOCTYPE"),
        ("nulos.txt", b"hola\0", "no es texto simple"),
        ("raro.txt", b"\x81\x8d", "no es texto simple"),
        ("raro.txt", b"\xff\xfea", "no es texto simple"),
        ("raro.txt", b"\x1b[2J", "no es texto simple"),
    ],
)
def test_bad_files_are_refused_with_what_to_do(media, name, content, says):
    assert says in refusal(name, content)
    assert not media.exists()


def test_too_heavy():
    assert "pesa 10.1 MB y el máximo es 10 MB" in refusal("a.pdf", PDF + b"\0" * 10 * 1024 * 1024)


def test_a_size_that_lies_is_found_by_reading():
    liar = upload("a.txt", b"x" * (10 * 1024 * 1024 + 1))
    liar.size = 10
    with pytest.raises(store.RefusedFile, match="el máximo es 10 MB"):
        store.store(liar, draft=DRAFT)


def test_a_compressed_text_bomb_in_a_png_is_refused():
    text = PngInfo()
    text.add_text("bomba", "a" * 80_000_000, zip=True)
    assert "dañada" in refusal("a.png", picture("PNG", pnginfo=text))


def test_a_webp_that_claims_to_be_huge():
    canvas = (16_383 - 1).to_bytes(3, "little")
    body = b"WEBPVP8X\x0a\0\0\0\x02\0\0\0" + canvas + canvas + b"ANIM\x06\0\0\0\0\0\0\0\0\0"
    content = b"RIFF" + struct.pack("<I", len(body)) + body
    assert refusal("a.webp", content)


@pytest.mark.parametrize("fails", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_a_store_that_cannot_be_written_is_a_refusal(monkeypatch, fails):
    def no_room(*_args: Any, **_kwargs: Any) -> None:
        raise fails

    monkeypatch.setattr(default_storage, "save", no_room)
    assert "un problema nuestro" in refusal("a.txt", b"hola")


def test_half_a_file_is_not_left_behind(media):
    """The system really refuses to write past one megabyte, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, limits[1]))
    try:
        says = refusal("a.txt", b"x" * 2 * 1024 * 1024)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "un problema nuestro" in says
    assert not [path for path in media.rglob("*") if path.is_file()]


# -- Names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Ana\\captura.png", "captura.png"),
        ("factura\u202egnp.exe", "facturagnp.exe"),
        ("a\r\nSet-Cookie: x.png", "aSet-Cookie- x.png"),
        ("  dos   espacios .pdf ", "dos espacios.pdf"),
        ("..", "archivo"),
        ("", "archivo"),
        (".png", "png"),
        ("\u0000", "archivo"),
        ("Facturación año 2026.xml", "Facturación año 2026.xml"),
        ("a" * 300 + ".PDF", "a" * 146 + ".pdf"),
        ("a." + "b" * 200, "a." + "b" * 148),
        ("<b>.png", "-b-.png"),
    ],
)
def test_names_are_cleaned(raw, clean):
    assert store.clean_name(raw) == clean


@given(st.text(max_size=400), st.sampled_from(types.KINDS))
def test_any_name_becomes_a_safe_one_that_tells_the_truth(raw, kind):
    name = store.set_true_extension(store.clean_name(raw), kind)
    assert 0 < len(name) <= store.MAX_NAME
    assert name.rpartition(".")[2] in kind.extensions
    assert name.rpartition(".")[0]
    assert not set(name) & set('/\\<>:"|?*\0\r\n\u202e\u200b')
    assert name.isprintable()
    assert store.set_true_extension(store.clean_name(name), kind) == name
    name.encode()  # no lone surrogate


# -- Forms that keep their files ---------------------------------------------------------------------


def test_the_good_ones_stay_and_the_bad_ones_are_named():
    files = [upload("a.png", picture()), upload("b.svg", b"<svg/>"), upload("c.pdf", PDF)]
    good, bad = store.store_uploads(files, DRAFT)
    assert [a.name for a in good] == ["a.png", "c.pdf"]
    assert [r.name for r in bad] == ["b.svg"]
    assert list_files(DRAFT) == good


def test_five_files_counting_those_kept_before():
    store.store_uploads([upload(f"{n}.txt", b"x") for n in range(3)], DRAFT)
    good, bad = store.store_uploads([upload(f"{n}.txt", b"x") for n in range(3, 7)], DRAFT)
    assert [a.name for a in good] == ["3.txt", "4.txt"]
    assert [str(r) for r in bad] == [
        f"«{n}.txt» no cupo: un mensaje lleva hasta 5 archivos. Quite otro, o envíelo en el mensaje siguiente."
        for n in (5, 6)
    ]


def test_a_bad_file_takes_no_room():
    store.store_uploads([upload(f"{n}.txt", b"x") for n in range(4)], DRAFT)
    good, bad = store.store_uploads([upload("malo.svg", b"<svg/>"), upload("bueno.txt", b"x")], DRAFT)
    assert ([a.name for a in good], [r.name for r in bad]) == (["bueno.txt"], ["malo.svg"])


def test_no_key_no_files():
    Attachment.objects.create(token="t", file="tt/t", name="a", content_type="text/plain", size=1, sha256="x")
    assert list_files("") == []
    assert store.discard_file("", "t") is False


def test_files_move_to_another_form():
    attachment = kept("a.txt", b"hola")
    for draft, to in (("", "otro"), (DRAFT, ""), ("ajeno", "otro")):
        store.move_files(draft, to)
    assert list_files(DRAFT) == [attachment]
    assert str(attachment) == "a.txt"
    store.move_files(DRAFT, "otro")
    assert (list_files(DRAFT), list_files("otro")) == ([], [attachment])


def test_discard_removes_row_and_file(django_capture_on_commit_callbacks):
    attachment = kept("a.txt", b"hola")
    assert store.discard_file("otro-borrador", attachment.token) is False
    with django_capture_on_commit_callbacks(execute=True):
        assert store.discard_file(DRAFT, attachment.token) is True
    assert list_files(DRAFT) == []
    assert not Path(attachment.file.path).exists()
    assert store.discard_file(DRAFT, attachment.token) is False


# -- What nobody took --------------------------------------------------------------------------------


def test_orphans_are_purged_after_24_hours(django_capture_on_commit_callbacks, media):
    start = datetime(2026, 11, 24, 10, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        abandoned, taken = kept("a.txt", b"hola"), kept("b.txt", b"hola")
    Attachment.objects.filter(pk=taken.pk).update(draft="")
    stray = media / "zz" / "z"
    stray.parent.mkdir(mode=0o700)
    stray.write_bytes(b"nobody's")
    for path in (stray, Path(taken.file.path)):
        os.utime(path, (start.timestamp(), start.timestamp()))
    for age, removed in ((timedelta(hours=24), 0), (timedelta(hours=24, seconds=1), 2)):
        with time_machine.travel(start + age, tick=False), django_capture_on_commit_callbacks(execute=True):
            assert tasks.purge_orphan_attachments() == removed
    assert not stray.exists()
    assert not Path(abandoned.file.path).exists()
    assert list(Attachment.objects.all()) == [taken]
    assert Path(taken.file.path).exists()


def test_nothing_to_purge_in_a_new_installation():
    assert store.purge_orphans() == 0


# -- Downloads ---------------------------------------------------------------------------------------


def test_a_download_is_an_attachment_that_runs_nothing():
    attachment = kept("Facturación «1».xml", XML.encode())
    headers, file = store.open_for_download(attachment)
    with file:
        assert file.read() == XML.encode()
    assert headers == {
        "Content-Type": "application/xml",
        "Content-Length": str(len(XML)),
        "Content-Disposition": "attachment; filename*=utf-8''Facturaci%C3%B3n%20%C2%AB1%C2%BB.xml",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-store",
    }


def test_a_type_outside_the_list_is_not_repeated():
    attachment = Attachment(name="a.html", content_type="text/html", size=1)
    assert store.download_headers(attachment)["Content-Type"] == "application/octet-stream"


# -- Pictures: their size and their small copy (people H4) ---------------------------------------------


@pytest.mark.clause("M17")
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_people_h4_a_heavy_picture_has_a_small_copy_that_goes_with_it(
    media, mode, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(types, "SMALL_FROM_BYTES", 10)
    data = BytesIO()
    Image.new(mode, (1500, 375)).save(data, "PNG")
    file = kept("ancha.png", data.getvalue())
    assert (file.width, file.height) == (1500, 375)
    headers, small = store.open_picture(file, small=True)
    assert headers["Content-Type"] == "image/webp"
    with small:
        assert Image.open(small).size == (512, 128)
    with django_capture_on_commit_callbacks(execute=True):
        store.discard_file(file.draft, file.token)
    assert not [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.clause("M17")
def test_people_h4_a_light_picture_is_its_own_small_copy(media):
    file = kept("ligera.png", picture())
    assert [path.name for path in media.rglob("*") if path.is_file()] == [file.token]
    headers, small = store.open_picture(file, small=True)
    small.close()
    assert headers["Content-Type"] == "image/png"


@pytest.mark.clause("M17")
def test_the_purge_leaves_a_small_copy_with_its_row_and_takes_a_stray_one(media, monkeypatch):
    monkeypatch.setattr(types, "SMALL_FROM_BYTES", 10)
    file = kept("ancha.png", picture())
    Attachment.objects.filter(pk=file.pk).update(draft="")  # a message took it
    stray = media / str(file.file.name).replace(file.token, "otro.small")
    stray.write_bytes(b"x")
    for path in media.rglob("*"):
        os.utime(path, (0, 0))
    assert store.purge_orphans() == 1
    assert not stray.exists()
    assert default_storage.exists(f"{file.file.name}.small")


def test_nothing_but_a_picture_is_opened_to_be_shown():
    file = kept("a.xml", b"<a/>")
    with pytest.raises(FileNotFoundError):
        store.open_picture(file)
