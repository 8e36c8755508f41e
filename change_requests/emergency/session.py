"""Turn the operator's session into that of an open emergency, and end it (M23).

The emergency has one session, which carries who really acts. It ends with the window at the latest.
"""

from allauth.account.authentication import get_authentication_records
from django.contrib import messages
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare

from accounts.models import Proof, User
from accounts.sign_in.allauth_internal import RECORDS_KEY, RECORDS_USER_KEY
from accounts.web.mixins import get_person
from change_requests.emergency import acts, backend, operations
from change_requests.emergency.models import EmergencyGrant
from factureya.core.refusals import Refused

GRANT_KEY = "emergency_grant"
OPERATOR_KEY = "emergency_operator"
IS_OVER = "La emergencia terminó. Ingrese otra vez con su cuenta."


def elevate_session(request: HttpRequest, grant_pk: int, *, proof: Proof | None = None) -> EmergencyGrant:
    """Turn the operator's session into one of the open emergency's account, under a new key; return the emergency.

    Of the old session only the second factor stays. Raises the policy's refusal; then the person stays signed in.
    """
    operator, session = get_person(request), request.session
    factors = [record for record in get_authentication_records(request, operator) if record["method"] == "mfa"]
    session.cycle_key()  # a new key: a copy of the old cookie opens nothing
    assert session.session_key is not None  # `cycle_key` made it
    operations.enter_grant(grant_pk, actor=operator, session_key=session.session_key, proof=proof)
    grant = EmergencyGrant.objects.select_related("account").get(pk=grant_pk)
    user = backend.EmergencyBackend().get_user(grant.account.user_id)
    assert user is not None  # `enter_grant` asked for an open window
    # Bound to the operator as this request read him: if his sessions were ended meanwhile, this one is not valid.
    user.session_binding = backend.make_binding(user.emergency_grant, operator)
    operations.record_system(grant.pk, acts.describe_entry(request))
    session.clear()
    session.update(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: backend.PATH,
            HASH_SESSION_KEY: user.get_session_auth_hash(),
            GRANT_KEY: grant.pk,
            OPERATOR_KEY: operator.pk,
            RECORDS_KEY: factors,
            RECORDS_USER_KEY: str(user.pk),
        }
    )
    assert grant.ends_at is not None  # it is open
    session.set_expiry(grant.ends_at)
    session.save()
    rotate_token(request)  # the CSRF token is new, too
    request.user = user
    return grant


def is_elevated(request: HttpRequest) -> bool:
    """Return True if the request's session is, or was, that of an emergency; no user is read."""
    return bool(request.session.get(BACKEND_SESSION_KEY) == backend.PATH)


def find_grant(request: HttpRequest) -> EmergencyGrant | None:
    """Return the open emergency whose one session this is; None if it is over, or another session replaced this."""
    session = request.session
    grant_pk, operator_pk = session.get(GRANT_KEY), session.get(OPERATOR_KEY)
    user = request.user
    grant: EmergencyGrant | None = user.emergency_grant if isinstance(user, User) else None
    if grant is None or (grant.pk, grant.operator_id) != (grant_pk, operator_pk):
        return None
    token = operations.hash_session_key(session.session_key or "")
    return grant if constant_time_compare(token, grant.session_key_hash) else None


def is_still_valid(user: User) -> bool:
    """Return True if an emergency's session, whose user this is, would still be let in now (M23)."""
    present = backend.EmergencyBackend().get_user(user.pk)
    return present is not None and constant_time_compare(present.session_binding, user.session_binding)


def leave_emergency(request: HttpRequest, *, proof: Proof | None = None) -> HttpResponse:
    """End the emergency as its operator, delete the session, and return a redirect to the login."""
    grant = find_grant(request)
    if grant is not None:
        try:
            operations.end_grant(grant.pk, actor=grant.operator, proof=proof)
        except Refused:
            pass  # it had ended already
    return drop_session(request)


def drop_session(request: HttpRequest) -> HttpResponse:
    """Delete the request's session; return a redirect to the login, with a message that the emergency is over."""
    request.session.flush()
    messages.info(request, IS_OVER)
    return redirect("account_login")


def tidy_ended(grant_pk: object) -> None:
    """End the emergency of an invalid session if its window is over, but not if it is open in another session."""
    try:
        operations.end_grant(int(str(grant_pk)))
    except (Refused, ValueError, EmergencyGrant.DoesNotExist):  # open elsewhere, no key, or no such emergency
        return
