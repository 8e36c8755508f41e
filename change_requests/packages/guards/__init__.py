"""List the guards of suppliers' packages and of their changes (M28–M32)."""

from factureya.core.triggers import Guard, Recorder

GUARDS: list[Guard | Recorder] = []
