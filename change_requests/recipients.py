"""Who of the company gets mails about a request, and in which capacity (M8, M21).

Whoever asked and the registered mail follow its progress. Every representative, and whoever loses something by the
request, gets a mail too when it is sent, approved and applied, and can object from his own mailbox.
"""

from django.db import models

from accounts.models import Representative
from change_requests.kinds import fields
from change_requests.kinds.fields import find_row, touches_risky
from change_requests.kinds.registry import find_kind
from change_requests.models import FormalRequest


class Role(models.TextChoices):
    """In which capacity somebody gets a mail; a link «no fui yo» names it."""

    REGISTERED = "registered", "correo registrado"
    REQUESTER = "requester", "quien solicita"
    OLD_MAIL = fields.OLD_MAIL, "correo registrado anterior"
    LEAVING = fields.LEAVING, "representante cuyos poderes cambian o terminan"
    PERSON = fields.PERSON, "persona de la solicitud"
    REPRESENTATIVE = "representative", "representante"
    PORTAL = "portal", "portal"


Readers = dict[str, Role]  # by mail address


def find_followers(request: FormalRequest) -> Readers:
    """Return address and role of who gets mails on the progress: the registered mail, and the requester if active."""
    followers: Readers = {request.customer.registered_email.lower(): Role.REGISTERED}
    if request.requester.is_active:
        followers.setdefault(request.requester.email.lower(), Role.REQUESTER)
    return followers


def find_warned(request: FormalRequest, *, old_mail: str = "") -> Readers:
    """Return who is warned of a request besides its followers: every representative, and whoever loses something by it.

    The loss is powers, access or the registered mail. `old_mail` is the registered mail before it changed, else empty.
    """
    warned = _find_losers(request)
    items = request.read_payload()["items"]
    if old_mail and touches_risky(items):
        warned.setdefault(old_mail.lower(), Role.OLD_MAIL)
    representatives = Representative.objects.filter(customer=request.customer_id).in_force()
    for representative in representatives.select_related("user").order_by("pk"):
        user = representative.user
        warned.setdefault((user.email if user else representative.email).lower(), Role.REPRESENTATIVE)
    followers = find_followers(request)
    return {address: role for address, role in sorted(warned.items()) if address not in followers}


def explain_mail(request: FormalRequest, address: str, role: Role) -> str:
    """Return the sentence that tells this address why it gets the mail; empty if it only follows the progress."""
    company = request.customer.legal_name
    role = _find_losers(request).get(address, role)  # a loss comes before the other reasons
    is_or_was = "era" if request.executed_at is not None else "es"
    return {
        Role.OLD_MAIL: f"Le avisamos aquí porque este {is_or_was} el correo registrado de {company}.",
        Role.LEAVING: f"Esta solicitud cambia o termina los poderes con los que usted representa a {company}.",
        Role.PERSON: find_kind(request).person_warning.format(company=company),
        Role.REPRESENTATIVE: f"Le avisamos porque usted representa a {company}.",
    }.get(role, "")


def _find_losers(request: FormalRequest) -> Readers:
    """Return who loses powers, access or the registered mail by the request, to warn them: addresses and roles."""
    losers: Readers = {}
    for item in request.read_payload()["items"]:
        field = find_row(item["field"])
        if field.loser:  # the role of the person who loses by a change of this field; empty if nobody does
            losers.setdefault(field.find_loser(item["old"]).lower(), Role(field.loser))
    losers.pop("", None)  # somebody without a known address
    return losers
