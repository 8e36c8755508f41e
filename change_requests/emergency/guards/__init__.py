"""List the guards of emergency accounts: rules that a CHECK cannot hold (M22, M23, M26, M27)."""

from change_requests.emergency.guards import accounts, grants, records
from change_requests.guards.sql_terms import translate

GUARDS = [translate(guard) for guard in [*accounts.GUARDS, *grants.GUARDS, *records.GUARDS]]
