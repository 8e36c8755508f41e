"""Change accounts: each operation locks its rows, does all or nothing, and leaves exactly one Event.

`companies` holds sign-up and what staff decides about it; `credits` and `credit_imports` the credits of companies;
`people` invitations and profiles; `staff` offices, second factors and deactivation. Refusals are `Refused`, and their
text is for the person.
"""

from accounts.operations.by_request import (
    change_role_by_request,
    disable_by_request,
    invite_by_request,
    record_company_change,
    record_powers,
    void_password,
    void_password_link,
)
from accounts.operations.companies import join_company, record_view, refuse_company, register_company, verify_company
from accounts.operations.credit_imports import (
    apply_import,
    check_import,
    confirm_import,
    discard_import,
    upload_credits,
)
from accounts.operations.credits import set_credits
from accounts.operations.people import (
    accept_invitation,
    cancel_invitation,
    change_full_name,
    change_password,
    flag_bounced_address,
    limit_contact,
    open_invitation,
    resend_invitation,
    unflag_address,
    void_undelivered_invitation,
    was_reset_code_returned,
)
from accounts.operations.staff import (
    add_provider,
    approve_factor_reset,
    deactivate_user,
    decline_factor_reset,
    end_office,
    grant_office,
    invite_staff,
    reactivate_user,
    record_enrolled_factor,
    reencrypt_factors,
    request_factor_reset,
)
from factureya.core.refusals import Refused
