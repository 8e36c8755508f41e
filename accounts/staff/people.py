"""Show and change people for superusers: staff, offices, invitations, closed accounts, lost second factors.

Nobody chooses another person's password here: there is no such field, and no address for it.
"""

from allauth.mfa.models import Authenticator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from accounts import operations
from accounts.models import FactorReset, Invitation, Provider, RoleAssignment, User
from accounts.staff.forms import GrantForm, InviteStaffForm, ProviderForm, ReasonForm
from accounts.staff.pages import ROWS, attempt_operation, get_search_text, page_context, require

USERS, USER = "admin:accounts_user_changelist", "admin:accounts_user_change"


def users(request: HttpRequest) -> HttpResponse:
    """Show staff, or whoever is found by name or mail, and the invitations of staff that wait."""
    require(request.user.is_superuser)
    words = get_search_text(request)
    found = User.objects.order_by("full_name", "pk")
    if words:
        found = found.filter(Q(full_name__icontains=words) | Q(email__istartswith=words))
    else:
        found = found.filter(is_staff=True)
    pending = Invitation.objects.filter(accepted_at__isnull=True, cancelled_at__isnull=True, customer__isnull=True)
    context = page_context(
        request,
        "Usuarios",
        rows=found[:ROWS],
        words=words,
        shown=ROWS,
        invitations=pending.select_related("provider").order_by("-created_at")[:ROWS],
    )
    return TemplateResponse(request, "admin/accounts/users.html", context)


def invite(request: HttpRequest) -> HttpResponse:
    """Invite a person to an office: GET shows the form, POST sends the mail."""
    require(request.user.is_superuser)
    form = InviteStaffForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        done = f"Enviamos la invitación a {form.cleaned_data['email']}."
        if attempt_operation(request, form, done, operations.invite_staff, **form.cleaned_data):
            return redirect(USERS)
    context = page_context(request, "Invitar a una persona", form=form)
    return TemplateResponse(request, "admin/accounts/invite.html", context)


def change_invitation(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Send an invitation of staff again, or cancel it (POST)."""
    require(request.user.is_superuser)
    invitation = get_object_or_404(Invitation, pk=pk, customer__isnull=True)
    if verb == "reenviar":
        done = f"Enviamos un enlace nuevo a {invitation.email}."
        attempt_operation(request, None, done, operations.resend_invitation, pk)
    else:
        done = f"Canceló la invitación a {invitation.email}."
        attempt_operation(request, None, done, operations.cancel_invitation, pk)
    return redirect(USERS)


def user_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one person: the account, its offices, and what a superuser may do."""
    require(request.user.is_superuser)
    return _render_user_page(request, _get_person(pk))


def grant(request: HttpRequest, pk: int) -> HttpResponse:
    """Give an office (POST)."""
    require(request.user.is_superuser)
    person, form = _get_person(pk), GrantForm(request.POST)
    if form.is_valid() and attempt_operation(
        request, form, "Otorgó el cargo.", operations.grant_office, pk, **form.get_terms()
    ):
        return redirect(USER, pk)
    return _render_user_page(request, person, grant_form=form)


def end(request: HttpRequest, pk: int, assignment: int) -> HttpResponse:
    """End an office of this person (POST)."""
    require(request.user.is_superuser)
    held = get_object_or_404(RoleAssignment, pk=assignment, user_id=pk)
    attempt_operation(request, None, "Terminó el cargo.", operations.end_office, held.pk)
    return redirect(USER, pk)


def close(request: HttpRequest, pk: int) -> HttpResponse:
    """Deactivate the account, or open it again, with the reason (POST)."""
    require(request.user.is_superuser)
    person, form = _get_person(pk), ReasonForm(request.POST, prefix="close")
    operation, done = operations.deactivate_user, "Desactivó la cuenta y cerró sus sesiones."
    if not person.is_active:
        operation, done = operations.reactivate_user, "Activó la cuenta."
    if form.is_valid() and attempt_operation(request, form, done, operation, pk, **form.cleaned_data):
        return redirect(USER, pk)
    return _render_user_page(request, person, close_form=form)


def request_reset(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask to remove the person's lost second factor (POST); somebody else approves."""
    require(request.user.is_superuser)
    person, form = _get_person(pk), ReasonForm(request.POST, prefix="factor")
    if form.is_valid() and attempt_operation(
        request,
        form,
        "Pedido. Falta que otra persona lo apruebe.",
        operations.request_factor_reset,
        pk,
        **form.cleaned_data,
    ):
        return redirect(USER, pk)
    return _render_user_page(request, person, factor_form=form)


def decide_reset(request: HttpRequest, pk: int, reset: int, verb: str) -> HttpResponse:
    """Approve or decline what another person asked (POST)."""
    require(request.user.is_superuser)
    asked = get_object_or_404(FactorReset, pk=reset, user_id=pk)
    if verb == "aprobar":
        done = "Quitó el segundo factor y cerró las sesiones."
        attempt_operation(request, None, done, operations.approve_factor_reset, asked.pk)
    else:
        attempt_operation(request, None, "No se aprobó.", operations.decline_factor_reset, asked.pk)
    return redirect(USER, pk)


def providers(request: HttpRequest) -> HttpResponse:
    """Show who gives the service (M3); a superuser adds a third party (POST)."""
    require(request.user.is_superuser or request.user.has_perm("accounts.view_provider"))
    form = ProviderForm(request.POST or None)
    if request.method == "POST":
        require(request.user.is_superuser)
        if form.is_valid() and attempt_operation(
            request, form, "Agregó el prestador.", operations.add_provider, **form.cleaned_data
        ):
            return redirect("admin:accounts_provider_changelist")
    context = page_context(
        request,
        "Prestadores",
        rows=Provider.objects.order_by("-is_own", "name"),
        form=form,
        may_add=request.user.is_superuser,
    )
    return TemplateResponse(request, "admin/accounts/providers.html", context)


def _get_person(pk: int) -> User:
    """Return the person with this key, or raise Http404."""
    return get_object_or_404(User.objects.select_related("contact__customer"), pk=pk)


def _render_user_page(request: HttpRequest, person: User, **forms: object) -> HttpResponse:
    """Return the page of one person with the forms given, which may have errors."""
    assignments = RoleAssignment.objects.filter(user=person).select_related("provider", "granted_by")
    reset = FactorReset.objects.filter(user=person, decided_at__isnull=True)
    shown = {
        "grant_form": GrantForm(),
        "close_form": ReasonForm(prefix="close"),
        "factor_form": ReasonForm(prefix="factor"),
        **forms,
    }
    wrong = next((form for form in forms.values()), None)
    context = page_context(
        request,
        person.get_full_name(),
        person=person,
        assignments=assignments.order_by("-starts_at"),
        has_factor=Authenticator.objects.filter(user=person).exists(),
        reset=reset.select_related("requested_by").first(),
        is_self=person.pk == request.user.pk,
        form=wrong,
        **shown,
    )
    return TemplateResponse(request, "admin/accounts/user.html", context)
