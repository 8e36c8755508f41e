"""Change the image of a company: keep an uploaded logo, set logo and colours, go back to Factureya's (M33)."""

from django.db import transaction

from accounts import policy
from accounts.branding import colours, logos
from accounts.models import Branding, BrandLogo, Customer, User, state
from accounts.models.branding import hash_sizes
from accounts.operations.common import reload_person
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.files import store
from factureya.core.refusals import NotAllowed, Refused

KEPT_LOGOS = 6  # of a company, besides the one in use: those of previews that were not saved
NOT_YOURS = "Solo el representante legal cambia la imagen de la empresa."
LOGO_GONE = "Ese logotipo ya no está guardado. Súbalo de nuevo."


def keep_logo(content: bytes, name: str, *, actor: User) -> BrandLogo:
    """Store the sizes of an uploaded logo for a preview, and return its row; the company's image stays as it is (M33).

    The oldest logos that are not in use are deleted. Raises NotAllowed, and Refused for a file that is no good logo.
    """
    customer = _find_company(actor)
    name = store.clean_name(name)
    try:
        logo = logos.make_logo(content)
    except Refused as refusal:
        raise Refused(f"«{name}» {refusal}", "logo") from refusal
    with transaction.atomic():
        customer = _lock_company(customer.pk, actor)
        row, _is_new = BrandLogo.objects.get_or_create(
            customer=customer,
            sha256=hash_sizes(logo.print_png, logo.screen_png),
            defaults={
                "name": name,
                "size": len(content),
                "width": logo.width,
                "height": logo.height,
                "is_transparent": logo.is_transparent,
                "is_light": logo.is_light,
                "print_png": logo.print_png,
                "screen_png": logo.screen_png,
            },
        )
        _delete_unused(customer, keep=row)
    return row


def change_branding(*, main: str, accent: str, logo_id: int | None, actor: User) -> Branding:
    """Set the logo and the two colours of the actor's company, and return its image (M33).

    Colours that could not be read are stored as typed, and shown corrected. If nothing changes, no event is written:
    so a form that is sent twice does it once. Raises NotAllowed, and Refused for a text that is no colour.
    """
    chosen_main, chosen_accent = colours.read_colour(main), colours.read_colour(accent)
    with transaction.atomic():
        customer = _lock_company(_find_company(actor).pk, actor)
        logo = BrandLogo.objects.filter(customer=customer, pk=logo_id).first() if logo_id else None
        if logo_id and logo is None:
            raise Refused(LOGO_GONE, "logo")
        wanted = Branding(
            customer=customer,
            logo=logo,
            chosen_main=chosen_main,
            chosen_accent=chosen_accent,
            shown_main=colours.check_main(chosen_main).shown,
            shown_accent=colours.check_accent(chosen_accent).shown,
        )
        return _write_branding(wanted, actor)


def reset_branding(*, actor: User) -> Branding:
    """Give the actor's company Factureya's image again, and return the row (M33). Raises NotAllowed."""
    with transaction.atomic():
        customer = _lock_company(_find_company(actor).pk, actor)
        return _write_branding(Branding(customer=customer), actor)


def _write_branding(wanted: Branding, actor: User) -> Branding:
    """Record and store the wanted image of a locked company, and return it; an image that is the same already stays.

    The event comes first, because the database's guards refuse an image that no event tells.
    """
    logo = wanted.logo
    wanted.logo_sha256, wanted.logo_is_light = (logo.sha256, logo.is_light) if logo else ("", False)
    facts = state.describe_branding(wanted)
    present = Branding.objects.select_related("logo").filter(customer_id=wanted.customer_id).first()
    unchanged = state.describe_branding(present) == facts if present else not wanted.is_own
    if unchanged:
        return present or wanted
    wanted.pk = present.pk if present else None
    wanted.changed_by, wanted.changed_at = actor, now()
    audit.record(
        "company.branding_changed",
        wanted.customer,
        actor=actor,
        main=wanted.shown_main or "la de Factureya",
        logo=logo.name if logo else "",
        rows={state.BRANDING: facts},
    )
    wanted.save(force_insert=present is None, force_update=present is not None)
    return wanted


def _find_company(actor: User) -> Customer:
    """Return the company whose image the actor may change, as the database says now. Raises NotAllowed."""
    membership = reload_person(actor).membership
    if membership is None or not policy.may_change_branding(membership.user, membership.customer):
        raise NotAllowed(NOT_YOURS)
    return membership.customer


def _lock_company(pk: int, actor: User) -> Customer:
    """Lock the company, ask again whether the actor may change its image, and return it. Raises NotAllowed."""
    # no_key: a ticket that is being opened refers to this row; with a full lock each would wait for the other.
    customer = Customer.objects.select_for_update(no_key=True).get(pk=pk)
    if not policy.may_change_branding(reload_person(actor), customer):
        raise NotAllowed(NOT_YOURS)
    return customer


def _delete_unused(customer: Customer, *, keep: BrandLogo) -> None:
    """Delete the logos of a locked company that are not in use, all but the newest KEPT_LOGOS and `keep`."""
    used = Branding.objects.filter(customer=customer, logo__isnull=False).values("logo")
    unused = BrandLogo.objects.filter(customer=customer).exclude(pk__in=used).exclude(pk=keep.pk)
    old = list(unused.order_by("-pk").values_list("pk", flat=True)[KEPT_LOGOS - 1 :])
    BrandLogo.objects.filter(pk__in=old).delete()
