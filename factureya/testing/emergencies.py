"""An emergency for the tests: a sealed account, its halves, and one way to bring a grant to a status.

Gina uses the account, Elsa and Fabián authorize, Laura and Jorge keep the halves; the customer is Ana's company, and
the incident a ticket of hers.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from accounts.models import Office, RoleAssignment, User
from accounts.operations import end_office
from change_requests.emergency import operations
from change_requests.emergency.models import CriticalCredential, Delegation, EmergencyAccount, EmergencyGrant
from factureya.core.clock import now
from factureya.testing.people import Cast, make_superuser
from factureya.testing.tickets import make_ticket
from tickets.models import Ticket

Status = EmergencyGrant.Status
REASON = "El domicilio perdió el número interior; hay que volver a ponerlo."
WHY = "Lo comprobé con el cliente por teléfono."
WAY = (Status.REQUESTED, Status.AUTHORIZED, Status.OPEN, Status.ENDED)


def end_offices(person: User) -> None:
    """End every office of a person now, as a superuser does."""
    for assignment in RoleAssignment.objects.filter(user=person, ends_at=None):
        end_office(assignment.pk, actor=make_superuser())


def delegate(cast: Cast, alternate: User, **changes: Any) -> Delegation:
    """Name an alternate for the security officer from now on for 14 days, as she does herself unless changed."""
    terms: dict[str, Any] = {
        "office": Office.SECURITY_OFFICER,
        "absent": cast.elsa,
        "alternate": alternate,
        "starts_at": now(),
        "ends_at": now() + timedelta(days=14),
        "reason": WHY,
        "actor": cast.elsa,
    }
    return operations.delegate_office(**{**terms, **changes})


@dataclass
class Emergency:
    """Hold who takes part, the sealed account and its two halves, which only tests know together."""

    cast: Cast = field(default_factory=Cast)
    scope: str = EmergencyAccount.Scope.FIX
    alias: str = "emergencia-01"
    halves: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the account and seal it."""
        self.account = operations.add_account(
            alias=self.alias, purpose="Corregir un dato de un cliente", scope=self.scope, actor=self.cast.elsa
        )
        self.ticket: Ticket = make_ticket(requester=self.cast.ana)
        self.seal()

    @property
    def custodians(self) -> dict[str, User]:
        """Return who keeps each half."""
        return {"a": self.cast.laura, "b": self.cast.jorge}

    def seal(self) -> CriticalCredential:
        """Seal the account anew, and know its halves."""
        credential = operations.start_sealing(
            self.account.pk, custodian_a=self.cast.laura, custodian_b=self.cast.jorge, actor=self.cast.elsa
        )
        for letter, person in self.custodians.items():
            self.halves[letter] = operations.reveal_half(credential.pk, actor=person)
            credential = operations.confirm_sealed(credential.pk, actor=person)
        return credential

    def request(self, **changes: Any) -> EmergencyGrant:
        """Ask for the account, as Gina."""
        asked: dict[str, Any] = {
            "actor": self.cast.gina,
            "incident": self.ticket.number,
            "cause": "datos-corruptos",
            "fields": ["fiscal_address"] if self.scope == EmergencyAccount.Scope.FIX else [],
            "reason": REASON,
            "minutes": 60,
        }
        return operations.request_grant(self.account.pk, **{**asked, **changes})

    def authorize(self, grant: EmergencyGrant, minutes: int | None = None) -> EmergencyGrant:
        """Authorize it twice, as Fabián and Elsa."""
        operations.authorize_grant(grant.pk, actor=self.cast.fabian, reason=WHY, minutes=minutes)
        return operations.authorize_grant(grant.pk, actor=self.cast.elsa, reason=WHY, minutes=minutes)

    def open(self, grant: EmergencyGrant) -> EmergencyGrant:
        """Give both halves."""
        for letter, person in self.custodians.items():
            grant = operations.give_half(grant.pk, self.halves[letter], actor=person)
        return grant

    def bring(self, status: str, **changes: Any) -> EmergencyGrant:
        """Return a new grant in `status`: requested, authorized, open or ended."""
        grant = self.request(**changes)
        steps = (self.authorize, self.open, lambda each: operations.end_grant(each.pk, actor=self.cast.gina))
        for step in steps[: WAY.index(Status(status))]:
            grant = step(grant)
        return EmergencyGrant.objects.select_related("account__user", "operator", "customer").get(pk=grant.pk)
