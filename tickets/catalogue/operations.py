"""Edit the catalogue: a supervisor alone, one event each; an edit ends the old row and adds another (M4, M9).

The event comes first, because the database's guards refuse a row that no event tells. One edit waits for another.
"""

from typing import Any, TypeVar

from django.db import transaction
from django.utils.text import slugify

from accounts.models import Office, User
from factureya.core import audit, locking
from factureya.core.clock import now
from factureya.core.refusals import FormUsed, Stale, WrongStatus
from tickets import policy
from tickets.catalogue.models import SalesMember, Scope, ScopeExplanation, Team, TicketCategory
from tickets.catalogue.reading import select_in_use
from tickets.models import Ticket

MAX_LABEL, MAX_EXPLANATION = 60, 2000
# The mailboxes give these to the tickets that they open, so they stay as they are.
FIXED = (Ticket.Category.OTHER, Ticket.Category.REQUESTS)
_NOT_SUPERVISOR = "Solo un supervisor edita el catálogo."
CHANGED_MEANWHILE = (
    "Otra persona cambió la explicación mientras usted escribía. Lea la de ahora y guarde la suya de nuevo."
)
Row = TypeVar("Row", TicketCategory, SalesMember)


def add_category(*, supervisor: User, label: str, team: str, form_key: str | None = None) -> TicketCategory:
    """Add a category, offered to customers and agents from now on, at the end of the list; return it.

    A second send of the same form adds nothing. Raises WrongStatus for a label that is empty, too long or in use, and
    for an unknown team; FormUsed if `form_key` was used for another category.
    """
    label = _clean_label(label)
    with transaction.atomic():
        person = _begin_edit(supervisor)
        if sent := _find_sent(TicketCategory, form_key, label=label, team=team):
            return sent
        last = TicketCategory.objects.order_by("-position").values_list("position", flat=True).first() or 0
        category = _build_category(label, team, position=last + 1, form_key=form_key)
        audit.record("category.added", category, actor=person, label=label, team=team)
        category.save(force_insert=True)
    return category


def rename_category(pk: int, *, supervisor: User, label: str, form_key: str | None = None) -> TicketCategory:
    """End a category and add one with another label in its place; return the latter.

    The tickets of the old one keep its words. A second send of the same form changes nothing. Raises WrongStatus if it
    has ended or is one of a mailbox, or for a label that is empty, too long or in use; FormUsed as above.
    """
    label = _clean_label(label)
    with transaction.atomic():
        person = _begin_edit(supervisor)
        old = locking.lock(TicketCategory.objects.all(), pk)
        if sent := _find_sent(TicketCategory, form_key, label=label, team=old.team):
            return sent
        _require_in_use(old)
        if label == old.label:
            raise WrongStatus(f"La categoría ya se llama «{label}».")
        values = {"position": old.position, "is_for_customers": old.is_for_customers, "form_key": form_key}
        new = _build_category(label, old.team, replaced=old, **values)
        data = {"label": label, "team": new.team, "before": old.label, "slug": old.slug}
        audit.record("category.renamed", new, actor=person, **data)
        new.save(force_insert=True)
        _end_row(old)
    return new


def end_category(pk: int, *, supervisor: User) -> TicketCategory:
    """End a category: no ticket gets it any more, and those that have it keep it.

    Raises WrongStatus as above, and for the last category of sales, which calls about sales need (M4).
    """
    with transaction.atomic():
        person = _begin_edit(supervisor)
        sales = select_in_use().filter(team=Team.SALES)
        if [category.pk for category in sales] == [pk]:
            raise WrongStatus("Es la última categoría de Ventas. Agregue otra antes, o cámbiele el nombre.")
        category = locking.lock(TicketCategory.objects.all(), pk)
        _require_in_use(category)
        audit.record("category.ended", category, actor=person, label=category.label)
        _end_row(category)
    return category


def change_explanation(scope: str, *, supervisor: User, text: str, seen: int | None = None) -> ScopeExplanation:
    """Replace what we answer about a problem that is not of our service, for answers from now on (M9).

    `seen` is the key of the explanation that the supervisor had before him. Raises Stale if there is another by now,
    unless it says this very text, as after a double click. Raises WrongStatus for a text that is empty, too long, or
    the same as now.
    """
    if scope not in Scope.values:
        raise WrongStatus("Elija de qué es la explicación: internet o equipo.")
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    if not text:
        raise WrongStatus("Escriba la explicación: el cliente la lee.")
    if len(text) > MAX_EXPLANATION:
        raise WrongStatus(f"La explicación tiene hasta {MAX_EXPLANATION} caracteres; escribió {len(text)}.")
    with transaction.atomic():
        person = _begin_edit(supervisor)
        old = ScopeExplanation.objects.select_for_update().get(scope=scope, ended_at__isnull=True)
        is_other = seen is not None and seen != old.pk
        if old.text == text:
            if is_other:
                return old
            raise WrongStatus("La explicación ya dice eso.")
        if is_other:
            raise Stale(CHANGED_MEANWHILE, "text")
        new = ScopeExplanation(scope=scope, text=text, added_at=now())
        audit.record("scope.explanation_changed", new, actor=person, before=old.text, after=text)
        _end_row(old)
        new.save(force_insert=True)
    return new


