"""An uploaded logo: what is kept of it, and what is refused (M33, M17)."""

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from accounts.branding import logos
from factureya.core.refusals import Refused

pytestmark = [pytest.mark.once, pytest.mark.clause("M33")]


def write(image: Image.Image, file_format: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def plain(size: tuple[int, int] = (600, 300), mode: str = "RGB", colour: Any = "#1f5f8b") -> Image.Image:
    return Image.new(mode, size, colour)


def read(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_transparency_is_kept_in_every_size(file_format: str):
    picture = plain(mode="RGBA", colour=(0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((100, 50, 499, 249), fill="#c47a12")
    logo = logos.make_logo(write(picture, file_format, **({"lossless": True} if file_format == "WEBP" else {})))
    assert (logo.width, logo.height, logo.is_transparent, logo.is_light) == (600, 300, True, False)
    for content, box in ((logo.print_png, logos.PRINT_BOX), (logo.screen_png, logos.SCREEN_BOX)):
        size = read(content)
        assert size.width <= box[0]
        assert size.height <= box[1]
        assert size.format == "PNG"
        alpha = size.convert("RGBA").getchannel("A")
        assert alpha.getpixel((0, 0)) == 0
        assert alpha.getpixel((size.width // 2, size.height // 2)) == 255
        assert size.width == pytest.approx(2 * size.height, abs=2)  # the empty margin is gone


def test_transparency_of_a_palette_is_kept():
    picture = plain(mode="P", colour=0)
    picture.putpalette([255, 0, 0, 0, 80, 160])
    ImageDraw.Draw(picture).ellipse((50, 50, 250, 250), fill=1)
    logo = logos.make_logo(write(picture, "PNG", transparency=0))
    assert logo.is_transparent
    assert read(logo.print_png).convert("RGBA").getpixel((0, 0))[3] == 0


def test_nothing_but_pixels_is_kept():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "SECRETO")
    exif = Image.Exif()
    exif[0x010E] = "SECRETO"
    for content in (
        write(plain(), "PNG", pnginfo=info) + b"SECRETO",
        write(plain(), "JPEG", exif=exif, comment=b"SECRETO"),
    ):
        logo = logos.make_logo(content)
        assert b"SECRETO" not in logo.print_png + logo.screen_png
        assert not read(logo.print_png).getexif()
        assert not logo.is_transparent


def test_a_photo_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert read(logos.make_logo(write(plain((600, 300)), "JPEG", exif=exif)).print_png).size == (160, 320)


@pytest.mark.parametrize("mode", ["L", "LA", "CMYK", "I;16", "1", "RGBA", "P"])
def test_every_colour_mode_is_read(mode: str):
    picture = (
        plain((300, 200), "RGB").convert("L").convert("I;16") if mode == "I;16" else plain((300, 200)).convert(mode)
    )
    assert logos.make_logo(write(picture, "JPEG" if mode == "CMYK" else "PNG")).width == 300


def test_a_light_logo_is_known():
    picture = plain(mode="RGBA", colour=(0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((100, 50, 500, 250), fill="#ffffff")
    assert logos.make_logo(write(picture, "PNG")).is_light
    assert not logos.make_logo(write(plain(colour="#ffffff"), "PNG")).is_light  # a white picture shows its edges


def test_noise_stays_small_enough_for_a_mail():
    noise = Image.effect_noise((1600, 640), 100).convert("RGB")
    logo = logos.make_logo(write(noise, "JPEG", quality=70))
    assert len(logo.screen_png) < 40 * 1024
    assert len(logo.print_png) < 300 * 1024


def animated(file_format: str) -> bytes:
    return write(plain(), file_format, save_all=True, append_images=[plain(colour="red")], duration=100)


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few kilobytes whose head promises this many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", logos.NOT_A_PICTURE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", logos.NOT_A_PICTURE),
        (b"MZ" + b"\0" * 500, logos.NOT_A_PICTURE),
        (b"%PDF-1.7", logos.NOT_A_PICTURE),
        (write(plain(), "GIF"), logos.NOT_A_PICTURE),
        (write(plain(), "BMP"), logos.NOT_A_PICTURE),
        (write(plain(), "TIFF"), logos.NOT_A_PICTURE),
        (animated("PNG"), logos.ANIMATED),
        (animated("WEBP"), logos.ANIMATED),
        (write(plain(), "PNG")[:-40], logos.DAMAGED),
        (write(Image.effect_noise((600, 400), 90), "JPEG")[:4000], logos.DAMAGED),
        (b"\xff\xd8\xff" + b"\xff\xda" * 200, logos.DAMAGED),
        (bomb(30_000, 30_000), "demasiados píxeles"),
        (bomb(4001, 10), "4,001 × 10 píxeles"),
        (bomb(2**31 - 1, 2**31 - 1), "píxeles"),
        (bomb(3000, 3000), logos.DAMAGED),  # its data ends long before its pixels
        (write(plain((199, 100)), "PNG"), "199 × 100 píxeles"),
        (write(plain(mode="RGBA", colour=(9, 9, 9, 0)), "PNG"), logos.EMPTY),
        (b"\x89PNG\r\n\x1a\n" + b"0" * logos.MAX_BYTES, "pesa más de 2 MB"),
    ],
    ids=lambda value: value[:20].hex() if isinstance(value, bytes) else None,
)
def test_what_is_no_good_logo_is_refused(content: bytes, why: str):
    with pytest.raises(Refused) as refusal:
        logos.make_logo(content)
    assert why in str(refusal.value)


@pytest.mark.parametrize("size", [(200, 10), (4000, 3000), (10, 4000)])
def test_sizes_at_the_edges_are_accepted(size: tuple[int, int]):
    logo = logos.make_logo(write(plain(size), "PNG"))
    assert (logo.width, logo.height) == size
    assert min(read(logo.screen_png).size) >= 1
