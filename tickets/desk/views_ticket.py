"""Serve the agent's page of a ticket: history, composer, properties, the customer's context (M3, M13–M16)."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import User
from accounts.policy import may_see_customers
from factureya.core import calendar, clock
from factureya.core.models import Event
from factureya.core.refusals import Refused
from tickets import operations, policy, sql
from tickets.catalogue.models import Team
from tickets.catalogue.reading import find_sales_pks, is_in_use
from tickets.desk import invoices, lists, queue, timeline, views_merging, wording
from tickets.desk.composer import NOTE, REPLY, Composer, keep_texts
from tickets.desk.pages import (
    page_context,
    queue_url,
    read_place,
    require_agent,
    require_reader,
    ticket_or_404,
    workspace_url,
)
from tickets.desk.views_steps import find_mail_grant
from tickets.merging import family
from tickets.models import Ticket, TimeEntry
from tickets.providers.hiding import hide_in_ticket

MAX_OTHER_TICKETS = 5


def workspace(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the ticket's page to an agent of its provider, with the text that he typed there before and did not send.

    Auditoría gets the same page without any form (M26).
    """
    ticket, reader = ticket_or_404(request, pk), require_reader(request)
    place = read_place(request).at_row_of(ticket)
    if not reader.desk_provider_ids:
        return _show_to_reader(request, ticket, reader, place)
    agent = require_agent(request)
    return _show_page(request, ticket, Composer.opened(ticket, agent, request.session), place)