def join_sales(user_pk: int, *, supervisor: User, form_key: str | None = None) -> SalesMember:
    """Add a person of our desk to the sales team (M4). A second send of the same form changes nothing.

    Raises WrongStatus for others, and for who is in it already; FormUsed if `form_key` was used for somebody else.
    """
    with transaction.atomic():
        actor = _begin_edit(supervisor)
        person = locking.lock(User.objects.all(), user_pk)
        if sent := _find_sent(SalesMember, form_key, user=person):
            return sent
        if not person.holds(Office.AGENT, Office.SUPERVISOR):
            raise WrongStatus(f"{person.get_full_name()} no atiende tickets de Factureya.")
        if SalesMember.objects.filter(user=person, ended_at__isnull=True).exists():
            raise WrongStatus(f"{person.get_full_name()} ya es de Ventas.")
        member = SalesMember(user=person, added_at=now(), form_key=form_key)
        audit.record("sales.joined", person, actor=actor, name=person.get_full_name())
        member.save(force_insert=True)
    return member


def leave_sales(pk: int, *, supervisor: User) -> SalesMember:
    """Take a person out of the sales team; the tickets that he has stay his. Raises WrongStatus if he left before."""
    with transaction.atomic():
        actor = _begin_edit(supervisor)
        member = locking.lock(SalesMember.objects.select_related("user"), pk)
        if member.ended_at is not None:
            raise WrongStatus(f"{member.user.get_full_name()} ya no es de Ventas.")
        audit.record("sales.left", member.user, actor=actor, name=member.user.get_full_name())
        _end_row(member)
    return member


def _begin_edit(actor: User) -> User:
    """Wait until no other edit of the catalogue is open; return the person as the database says then.

    Two supervisors, or a double click, come one after the other. Raises NotAllowed unless he is a supervisor.
    """
    TicketCategory.objects.select_for_update().get(slug=Ticket.Category.OTHER)  # it is never ended
    person = User.objects.get(pk=actor.pk)
    policy.require(policy.may_edit_catalogue(person), _NOT_SUPERVISOR)
    return person


def _find_sent(model: type[Row], form_key: str | None, **values: Any) -> Row | None:
    """Return the row that this form added before, or None. Raises FormUsed if it has not these values."""
    row = model._default_manager.filter(form_key=form_key).first() if form_key else None
    if row and any(getattr(row, name) != value for name, value in values.items()):
        raise FormUsed
    return row


def _require_in_use(category: TicketCategory) -> None:
    """Raise WrongStatus if a category has ended, or if a mailbox opens tickets with it."""
    if category.ended_at is not None:
        raise WrongStatus(f"La categoría «{category.label}» ya no se usa.")
    if category.slug in FIXED:
        raise WrongStatus(f"«{category.label}» la usa el correo que llega; se queda como está.")


def _end_row(row: TicketCategory | ScopeExplanation | SalesMember) -> None:
    """Set the end of a row of the catalogue, which is all that the database lets change of it."""
    row.ended_at = now()
    row.save(update_fields=["ended_at"])


def _clean_label(label: str) -> str:
    """Return the label of a category with single spaces. Raises WrongStatus if it is empty or too long."""
    label = " ".join(label.split())
    if not label:
        raise WrongStatus("Escriba el nombre de la categoría.")
    if len(label) > MAX_LABEL:
        raise WrongStatus(f"El nombre tiene hasta {MAX_LABEL} caracteres; escribió {len(label)}.")
    return label


def _build_category(label: str, team: str, *, replaced: TicketCategory | None = None, **values: Any) -> TicketCategory:
    """Return an unsaved category under a slug that none has had; `replaced` is the one that ends for it.

    Raises WrongStatus for a label in use or an unknown team.
    """
    if team not in Team.values:
        raise WrongStatus("Elija el equipo: Soporte o Ventas.")
    others = select_in_use().exclude(pk=replaced.pk) if replaced else select_in_use()
    # SQLite would ignore case in ASCII alone.
    if label.casefold() in {each.casefold() for each in others.values_list("label", flat=True)}:
        raise WrongStatus(f"Ya hay una categoría «{label}».")
    return TicketCategory(slug=_make_slug(label), label=label, team=team, added_at=now(), **values)


def _make_slug(label: str) -> str:
    """Return a slug for a new category, which no other has or had: «nomina», «nomina-2» and so on."""
    start = slugify(label)[:15].strip("-") or "categoria"
    taken = set(TicketCategory.objects.filter(slug__startswith=start).values_list("slug", flat=True))
    slug, number = start, 1
    while slug in taken:
        number += 1
        slug = f"{start}-{number}"
    return slug
