"""The people of the tests of formal requests' pages, and requests brought to a status by the real operations.

Ana is the representative of Papelería Ocaso, Dana holds powers there for ten more days, Beto is a contact, Carla the
representative of another company; Fabián owns the information, Elsa is the security officer, Laura mesa de control,
Gina the implementer.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Office, User
from change_requests import operations
from change_requests.models import FormalRequest
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from factureya.testing.people import make_contact, make_customer, make_representative, make_staff, represent
from factureya.testing.requests import own_assets

REASON = "Nos mudamos de oficinas y cambiamos de conmutador."
ITEMS = {"phone": "222 555 0178", "fiscal_address": "Blvd. Atlixco 3505, Col. Las Ánimas, 72190 Puebla"}


@dataclass
class Cast:
    """Hold the people of the tests of formal requests, by name."""

    ana: User
    dana: User
    beto: User
    carla: User
    fabian: User
    elsa: User
    laura: User
    gina: User


def make_cast() -> Cast:
    """Make and return two companies and the offices that a request needs."""
    ocaso = make_customer(
        "POC930314QX7",
        "Papelería Ocaso SA de CV",
        verified=False,
        phone="222 555 0134",
        fiscal_address="Av. Juárez 1420, Col. La Paz, 72160 Puebla, Pue.",
        registered_email="contacto@ocaso.mx",
    )
    dana = make_contact(ocaso, representative=True, email="dana@ocaso.mx", full_name="Dana Poder")
    represent(ocaso, dana, power_kind="attorney", valid_until=timezone.localdate(now()) + timedelta(days=10))
    ana = make_representative(ocaso, email="ana@ocaso.mx", full_name="Ana Robles")
    fabian = make_staff(Office.INFORMATION_OWNER, full_name="Fabián Dueño")
    own_assets(fabian)
    return Cast(
        ana=ana,
        dana=User.objects.select_related("contact__customer").get(pk=dana.pk),
        beto=make_contact(ana.contact.customer, email="beto@ocaso.mx", full_name="Beto Luna"),
        carla=make_representative(email="carla@otra.mx", full_name="Carla Sol"),
        fabian=fabian,
        elsa=make_staff(Office.SECURITY_OFFICER, full_name="Elsa Segura"),
        laura=make_staff(Office.SUPERVISOR, full_name="Laura Mesa"),
        gina=make_staff(Office.IMPLEMENTER, full_name="Gina Implementa"),
    )


def draft(cast: Cast, form: str = "change", kind: str = "change", **answers: Any) -> FormalRequest:
    """Return Ana's complete draft."""
    formal = operations.create_draft(actor=cast.ana, customer=cast.ana.contact.customer, form=form, kind=kind)
    whole = {"reason": REASON, "effective_date": "", "declares": True, **answers}
    if form == "change" and kind == "change":
        whole.setdefault("items", dict(ITEMS))
    return operations.save_draft(formal.pk, actor=cast.ana, draft=whole)


def submitted(cast: Cast, **answers: Any) -> FormalRequest:
    """Return Ana's request, on its way to be confirmed."""
    return operations.submit(draft(cast, **answers).pk, actor=cast.ana)


def verifying(cast: Cast, **answers: Any) -> FormalRequest:
    """Confirmed from the registered mail."""
    formal = submitted(cast, **answers)
    return operations.confirm_from_registered_email(formal.pk, actor=cast.ana, revision_no=formal.revision_no)


def in_approval(cast: Cast, **answers: Any) -> FormalRequest:
    """Verified by Laura."""
    return operations.verify(verifying(cast, **answers).pk, actor=cast.laura, note="Todo en orden.")


def seen(formal: FormalRequest) -> str:
    """Return the hash of the version of a request that is decided."""
    return formal.revisions.get(no=formal.revision_no).sha256


def approved(cast: Cast, **answers: Any) -> FormalRequest:
    """Approved by both, Gina designated."""
    formal = in_approval(cast, **answers)
    for decider in (cast.fabian, cast.elsa) if formal.form == "change" else (cast.elsa,):
        formal = operations.approve(formal.pk, actor=decider, reason="Las razones bastan.", seen_hash=seen(formal))
    return operations.designate(formal.pk, actor=cast.elsa, implementer=cast.gina)


def executed(cast: Cast, **answers: Any) -> FormalRequest:
    """Carried out by Gina."""
    formal = approved(cast, **answers)
    operations.execute(formal.pk, actor=cast.gina)
    return FormalRequest.objects.get(pk=formal.pk)


def link_in_mail(to: str, page: str) -> str:
    """Return the path of the newest link to /solicitudes/<page>/ in the mails to this address."""
    for mail in OutboxMessage.objects.filter(to=to).order_by("-pk"):
        if found := re.search(rf"(/solicitudes/{page}/\S+/)", mail.body):
            return found.group(1)
    raise AssertionError(f"no link to {page} for {to}")


def code_in_mail(to: str) -> str:
    """Return the six digits of the newest mail to this address."""
    body = OutboxMessage.objects.filter(to=to).latest("pk").body
    return re.search(r"\b\d{6}\b", body).group()
