"""One emergency as its page shows it to one person: its steps, what was looked at now, and what is there (M23)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string

from accounts.models import Office, User
from change_requests.emergency import policy, wording
from change_requests.emergency.models import CriticalCredential, EmergencyGrant, GrantAuthorization
from change_requests.emergency.wording import Chip
from change_requests.models import FormalRequest, find_folio
from factureya.core import clock
from factureya.core.templatetags.fy import when

Status, Incident = EmergencyGrant.Status, EmergencyGrant.Incident
Slot, Verdict = GrantAuthorization.Slot, GrantAuthorization.Verdict
DONE, NOW, AHEAD = "done", "now", "todo"
REPEAT_DAYS = 30
JOINED = (
    "account__user",
    "operator",
    "cause",
    "customer",
    "credential",
    "half_a_by",
    "half_b_by",
    "ended_by",
    "review",
)


@dataclass(frozen=True)
class Step:
    """Hold a step of an emergency: done, now or todo."""

    title: str
    state: str
    detail: str = ""
    quote: str = ""


@dataclass(frozen=True)
class Checks:
    """Hold what was looked at just now, and is in order or is not."""

    good: Sequence[str]
    bad: Sequence[str]


@dataclass(frozen=True)
class FoundIncident:
    """Hold what an emergency's ticket or request is today."""

    is_open: bool
    customer_pk: int


