"""Show and change people for superusers: staff, offices, invitations, closed accounts, lost second factors.

Nobody chooses another person's password here: there is no such field, and no address for it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from accounts import operations
from accounts.models import FactorReset, Invitation, Provider, RoleAssignment, User
from accounts.staff.forms import GrantOfficeForm, InviteStaffForm, ProviderForm, ReasonForm, find_reason_problem
from accounts.staff.pages import ROWS, attempt_operation, get_search_text, page_context

USERS, USER = "admin:accounts_user_changelist", "admin:accounts_user_change"

_INVITATION_OPERATIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "resend": (operations.resend_invitation, "Enviamos un enlace nuevo a {}."),
    "cancel": (operations.cancel_invitation, "Canceló la invitación a {}."),
}
_RESET_DECISIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "approve": (operations.approve_factor_reset, "Quitó el segundo factor y cerró las sesiones."),
    "decline": (operations.decline_factor_reset, "No se aprobó."),
}


def list_users(request: HttpRequest) -> HttpResponse:
    """Show the page of users: staff, or the people found by name or mail; and the pending invitations of staff."""
    words = get_search_text(request)
    users = User.objects.order_by("full_name", "pk")
    if words:
        users = users.filter(Q(full_name__icontains=words) | Q(email__istartswith=words))
    else:
        users = users.filter(is_staff=True)
    pending = Invitation.objects.filter(accepted_at__isnull=True, cancelled_at__isnull=True, customer__isnull=True)
    context = page_context(
        request,
        "Usuarios",
        rows=users[:ROWS],
        words=words,
        shown=ROWS,
        invitations=pending.select_related("provider").order_by("-created_at")[:ROWS],
        may_change=bool(request.user.is_superuser),
    )
    return TemplateResponse(request, "admin/accounts/users.html", context)


def invite_staff(request: HttpRequest) -> HttpResponse:
    """Show the form that invites a person to an office (GET), or mail the invitation (POST)."""
    form = InviteStaffForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        done_text = f"Enviamos la invitación a {form.cleaned_data['email']}."
        if attempt_operation(request, form, done_text, operations.invite_staff, **form.cleaned_data):
            return redirect(USERS)
    context = page_context(request, "Invitar a una persona", form=form)
    return TemplateResponse(request, "admin/accounts/invite.html", context)


def change_invitation(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Send an invitation of staff again, or cancel it (POST), as `verb` says; go back to the users."""
    invitation = get_object_or_404(Invitation, pk=pk, customer__isnull=True)
    operation, done_text = _INVITATION_OPERATIONS[verb]
    attempt_operation(request, None, done_text.format(invitation.email), operation, pk)
    return redirect(USERS)


def show_user(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one person: the account, its offices, and to a superuser what he may do; Auditoría only reads (M26)."""
    return _render_user_page(request, _get_person(pk))


def grant_office(request: HttpRequest, pk: int) -> HttpResponse:
    """Give this person the office (cargo) that a superuser chose in the form on the person's page (POST)."""
    form = GrantOfficeForm(request.POST)
    return _change_person(request, pk, {"grant_form": form}, "Otorgó el cargo.", operations.grant_office)


def end_office(request: HttpRequest, pk: int, assignment: int) -> HttpResponse:
    """End an office (cargo) of this person with the posted reason (POST), and go back to the person's page."""
    held_office = get_object_or_404(RoleAssignment, pk=assignment, user_id=pk)
    reason = request.POST.get("reason", "").replace("\0", "").strip()
    if problem := find_reason_problem(held_office.office, reason):
        messages.error(request, problem)
    else:
        attempt_operation(request, None, "Terminó el cargo.", operations.end_office, held_office.pk, reason=reason)
    return redirect(USER, pk)


def change_account(request: HttpRequest, pk: int) -> HttpResponse:
    """Deactivate the account of this person, or activate it again, with the posted reason (POST)."""
    forms = {"close_form": ReasonForm(request.POST, prefix="close")}  # one form, to close and to reopen
    if _get_person(pk).is_active:
        done_text = "Desactivó la cuenta y cerró sus sesiones."
        return _change_person(request, pk, forms, done_text, operations.deactivate_user)
    return _change_person(request, pk, forms, "Activó la cuenta.", operations.reactivate_user)


def request_factor_reset(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask to remove the person's lost second factor (POST); somebody else approves."""
    forms = {"factor_form": ReasonForm(request.POST, prefix="factor")}
    done_text = "Pedido. Falta que otra persona lo apruebe."
    return _change_person(request, pk, forms, done_text, operations.request_factor_reset)


def decide_factor_reset(request: HttpRequest, pk: int, reset: int, verb: str) -> HttpResponse:
    """Approve or decline the removal of a person's lost second factor, which another person asked for (POST)."""
    undecided = get_object_or_404(FactorReset, pk=reset, user_id=pk)
    operation, done_text = _RESET_DECISIONS[verb]
    attempt_operation(request, None, done_text, operation, undecided.pk)
    return redirect(USER, pk)


def show_providers(request: HttpRequest) -> HttpResponse:
    """Show the providers of the service: Factureya and third parties (M3); a superuser adds a third party (POST)."""
    may_add = request.user.is_superuser
    form = ProviderForm(request.POST or None)
    if request.method == "POST":
        if not may_add:
            raise PermissionDenied
        done_text = "Agregó el prestador."
        if form.is_valid() and attempt_operation(
            request, form, done_text, operations.add_provider, **form.cleaned_data
        ):
            return redirect("admin:accounts_provider_changelist")
    rows = Provider.objects.order_by("-is_own", "name")
    context = page_context(request, "Prestadores", rows=rows, form=form, may_add=may_add)
    return TemplateResponse(request, "admin/accounts/providers.html", context)


def _change_person(
    request: HttpRequest, pk: int, forms: Mapping[str, Form], done_text: str, operation: Callable[..., Any]
) -> HttpResponse:
    """Call an operation with the data of the one form in `forms`; the key is its name in the template.

    Go to the person's page if it was done; else show that page with the errors in the form.
    """
    person = _get_person(pk)
    (form,) = forms.values()
    if form.is_valid() and attempt_operation(request, form, done_text, operation, pk, **form.cleaned_data):
        return redirect(USER, pk)
    return _render_user_page(request, person, **forms)


def _get_person(pk: int) -> User:
    """Return the person with this key, or raise Http404."""
    return get_object_or_404(User.objects.select_related("contact__customer"), pk=pk)


def _render_user_page(request: HttpRequest, person: User, **forms: object) -> HttpResponse:
    """Return the admin's page of one person. Its three forms are blank, except one with errors from `forms`."""
    assignments = RoleAssignment.objects.filter(user=person).select_related("provider", "granted_by")
    reset = FactorReset.objects.filter(user=person, decided_at__isnull=True)
    all_forms = {
        "grant_form": GrantOfficeForm(),
        "close_form": ReasonForm(prefix="close"),
        "factor_form": ReasonForm(prefix="factor"),
        **forms,
    }
    context = page_context(
        request,
        person.get_full_name(),
        person=person,
        assignments=assignments.order_by("-starts_at"),
        has_factor=Authenticator.objects.filter(user=person).exists(),
        reset=reset.select_related("requested_by").first(),
        is_self=person.pk == request.user.pk,
        may_change=bool(request.user.is_superuser),
        form=next(iter(forms.values()), None),  # the page lists its errors at the top
        **all_forms,
    )
    return TemplateResponse(request, "admin/accounts/user.html", context)
