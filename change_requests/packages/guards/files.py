"""Guard the files of packages: what was stored stays, and nothing is uploaded before the authorization (M28, M32)."""

from change_requests.guards.sql_terms import changed, guards, no_replace
from change_requests.packages.guards.tables import (
    CHANGE,
    CHECK,
    COPY,
    FILE,
    PACKAGE,
    RETURNED,
    UPLOAD,
    is_file_of,
    make_holder_sql,
)
from factureya.core import triggers
from factureya.core.guard_terms import last_event_is

_STORED = last_event_is(
    "'package-file:' || NEW.token",
    "package_file.stored",
    "DATA[rows.package_file.sha256] = NEW.sha256 AND DATA[rows.package_file.kind] = NEW.kind"
    " AND v.actor_id = NEW.stored_by_id",
)
_STATUS_OF_KIND = """CASE WHEN NEW.kind IN ('licence', 'consent') THEN 'authorized' ELSE 'impact_weighed' END"""
_FILES = [
    *triggers.append_only(FILE, "token", update="un archivo guardado no cambia", delete="un archivo guardado se queda"),
    *guards(FILE, "INSERT", ("package_file_has_its_event", f"NOT {_STORED}", "un archivo se guarda con su evento")),
    *no_replace(
        FILE,
        "package_file_{}_replaces_none",
        f"""NEW.kind IN ('original', 'copy') AND EXISTS (SELECT 1 FROM {FILE} f WHERE f.sha256 = NEW.sha256
        AND f.kind IN ('original', 'copy'))""",
        "INSERT",
    ),
    *triggers.never_deleted(CHECK, "file_id", message="las comparaciones no se borran"),
]
_UPLOADS = [
    *guards(
        UPLOAD,
        "INSERT",
        (
            "upload_after_authorization",
            f"""NEW.change_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {CHANGE} c WHERE c.id = NEW.change_id
            AND c.authorized_by_id IS NOT NULL AND c.status = {_STATUS_OF_KIND})""",
            "antes de la autorización, y fuera de su paso, no se sube nada",
        ),
        (
            "upload_by_who_may",
            f"""NOT {
                make_holder_sql(
                    "NEW.started_by_id", "NEW.started_at", "supervisor", "implementer", "it_head", "security_officer"
                )
            }""",
            "sube quien tiene un cargo de mesa de control",
        ),
        ("upload_begins_empty", "NEW.received <> 0 OR NEW.finished_at IS NOT NULL", "una subida empieza sin nada"),
    ),
    *guards(
        UPLOAD,
        "UPDATE",
        (
            "upload_facts_stay",
            changed("id token kind change_id name size mark started_by_id started_at"),
            "una subida no cambia de archivo",
        ),
        ("upload_finished_stays", "OLD.finished_at IS NOT NULL", "una subida terminada ya no cambia"),
    ),
    *no_replace(
        UPLOAD,
        "upload_{}_replaces_none",
        f"""EXISTS (SELECT 1 FROM {UPLOAD} u WHERE u.id = NEW.id OR u.token = NEW.token
        OR (u.change_id = NEW.change_id AND u.kind = NEW.kind)
        OR (NEW.change_id IS NULL AND u.change_id IS NULL AND u.started_by_id = NEW.started_by_id))""",
        "INSERT",
    ),
]

_RELEASED = f"""EXISTS (SELECT 1 FROM {COPY} k JOIN {CHANGE} c ON c.id = k.change_id
    WHERE k.id = NEW.in_use_id AND k.package_id = NEW.id AND c.package_id = NEW.id AND c.status = 'released'
    AND k.test_passed AND NOT EXISTS (SELECT 1 FROM {COPY} l JOIN {CHANGE} d ON d.id = l.change_id
      WHERE l.package_id = NEW.id AND l.number > k.number AND d.status IN ('released', 'reverted')))"""
_SALE_ENDED = last_event_is(
    "'package:' || NEW.id", "package.sale_ended", "DATA[rows.package.valid_until] = ISO[NEW.valid_until]"
)
_PACKAGES = [
    *guards(
        PACKAGE,
        "INSERT",
        ("package_has_its_original", f"NOT {is_file_of('original_id', 'original')}", "falta el original del proveedor"),
        ("package_born_with_its_original", "NEW.in_use_id IS NOT NULL", "un paquete nace con su original en uso"),
        (
            "package_registered_by_who_may",
            f"""NOT {
                make_holder_sql("NEW.registered_by_id", "NEW.registered_at", "supervisor", "implementer", "it_head")
            }""",
            "lo registra quien tiene el cargo",
        ),
        ("package_replaces_another", "NEW.replaces_id = NEW.id", "un paquete no se reemplaza a sí mismo"),
    ),
    *guards(
        PACKAGE,
        "UPDATE",
        (
            "package_facts_stay",
            changed(
                "id supplier name version software credits price months valid_from licence_name"
                " licence_text original_id replaces_id registered_by_id registered_at form_key"
            ),
            "los datos y el original de un paquete no cambian",
        ),
        (
            "package_sale_ends_once",
            f"{changed('valid_until')} AND NOT (OLD.valid_until IS NULL AND {_SALE_ENDED})",
            "hasta cuándo se vende un paquete se anota una vez, con su evento",
        ),
        (
            "package_uses_a_released_copy",
            f"NEW.in_use_id ≠ OLD.in_use_id AND NEW.in_use_id IS NOT NULL AND NOT {_RELEASED}",
            "solo se usa la última copia liberada de ese paquete",
        ),
        (
            "package_returns_by_a_revert",
            f"""OLD.in_use_id IS NOT NULL AND NEW.in_use_id IS NULL AND NOT EXISTS (SELECT 1 FROM {COPY} k
            JOIN {CHANGE} c ON c.id = k.change_id WHERE k.id = OLD.in_use_id AND c.status = 'released'
            AND {RETURNED.format(package="NEW.id", folio="c.folio")})""",
            "se vuelve al original al revertir el cambio",
        ),
    ),
    *triggers.never_deleted(
        PACKAGE, "id", "original_id", "replaces_id", "form_key", message="los paquetes no se borran"
    ),
    *no_replace(
        PACKAGE,
        "package_{}_replaces_none",
        f"""EXISTS (SELECT 1 FROM {PACKAGE} p WHERE p.id ≠ NEW.id AND (p.in_use_id = NEW.in_use_id
        OR lower(p.name || '-' || p.version) = lower(NEW.name || '-' || NEW.version)))""",
    ),
]
GUARDS = [*_FILES, *_UPLOADS, *_PACKAGES]
