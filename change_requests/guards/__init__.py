"""List the guards of formal requests: rules that a CHECK cannot hold, because they compare rows or tables.

They guard this app's tables, and those of companies, contacts and representatives (M1, M8, M19, M21, M24, M25).
"""

from change_requests.guards import assets, companies, content, decisions, executions, requests
from change_requests.guards.sql_terms import translate

_WRITTEN = [*requests.GUARDS, *content.GUARDS, *decisions.GUARDS, *executions.GUARDS, *companies.GUARDS, *assets.GUARDS]
GUARDS = [translate(guard) for guard in _WRITTEN]
