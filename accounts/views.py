"""Show our own pages of /cuenta/: the profile, the people of my company, and the link of an invitation."""

from collections.abc import Sequence
from typing import Any

from allauth.account.utils import perform_login
from allauth.core import ratelimit
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from accounts import operations, policy
from accounts.forms import AcceptForm, NameForm
from accounts.models import Contact, Customer, Invitation
from accounts.web import form_memory
from accounts.web.mixins import get_person


class Home(LoginRequiredMixin, FormView):
    """Show the profile: the name can be changed, the mail and the company's registered data cannot."""

    template_name = "accounts/home.html"
    form_class = NameForm
    success_url = reverse_lazy("accounts:home")

    def get_initial(self) -> dict[str, Any]:
        return {"full_name": get_person(self.request).full_name}

    def form_valid(self, form: NameForm) -> HttpResponse:
        """Store the name that the person changed on the profile page."""
        operations.change_full_name(full_name=form.cleaned_data["full_name"], actor=get_person(self.request))
        messages.success(self.request, "Guardamos su nombre.")
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add to the profile page the company, whether a second factor exists, and what the person may do and see."""
        user = get_person(self.request)
        membership = user.membership
        factor = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()
        return super().get_context_data(
            membership=membership,
            customer=membership.customer if membership else None,
            may_invite=membership is not None and policy.may_manage_people(user, membership.customer),
            has_factor=factor,
            sees_credits=policy.may_see_own_credits(user),
            **kwargs,
        )


class RepresentativeMixin:
    """Admit only a person with powers in force of a verified company; once its service ended, only to read."""

    request: HttpRequest
    customer: Customer
    http_method_names: Sequence[str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Admit a representative who may manage the company's people, and set `self.customer`.

        A person without a session goes to the login, others get 403. A suspended company may read, but a POST gets 403.
        """
        if not request.user.is_authenticated:
            is_page = "get" in self.http_method_names  # a view for POST only cannot be opened after the login
            return form_memory.ask_login(request, request.get_full_path() if is_page else reverse("accounts:people"))
        person = get_person(request)
        membership = person.membership
        if membership is None or not policy.may_manage_people(person, membership.customer):
            raise PermissionDenied
        self.customer = membership.customer
        if request.method == "POST" and self.customer.is_suspended:
            return render(request, "accounts/suspended.html", {"customer": self.customer}, status=403)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


class People(RepresentativeMixin, TemplateView):
    """Show who belongs to my company and who is invited; a formal request gives and takes access (M7)."""

    template_name = "accounts/people.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the company's active contacts and pending invitations to the page of its people."""
        people = self.customer.contacts.select_related("user")
        contacts = policy.add_powers(people).order_by("-role", "user__full_name")
        pending = self.customer.invitations.filter(accepted_at__isnull=True, cancelled_at__isnull=True)
        return super().get_context_data(
            contacts=contacts.filter(user__is_active=True)[:200],
            invitations=pending.order_by("-created_at")[:200],
            customer=self.customer,
            **kwargs,
        )


class LimitPerson(RepresentativeMixin, View):
    """Let a contact of my company see all its tickets or only own ones (POST); the mail names the contact."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Let a contact see all tickets of the company or only own ones, as the company's representative chose."""
        contact = get_object_or_404(Contact, customer=self.customer, user__email=read_posted_address(request, "person"))
        own_tickets_only = request.POST.get("own_tickets_only") == "1"
        try:
            operations.limit_contact(contact.pk, own_tickets_only=own_tickets_only, actor=get_person(request))
        except operations.Refused as refusal:
            messages.error(request, str(refusal))
        else:
            seen_tickets = "solo sus tickets" if own_tickets_only else "los tickets de toda la empresa"
            messages.success(request, f"{contact.user.get_full_name()} ve {seen_tickets}.")
        return redirect("accounts:people")


class ChangeInvitation(RepresentativeMixin, View):
    """Send a pending invitation of my company again, or cancel it (POST)."""

    http_method_names = ["post"]
    verb = ""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send the pending invitation of the posted mail address again, or cancel it (`self.verb`)."""
        invitation = get_object_or_404(
            Invitation,
            customer=self.customer,
            email=read_posted_address(request, "email"),
            accepted_at__isnull=True,
            cancelled_at__isnull=True,
        )
        if self.verb == "resend":
            too_many = ratelimit.consume_or_429(request, action="invite")
            if too_many is not None:
                return too_many  # the response 429
            operation, done_text = operations.resend_invitation, "Enviamos un enlace nuevo a"
        else:
            operation, done_text = operations.cancel_invitation, "Cancelamos la invitación a"
        try:
            operation(invitation.pk, actor=get_person(request))
        except operations.Refused as refusal:  # used or cancelled a moment ago
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"{done_text} {invitation.email}.")
        return redirect("accounts:people")


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class AcceptInvitation(FormView):
    """Show an invitation (GET), and make the account and sign in (POST); an unusable link says why."""

    template_name = "accounts/invitation.html"
    form_class = AcceptForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page of a mailed invitation. If it cannot be used or somebody is signed in, the page says so."""
        if too_many := ratelimit.consume_or_429(request, action="accept_invitation"):
            return too_many  # the response 429
        try:
            self.invitation = operations.open_invitation(kwargs["token"])
        except operations.Refused as refusal:
            return render(request, "accounts/invitation_unusable.html", {"reason": str(refusal)}, status=410)
        if request.user.is_authenticated:
            return render(request, "accounts/invitation_signed_in.html", {"invitation": self.invitation})
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "email": self.invitation.email}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(invitation=self.invitation, **kwargs)

    def form_valid(self, form: AcceptForm) -> HttpResponse:
        """Make the account of the invited person, and sign the person in."""
        try:
            person = operations.accept_invitation(self.kwargs["token"], **form.cleaned_data)
        except operations.Refused as refusal:
            form.add_error(None, str(refusal))
            return self.form_invalid(form)
        messages.success(self.request, "Su cuenta quedó lista.")
        return perform_login(self.request, person, redirect_url=reverse("accounts:home"))


def read_posted_address(request: HttpRequest, name: str) -> str:
    """Return the mail address by which a form names a person, without NUL characters."""
    return request.POST.get(name, "").replace("\0", "")
