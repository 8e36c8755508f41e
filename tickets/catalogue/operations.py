"""Edit the catalogue: a supervisor alone, one event each; an edit ends the old row and adds another (M4, M9)."""

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.models import Office, User
from factureya.core import audit, locking
from factureya.core.clock import now
from factureya.core.refusals import WrongStatus
from tickets import policy
from tickets.catalogue.models import SalesMember, Scope, ScopeExplanation, Team, TicketCategory
from tickets.catalogue.reading import select_in_use
from tickets.models import Ticket

MAX_LABEL, MAX_EXPLANATION = 60, 2000
# The mailboxes give these to the tickets that they open, so they stay as they are.
FIXED = (Ticket.Category.OTHER, Ticket.Category.REQUESTS)
_NOT_SUPERVISOR = "Solo un supervisor edita el catálogo."


def add_category(*, supervisor: User, label: str, team: str) -> TicketCategory:
    """Add a category, offered to customers and agents from now on, at the end of the list; return it.

    Raises WrongStatus for a label that is empty, too long or in use, and for an unknown team.
    """
    with transaction.atomic():
        person = _reload_supervisor(supervisor)
        last = TicketCategory.objects.order_by("-position").values_list("position", flat=True).first() or 0
        category = _insert_category(label, team, last + 1, is_for_customers=True)
        audit.record("category.added", category, actor=person, label=category.label, team=team)
    return category


def rename_category(pk: int, *, supervisor: User, label: str) -> TicketCategory:
    """End a category and add one with another label in its place; return the latter.

    The tickets of the old one keep its words. Raises WrongStatus if it has ended or is one of a mailbox, or for a
    label that is empty, too long or in use.
    """
    with locking.locked(TicketCategory.objects.all(), pk) as old:
        person = _reload_supervisor(supervisor)
        _end_category(old)
        new = _insert_category(label, old.team, old.position, is_for_customers=old.is_for_customers)
        audit.record("category.renamed", new, actor=person, label=new.label, before=old.label, slug=old.slug)
    return new


def end_category(pk: int, *, supervisor: User) -> TicketCategory:
    """End a category: no ticket gets it any more, and those that have it keep it.

    Raises WrongStatus as above, and for the last category of sales, which calls about sales need (M4).
    """
    with transaction.atomic():
        person = _reload_supervisor(supervisor)
        sales = select_in_use().filter(team=Team.SALES).order_by("pk").select_for_update()
        if [category.pk for category in sales] == [pk]:
            raise WrongStatus("Es la última categoría de Ventas. Agregue otra antes, o cámbiele el nombre.")
        category = locking.lock(TicketCategory.objects.all(), pk)
        _end_category(category)
        audit.record("category.ended", category, actor=person, label=category.label)
    return category


def change_explanation(scope: str, *, supervisor: User, text: str) -> ScopeExplanation:
    """Replace what we answer about a problem that is not of our service, for answers from now on (M9).

    Raises WrongStatus for a text that is empty, too long, or the same as now.
    """
    if scope not in Scope.values:
        raise WrongStatus("Elija de qué es la explicación: internet o equipo.")
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    if not text:
        raise WrongStatus("Escriba la explicación: el cliente la lee.")
    if len(text) > MAX_EXPLANATION:
        raise WrongStatus(f"La explicación tiene hasta {MAX_EXPLANATION} caracteres; escribió {len(text)}.")
    with transaction.atomic():
        person = _reload_supervisor(supervisor)
        old = ScopeExplanation.objects.select_for_update().get(scope=scope, ended_at__isnull=True)
        if old.text == text:
            raise WrongStatus("La explicación ya dice eso.")
        _end_row(old)
        new = ScopeExplanation.objects.create(scope=scope, text=text, added_at=now())
        audit.record("scope.explanation_changed", new, actor=person, before=old.text, after=text)
    return new


def join_sales(user_pk: int, *, supervisor: User) -> SalesMember:
    """Add a person of our desk to the sales team (M4). Raises WrongStatus for others, and for who is in it already."""
    with locking.locked(User.objects.all(), user_pk) as person:
        actor = _reload_supervisor(supervisor)
        if not person.holds(Office.AGENT, Office.SUPERVISOR):
            raise WrongStatus(f"{person.get_full_name()} no atiende tickets de Factureya.")
        if SalesMember.objects.filter(user=person, ended_at__isnull=True).exists():
            raise WrongStatus(f"{person.get_full_name()} ya es de Ventas.")
        member = SalesMember.objects.create(user=person, added_at=now())
        audit.record("sales.joined", person, actor=actor, name=person.get_full_name())
    return member


def leave_sales(pk: int, *, supervisor: User) -> SalesMember:
    """Take a person out of the sales team; the tickets that he has stay his. Raises WrongStatus if he left before."""
    with locking.locked(SalesMember.objects.select_related("user"), pk) as member:
        actor = _reload_supervisor(supervisor)
        if member.ended_at is not None:
            raise WrongStatus(f"{member.user.get_full_name()} ya no es de Ventas.")
        _end_row(member)
        audit.record("sales.left", member.user, actor=actor, name=member.user.get_full_name())
    return member


def _reload_supervisor(actor: User) -> User:
    """Return the person as the database says now. Raises NotAllowed unless he is a supervisor."""
    person = User.objects.get(pk=actor.pk)
    policy.require(policy.may_edit_catalogue(person), _NOT_SUPERVISOR)
    return person


def _end_category(category: TicketCategory) -> None:
    """End a category. Raises WrongStatus if it has ended, or if a mailbox opens tickets with it."""
    if category.ended_at is not None:
        raise WrongStatus(f"La categoría «{category.label}» ya no se usa.")
    if category.slug in FIXED:
        raise WrongStatus(f"«{category.label}» la usa el correo que llega; se queda como está.")
    _end_row(category)


def _end_row(row: TicketCategory | ScopeExplanation | SalesMember) -> None:
    """Set the end of a row of the catalogue, which is all that the database lets change of it."""
    row.ended_at = now()
    row.save(update_fields=["ended_at"])


def _insert_category(label: str, team: str, position: int, *, is_for_customers: bool) -> TicketCategory:
    """Insert a category under a slug that none has had. Raises WrongStatus for a bad label or team."""
    label = " ".join(label.split())
    if not label:
        raise WrongStatus("Escriba el nombre de la categoría.")
    if len(label) > MAX_LABEL:
        raise WrongStatus(f"El nombre tiene hasta {MAX_LABEL} caracteres; escribió {len(label)}.")
    if team not in Team.values:
        raise WrongStatus("Elija el equipo: Soporte o Ventas.")
    in_use = select_in_use().values_list("label", flat=True)  # SQLite would ignore case in ASCII alone
    if label.casefold() in {each.casefold() for each in in_use}:
        raise WrongStatus(f"Ya hay una categoría «{label}».")
    values = {"label": label, "team": team, "position": position, "is_for_customers": is_for_customers}
    try:
        with transaction.atomic():
            return TicketCategory.objects.create(slug=_make_slug(label), added_at=now(), **values)
    except IntegrityError as error:  # two supervisors at the same instant
        raise WrongStatus(f"Ya hay una categoría «{label}».") from error


def _make_slug(label: str) -> str:
    """Return a slug for a new category, which no other has or had: «nomina», «nomina-2» and so on."""
    start = slugify(label)[:15].strip("-") or "categoria"
    taken = set(TicketCategory.objects.filter(slug__startswith=start).values_list("slug", flat=True))
    slug, number = start, 1
    while slug in taken:
        number += 1
        slug = f"{start}-{number}"
    return slug
