"""Check an uploaded logo and make the sizes that are shown (M33).

Of the upload nothing but its pixels is kept, as of any picture (`core.files.types`): each size is drawn anew, with its
transparency. Animated, oversized and damaged pictures are refused, and what is no picture.
"""

import threading
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, ImageStat

from factureya.core.refusals import Refused

MAX_BYTES = 2 * 1024 * 1024
MIN_SIDE, MAX_SIDE = 200, 4000  # pixels of the longer side
PRINT_BOX, SCREEN_BOX = (800, 320), (400, 96)  # pixels: on paper; in the head of pages and mails, for dense screens
_PRINT_BYTES, _SCREEN_BYTES = 200 * 1024, 20 * 1024  # a heavier picture gets 256 colours
_FORMATS = ("PNG", "JPEG", "WEBP")
_MAX_JPEG_SCANS = 100  # each scan walks over all pixels again; a progressive photo has about ten
_LIGHT = 190  # of 255: the mean lightness from which a transparent logo does not show on white
_OPAQUE = 250  # of 255

NOT_A_PICTURE = "no es una imagen PNG, JPG o WebP. Guárdela en uno de esos tipos y súbala de nuevo."
DAMAGED = "está dañada o incompleta. Guárdela de nuevo como PNG y súbala."
ANIMATED = "tiene animación. Suba una imagen fija."
EMPTY = "está vacía: todo es transparente."

# A picture of 16 megapixels takes some 130 MB while it is made smaller: one at a time, the others wait.
_decoding_slot = threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class Logo:
    """Hold the sizes of a good logo as PNG, the pixels of its upload, and how it stands out from its ground."""

    print_png: bytes
    screen_png: bytes
    width: int
    height: int
    is_transparent: bool
    is_light: bool  # it would not show on white paper


def make_logo(content: bytes) -> Logo:
    """Return the sizes of an uploaded logo. Raises Refused; the text follows the file's name and says what to do."""
    if len(content) > MAX_BYTES:
        raise Refused(f"pesa más de {MAX_BYTES // 1024 // 1024} MB. Redúzcala y súbala de nuevo.")
    if content.startswith(b"\xff\xd8") and content.count(b"\xff\xda") > _MAX_JPEG_SCANS:
        raise Refused(DAMAGED)
    try:
        with _decoding_slot, Image.open(BytesIO(content), formats=_FORMATS) as image:
            _check_head(image)
            width, height = image.size
            return _draw_sizes(_make_upright_copy(image), width, height)
    except Refused:
        raise
    except Image.UnidentifiedImageError as error:
        raise Refused(NOT_A_PICTURE) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused(_describe_side("demasiados")) from error
    except Exception as error:  # a decoder fed with a hostile file raises nearly anything; none of it is ours
        raise Refused(DAMAGED) from error


def _check_head(image: Image.Image) -> None:
    """Raise Refused for a picture of a wrong size or with animation, by its head: no pixel is decoded yet."""
    longer = max(image.size)
    if longer > MAX_SIDE or longer < MIN_SIDE:
        raise Refused(_describe_side(f"{image.width:,} × {image.height:,}"))
    # A phone's photo may carry a second picture behind it (MPO), which is not animation and is not read.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise Refused(ANIMATED)


def _describe_side(pixels: str) -> str:
    """Return the refusal of a picture that is too small or too large."""
    return f"tiene {pixels} píxeles. Su lado mayor debe medir de {MIN_SIDE} a {MAX_SIDE:,} píxeles."


def _make_upright_copy(image: Image.Image) -> Image.Image:
    """Return the picture upright with four channels, made smaller before its colours are converted."""
    image.draft("RGB", (PRINT_BOX[0] * 2, PRINT_BOX[1] * 2))  # a JPEG is decoded at a fraction of its size
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    upright.info.clear()  # what Pillow would otherwise copy: comment, ICC profile, EXIF
    if edges := upright.getchannel("A").getbbox():
        upright = upright.crop(edges)  # an empty margin would only make the logo smaller
    upright.thumbnail(PRINT_BOX, Image.Resampling.LANCZOS)
    return upright


def _draw_sizes(picture: Image.Image, width: int, height: int) -> Logo:
    """Return the logo of an upright picture with four channels. Raises Refused if nothing of it is seen."""
    alpha = picture.getchannel("A")
    lowest, highest = alpha.getextrema()
    if highest == 0:
        raise Refused(EMPTY)
    is_transparent = int(lowest) < _OPAQUE  # type: ignore[arg-type]
    lightness = ImageStat.Stat(picture.convert("L"), mask=alpha.point(lambda value: 255 if value > 127 else 0))
    is_light = is_transparent and bool(lightness.count[0]) and lightness.mean[0] > _LIGHT
    if not is_transparent:
        picture = picture.convert("RGB")
    small = picture.copy()
    small.thumbnail(SCREEN_BOX, Image.Resampling.LANCZOS)
    sizes = _write_png(picture, _PRINT_BYTES), _write_png(small, _SCREEN_BYTES)
    return Logo(*sizes, width, height, is_transparent, is_light)


def _write_png(picture: Image.Image, most: int) -> bytes:
    """Return a picture as PNG; with 256 colours, transparency among them, if it would have more bytes than `most`."""
    content = _save_png(picture)
    return content if len(content) <= most else _save_png(picture.quantize(256, method=Image.Quantize.FASTOCTREE))


def _save_png(picture: Image.Image) -> bytes:
    """Return a picture as PNG."""
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
