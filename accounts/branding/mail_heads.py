"""Give the mails about a company's tickets the image of that company at their head (M33)."""

from io import BytesIO

from PIL import Image

from accounts.models import Branding, BrandLogo
from factureya.core.mail.heads import SCREEN_SHARE, Head
from factureya.core.models import OutboxMessage

# Mails about accounts and formal requests have Factureya's head always: they bring codes and ask for decisions.
BRANDED_KINDS = "tickets/"


def find_head(message: OutboxMessage) -> Head | None:
    """Return the head of a mail about a ticket to a person of a company with an image of its own; None for others.

    The setting OUTBOX_HEAD names this function. The image is that of the instant at which the mail leaves.
    """
    if not message.kind.startswith(BRANDED_KINDS):
        return None
    own = Branding.objects.exclude(shown_main="").select_related("customer", "logo")
    branding = own.filter(customer__contacts__user__email=message.to.lower()).first()
    if branding is None:
        return None
    name, logo = branding.customer.legal_name, branding.logo
    if logo is None:
        return Head(name, branding.shown_main)
    return Head(name, branding.shown_main, bytes(logo.screen_png), _measure_width(logo), not logo.is_light)


def _measure_width(logo: BrandLogo) -> int:
    """Return how many pixels wide a mail shows the logo."""
    with Image.open(BytesIO(bytes(logo.screen_png)), formats=["PNG"]) as image:
        return max(1, image.width // SCREEN_SHARE)
