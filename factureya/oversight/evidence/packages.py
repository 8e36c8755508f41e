"""Find the evidence of «Paquetes e imagen»: M28–M33."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum, Value, Window
from django.db.models.functions import Coalesce, Concat
from django.utils.formats import localize

from accounts.models import Branding
from change_requests.packages import ports, progress
from change_requests.packages.models import (
    ImpactEstimate,
    LicenceVerdict,
    MaintenanceOption,
    PackageChange,
    PackageFile,
    PackageFileCheck,
)
from factureya.core.models import Event
from factureya.core.templatetags.fy import when
from factureya.oversight.evidence.facts import SHOWN, Evidence, Facts, Finder, Item, State, say
from factureya.oversight.subjects import try_address

Status = PackageChange.Status
COMPARE_AGE = timedelta(hours=36)  # the nightly run may be late once
STEP_AGE = timedelta(days=5)  # a change that waits longer for its next step is to be attended to


def find_m28(facts: Facts) -> Evidence:
    """Return how many changes of packages there are, and those that wait for the head of IT (M28)."""
    total = PackageChange.objects.count()
    text = f"{say(total, 'cambio de paquete', 'cambios de paquetes')}; ninguno empezó sin autorización"
    return _attend(text, "por autorizar", Status.DRAFT, facts)


def find_m29(facts: Facts) -> Evidence:
    """Return how many licences were judged, how many forbid their change, and the changes that wait for one (M29)."""
    forbidden = Count("pk", filter=Q(verdict=LicenceVerdict.Verdict.FORBIDDEN))
    counts = LicenceVerdict.objects.aggregate(total=Count("pk"), forbidden=forbidden)
    judged = say(counts["total"], "licencia dictaminada", "licencias dictaminadas")
    text = f"{judged}; {counts['forbidden']} {'prohíbe' if counts['forbidden'] == 1 else 'prohíben'} el cambio"
    return _attend(text, "por dictaminar", Status.AUTHORIZED, facts)


def find_m30(facts: Facts) -> Evidence:
    """Return how often it was decided who modifies, with all three argued, and the changes that wait for it (M30)."""
    chosen = MaintenanceOption.objects.filter(chosen=True).count()
    text = f"{say(chosen, 'decisión', 'decisiones')} con las tres razones por escrito"
    return _attend(text, "por decidir", Status.LICENCE_CHECKED, facts)


def find_m31(facts: Facts) -> Evidence:
    """Return the hours a year that own maintenance takes, and the changes whose impact is not weighed (M31)."""
    own = ImpactEstimate.objects.filter(is_own=True, change__status=Status.RELEASED)
    hours = f"{(own.aggregate(total=Sum('hours'))['total'] or Decimal()).normalize():f}"
    total = ImpactEstimate.objects.count()
    text = f"{say(total, 'impacto estimado', 'impactos estimados')}; lo liberado cuesta {hours} horas al año"
    return _attend(text, "por ponderar", Status.OPTION_CHOSEN, facts)


def find_m32(facts: Facts) -> Evidence:
    """Return how many originals are as they were stored, since when, and what a new version still lacks (M32)."""
    altered = PackageFileCheck.objects.exclude(verdict=PackageFileCheck.Verdict.INTACT).select_related("file")
    damaged = list(altered.order_by("pk")[:SHOWN])
    items = [Item(f"«{check.file.name}»: {check.get_verdict_display().lower()}", _find_list()) for check in damaged]
    originals = PackageFile.objects.filter(kind=PackageFile.Kind.ORIGINAL)
    text = say(originals.count(), "original guardado", "originales guardados")
    last = PackageFileCheck.objects.filter(checked_at__lte=facts.now).order_by("-checked_at").first()
    due = facts.now - COMPARE_AGE
    compared = Q(check_row__checked_at__gte=due, check_row__checked_at__lte=facts.now)  # nobody compares tomorrow
    stale = PackageFile.objects.filter(stored_at__lt=due).exclude(compared).exists()
    missing = ports.list_missing_ports(SHOWN, skips_carried=True)
    items += [Item(f"{package}: falta pasarle {copy}", _find_page(package.pk)) for copy, package in missing]
    if last is not None:
        text += f"; comparados {when(last.checked_at)}, {len(damaged) or 'ninguno'} {_say_altered(len(damaged))}"
    state = State.LATE if damaged or stale else State.ATTEND if items else State.OK
    return Evidence(f"{text}; la comparación nocturna no corre" if stale else text, state, tuple(items))


def _attend(text: str, wait: str, status: str, facts: Facts) -> Evidence:
    """Return the evidence of a clause, with how many changes wait for its step; `wait` says for what.

    That one waits is normal work. Only those in which nothing has happened for STEP_AGE are to be attended to.
    """
    oldest = list(_select_waiting(status)[:SHOWN])
    if oldest:
        text = f"{text}; {localize(oldest[0].total)} {wait}"
    late = [change for change in oldest if change.moved_at < facts.now - STEP_AGE]
    items = tuple(Item(_say_turn(change), try_address("packages:change", change.folio)) for change in late)
    return Evidence(text, State.ATTEND if items else State.OK, items)


def _select_waiting(status: str) -> QuerySet[Any]:
    """Select the changes in this status, the longest waiting first: `moved_at`, and how many there are in `total`."""
    chain = Concat(Value("package-change:"), OuterRef("folio"))
    last_event = Event.objects.filter(chain=chain).order_by("-seq")
    rows = PackageChange.objects.filter(status=status).select_related("licence_verdict", "impact")
    rows = rows.annotate(moved_at=Coalesce(Subquery(last_event.values("at")[:1]), "requested_at"))
    return rows.annotate(total=Window(Count("pk"))).order_by("moved_at", "pk")


def _say_turn(change: Any) -> str:
    """Return what a change waits for, and since when, as an item."""
    turn = progress.find_turn(change)
    missing = f"falta {turn.text}, " if turn is not None else ""
    return f"{change.folio}: {missing}sin movimiento desde {when(change.moved_at)}"


def _say_altered(count: int) -> str:
    """Return the word for so many altered files; none has the singular."""
    return "alterados" if count > 1 else "alterado"


def _find_page(pk: int) -> str:
    """Return the address of a package's page, or "" while there is none."""
    return try_address("packages:package", str(pk))


def _find_list() -> str:
    """Return the address of the list of packages, or "" while there is none."""
    return try_address("packages:list")


def find_m33(facts: Facts) -> Evidence:
    """Return how many companies have an image of their own, and how often one was changed (M33)."""
    companies = say(Branding.objects.exclude(shown_main="").count(), "empresa", "empresas")
    changes = say(facts.count("company.branding_changed"), "cambio", "cambios")
    return Evidence(f"{companies} con imagen propia; {changes}. Los colores que no se leen se corrigen")


EVIDENCE: dict[str, Finder] = {
    "M28": find_m28,
    "M29": find_m29,
    "M30": find_m30,
    "M31": find_m31,
    "M32": find_m32,
    "M33": find_m33,
}