class GrantPage:
    """Read what the page of an emergency shows; everything is read once, when it is asked for."""

    def __init__(self, grant: EmergencyGrant, user: User) -> None:
        self.grant, self.user = grant, user
        self.chip: Chip = wording.make_grant_chip(grant)
        self.fields = wording.list_labels(grant.fields)
        self.length = wording.show_minutes(grant.minutes_granted)
        self.end = wording.describe_end(grant)

    @cached_property
    def decisions(self) -> list[GrantAuthorization]:
        """Return the decisions of the authorizers, the oldest first."""
        joined = ("authorizer", "assignment", "delegation__absent")
        return list(self.grant.authorizations.select_related(*joined).order_by("decided_at", "pk"))

    @cached_property
    def credential(self) -> CriticalCredential | None:
        """Return the seal that opens or opened this emergency."""
        return self.grant.credential or self.grant.account.find_credential()

    @cached_property
    def slots(self) -> list[str]:
        """Return the places in which the reader may decide now."""
        return policy.find_slots(self.user, self.grant)

    @property
    def title(self) -> str:
        """Return the heading of the page: a question if the reader may decide (`slots`), else the account's name."""
        if self.slots:
            return f"¿Autoriza abrir {self.grant.account.alias} por {wording.show_minutes(self.grant.minutes_asked)}?"
        return f"Cuenta de emergencia {self.grant.account.alias}"

    @property
    def dates(self) -> str:
        """Return the line beside the folio: who asked for it and when."""
        return f"Pedida {when(self.grant.requested_at)}, por {self.grant.operator_name}"

    @property
    def is_open(self) -> bool:
        """Return True if the window is open at this instant."""
        return self.grant.status == Status.OPEN and policy.find_end_reason(self.grant) is None

    @property
    def minutes_used(self) -> int:
        """Return for how many minutes the emergency has been open, for the bar that shows the time used."""
        assert self.grant.opened_at is not None
        return max(0, int((clock.now() - self.grant.opened_at).total_seconds() // 60))

    @property
    def incident_url(self) -> str:
        """Return the address of the request that the emergency is for; "" for a ticket, which is in the admin."""
        if self.grant.incident_kind == Incident.REQUEST:
            return reverse("control:request", args=[self.grant.incident])
        return ""

    @property
    def steps(self) -> list[Step]:
        """Return the steps of the emergency, from the request to the review."""
        grant = self.grant
        steps = [Step("Pedida", DONE, f"{grant.operator_name} · {when(grant.requested_at)}")]
        steps += [self._make_decision_step(slot) for slot in Slot.values]
        return [*steps, self._make_opening_step(), self._make_end_step(), self._make_review_step()]

    def _make_decision_step(self, slot: str) -> Step:
        """Return the step of an authorization (`slot`): who decided and how, that it is pending, or too late."""
        label = str(Slot(slot).label)
        for decision in self.decisions:
            if decision.slot == slot:
                words = {Verdict.REFUSE: "No autorizó"}.get(Verdict(decision.verdict), "Autorizó")
                if decision.verdict == Verdict.LESS:
                    words = f"Autorizó {wording.show_minutes(decision.minutes)}"
                stands_in = f", suplente de {decision.delegation.absent}" if decision.delegation else ""
                detail = f"{words} {decision.authorizer_name}{stands_in} · {when(decision.decided_at)}"
                return Step(str(decision.get_office_display()), DONE, detail, decision.reason)
        if self.grant.status != Status.REQUESTED:  # it ended before this decision
            return Step(label, AHEAD)
        return Step(label, NOW, "Usted · pendiente" if slot in self.slots else "Pendiente")

    def _make_opening_step(self) -> Step:
        """Return the step of the opening: who gave the halves of the password, or until when they may give them."""
        grant, title = self.grant, "Apertura con dos mitades"
        if grant.opened_at is not None:
            return Step(title, DONE, f"{grant.half_a_by} y {grant.half_b_by} · {when(grant.opened_at)}")
        if grant.status == Status.AUTHORIZED:
            return Step(title, NOW, f"Antes de {when(grant.start_before)}")
        return Step(title, AHEAD)  # not authorized yet, or it ended without being opened

    def _make_end_step(self) -> Step:
        """Return the step of the end: when the emergency ends by itself, or why it ended, was refused or lapsed."""
        grant = self.grant
        if grant.status == Status.OPEN:
            return Step("Termina sola", NOW, when(grant.ends_at))
        if grant.ended_at is None:
            return Step("Termina sola", AHEAD)  # not open yet
        title = {Status.REFUSED: "No se abrió", Status.LAPSED: "Caducó"}.get(Status(grant.status), "Terminó")
        return Step(title, DONE, f"{self.end} · {when(grant.ended_at)}" if self.end else when(grant.ended_at))

    def _make_review_step(self) -> Step:
        """Return the step of the review: who signed it, or by when it must be signed."""
        grant = self.grant
        if grant.status == Status.REVIEWED:
            return Step("Revisada", DONE, f"{grant.review.reviewer_name} · {when(grant.review.signed_at)}")
        if grant.status == Status.ENDED:
            return Step("Se revisa", NOW, f"Antes de {when(grant.review.due_at)}")
        return Step("Se revisa", AHEAD)  # it has not ended, or it was never open

    @cached_property
    def checks(self) -> Checks:
        """Run all checks now; return the texts of those that passed and of those that failed."""
        results = [
            self._check_incident(),
            self._check_seal(),
            self._check_reviews(),
            self._check_people(),
            self._check_clocks(),
            self._check_repeats(),
        ]
        return Checks(
            [text for is_good, text in results if is_good and text],  # "": nothing to show
            [text for is_good, text in results if not is_good],
        )

    def _check_incident(self) -> tuple[bool, str]:
        """Return whether the ticket or request is still open and of this customer, and the text to show."""
        grant = self.grant
        if grant.drill:
            return True, "Es un simulacro, sobre el cliente de prueba"
        name = "El ticket" if grant.incident_kind == Incident.TICKET else "La solicitud"
        incident = find_incident(grant.incident)
        if incident is None or incident.customer_pk != grant.customer_id:
            return False, f"{name} {grant.incident} ya no es de este cliente"
        if not incident.is_open:
            return False, f"{name} {grant.incident} ya terminó"
        return True, f"{name} {grant.incident} sigue sin terminar y es de este cliente"

    def _check_seal(self) -> tuple[bool, str]:
        """Return whether the account is sealed with a password that need not be renewed yet, and the text to show."""
        credential = self.credential
        if credential is None or not credential.is_sealed:
            return False, "La cuenta está por sellar"
        if credential.is_overdue:
            return False, f"El sello n.º {credential.generation} debió renovarse {when(credential.renew_by)}"
        return (
            True,
            f"La cuenta está sellada: n.º {credential.generation}, renovar antes de {when(credential.renew_by)}",
        )

    def _check_reviews(self) -> tuple[bool, str]:
        """Return whether no other emergency of the account waits for its review, and the text to show."""
        if self.grant.account.grants.filter(status=Status.ENDED).exclude(pk=self.grant.pk).exists():
            return False, "La cuenta tiene una revisión pendiente"
        return True, "No tiene revisiones pendientes"

    def _check_people(self) -> tuple[bool, str]:
        """Return whether the operator is no authorizer, no custodian and no developer, and the text to show."""
        grant, credential = self.grant, self.credential
        authorizers_and_custodians = {decision.authorizer_id for decision in self.decisions}
        authorizers_and_custodians |= credential.custodian_ids if credential else set()
        if grant.operator_id in authorizers_and_custodians or grant.operator.holds(Office.DEVELOPER):
            return False, f"{grant.operator_name} tiene otra parte en esta emergencia, o es de Desarrollo"
        return True, f"{grant.operator_name} no autoriza, no custodia y no es de Desarrollo"

    def _check_clocks(self) -> tuple[bool, str]:
        """Return whether the clocks of the web and of the database agree, and the text to show."""
        if clock.clocks_agree():
            return True, f"Los relojes del portal y de la base coinciden (a menos de {settings.CLOCK_SKEW_SECONDS} s)"
        return False, policy.CLOCKS_DIFFER

    def _check_repeats(self) -> tuple[bool, str]:
        """Return False and a text if this cause was asked for in the REPEAT_DAYS before; drills do not count."""
        grant = self.grant
        since = grant.requested_at - timedelta(days=REPEAT_DAYS)
        earlier = EmergencyGrant.objects.filter(
            cause=grant.cause_id, requested_at__gte=since, requested_at__lt=grant.requested_at, drill=False
        ).count()
        if earlier and not grant.drill:
            return False, f"Es la {earlier + 1}.ª emergencia por esta causa en {REPEAT_DAYS} días"
        return True, ""


def find_incident(text: str) -> FoundIncident | None:
    """Return whose the ticket or request with this typed number is, and if it is open; None if there is none."""
    if (folio := find_folio(text)) is not None:
        request = FormalRequest.objects.filter(folio=folio, revision_no__gte=1).first()  # 0: a draft, not sent
        return FoundIncident(request.is_open, request.customer_id) if request else None
    ticket = import_string(settings.EMERGENCY_TICKET_FINDER)(text)
    return FoundIncident(ticket[2], ticket[1]) if ticket else None  # ticket: (number, customer's key, is it open)