def write(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the reply or the note that an agent posted on the ticket's page; if refused, show the page with the reason.

    Assignee, category and impact that he changed there are saved first. The text that was not sent is kept. If he
    pressed the button «Quitar» of a file, only this file is removed, and the page is shown again.
    """
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    place = read_place(request).at_row_of(ticket)  # taken before the answer moves the ticket in the list
    composer = Composer.posted(ticket, agent, request.POST, request.FILES)
    if "quitar" not in request.POST:
        _save_properties(request, ticket)
        if anchor := composer.send():
            sent_part = NOTE if composer.form.is_note else REPLY
            composer.keep(request.session, sent_part)  # the other part was not sent
            return redirect(workspace_url(pk, place, anchor))
    composer.keep(request.session)
    ticket = ticket_or_404(request, pk)
    composer.refresh(ticket)
    return _show_page(request, ticket, composer, place)


def set_properties(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the assignee, category and impact that an agent chose, and show the page again with the typed texts."""
    ticket = ticket_or_404(request, pk)
    back = redirect(workspace_url(pk, read_place(request).at_row_of(ticket)))
    keep_texts(request, ticket)
    if _save_properties(request, ticket, was_button_pressed=True):
        messages.success(request, "Cambios guardados.")
    return back


def _save_properties(request: HttpRequest, ticket: Ticket, *, was_button_pressed: bool = False) -> bool:
    """Save the assignee, category and impact that an agent chose on the ticket's page.

    Return False if they were refused; the page tells him why. `was_button_pressed` means that he pressed their button:
    then an unchanged form is saved too, so that he learns if the ticket takes no changes now. Without it, an unchanged
    form is not saved, and the answer is True.
    """
    agent, old_assignee = require_agent(request), str(ticket.assignee_id or "")
    category = _read_choice(request, "category", ticket.category)
    impact = _read_choice(request, "impact", str(ticket.impact))
    assignee = _read_choice(request, "assignee", old_assignee)
    is_unchanged = (category, impact, assignee) == (ticket.category, str(ticket.impact), old_assignee)
    if is_unchanged and not was_button_pressed:
        return True
    assignees = {str(key) for key, _name in queue.find_colleagues([ticket.provider_id])} | {"", old_assignee}
    is_category = category == ticket.category or is_in_use(category)
    is_listed = is_category and impact in map(str, Ticket.Impact.values)
    if not is_listed or assignee not in assignees:
        messages.warning(request, "Elija de las listas quién lo atiende, la categoría y el impacto.")
        return False
    try:
        operations.classify(ticket.pk, agent=agent, category=category, impact=int(impact))
        _assign_ticket(ticket, agent, int(assignee) if assignee else None)
    except Refused as refusal:
        messages.warning(request, str(refusal))
        return False
    return True


def _read_choice(request: HttpRequest, name: str, current_value: str) -> str:
    """Return the value that the agent chose in the list `name` of the ticket's page, or else the current value.

    The field `…_was` has the value that the page showed. If the agent left it so, `current_value` is right: a
    colleague may have changed it since.
    """
    chosen, shown = request.POST.get(name), request.POST.get(f"{name}_was")
    return current_value if chosen in (None, shown) else chosen


def _assign_ticket(ticket: Ticket, agent: User, assignee_pk: int | None) -> None:
    """Assign the ticket to the chosen person or to nobody (None). An agent who chose himself «takes» a free one."""
    if assignee_pk == ticket.assignee_id:
        return
    if assignee_pk == agent.pk and ticket.assignee_id is None:
        operations.take(ticket.pk, agent=agent)
        return
    assignee = User.objects.get(pk=assignee_pk) if assignee_pk else None
    operations.assign(ticket.pk, agent=agent, assignee=assignee)


def _show_page(request: HttpRequest, ticket: Ticket, composer: Composer, place: queue.Place) -> HttpResponse:
    """Show the agent's page of a ticket with the form to answer it (`composer`).

    `place` is the list of the queue from which it was opened. The page links to the ticket before and after it there.
    """
    agent, instant = require_agent(request), clock.now()
    events = timeline.read_events(ticket)
    entries = _read_entries(ticket, agent, events)
    lists_asked = {**lists.ask_explanations(), **_ask_property_choices(ticket), **_ask_work(ticket, events)}
    shared, answers = _build_context_for_reader(ticket, agent, place, lists_asked)
    context = page_context(
        request,
        f"{ticket.number} {ticket.subject}",
        **shared,
        may_write=True,
        entries=entries,
        form=composer.form,
        composer=composer,
        newer=composer.newer(entries),
        unsent_texts=list(filter(None, composer.form.texts.values())) if ticket.is_merged else [],
        explanations=lists.read_explanations(answers),
        closes_at_if_sent=None if ticket.is_closed else calendar.compute_reply_deadline(instant),
        may_hand_over=(may_supervise := policy.may_hand_over(agent, ticket)),
        may_propose=may_supervise and not ticket.is_closed,
        is_ours=not policy.is_third_party(agent),
        may_show_mail=may_supervise and not ticket.provider.is_own,
        mail_grant=find_mail_grant(ticket) if may_supervise else None,
        **_build_property_choices(ticket, agent, composer.unsaved_properties, answers),
    )
    return TemplateResponse(request, "admin/tickets/ticket.html", context)


def _show_to_reader(request: HttpRequest, ticket: Ticket, reader: User, place: queue.Place) -> HttpResponse:
    """Show a person who only reads the agent's page of a ticket: the notes too, but no form and no button (M26)."""
    events = timeline.read_events(ticket)
    shared, _answers = _build_context_for_reader(ticket, reader, place, _ask_work(ticket, events))
    context = page_context(
        request,
        f"{ticket.number} {ticket.subject}",
        **shared,
        may_write=False,
        entries=[timeline.without_retry(entry) for entry in _read_entries(ticket, reader, events)],
    )
    return TemplateResponse(request, "admin/tickets/ticket.html", context)


def _read_entries(ticket: Ticket, reader: User, events: Sequence[Event]) -> list[timeline.Entry]:
    """Return the history as this agent may read it, with the cards of the invoices that are attached to it."""
    entries = timeline.read_history_for(ticket, reader, events)
    cards = invoices.build_cards(ticket, [file for entry in entries for file in entry.files], reader)
    return timeline.with_invoices(entries, cards)


def _build_context_for_reader(
    ticket: Ticket, reader: User, place: queue.Place, more: dict[str, sql.Question]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the page shows every reader besides the history: what is due, and links around it in the queue.

    Return too the answers to all questions, of which `more` are the caller's; one statement asks them.
    """
    questions = {**more, **queue.neighbour_questions(place, reader, ticket), **queue.count_questions(reader)}
    answers = sql.ask_all(questions)
    previous, following = answers["previous"], answers["following"]
    context = {
        "place": place,
        "view_counts": answers,
        "ticket": ticket,
        "goal": wording.describe_headline(ticket, clock.now()),
        "list_url": queue_url(place) if place.is_list else "",
        "previous_url": workspace_url(previous, place.page) if previous else "",
        "next_url": workspace_url(following, place.page) if following else "",
        **views_merging.list_merges(ticket, reader, lambda pk: workspace_url(pk, queue.Place(queue.NOWHERE))),
        "follows_url": _find_followed_url(ticket, reader),
        "credits": ticket.customer.credits if may_see_customers(reader) else None,  # third parties: no (M3)
        "others": _find_other_tickets(ticket, reader),
        "worked_minutes": answers.get("time") or 0,
        "open_charge": answers.get("charge"),
    }
    return context, answers


def _ask_work(ticket: Ticket, events: Sequence[Event]) -> dict[str, sql.Question]:
    """Return the questions for the minutes of work and for the charge to decide, if there can be any (M18).

    The database stores neither without its event; minutes of tickets that are merged into this one count too.
    """
    verbs, questions = {event.verb for event in events}, {}
    pks = family.list_read_pks(ticket)
    if "ticket.time_noted" in verbs or len(pks) > 1:
        questions["time"] = sql.first_value(TimeEntry.objects.sum_of(pks))
    if "ticket.charge_proposed" in verbs:
        questions["charge"] = sql.first_value(ticket.charges.undecided().order_by().values("seq"))
    return questions


def _ask_property_choices(ticket: Ticket) -> dict[str, sql.Question]:
    """Return the questions that `_build_property_choices` needs; none if the ticket is Cerrado."""
    return {} if ticket.is_closed else {**lists.ask_categories(), **lists.ask_colleagues([ticket.provider_id])}


def _build_property_choices(
    ticket: Ticket, agent: User, unsaved: dict[str, str], answers: dict[str, Any]
) -> dict[str, Any]:
    """Return the choices for assignee, category and impact on the ticket's page; none if the ticket is Cerrado.

    The people are those of its provider's desk, and its assignee (M3). `unsaved` holds the choices that the agent made
    and that were not saved, because his session had ended. They are shown as chosen again.
    """
    if ticket.is_closed:
        return {"assignees": [], "categories": [], "impacts": []}
    names: list[tuple[int | None, str]] = [
        (pk, f"{name} (yo)" if pk == agent.pk else name) for pk, name in _find_team(ticket, answers)
    ]
    if ticket.assignee and ticket.assignee_id not in {pk for pk, _name in names}:
        names.append((ticket.assignee_id, ticket.assignee.get_full_name()))  # no longer at this desk
    return {
        "assignees": _mark_chosen(names, unsaved.get("assignee", ticket.assignee_id)),
        "categories": _mark_chosen(_list_categories(ticket, answers), unsaved.get("category", ticket.category)),
        "impacts": _mark_chosen(list(reversed(Ticket.Impact.choices)), unsaved.get("impact", ticket.impact)),
    }


def _find_team(ticket: Ticket, answers: dict[str, Any]) -> list[tuple[int, str]]:
    """Return key and name of who may have the ticket: its provider's desk; of sales, the sales team if there is one."""
    members = find_sales_pks() if ticket.team == Team.SALES else set()
    return [(pk, name) for pk, name in sql.read_rows(answers["colleagues"]) if not members or pk in members]


def _list_categories(ticket: Ticket, answers: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the categories in use, and the ticket's own if that has ended."""
    categories = [(slug, label) for slug, label in sql.read_rows(answers["categories"])]
    is_listed = ticket.category in {slug for slug, _label in categories}
    return categories if is_listed else [(ticket.category, ticket.category_label), *categories]


def _mark_chosen(choices: Sequence[tuple[Any, Any]], chosen: Any) -> list[tuple[Any, Any, bool]]:
    """Return for each choice its value, its label, and whether it is chosen."""
    return [(value, label, str(value) == str(chosen)) for value, label in choices]


def _find_followed_url(ticket: Ticket, agent: User) -> str:
    """Return the address of the closed ticket that this one continues, or "" if the agent may not see that ticket."""
    if ticket.follows is None or not (agent.reads_all or policy.may_work(agent, ticket.follows)):
        return ""
    return workspace_url(ticket.follows.pk, queue.Place(queue.NOWHERE))  # NOWHERE: opened from no list


def _find_other_tickets(ticket: Ticket, agent: User) -> list[tuple[Ticket, str]]:
    """Return other tickets of the company that the agent may see, with addresses: last changed first, Cerrado last."""
    visible = Ticket.objects.visible_to(agent).unmerged().filter(customer_id=ticket.customer_id).exclude(pk=ticket.pk)
    shown = visible.only("subject", "status", "touched_at").order_by("-touched_at", "-pk")
    others = list(shown.exclude(status=Ticket.Status.CLOSED)[:MAX_OTHER_TICKETS])
    if room := MAX_OTHER_TICKETS - len(others):
        others += shown.filter(status=Ticket.Status.CLOSED)[:room]
    if policy.is_third_party(agent):
        for other in others:
            hide_in_ticket(other)
    return [(other, workspace_url(other.pk, queue.Place(queue.NOWHERE))) for other in others]  # opened from no list
