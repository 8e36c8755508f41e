"""The customer's pages of formal requests: /solicitudes/ (M7, M8, M19, M20)."""
