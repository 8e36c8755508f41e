"""Find the evidence of emergency accounts and of the log: M22, M23, M26, M27."""

from datetime import timedelta

from django.db.models import Exists, F, OuterRef
from django.utils.formats import localize

from change_requests.emergency.models import CriticalCredential, EmergencyAccount, EmergencyGrant, GrantReview
from factureya.core.record import verification
from factureya.core.templatetags.fy import when
from factureya.oversight.evidence.facts import SHOWN, Evidence, Facts, Finder, Item, State, say
from factureya.oversight.subjects import try_address

QUARTER = timedelta(days=90)  # the period of the counts: emergencies are rare
VERIFY_AGE = timedelta(hours=36)  # the nightly run may be late once
RENEW_SOON = timedelta(days=7)  # a password to be renewed within this time is shown


def find_m22(facts: Facts) -> Evidence:
    """Return the number of emergency accounts, those without a sealed password, and those to seal again soon (M22)."""
    sealed = CriticalCredential.objects.filter(account=OuterRef("pk"), retired_at__isnull=True, renew_by__isnull=False)
    accounts = EmergencyAccount.objects.filter(retired_at__isnull=True).annotate(is_sealed=Exists(sealed))
    unsealed = list(accounts.filter(is_sealed=False).order_by("alias")[:SHOWN])
    expiring = CriticalCredential.objects.filter(retired_at__isnull=True, renew_by__lt=facts.now + RENEW_SOON)
    shown = list(expiring.select_related("account").order_by("renew_by")[:SHOWN])
    items = [Item(f"{account.alias}: por sellar", _find_list()) for account in unsealed]
    items += [Item(f"{seal.account.alias}: renovar antes de {when(seal.renew_by)}", _find_list()) for seal in shown]
    total = accounts.count()
    if not total:
        return Evidence("Ninguna cuenta de emergencia dada de alta todavía", State.ATTEND)
    text = f"{say(total, 'cuenta', 'cuentas')}; {say(len(unsealed), 'por sellar', 'por sellar')}"
    is_late = any(seal.renew_by is not None and seal.renew_by < facts.now for seal in shown)
    return Evidence(text, State.LATE if is_late else State.ATTEND if items else State.OK, tuple(items))


def find_m23(facts: Facts) -> Evidence:
    """Return how many emergencies were opened in 90 days, how many stayed open too long, and those open now (M23)."""
    opened = EmergencyGrant.objects.filter(opened_at__gte=facts.now - QUARTER)
    longer = opened.filter(ended_at__gt=F("ends_at")).count()
    now_open = list(opened.filter(status="open").order_by("ends_at")[:SHOWN])
    overdue = [grant for grant in now_open if grant.ends_at is not None and grant.ends_at < facts.now]
    text = f"{say(opened.count(), 'ventana', 'ventanas')} en 90 días; {longer or 'ninguna'} pasó de lo autorizado"
    items = tuple(Item(f"{grant.folio}: abierta hasta {when(grant.ends_at)}", _find_page(grant)) for grant in now_open)
    state = State.LATE if longer or overdue else State.ATTEND if items else State.OK
    return Evidence(text, state, items)


def find_m26(facts: Facts) -> Evidence:
    """Return how many events there were, and whether the last verification is recent and found no flaw (M26)."""
    last, written = verification.latest_verification(), localize(sum(facts.events.values()))
    text = f"{written} renglones en 30 días"
    log_links = (Item("Ver la bitácora", try_address("oversight:log")),)
    if last is None:
        return Evidence(f"{text}; la verificación nocturna aún no corre", State.ATTEND, log_links)
    if not last.is_whole:
        return Evidence(f"{text}; la verificación de {when(last.finished_at)} halló faltas", State.LATE, log_links)
    anchor = f", ancla del {last.anchor_day:%d/%m}" if last.anchor_day else ", aún sin ancla"
    is_old = last.finished_at < facts.now - VERIFY_AGE
    return Evidence(f"{text}; íntegra {when(last.finished_at)}{anchor}", State.ATTEND if is_old else State.OK)


def find_m27(facts: Facts) -> Evidence:
    """Return how many reviews of emergencies were signed, and the unsigned ones: late if one is overdue (M27)."""
    signed = GrantReview.objects.filter(signed_at__gte=facts.now - QUARTER).count()
    waiting = GrantReview.objects.filter(signed_at__isnull=True).select_related("grant").order_by("due_at")
    reviews = list(waiting[:SHOWN])
    items = tuple(_make_review_item(review, facts) for review in reviews)
    to_sign = say(len(items), "por firmar", "por firmar")
    text = f"{say(signed, 'revisión firmada', 'revisiones firmadas')} en 90 días; {to_sign}"
    is_late = any(review.due_at < facts.now for review in reviews)
    return Evidence(text, State.LATE if is_late else State.ATTEND if items else State.OK, items)


def _make_review_item(review: GrantReview, facts: Facts) -> Item:
    """Return an unsigned review as an item to attend to, which says when it is or was due."""
    verb = "venció" if review.due_at < facts.now else "vence"
    return Item(f"{review.grant.folio}: su revisión {verb} {when(review.due_at)}", _find_page(review.grant))


def _find_page(grant: EmergencyGrant) -> str:
    """Return the address of an emergency's page, or "" while there is none."""
    return try_address("emergency:grant", grant.folio)


def _find_list() -> str:
    """Return the address of the list of emergency accounts, or "" while there is none."""
    return try_address("emergency:list")


EVIDENCE: dict[str, Finder] = {"M22": find_m22, "M23": find_m23, "M26": find_m26, "M27": find_m27}
