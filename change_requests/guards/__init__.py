"""What a CHECK cannot hold about formal requests, because it compares rows or tables (M1, M8, M19, M21, M24, M25).

They guard this app's tables, and those of companies, contacts and representatives.
"""

from change_requests.guards import companies, content, decisions, executions, requests

GUARDS = [*requests.GUARDS, *content.GUARDS, *decisions.GUARDS, *executions.GUARDS, *companies.GUARDS]
