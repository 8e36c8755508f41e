"""The list of emergencies: accounts with their seals, the latest emergencies, overdue reviews (M22, M27)."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Prefetch
from django.urls import reverse

from accounts.models import Office, User
from change_requests.emergency import policy, wording
from change_requests.emergency.models import CriticalCredential, EmergencyAccount, EmergencyGrant, GrantReview
from change_requests.emergency.wording import Chip
from factureya.core import clock, keyset
from factureya.core.templatetags.fy import when

Status, State = EmergencyGrant.Status, EmergencyAccount.State
NEWEST_FIRST = keyset.Order("requested_at", is_descending=True)
SETTLED = (Status.REFUSED, Status.LAPSED, Status.REVIEWED)


@dataclass(frozen=True)
class AccountRow:
    """Hold an account in the list."""

    account: EmergencyAccount
    chip: Chip
    seal: str
    renew: str
    is_late: bool
    url: str
    label: str


@dataclass(frozen=True)
class GrantRow:
    """Hold an emergency in the list."""

    folio: str
    title: str
    use: str
    chip: Chip
    date: str
    is_overdue: bool
    is_drill: bool


def list_accounts(user: User) -> list[AccountRow]:
    """Return a row for each emergency account: its state, its seal, and a link to what the reader can do with it."""
    seals = CriticalCredential.objects.filter(retired_at=None).select_related("custodian_a", "custodian_b")
    grants = EmergencyGrant.objects.exclude(status__in=SETTLED).select_related("review").order_by("-requested_at")
    accounts = EmergencyAccount.objects.order_by("retired_at", "alias").prefetch_related(
        Prefetch("credentials", seals, to_attr="live_seals"), Prefetch("grants", grants, to_attr="unsettled")
    )
    visible_pks = set(policy.visible_to(user).exclude(status__in=SETTLED).values_list("pk", flat=True))
    return [_make_account_row(account, user, visible_pks) for account in accounts]


def find_state(account: EmergencyAccount) -> EmergencyAccount.State:
    """Return the same as `EmergencyAccount.state`, but from the rows that `list_accounts` read, without a query."""
    statuses = {grant.status for grant in account.unsettled}  # type: ignore[attr-defined]
    if account.retired_at:
        return State.RETIRED
    if Status.OPEN in statuses:
        return State.OPEN
    if Status.ENDED in statuses:
        return State.OVERDUE if any(map(is_overdue, account.unsettled)) else State.REVIEW  # type: ignore[attr-defined]
    if statuses:  # requested or authorized
        return State.GRANTED
    seals = account.live_seals  # type: ignore[attr-defined]
    return State.SEALED if seals and seals[0].is_sealed else State.UNSEALED


def is_overdue(grant: EmergencyGrant) -> bool:
    """Return True if the review of the emergency should have been signed by now."""
    return grant.status == Status.ENDED and grant.review.due_at <= clock.now()


def _make_account_row(account: EmergencyAccount, user: User, visible_pks: set[int]) -> AccountRow:
    """Return an account's row; its link goes to its emergency if the reader may open that, else to its seal."""
    state = find_state(account)
    seal = next(iter(account.live_seals), None)  # type: ignore[attr-defined]
    grant = next(iter(account.unsettled), None)  # type: ignore[attr-defined]
    url, label = reverse("emergency:seal", args=[account.alias]), _choose_seal_label(state, seal, user)
    if grant is not None and grant.pk in visible_pks:
        page_name, label = ("review", "Revisar") if grant.status == Status.ENDED else ("grant", "Ver")
        url = reverse(f"emergency:{page_name}", args=[grant.folio])
    ends_at = grant.ends_at if grant is not None and grant.status == Status.OPEN else None
    return AccountRow(
        account,
        wording.describe_account_state(state, ends_at),
        _describe_seal(seal, state),
        when(seal.renew_by) if seal and seal.renew_by and state != State.OPEN else "–",  # in use: it is not renewed
        bool(seal and seal.is_overdue),
        url,
        label,
    )


def _choose_seal_label(state: EmergencyAccount.State, seal: CriticalCredential | None, user: User) -> str:
    """Return the text of the link to an account's seal: what this reader can do on that page."""
    letter = seal.find_half(user) if seal else ""
    if letter and seal is not None and not getattr(seal, f"sealed_{letter}_at"):
        return "Sellar mi mitad"
    if policy.may_keep(user) and state in (State.UNSEALED, State.SEALED):
        return "Volver a sellar" if state == State.SEALED else "Sellar"
    return "Ver el sello"


def _describe_seal(seal: CriticalCredential | None, state: EmergencyAccount.State) -> str:
    """Return the seal's number and custodians, or whose half is missing; of an open account, when it is retired."""
    if seal is None:
        return "Sin sello"
    if state == State.OPEN:
        return f"n.º {seal.generation}, se retira al terminar"
    missing = [
        person.get_full_name()
        for person, sealed_at in ((seal.custodian_a, seal.sealed_a_at), (seal.custodian_b, seal.sealed_b_at))
        if sealed_at is None
    ]
    if len(missing) == 1:
        return f"n.º {seal.generation}, falta la mitad de {missing[0]}"
    if missing:
        return f"n.º {seal.generation}, faltan las mitades de {' y de '.join(missing)}"
    return f"n.º {seal.generation}, {seal.custodian_a} y {seal.custodian_b}"


def read_grants(user: User, cursor: keyset.Cursor | None) -> keyset.Page[EmergencyGrant]:
    """Return a page of the emergencies that the reader may see, the newest first."""
    grants = policy.visible_to(user).select_related("cause", "customer", "account", "review")
    return keyset.page(NEWEST_FIRST, cursor, grants)


def make_grant_rows(grants: Sequence[EmergencyGrant]) -> list[GrantRow]:
    """Return the rows of the list, one for each emergency."""
    return [
        GrantRow(
            grant.folio,
            f"{grant.cause.title}, {grant.customer.legal_name}",
            wording.describe_use(grant),
            wording.make_grant_chip(grant),
            wording.describe_deadline(grant, is_overdue=is_overdue(grant)),
            is_overdue(grant),
            grant.drill,
        )
        for grant in grants
    ]


@dataclass(frozen=True)
class OverdueReview:
    """Hold a review that is overdue; `url` is its address, "" for who may not open it."""

    grant: EmergencyGrant
    url: str


def list_overdue(user: User) -> list[OverdueReview]:
    """Return all overdue reviews, the oldest first; one that this reader may not open has "" as its link."""
    late_reviews = GrantReview.objects.filter(signed_at=None, due_at__lte=clock.now()).values_list("grant", flat=True)
    if not (late_pks := list(late_reviews)):  # nearly always: it spares each page two queries
        return []
    late_grants = EmergencyGrant.objects.filter(pk__in=late_pks, status=Status.ENDED)
    grants = list(late_grants.select_related("account", "review").order_by("review__due_at"))
    visible_pks = set(policy.visible_to(user).filter(pk__in=late_pks).values_list("pk", flat=True))
    return [
        OverdueReview(grant, reverse("emergency:review", args=[grant.folio]) if grant.pk in visible_pks else "")
        for grant in grants
    ]


def may_keep_delegations(user: User) -> bool:
    """Return True if the person names alternates: the security officer, or who holds an office that has one."""
    return user.holds(Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, Office.IT_HEAD)
