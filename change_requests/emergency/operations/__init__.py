"""The life of emergency accounts: every change of one is one of these functions (M22, M23).

Each opens a transaction, locks the account's row first, re-reads, asks the policy again; then writes the change, one
event in the chain of the account or of the emergency, and the mails into the outbox, all or nothing. No half of a
password and no join of two is in any event, mail or log.
"""

from change_requests.emergency.operations._common import find_drill_customer
from change_requests.emergency.operations.accounts import (
    add_account,
    add_cause,
    delegate_office,
    end_cause,
    end_delegation,
    retire_account,
)
from change_requests.emergency.operations.acting import apply_emergency_change
from change_requests.emergency.operations.granting import (
    authorize_grant,
    lapse_due,
    refuse_grant,
    request_grant,
    revoke_grant,
)
from change_requests.emergency.operations.looking import record_look
from change_requests.emergency.operations.opening import (
    WrongHalf,
    end_grant,
    end_over,
    enter_grant,
    give_half,
    hash_session_key,
    mark_seen,
)
from change_requests.emergency.operations.recording import Act, record_intent, record_outcome, record_system
from change_requests.emergency.operations.reviewing import find_items, find_overdue_reviews, judge_record, sign_review
from change_requests.emergency.operations.sealing import confirm_sealed, reveal_half, start_sealing
from change_requests.emergency.operations.sweeping import remind_credentials, remind_reviews, tidy
