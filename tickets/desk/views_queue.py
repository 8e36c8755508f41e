"""Serve the queue's page, and give several tickets to somebody at once (M3, M13–M15)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import User
from factureya.core import clock
from factureya.core.refusals import Refused
from tickets import operations, policy, sql
from tickets.desk import lists, mail_tray, queue, wording
from tickets.desk.pages import page_context, queue_url, require_agent, require_reader, workspace_url
from tickets.models import Ticket
from tickets.providers.hiding import hide_in_ticket

MYSELF = "yo"


@dataclass(frozen=True)
class Row:
    """Hold a ticket as the queue shows it."""

    ticket: Ticket
    url: str
    waiting: str
    last: str
    goal: wording.Goal
    agent: str

    @classmethod
    def build(cls, ticket: Ticket, place: queue.Place, instant: datetime) -> "Row":
        """Return a ticket's row in the queue at this instant. The link to its page holds `place`, to come back."""
        return cls(
            ticket,
            workspace_url(ticket.pk, place.at_row_of(ticket)),
            wording.describe_wait(ticket, instant),
            wording.describe_last_message(ticket),
            wording.describe_goal(ticket, instant),
            ticket.assignee.get_full_name() if ticket.assignee else "",
        )


def queue_page(request: HttpRequest) -> HttpResponse:
    """Show the queue at the place (view, search, page) of the address; a superuser without a desk gets a notice."""
    if request.user.is_superuser and not request.user.desk_provider_ids:
        return TemplateResponse(request, "admin/tickets/no_desk.html", page_context(request, "Tickets"))
    agent, instant = require_reader(request), clock.now()
    place = queue.Place.parse(request.GET.dict())
    page = queue.read_page(place, agent)
    if policy.is_third_party(agent):
        for ticket in page.rows:
            hide_in_ticket(ticket)
    answers = _ask_all(agent, place)
    context = page_context(
        request,
        f"Resultados de «{place.search}»" if place.search else place.view.label,
        place=place,
        view_counts=answers,
        mail_state=mail_tray.read_mail_state(answers) if policy.may_read_mails(agent) else None,
        rows=[Row.build(ticket, place, instant) for ticket in page.rows],
        **page.links(dict(place.start.pairs), queue_url(queue.Place(queue.NOWHERE))),
        may_assign=place.view.slug not in {"cerrados", "ventas-cerrados"} and bool(agent.desk_provider_ids),
        may_take_calls=policy.may_take_calls(agent),
        **_build_choices(agent, place, answers),
        **_find_next_view(place, answers),
    )
    return TemplateResponse(request, "admin/tickets/queue.html", context)


def _ask_all(agent: User, place: queue.Place) -> dict[str, Any]:
    """Return in one statement how many tickets each view holds, what its lists offer, and the state of the mail."""
    questions = {
        **queue.count_questions(agent),
        **lists.ask_categories(place.view.team),
        **lists.ask_colleagues(policy.find_readable_providers(agent)),
    }
    return sql.ask_all(questions | (mail_tray.mail_state_questions() if policy.may_read_mails(agent) else {}))


def find_list_page(request: HttpRequest, _arguments: dict[str, Any]) -> str:
    """Return the address of the queue's list on which the tickets to assign were chosen, to come back to it."""
    return queue_url(queue.Place.parse(request.POST.dict()))


def assign_selected(request: HttpRequest) -> HttpResponse:
    """Assign the tickets that an agent chose in the queue to the agent or to a colleague, and go back to the list.

    Each is an operation of its own; the page tells the agent which were refused and why.
    """
    agent = require_agent(request)
    place = queue.Place.parse(request.POST.dict())
    back = redirect(queue_url(place))
    keys = [key for key in request.POST.getlist("elegido") if queue.may_be_key(key)]
    chosen = list(Ticket.objects.visible_to(agent).filter(pk__in=keys[: queue.PAGE_ROWS]).only("number"))
    if not chosen:
        messages.warning(request, "Elija al menos un ticket.")
        return back
    target = request.POST.get("a_quien", "")
    assignee = agent if target == MYSELF else _find_colleague(agent, target)
    if assignee is None:
        messages.warning(request, "Elija a quién asignar los tickets.")
        return back
    _report_outcomes(request, assignee, [_assign_ticket(ticket, agent, assignee) for ticket in chosen])
    return back


def _assign_ticket(ticket: Ticket, agent: User, assignee: User) -> str:
    """Assign a ticket of the queue; return "", or the ticket's number with the reason why it was refused."""
    try:
        if assignee.pk == agent.pk:
            operations.take(ticket.pk, agent=agent)
        else:
            operations.assign(ticket.pk, agent=agent, assignee=assignee)
    except Refused as refusal:
        return f"{ticket.number}: {refusal}"
    return ""


def _report_outcomes(request: HttpRequest, assignee: User, outcomes: list[str]) -> None:
    """Tell the agent how many tickets were assigned, and which were refused; `outcomes` come from `_assign_ticket`."""
    refused = [outcome for outcome in outcomes if outcome]
    done = len(outcomes) - len(refused)
    if done:
        assigned = "1 ticket: ahora lo" if done == 1 else f"{done} tickets: ahora los"
        messages.success(request, f"{assigned} atiende {assignee.get_full_name()}.")
    if refused:
        messages.warning(request, "No se pudo asignar " + " ".join(refused))


def _find_colleague(agent: User, key: str) -> User | None:
    """Return the person with the chosen key, if he works on tickets of the agent's providers; or None."""
    colleague_keys = {str(pk) for pk, _name in queue.find_colleagues(agent.desk_provider_ids)}
    return User.objects.filter(pk=int(key)).first() if key in colleague_keys else None


def _build_choices(agent: User, place: queue.Place, answers: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the queue page's drop-down lists: categories and agents to filter by, and assignees."""
    colleagues, categories = sql.read_rows(answers["colleagues"]), sql.read_rows(answers["categories"])
    return {
        "categories": [(value, label, value == place.category) for value, label in categories],
        "agents": [(str(pk), name, str(pk) == place.agent) for pk, name in colleagues],
        "others": [(pk, name) for pk, name in colleagues if pk != agent.pk],
        "nobody_chosen": place.agent == queue.NOBODY,
    }


def _find_next_view(place: queue.Place, counts: dict[str, Any]) -> dict[str, Any]:
    """Return the label with its count, and the address, of the first other view that has tickets; if none, both ""."""
    for view in queue.VIEWS.values():  # `counts` has only the views that the reader is offered
        if (count := counts.get(view.slug)) and view.slug != place.view.slug:
            shown = sql.show_count(count, queue.COUNT_CAP)
            return {"next_view": f"{view.label} ({shown})", "next_view_url": queue_url(queue.Place(view=view))}
    return {"next_view": "", "next_view_url": ""}
