"""Guard the images of companies: each is as its last event says, and a stored logo never changes (M26, M33)."""

from factureya.core import triggers
from factureya.core.guard_terms import changed, last_event_is, translate
from factureya.core.triggers import Guard

BRANDING = "accounts_branding"
LOGO = "accounts_brandlogo"

_COLUMNS = "chosen_main chosen_accent shown_main shown_accent logo_sha256"
_SAME = " AND ".join(f"DATA[rows.branding.{column}] = NEW.{column}" for column in _COLUMNS.split())
_TOLD = last_event_is(
    "'customer:' || NEW.customer_id",
    "company.branding_changed",
    f"""{_SAME} AND v.actor_id = NEW.changed_by_id
        AND DATA[rows.branding.logo_is_light] = CAST(NEW.logo_is_light AS text)""",
)
_OTHER_LOGO = f"""NEW.logo_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {LOGO} l
    WHERE l.id = NEW.logo_id AND l.customer_id = NEW.customer_id AND l.sha256 = NEW.logo_sha256)"""

_WRITTEN = [
    Guard("branding_enters_with_its_event", BRANDING, "INSERT", f"NOT {_TOLD}", "la imagen se cambia con su evento"),
    Guard("branding_follows_its_event", BRANDING, "UPDATE", f"NOT {_TOLD}", "la imagen se cambia con su evento"),
    Guard(
        "branding_keeps_its_company",
        BRANDING,
        "UPDATE",
        changed("id customer_id"),
        "una imagen es siempre de la misma empresa",
    ),
    Guard("branding_enters_with_own_logo", BRANDING, "INSERT", _OTHER_LOGO, "el logotipo es de otra empresa"),
    Guard("branding_has_own_logo", BRANDING, "UPDATE", _OTHER_LOGO, "el logotipo es de otra empresa"),
    *triggers.never_deleted(BRANDING, "id", "customer_id", message="la imagen de una empresa no se borra"),
    Guard("logo_never_changes", LOGO, "UPDATE", message="un logotipo guardado no cambia"),
    triggers.no_replace(LOGO, "id", "customer_id, sha256"),
]
GUARDS = [translate(guard) if guard.when else guard for guard in _WRITTEN]
