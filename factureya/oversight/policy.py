"""Decide who may read the log of events and take a copy of it (M26)."""

from accounts.models import Office, User

READ_THE_LOG = (Office.SECURITY_OFFICER, Office.IT_HEAD, Office.AUDITOR)
EXPORT = (Office.SECURITY_OFFICER, Office.AUDITOR)


def may_read_log(user: User) -> bool:
    """Return True if the person reads the log of events: the security officer, the head of IT, or Auditoría."""
    return user.is_staff and user.holds(*READ_THE_LOG)


def may_export(user: User) -> bool:
    """Return True if the person may take out the requests or the events of a period, which is recorded."""
    return user.is_staff and user.holds(*EXPORT)
