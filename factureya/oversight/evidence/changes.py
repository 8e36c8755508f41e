"""Find the evidence of «Cambios de información sensible»: M19–M21, M24, M25."""

from itertools import islice

from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse

from accounts.models import Office, RoleAssignment
from change_requests.models import Execution, FormalRequest, Waiver
from change_requests.operations import deadlines
from factureya.core.calendar import load_attention_hours
from factureya.core.templatetags.fy import when
from factureya.oversight.evidence.facts import MOST, SHOWN, Evidence, Facts, Finder, Item, State, say

Status, Channel = FormalRequest.Status, FormalRequest.Channel
_OURS = (Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED)  # we must do the next step


def find_m19(facts: Facts) -> Evidence:
    """Return how many requests were sent, each with its reason: the database refuses one without a reason (M19)."""
    sent = facts.count("request.submitted")
    return Evidence(f"{say(sent, 'envío', 'envíos')}, {'los ' if sent != 1 else ''}{sent} con motivo")


def find_m20(facts: Facts) -> Evidence:
    """Return how many requests came on the site, and how many as a form by mail; none is counted twice (M20)."""
    by_web, by_mail = (facts.count_requests(channel=str(channel)) for channel in (Channel.PORTAL, Channel.EMAIL))
    return Evidence(f"{by_web} por el sitio, {by_mail} por correo, ninguna doble")


def find_m21(facts: Facts) -> Evidence:
    """Return how many requests wait for approval, and those whose next step is ours and overdue or due soon (M21).

    Due soon is the last quarter of a step's time: most steps have a day or two, and work in time is no warning. A
    request whose time stands still until the customer answers has no `due_at`, and is left out.
    """
    waiting, hours = FormalRequest.objects.filter(status=Status.IN_APPROVAL).count(), load_attention_hours()
    latest = deadlines.find_latest_near(facts.now, hours)
    coming = FormalRequest.objects.filter(status__in=_OURS, due_at__lte=latest).order_by("due_at", "pk")
    rows = coming.only("folio", "status", "due_at", "turn_since", "execute_after")[:MOST]
    shown = list(islice((formal for formal in rows if deadlines.is_due_soon(formal, facts.now, hours)), SHOWN))
    items = tuple(_make_item(formal, facts) for formal in shown)
    text = (
        f"{say(waiting, 'por aprobar', 'por aprobar')}; {say(facts.count('request.approved'), 'aprobada', 'aprobadas')}"
    )
    if not items:
        return Evidence(f"{text}; ninguna por vencer")
    is_late = any(formal.due_at is not None and formal.due_at < facts.now for formal in shown)
    return Evidence(text, State.LATE if is_late else State.ATTEND, items)


def find_m24(facts: Facts) -> Evidence:
    """Return how many executions there were, and those by a developer without a waiver, which is forbidden (M24)."""
    developers = RoleAssignment.objects.filter(user=OuterRef("executor"), office=Office.DEVELOPER)
    was_developer = developers.filter(starts_at__lte=OuterRef("at")).filter(  # in that office at that time
        Q(ends_at__isnull=True) | Q(ends_at__gt=OuterRef("at"))
    )
    executions = Execution.objects.filter(at__gte=facts.since, result=Execution.Result.OK)
    waived = Waiver.objects.filter(request=OuterRef("request"), implementer=OuterRef("executor"))
    by_developers = executions.filter(Exists(was_developer)).exclude(Exists(waived)).select_related("request")[:SHOWN]
    items = tuple(
        Item(
            f"{execution.request.folio}: la aplicó Desarrollo",
            reverse("control:request", args=[execution.request.folio]),
        )
        for execution in by_developers
    )
    text = (
        f"{say(facts.count('request.executed'), 'ejecución', 'ejecuciones')}, {len(items)} de Desarrollo sin excepción"
    )
    return Evidence(text, State.LATE if items else State.OK, items)


def find_m25(facts: Facts) -> Evidence:
    """Return how many waivers there were, and those whose independent check is overdue or still to come (M25)."""
    # `request__waiver`: a waiver that its request no longer has needs no check.
    unchecked = Waiver.objects.filter(checked_at__isnull=True, check_due__isnull=False, request__waiver=F("pk"))
    waiting = list(unchecked.order_by("check_due").select_related("request")[:SHOWN])
    items = tuple(
        Item(
            f"{waiver.request.folio}: revisión antes de {when(waiver.check_due)}",
            reverse("control:request", args=[waiver.request.folio]),
        )
        for waiver in waiting
    )
    checked = say(facts.count("request.waiver_checked"), "revisada", "revisadas")
    text = f"{say(facts.count('request.waived'), 'excepción', 'excepciones')}, {checked}"
    if not items:
        return Evidence(f"{text}; ninguna por revisar")
    is_late = any(waiver.check_due is not None and waiver.check_due < facts.now for waiver in waiting)
    return Evidence(text, State.LATE if is_late else State.ATTEND, items)


def _make_item(formal: FormalRequest, facts: Facts) -> Item:
    """Return a request that is due soon or overdue as an item to attend to, with the address of its page."""
    verb = "venció" if formal.due_at is not None and formal.due_at < facts.now else "vence"
    return Item(f"{formal.folio}: {verb} {when(formal.due_at)}", reverse("control:request", args=[formal.folio]))


EVIDENCE: dict[str, Finder] = {"M19": find_m19, "M20": find_m20, "M21": find_m21, "M24": find_m24, "M25": find_m25}
