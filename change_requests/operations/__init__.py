"""The life of a formal request: every change of one is one of these functions, in the order a request lives them.

Each opens a transaction, locks the request's row first, re-reads it, asks again whether the verb applies and whether
the person may; then writes the change, exactly one Event of the request, and the mails into the outbox, all or nothing.
Status is written here and nowhere else. Times come from `core.clock`. An operation that does nothing raises `Refused`
or a kind of it.
"""

from change_requests.operations._common import AlteredEvidence, NoPeople, SentBack, StaleContent
from change_requests.operations.assets import set_asset_owner
from change_requests.operations.deciding import approve, reject
from change_requests.operations.drafting import add_evidence, create_draft, remove_evidence, reopen_draft, save_draft
from change_requests.operations.ending import close, mark_alarm_seen, not_me, resume, revert, withdraw
from change_requests.operations.executing import execute
from change_requests.operations.implementing import check_waiver, designate, find_overdue_checks, grant_waiver
from change_requests.operations.mailing import keep_mail_text, keep_received_form
from change_requests.operations.passwords import set_password, void_undelivered_password_link
from change_requests.operations.reading import find_readings_chain, record_download, record_evidence_read
from change_requests.operations.submitting import (
    confirm_from_registered_email,
    confirm_new_email,
    send_new_email_code,
    submit,
)
from change_requests.operations.sweeping import expire_due, remind_due
from change_requests.operations.verifying import (
    answer_clarification,
    ask_clarification,
    report_altered_evidence,
    return_to_requester,
    verify,
)
from factureya.core.refusals import Invalid, NotAllowed, Refused, WrongStatus
