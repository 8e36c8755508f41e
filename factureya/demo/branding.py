"""Give a company of the demo an image of its own: a drawn logo and two colours, one of which is corrected (M33)."""

from datetime import datetime, timedelta
from io import BytesIO

from PIL import Image, ImageDraw

from accounts.branding import operations
from accounts.models import User
from factureya.core import clock

MAIN, ACCENT = "#1f5f8b", "#f2a33a"


def seed(people: dict[str, User], now: datetime) -> None:
    """Let Ana, the representative of Papelería Ocaso, choose its logo and colours; `seed_demo` calls this."""
    ana = User.objects.get(pk=people["ana"].pk)
    with clock.at(now - timedelta(days=12)):
        logo = operations.keep_logo(_draw_logo(), "ocaso-logo.png", actor=ana)
        operations.change_branding(main=MAIN, accent=ACCENT, logo_id=logo.pk, actor=ana)


def _draw_logo() -> bytes:
    """Return the demo company's logo (PNG): a setting sun on a transparent ground."""
    image = Image.new("RGBA", (800, 800))
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 40, 760, 760), fill="#fff4e3")
    draw.pieslice((200, 250, 600, 650), 180, 360, fill="#c47a12")
    for top, width in ((500, 420), (560, 320), (620, 200)):  # three lines below the sun
        draw.rounded_rectangle((400 - width // 2, top, 400 + width // 2, top + 26), 13, fill="#1f5f8b")
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
