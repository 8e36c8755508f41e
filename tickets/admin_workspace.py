"""The agent's page of a ticket: history, composer, properties, the customer's context (M3, M13–M16)."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import User
from factureya.core import calendar, clock
from tickets import admin_timeline, operations, policy, queue, queue_words, sql
from tickets.admin_composer import Composer
from tickets.admin_pages import agent_of, page_context, queue_url, ticket_or_404, workspace_url
from tickets.models import Ticket

OTHERS = 5


def workspace(request: HttpRequest, pk: int) -> HttpResponse:
    """The ticket, for who works at its provider's desk."""
    ticket = ticket_or_404(request, pk)
    return _page(request, ticket, Composer.blank(ticket, agent_of(request)))


def write(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a reply or keep a note; when that can't be, the same page with the text, its files and the reason."""
    ticket, agent = ticket_or_404(request, pk), agent_of(request)
    composer = Composer.posted(ticket, agent, request.POST, request.FILES)
    if "quitar" not in request.POST and (anchor := composer.send()):
        return redirect(workspace_url(pk, _place(request), anchor))
    ticket = ticket_or_404(request, pk)
    composer.refresh(ticket)
    return _page(request, ticket, composer)


def set_properties(request: HttpRequest, pk: int) -> HttpResponse:
    """Assign and classify. The state is not here: only answers and the customer move it."""
    ticket, agent = ticket_or_404(request, pk), agent_of(request)
    back = redirect(workspace_url(pk, _place(request)))
    category = _chosen(request, "category", ticket.category)
    impact = _chosen(request, "impact", str(ticket.impact))
    present = str(ticket.assignee_id or "")
    assignee = _chosen(request, "assignee", present)
    known = {str(key) for key, _name in queue.colleagues([ticket.provider_id])}
    valid = category in Ticket.Category.values and impact in map(str, Ticket.Impact.values)
    if not valid or assignee not in known | {"", present}:
        messages.warning(
            request, "Elija de las listas quién lo atiende, la categoría y el impacto."
        )
        return back
    try:
        operations.classify(pk, agent=agent, category=category, impact=int(impact))
        _give(ticket, agent, int(assignee) if assignee else None)
        messages.success(request, "Cambios guardados.")
    except (operations.WrongStatus, policy.NotAllowed) as refusal:
        messages.warning(request, str(refusal))
    return back


def _chosen(request: HttpRequest, name: str, present: str) -> str:
    """What the agent chose; what he left as the page showed it stays as a colleague may have changed it since."""
    chosen = request.POST.get(name, "")
    return present if chosen == request.POST.get(f"{name}_was") else chosen


def _give(ticket: Ticket, agent: User, assignee_pk: int | None) -> None:
    if assignee_pk == ticket.assignee_id:
        return
    if assignee_pk == agent.pk and ticket.assignee_id is None:
        operations.take(ticket.pk, agent=agent)
        return
    assignee = User.objects.get(pk=assignee_pk) if assignee_pk else None
    operations.assign(ticket.pk, agent=agent, assignee=assignee)


def _place(request: HttpRequest) -> queue.Place:
    return queue.Place.parse(request.GET.dict(), queue.NOWHERE)


def _page(request: HttpRequest, ticket: Ticket, composer: Composer) -> HttpResponse:
    agent, place, instant = agent_of(request), _place(request), clock.now()
    previous, following, *counted = sql.ask(
        [*queue.neighbours(place, agent, ticket), *queue.counts(agent)]
    )
    entries = admin_timeline.of(ticket)
    context = page_context(
        request,
        f"{ticket.number} {ticket.subject}",
        place=place,
        view_counts=queue.counts_by_view(counted),
        ticket=ticket,
        goal=queue_words.headline(ticket, instant),
        entries=entries,
        form=composer.form,
        composer=composer,
        newer=composer.newer(entries),
        closes_at_if_sent=None if ticket.is_closed else calendar.reply_deadline(instant),
        list_url=queue_url(place) if place.query else "",
        previous_url=workspace_url(previous, place) if previous else "",
        next_url=workspace_url(following, place) if following else "",
        may_hand_over=policy.may_hand_over(agent, ticket) and not ticket.is_closed,
        follows_url=_follows_url(ticket, agent),
        others=[
            (other, workspace_url(other.pk, queue.Place(queue.NOWHERE)))
            for other in _others(ticket, agent)
        ],
        **_properties(ticket, agent),
    )
    return TemplateResponse(request, "admin/tickets/ticket.html", context)


def _properties(ticket: Ticket, agent: User) -> dict[str, Any]:
    """What the selects offer: those who work at the ticket's provider (M3), never all users."""
    if ticket.is_closed:
        return {"assignees": [], "categories": [], "impacts": []}
    names = [
        (pk, f"{name} (yo)" if pk == agent.pk else name)
        for pk, name in queue.colleagues([ticket.provider_id])
    ]
    if ticket.assignee and ticket.assignee_id not in {pk for pk, _name in names}:
        names.append(
            (ticket.assignee_id, ticket.assignee.get_full_name())
        )  # no longer at this desk
    return {
        "assignees": [(pk, name, pk == ticket.assignee_id) for pk, name in names],
        "categories": [
            (value, label, value == ticket.category) for value, label in Ticket.Category.choices
        ],
        "impacts": [
            (value, label, value == ticket.impact)
            for value, label in reversed(Ticket.Impact.choices)
        ],
    }


def _follows_url(ticket: Ticket, agent: User) -> str:
    """The page of the closed ticket that this one continues, if it is the agent's to see."""
    if ticket.follows is None or not policy.may_work(agent, ticket.follows):
        return ""
    return workspace_url(ticket.follows.pk, queue.Place(queue.NOWHERE))


def _others(ticket: Ticket, agent: User) -> list[Ticket]:
    """The company's other tickets that the agent may see: those in course first, then closed ones; each by an index."""
    visible = (
        Ticket.objects.visible_to(agent)
        .filter(customer_id=ticket.customer_id)
        .exclude(pk=ticket.pk)
    )
    shown = visible.only("subject", "status", "touched_at").order_by("-touched_at", "-pk")
    active = list(shown.exclude(status=Ticket.Status.CLOSED)[:OTHERS])
    if len(active) < OTHERS:
        active += shown.filter(status=Ticket.Status.CLOSED)[: OTHERS - len(active)]
    return active
