"""List the guards of suppliers' packages and of their changes (M28–M32)."""

from change_requests.guards.sql_terms import translate
from change_requests.packages.guards import changes, files, steps
from factureya.core.triggers import Guard

_WRITTEN: list[Guard] = [*files.GUARDS, *changes.GUARDS, *steps.GUARDS]
GUARDS = [translate(guard) for guard in _WRITTEN]
