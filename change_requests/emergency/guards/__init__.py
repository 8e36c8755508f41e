"""List the guards of emergency accounts: rules that a CHECK cannot hold (M22, M23, M26, M27)."""

from change_requests.emergency.guards import accounts, grants, records, reviewing, using
from change_requests.guards.sql_terms import translate

_WRITTEN = [*accounts.GUARDS, *grants.GUARDS, *records.GUARDS, *reviewing.GUARDS, *using.GUARDS]
# A pair is SQL of both engines already.
GUARDS = [*(translate(guard) if isinstance(guard.when, str) else guard for guard in _WRITTEN), *using.RECORDERS]
