"""Comprueba un expediente de Factureya sin Factureya: solo Python 3.8 o posterior, sin instalar nada.

    python verify_expediente.py expediente-SC-5R8T-2NW2.zip --huella <la de la llave publicada>
    python verify_expediente.py                    (en la carpeta donde lo descomprimió)
    python verify_expediente.py expediente.zip --eslabon <el del acuse en PDF>

Use el programa que publica el portal en /solicitudes/verificador/, no la copia del ZIP: quien altera uno altera otro.

La bitácora es la fuente. Cada evento lleva la huella (SHA-256) del anterior. De ella se deduce otra vez cada archivo de
datos (solicitud, versiones, decisiones, ejecuciones…) y se compara, campo por campo, con el del expediente: un dato que
ningún evento dice no puede estar. El contenido, la evidencia y lo recibido dan las huellas que la bitácora registró. El
manifiesto lleva la huella de cada archivo y una firma Ed25519 (RFC 8032). Termina con 0 si está íntegro; con 1, y el
nombre de cada archivo y campo alterado, si no. Es un solo archivo para que baste descargar uno.
"""

import argparse
import hashlib
import json
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path

FORMAT = 2
MANIFEST, MANIFEST_HASH, SIGNATURE = "manifiesto.json", "manifiesto.sha256", "firma.json"
EVENTS, REQUEST, VERSIONS, DECISIONS = "bitacora.json", "solicitud.json", "versiones.json", "decisiones.json"
EXECUTIONS, WAIVERS, CLARIFICATIONS = "ejecuciones.json", "dispensas.json", "aclaraciones.json"
MAILS, FORMS, EVIDENCE = "correos.json", "formatos.json", "evidencia.json"
CONFIRMATIONS, VERIFICATIONS = "confirmaciones.json", "verificaciones.json"
OFFICES, ANCHOR, README, COPY = "cargos.json", "ancla.json", "LEAME.txt", "verify_expediente.py"
TABLES = "tablas de Factureya"
GENESIS = "0" * 64
MAX_BYTES = 2 * 1024**3
APPROVED = {"approved", "executed", "closed", "failed", "reverted"}
EVENT_KEYS = ("chain", "seq", "prev", "verb", "at", "actor_id", "actor_name", "data", "hash")
README_TEXT = """Expediente de la solicitud {folio}

Para comprobar que nadie alteró nada, con Python 3.8 o posterior y sin instalar nada más:

 1. Descargue el verificador del portal: /solicitudes/verificador/ El de este ZIP es una COPIA, para cuando el portal ya
    no exista: compare antes su SHA-256 con el que publica esa página.
 2. Tome la huella de la llave de esa página, o de un acuse impreso, y escriba:

    python verify_expediente.py expediente.zip --huella <la huella de la llave>

Compare el último eslabón que le muestra con el que el portal enseña en la página del expediente. El del acuse se
comprueba así:

    python verify_expediente.py expediente.zip --eslabon <el eslabón que dice el acuse>

bitacora.json       todos los eventos, cada uno con la huella del anterior: de aquí se deduce lo demás
solicitud.json      la solicitud y su estado
versiones/          el contenido de cada versión, tal como se aprobó y se ejecutó
versiones.json      quién envió cada versión, con qué poderes, por dónde, con qué evidencia y bajo qué protesta
decisiones.json     quién aprobó o rechazó, con qué cargo y carácter (titular o suplente), qué versión y por qué
confirmaciones.json desde qué correo se confirmó, quién dijo «no fui yo» y cómo se acreditó cada uno
verificaciones.json quién verificó, y qué
aclaraciones.json   preguntas y respuestas
formatos.json       los formatos que llegaron por correo: de quién, cuándo y con qué comprobación
correos.json        lo que decía el correo que trajo el formato
dispensas.json      excepciones a la separación de funciones, y su revisión
ejecuciones.json    qué se aplicó: antes y después
evidencia.json      los archivos que se presentaron, y en qué versiones
cargos.json         los eventos que otorgaron o terminaron los cargos de quienes actuaron
ancla.json          el ancla diaria que selló esta bitácora, si ya hay una
evidencia/          los archivos que se presentaron
recibido/           el formato y el correo originales, si llegó por correo
acuses/             lo que consta en el acuse de cada versión, y su copia en PDF para leer
firma.json          la firma del manifiesto y la llave con que se comprueba

Hay personas con número y nombre. Las horas son UTC.
"""


class Check:
    """Guarda los archivos de un expediente y lo que se encontró mal en ellos."""

    def __init__(self, files):
        self.files = files
        self.flaws = []
        self.notes = []
        self.events = []

    def add_flaw(self, name, reason):
        """Anota que un archivo del expediente está alterado y por qué; de cada archivo basta la primera razón."""
        if not any(name == known for known, _ in self.flaws):
            self.flaws.append((name, reason))

    def load(self, name, empty):
        """Devuelve el contenido de un archivo JSON; si falta, no se lee o es de otro tipo, lo anota y da `empty`."""
        try:
            content = json.loads(self.files[name].decode("utf-8"), parse_float=_refuse_float)
        except KeyError:
            self.add_flaw(name, "falta")
        except (ValueError, RecursionError):
            self.add_flaw(name, "no se puede leer")
        else:
            if isinstance(content, type(empty)):
                return content
            self.add_flaw(name, "no tiene la forma esperada")
        return empty

    def load_content(self, number):
        """Devuelve el contenido de una versión, tal como se aprobó."""
        return self.load(name_version_file(number), {})


def main(arguments=None):
    """Comprueba un expediente e imprime el resultado; devuelve 0 si está íntegro, 1 si no."""
    options = _read_options(arguments)
    try:
        files, damaged = read_files(Path(options.expediente))
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        print(f"No se pudo abrir {options.expediente}: {error}")
        return 1
    return print_result(check_files(files, damaged, options.huella, options.eslabon))


def check_files(files, damaged=(), fingerprint="", link=""):
    """Comprueba los archivos y da el resultado; `fingerprint`: huella de la llave publicada; `link`: un eslabón."""
    archive = Check(files)
    for name in damaged:
        archive.add_flaw(name, "está dos veces, o su contenido está dañado")
    for name, check_part in PARTS:
        try:
            check_part(archive)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            archive.add_flaw(name, f"le falta un dato o no es del tipo esperado ({error})")
    try:
        check_signature(archive, fingerprint)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        archive.add_flaw(SIGNATURE, f"le falta un dato o no es del tipo esperado ({error})")
    if link and link.strip().lower() not in {event["hash"] for event in archive.events}:
        archive.add_flaw(EVENTS, f"no contiene el eslabón {link[:12]}…")
    return archive


def read_files(root):
    """Devuelve el contenido de cada archivo (de un ZIP o carpeta) por nombre, y la lista de los repetidos o dañados."""
    if root.is_dir():
        files = {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
        return {name: content for name, content in files.items() if "__pycache__" not in name}, []  # lo crea Python
    files, damaged = {}, []
    with zipfile.ZipFile(str(root)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError("es demasiado grande")
        for entry in archive.infolist():
            if entry.filename in files:
                damaged.append(entry.filename)
            try:
                files[entry.filename] = archive.read(entry)
            except (zipfile.BadZipFile, zlib.error):
                files[entry.filename] = b""
                damaged.append(entry.filename)
    return files, damaged


# -- Lo que se comprueba -----------------------------------------------------------------------------


def check_events(archive):
    """Comprueba número, enlace y huella de cada evento, y que el último es el del manifiesto; los deja en `archive`."""
    events, head = archive.load(EVENTS, []), archive.load(MANIFEST, {}).get("head", {})
    last_hash = GENESIS
    for number, event in enumerate(events, start=1):
        if event["seq"] != number or event["chain"] != events[0]["chain"]:
            return archive.add_flaw(EVENTS, f"falta o sobra el evento {number}")
        if event["prev"] != last_hash:
            return archive.add_flaw(EVENTS, f"el evento {number} no enlaza con el anterior")
        if hash_event(event) != event["hash"]:
            return archive.add_flaw(EVENTS, f"el evento {number} no corresponde a su huella")
        last_hash = event["hash"]
    if (len(events), last_hash) != (head.get("seq"), head.get("hash")):
        archive.add_flaw(EVENTS, "la cadena no termina donde dice el manifiesto")
    if dump_json([{key: event[key] for key in EVENT_KEYS} for event in events]) != archive.files[EVENTS]:
        archive.add_flaw(EVENTS, "dice algo más que sus eventos, o no está en su forma única")
    archive.events = events
    return None


def check_manifest(archive):
    """Comprueba el manifiesto: su huella, versión y forma única, los archivos que nombra y las diferencias que dice."""
    manifest, content = archive.load(MANIFEST, {}), archive.files.get(MANIFEST, b"")
    if MANIFEST_HASH not in archive.files:
        archive.add_flaw(MANIFEST_HASH, "falta")
    elif archive.files[MANIFEST_HASH] != write_hash_line(content):
        archive.add_flaw(MANIFEST, "no corresponde a su huella")
    if manifest.get("version") != FORMAT:
        archive.add_flaw(MANIFEST, "es de otra versión del expediente: compruébelo con el verificador de su fecha")
    if set(manifest) != {"version", "folio", "files", "head", "differences"} or dump_json(manifest) != content:
        archive.add_flaw(MANIFEST, "dice algo más, o no está en su forma única")
    _check_listed_files(archive, manifest.get("files", {}))
    for difference in manifest.get("differences", ()):
        archive.add_flaw(TABLES, f"al hacer el expediente no decían lo que la bitácora: {difference}")


def _check_listed_files(archive, listed):
    """Comprueba que cada archivo es el que el manifiesto nombra, y que no hay otro."""
    for name, entry in listed.items():
        if name not in archive.files:
            archive.add_flaw(name, "falta")
        elif entry != describe_file(archive.files[name]):
            archive.add_flaw(name, "no corresponde a su huella del manifiesto")
    for name in archive.files:
        if name not in listed and name not in (MANIFEST, MANIFEST_HASH, SIGNATURE):
            archive.add_flaw(name, "no está en el manifiesto")


def check_signature(archive, fingerprint):
    """Comprueba la firma del manifiesto, y que su llave es la publicada (`fingerprint`); si no se da, avisa."""
    signature, manifest = archive.load(SIGNATURE, {}), archive.files.get(MANIFEST, b"")
    if not signature:
        return archive.add_flaw(SIGNATURE, "no tiene firma")
    key, raw_signature = bytes.fromhex(signature["key"]), bytes.fromhex(signature["signature"])
    if archive.files[SIGNATURE] != dump_json(describe_signature(key, raw_signature)):
        archive.add_flaw(SIGNATURE, "«fingerprint» no es la huella de su llave, o dice algo más")
    if not verify_ed25519(key, manifest, raw_signature):
        return archive.add_flaw(SIGNATURE, "«signature» no es de este manifiesto y esta llave")
    published, actual = "".join(fingerprint.replace(":", "").split()).lower(), sha256(key)
    if not published:
        archive.notes.append(
            "AVISO: la firma es correcta para la llave que viene en el ZIP; compárela con la publicada "
            f"(--huella): {actual}"
        )
    elif published != actual:
        unproven = ", ".join(sorted(name for name in archive.files if _is_only_signed(name)))
        archive.add_flaw(SIGNATURE, f"«key» no es la llave publicada: no la firmó Factureya. Nada prueba: {unproven}")
    else:
        archive.notes.append(f"Firma correcta, de la llave publicada {actual}.")
    return None


def check_versions(archive):
    """Comprueba de cada versión su forma única y su folio, y que su huella y evidencia son las de la bitácora."""
    folio = archive.load(REQUEST, {}).get("folio")
    for event in find_events(archive.events, "request.submitted"):
        name = name_version_file(event["data"]["revision"])
        content = archive.files.get(name)
        if content is None:
            archive.add_flaw(name, "falta")
            continue
        payload = json.loads(content.decode("utf-8"))
        if sha256(content) != event["data"]["sha256"]:
            archive.add_flaw(name, "no corresponde a la huella que la bitácora registró")
        if write_canonical(normalize_texts(payload)) != content:
            archive.add_flaw(name, "no está en su forma única")
        if payload["folio"] != folio:
            archive.add_flaw(name, "es de otra solicitud")
        files = [(file["name"], file["sha256"], file["size"]) for file in payload["evidence"]]
        recorded = event["data"].get("evidence")
        if recorded is not None and sorted(files) != sorted(
            (file["name"], file["sha256"], file["bytes"]) for file in normalize_texts(recorded)
        ):
            archive.add_flaw(name, "«evidence» no es la que la bitácora registró")


def check_data(archive):
    """Deduce de la bitácora cada archivo de datos y lo compara con el del expediente; también acuse, LEAME y folio."""
    loaded = {name: archive.load(name, empty) for name, empty in DATA_FILES}
    contents = {number: archive.load_content(number) for number in list_versions(archive.events)}
    texts = {hash_text(text): text for text in list_texts(loaded)}
    instants = {row.get("no"): row.get("received_at") for row in loaded[VERSIONS]}
    derived = derive_files(archive.events, contents, texts, instants)
    for name, value in derived.items():
        found = archive.load(name, type(value)())
        differences = list(compare(value, found, ""))
        if differences:
            archive.add_flaw(name, "; ".join(differences[:8]))
        elif name in archive.files and archive.files[name] != dump_json(value):
            archive.add_flaw(name, "no está en su forma única")
    for number, version in enumerate(derived[VERSIONS]):
        if "acuse_sha256" in version and hash_receipt(derived[REQUEST], version) != version["acuse_sha256"]:
            archive.add_flaw(VERSIONS, f"«{number}.received_at» no es el instante que consta en el acuse")
    if archive.files.get(README) != README_TEXT.format(folio=derived[REQUEST].get("folio")).encode("utf-8"):
        archive.add_flaw(README, "no es el de este verificador")
    if archive.load(MANIFEST, {}).get("folio") != derived[REQUEST].get("folio"):
        archive.add_flaw(MANIFEST, "«folio» es de otra solicitud")


def check_stored_files(archive):
    """Comprueba que están la evidencia y lo recibido, byte por byte, y que no hay ningún archivo de más."""
    needed = dict(list_needed_files(archive))
    for name, recorded_hash in needed.items():
        if name not in archive.files:
            archive.add_flaw(name, "falta")
        elif sha256(archive.files[name]) != recorded_hash:
            archive.add_flaw(name, "no es lo que se presentó")
    receipts = [f"acuses/{number}.pdf" for number in list_versions(archive.events)]
    for name in [COPY, *receipts]:
        if name not in archive.files:
            archive.add_flaw(name, "falta")
    allowed = {name for name, _ in DATA_FILES} | {MANIFEST, MANIFEST_HASH, SIGNATURE}
    allowed |= {EVENTS, OFFICES, README, COPY, ANCHOR}
    for number in list_versions(archive.events):
        allowed |= {name_version_file(number), name_receipt_file(number)}
    for name in sorted(set(archive.files) - allowed - set(receipts) - set(needed)):
        archive.add_flaw(name, "no es de este expediente")


def check_decisions(archive):
    """Comprueba que nadie decidió lo que pidió ni dos veces, y que a lo aprobado no le falta ninguna aprobación."""
    versions = {version["no"]: version for version in derive_versions(archive.events, {})}
    decisions = derive_decisions(archive.events, {})
    for decision in decisions:
        version = versions[decision["revision_no"]]
        if decision["sha256"] != version["sha256"]:
            archive.add_flaw(DECISIONS, "una decisión es de un contenido que no es el de su versión")
        requester = version.get("requester")  # en eventos anteriores, solo el nombre
        if isinstance(requester, dict) and decision["decider"]["pk"] == requester["pk"]:
            archive.add_flaw(DECISIONS, "quien pide decidió su propia solicitud")
    pairs = [(decision["revision_no"], decision["decider"]["pk"]) for decision in decisions]
    if len(pairs) != len(set(pairs)):
        archive.add_flaw(DECISIONS, "una persona decidió dos veces")
    request = derive_request(archive.events, {})
    if request["status"] in APPROVED:
        _check_approvals(archive, request["revision_no"], decisions)


def _check_approvals(archive, number, decisions):
    """Comprueba que la versión aprobada tiene la decisión de Seguridad y la de cada propietario, sin rechazos."""
    needed = {"owner:" + item["asset"] for item in archive.load_content(number)["items"] if item["asset"] != "access"}
    given = set()  # como `needed`: «owner:identity», o «security»
    for decision in decisions:
        if decision["revision_no"] == number and decision.get("voided_at") is None:
            if decision["verdict"] != "approve":
                archive.add_flaw(DECISIONS, "la versión aprobada tiene un rechazo")
            if decision["office"] == "security":
                given.add("security")
            elif "assets" in decision:
                given |= {"owner:" + asset for asset in decision["assets"]}
            else:  # en eventos anteriores no decía de qué activos
                given |= needed
    if not (needed | {"security"}) <= given:
        archive.add_flaw(DECISIONS, "faltan aprobaciones: " + ", ".join(sorted((needed | {"security"}) - given)))


def check_executions(archive):
    """Comprueba que lo ejecutado es lo aprobado, que se ejecutó a lo más una vez, y que el estado dice si se hizo."""
    executions = derive_executions(archive.events)
    hashes = {version["no"]: version["sha256"] for version in derive_versions(archive.events, {})}
    for execution in executions:
        approved_hash = hashes[execution["revision_no"]]
        if execution.get("sha256", approved_hash) != approved_hash:  # lo fallido, en eventos anteriores, no lo decía
            archive.add_flaw(EXECUTIONS, "la ejecución es de un contenido que no es el de su versión")
        items = archive.load_content(execution["revision_no"])["items"]
        approved = {item["field"]: item["new"] for item in items}
        if execution["result"] == "ok" and execution.get("after", approved) != approved:
            archive.add_flaw(EXECUTIONS, "lo ejecutado no es lo aprobado")
    done = [execution for execution in executions if execution["result"] == "ok"]
    status = derive_request(archive.events, {})["status"]
    if len(done) > 1 or bool(done) != (status in ("executed", "closed", "reverted")):
        archive.add_flaw(EXECUTIONS, "no corresponde al estado de la solicitud")


def check_offices(archive):
    """Comprueba los eventos de los cargos, y que quien decidió tenía el suyo en ese instante, según ellos."""
    events = archive.load(OFFICES, [])
    if dump_json([{key: event[key] for key in EVENT_KEYS} for event in events]) != archive.files[OFFICES]:
        archive.add_flaw(OFFICES, "dice algo más que sus eventos, o no está en su forma única")
    for event in events:
        if hash_event(event) != event["hash"]:
            archive.add_flaw(
                OFFICES, "el evento {} de {} no corresponde a su huella".format(event["seq"], event["chain"])
            )
    offices = {"owner": "information_owner", "security": "security_officer"}
    for decision in derive_decisions(archive.events, {}):
        name, at = decision["decider"]["name"], decision.get("decided_at", decision["at"])
        assignments = list_offices(events, decision["decider"]["pk"], at)
        if not assignments:
            archive.notes.append(f"AVISO: sin eventos del cargo de {name}: es anterior a ellos.")
        elif not any(row["office"] == offices[decision["office"]] and _is_in_force(row, at) for row in assignments):
            archive.add_flaw(OFFICES, f"{name} no tenía el cargo al decidir")


def check_anchor(archive):
    """Comprueba que el ancla que se adjunta selló un eslabón de esta bitácora; si no se adjunta, lo dice."""
    if ANCHOR not in archive.files:
        return archive.notes.append("Sin ancla: ninguna había sellado esta solicitud todavía.")
    anchor = archive.load(ANCHOR, {})
    chain, seq, link = json.loads(anchor["line"])
    if not any((event["chain"], event["seq"], event["hash"]) == (chain, seq, link) for event in archive.events):
        archive.add_flaw(ANCHOR, "«line» no es un eslabón de esta bitácora")
    expected = {key: anchor[key] for key in ("line", "day", "seq", "hash")}
    if dump_json(expected) != archive.files[ANCHOR]:
        archive.add_flaw(ANCHOR, "dice algo más, o no está en su forma única")
    archive.notes.append(
        "Ancla {seq}, del {day}, que selló el eslabón {0}; compárela con la que recibió: {hash}".format(
            seq, **{key: anchor[key] for key in ("seq", "day", "hash")}
        )
    )
    return None


# -- Lo que la bitácora dice: de aquí se escribe el expediente, y de aquí se comprueba ---------------


def derive_files(events, contents, texts, instants):
    """Devuelve, por nombre, el contenido de cada archivo de datos, deducido solo de la bitácora.

    `contents` son los contenidos de las versiones y `texts` los textos largos, por su huella: la bitácora guarda la
    huella. `instants` dice cuándo se recibió cada versión, que se comprueba con la huella del acuse.
    """
    request = derive_request(events, contents)
    versions = derive_versions(events, instants)
    files = {
        REQUEST: request,
        VERSIONS: versions,
        DECISIONS: derive_decisions(events, texts),
        EXECUTIONS: derive_executions(events),
        WAIVERS: derive_waivers(events, texts),
        CLARIFICATIONS: derive_clarifications(events, texts),
        MAILS: [
            {**_start_row(event, "author"), **_pick(event, *MAIL_KEYS), **_find_body(event, texts)}
            for event in find_events(events, "request.mail_kept")
        ],
        FORMS: [
            {**_start_row(event, "author"), **_pick(event, "form", "mail", "stored", "auth")}
            for event in find_events(events, "request.form_received")
        ],
        EVIDENCE: derive_evidence(events, contents),
        CONFIRMATIONS: [
            {**_start_row(event, "who"), "verb": event["verb"], **_pick(event, *CONFIRMATION_KEYS)}
            for event in find_events(events, *CONFIRMING_VERBS)
        ],
        VERIFICATIONS: [
            {**_start_row(event, "verifier"), **_pick(event, "revision", "note", "checks", "auth")}
            for event in find_events(events, "request.verified")
        ],
    }
    for version in versions:
        files[name_receipt_file(version["no"])] = derive_receipt(request, version, contents[version["no"]])
    return files


def derive_request(events, contents):
    """Devuelve la solicitud como la dejó su último evento: cada columna con el último valor que un evento registró."""
    first_data = events[0]["data"]
    start = {key: first_data[key] for key in BIRTH_KEYS if key in first_data}
    request = {"chain": events[0]["chain"], "status": "draft", "revision_no": 0, "created_at": events[0]["at"], **start}
    for event in events:
        data = event["data"]
        if event["verb"] == "request.submitted":
            request.update({key: data[key] for key in ("customer", "requester", "representative") if key in data})
            request["revision_no"] = data["revision"]
        request["status"] = data.get("after", request["status"])
        for name, value in data.get("columns", {}).items():
            request[name] = _name_person(event, name, value) if name in PEOPLE else value
    if "folio" not in request and contents:
        request["folio"] = contents[min(contents)]["folio"]
    return request


def derive_versions(events, instants):
    """Devuelve cada versión que se envió: quién, con qué poderes, por dónde, con qué evidencia y bajo qué protesta."""
    versions = []
    for event in find_events(events, "request.submitted"):
        version = {"no": event["data"]["revision"], **_start_row(event, "author"), **_pick(event, *SUBMISSION_KEYS)}
        if "acuse_sha256" in version:
            version["received_at"] = instants.get(version["no"])
        versions.append(version)
    return versions


def derive_decisions(events, texts):
    """Devuelve cada decisión: de quién, con qué cargo y carácter, de qué contenido, por qué, y si después se anuló."""
    decisions = []
    for event in events:
        data = event["data"]
        if event["verb"] in ("request.approved_by", "request.approved", "request.rejected"):
            row = {**_start_row(event, "decider"), **_pick(event, *DECISION_KEYS), "revision_no": data["revision"]}
            row.setdefault("verdict", "reject" if event["verb"] == "request.rejected" else "approve")
            if "reason" not in row and "text_sha256" in data:
                row["reason"] = texts.get(data["text_sha256"])
            decisions.append(row)
        for lapsed in data.get("lapsed", ()):  # las decisiones que este evento anuló: quién, cargo y versión
            for row in decisions:
                if [row["decider"]["pk"], row["office"], row["revision_no"]] == lapsed:
                    row.setdefault("voided_at", data["voided_at"])
    return decisions


def derive_executions(events):
    """Devuelve cada intento de aplicarla: quién, qué contenido, los valores de antes y después, la dispensa."""
    results = {"request.executed": "ok", "request.failed": "drift"}
    return [
        {
            **_start_row(event, "executor"),
            **{name: event["data"][key] for key, name in EXECUTION_KEYS.items() if key in event["data"]},
            "result": results[event["verb"]],
        }
        for event in find_events(events, *results)
    ]


def derive_waivers(events, texts):
    """Devuelve cada dispensa: quién la autorizó, por qué, con qué controles, quién revisa y qué encontró."""
    waivers = []
    for event in events:
        data = event["data"]
        if event["verb"] == "request.waived":
            row = {**_start_row(event, "approved_by"), **_pick(event, *WAIVER_KEYS)}
            if "reason" not in row:
                row["text"] = texts.get(data["text_sha256"])
            waivers.append(row)
        for row in waivers:
            if event["verb"] == "request.executed" and data.get("waiver") == row.get("waiver") and "check_due" in data:
                row["check_due"] = data["check_due"]
            if event["verb"] == "request.waiver_checked" and data.get("waiver") == row.get("waiver"):
                text = data.get("findings", texts.get(data["text_sha256"]))
                row["check"] = {**_start_row(event, "checker"), **_pick(event, *WAIVER_CHECK_KEYS), "findings": text}
    return waivers


def derive_clarifications(events, texts):
    """Devuelve cada pregunta y cada respuesta, con su autor."""
    kinds = {"request.clarification_asked": "question", "request.clarification_answered": "answer"}
    return [
        {
            **_start_row(event, "author"),
            **_pick(event, "clarification", "text_sha256"),
            **_find_body(event, texts),
            "kind": kinds[event["verb"]],
        }
        for event in find_events(events, *kinds)
    ]


def derive_evidence(events, contents):
    """Devuelve cada archivo que alguna versión llevó, en qué versiones, y cuándo se quitó, si fue tras la última."""
    rows = {}
    for number in sorted(contents):
        for file in contents[number]["evidence"]:
            row = rows.setdefault((file["name"], file["sha256"]), {**file, "versions": []})
            row["versions"].append(number)
    seq_of_version = {event["data"]["revision"]: event["seq"] for event in find_events(events, "request.submitted")}
    for event in find_events(events, "request.evidence_dropped"):
        row = rows.get((event["data"].get("name"), event["data"].get("sha256")))
        if row is not None and seq_of_version[row["versions"][-1]] < event["seq"]:
            row["dropped"] = _start_row(event, "who")
    return list(rows.values())


def derive_receipt(request, version, content):
    """Devuelve lo que consta en el acuse de una versión: lo que se recibió, de quién, cuándo, y su eslabón."""
    facts = describe_receipt(request, version) if "acuse_sha256" in version else {}
    asked = {key: content[key] for key in ("items", "reason", "effective_date", "evidence")}
    return {**facts, **asked, "link": version["hash"]}


def describe_receipt(request, version):
    """Devuelve los datos de un acuse de los que la bitácora guarda la huella."""
    return {
        "folio": request["folio"],
        "form": request["form"],
        "company": version["company"],
        "rfc": version["customer"]["rfc"],
        "requester": version["requester"]["name"],
        "power_kind": version["representative"]["power_kind"],
        "channel": version["channel"],
        "at": version["received_at"],
        "version": version["no"],
        "sha256": version["sha256"],
    }


def hash_receipt(request, version):
    """Devuelve la huella de los datos de un acuse, como la guarda el evento del envío."""
    return sha256(write_canonical(describe_receipt(request, version)))


def list_needed_files(archive):
    """Da el nombre y la huella de cada archivo que debe estar: la evidencia de cada versión, el formato y su correo."""
    for number in list_versions(archive.events):
        for file in archive.load_content(number).get("evidence", ()):
            yield name_stored_file("evidencia", file["sha256"], file["name"]), file["sha256"]
    is_shared = any(event["data"].get("shared") for event in find_events(archive.events, "request.mail_kept"))
    for event in find_events(archive.events, "request.form_received"):
        form, mail = event["data"]["form"], event["data"]["mail"]
        if event["data"].get("stored"):
            yield name_stored_file("recibido", form["sha256"], form["name"]), form["sha256"]
        if not is_shared:  # un correo con formatos de varias empresas no sale en el expediente de una
            yield name_stored_file("recibido", mail["sha256"], "correo.eml"), mail["sha256"]


def list_texts(data):
    """Devuelve los textos largos de los archivos de datos; la bitácora solo guarda la huella de algunos."""
    rows = [row for name in (DECISIONS, WAIVERS, CLARIFICATIONS, MAILS) for row in data[name]]
    rows += [row["check"] for row in data[WAIVERS] if isinstance(row.get("check"), dict)]
    values = [row.get(key) for row in rows for key in ("reason", "text", "body", "findings")]
    return [value for value in values if isinstance(value, str)]


def find_events(events, *verbs):
    """Devuelve los eventos de estos verbos, en orden."""
    return [event for event in events if event["verb"] in verbs]


def list_versions(events):
    """Devuelve los números de las versiones que se enviaron."""
    return [event["data"]["revision"] for event in find_events(events, "request.submitted")]


def list_offices(events, person, at):
    """Devuelve las asignaciones de cargo de una persona, cada una como la dejó su último evento hasta ese instante."""
    assignments = {}
    for event in events:
        row = event["data"].get("rows", {}).get("office")
        if row and row["user"] == person and event["at"] <= at:
            assignments[row.get("granted_seq") or event["seq"]] = row  # por el evento que otorgó el cargo
    return list(assignments.values())


def _is_in_force(row, at):
    """Devuelve si una asignación estaba vigente en ese instante. Los instantes están en UTC: se comparan como texto."""
    return row["starts_at"] <= at and (row["ends_at"] is None or at < row["ends_at"])


def _start_row(event, who):
    """Devuelve con qué empieza cada renglón: número, eslabón e instante del evento, y quién actuó, con su nombre."""
    person = None if event["actor_id"] is None else {"pk": event["actor_id"], "name": event["actor_name"]}
    return {"event": event["seq"], "hash": event["hash"], "at": event["at"], who: person}


def _pick(event, *keys):
    """Devuelve los datos del evento con estos nombres; los que no dice, no están."""
    return {key: event["data"][key] for key in keys if key in event["data"]}


def _find_body(event, texts):
    """Devuelve el texto cuya huella registró el evento; None si el que se dio no es ése."""
    return {"body": texts.get(event["data"]["text_sha256"])}


def _name_person(event, column, pk):
    """Devuelve número y nombre de la persona de una columna: la designada o quien actuó; de otra, solo el número."""
    if pk is None:
        return None
    named = event["data"].get("implementer") if column == "implementer" else None
    return named or {"pk": pk, "name": event["actor_name"] if pk == event["actor_id"] else ""}


BIRTH_KEYS = "folio form kind channel revert_of customer requester".split()
PEOPLE = {"verified_by", "implementer", "designated_by", "resumed_by", "alarm_seen_by"}
SUBMISSION_KEYS = """
    sha256 channel company customer requester representative oath freeze_hours evidence form mail acuse_sha256 revert_of
    auth
""".split()
DECISION_KEYS = "sha256 office office_assignment mandate verdict reason text_sha256 assets decided_at auth".split()
EXECUTION_KEYS = {
    "revision": "revision_no",
    "sha256": "sha256",
    "values_before": "before",
    "values_after": "after",
    "at": "executed_at",
    "waiver": "waiver",
    "auth": "auth",
}
WAIVER_KEYS = "waiver implementer checker reason controls approved_at text_sha256 auth".split()
MAIL_KEYS = "text files beside shared text_sha256 auth".split()
WAIVER_CHECK_KEYS = "conform checked_at due_at late auth".split()
CONFIRMING_VERBS = """
    request.confirmed request.new_mail_proven request.disowned request.alarm_seen request.resumed
""".split()
CONFIRMATION_KEYS = """
    revision mailbox role sent_at token_sha256 before_status suspended reason auth
""".split()
DATA_FILES: list[tuple[str, dict | list]] = [
    (REQUEST, {}),
    *((name, []) for name in (VERSIONS, DECISIONS, EXECUTIONS, WAIVERS, CLARIFICATIONS, MAILS, FORMS)),
    *((name, []) for name in (EVIDENCE, CONFIRMATIONS, VERIFICATIONS)),
]


# -- Formas, huellas y firma -------------------------------------------------------------------------


def compare(expected, actual, path):
    """Da cada campo en que un archivo (`actual`) difiere de la bitácora (`expected`), y dónde: «0.decider.name»."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _compare_keys(expected, actual, path)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield "«{}» tiene {} y la bitácora {}".format(path or "la lista", len(actual), len(expected))
        for number in range(min(len(expected), len(actual))):
            yield from compare(expected[number], actual[number], f"{path}.{number}".lstrip("."))
    elif expected != actual or type(expected) is not type(actual):
        yield f"«{path}» dice {_shorten(actual)} y la bitácora {_shorten(expected)}"


def _compare_keys(expected, actual, path):
    """Da cada campo en que dos objetos JSON difieren, y los que uno de los dos no tiene."""
    for key in sorted(set(expected) | set(actual)):
        key_path = f"{path}.{key}".lstrip(".")
        if key not in actual:
            yield f"falta «{key_path}»"
        elif key not in expected:
            yield f"ningún evento dice «{key_path}»"
        else:
            yield from compare(expected[key], actual[key], key_path)


def hash_event(event):
    """Devuelve la huella de un evento: de su contenido y de la huella del anterior."""
    return sha256(write_canonical([event[key] for key in EVENT_KEYS[:-1]]))


def sha256(content):
    """Devuelve la huella, en hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def hash_text(text):
    """Devuelve la huella de un texto; un texto que no se puede escribir no tiene ninguna."""
    return sha256(text.encode("utf-8", "replace"))


def describe_file(content):
    """Devuelve lo que el manifiesto dice de un archivo."""
    return {"sha256": sha256(content), "size": len(content)}


def describe_signature(key, signature):
    """Devuelve lo que dice firma.json de la llave pública y de la firma, en bytes ambas."""
    return {
        "algorithm": "Ed25519",
        "signed": MANIFEST,
        "key": key.hex(),
        "fingerprint": sha256(key),
        "signature": signature.hex(),
    }


def write_hash_line(content):
    """Devuelve el contenido de manifiesto.sha256, como lo escribe `sha256sum`."""
    return f"{sha256(content)}  {MANIFEST}\n".encode()


def dump_json(value):
    """Devuelve el valor como JSON legible, de una sola forma."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode("utf-8")


def write_canonical(content):
    """Devuelve los bytes de un contenido en su forma única, de la que se calcula la huella."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


def normalize_texts(value):
    """Devuelve el contenido con cada texto en NFC (Unicode compuesto), como lo exige su forma única."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {normalize_texts(key): normalize_texts(part) for key, part in value.items()}
    return [normalize_texts(part) for part in value] if isinstance(value, list) else value


def name_version_file(number):
    """Devuelve el nombre del archivo con el contenido de una versión."""
    return f"versiones/{number}.json"


def name_receipt_file(number):
    """Devuelve el nombre del archivo con lo que consta en el acuse de una versión."""
    return f"acuses/{number}.json"


def name_stored_file(folder, digest, name):
    """Devuelve el nombre, en el expediente, de un archivo que se presentó."""
    return "{}/{}-{}".format(folder, digest[:12], name.replace("/", "_").replace("\\", "_"))


FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE_D = -121665 * pow(121666, FIELD - 2, FIELD) % FIELD
ROOT_OF_MINUS_ONE = pow(2, (FIELD - 1) // 4, FIELD)


def verify_ed25519(key, message, signature):
    """Devuelve si la firma (R, S) del mensaje es de esta llave A, en bytes todo: si S·B = R + k·A (RFC 8032, 5.1.7)."""
    if len(key) != 32 or len(signature) != 64:
        return False
    key_point, commitment = _read_point(key), _read_point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key_point is None or commitment is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    left, right = _multiply(scalar, BASE), _add(commitment, _multiply(challenge, key_point))
    return (left[0] * right[2] - right[0] * left[2]) % FIELD == 0 == (left[1] * right[2] - right[1] * left[2]) % FIELD


def _read_point(encoded):
    """Devuelve, como (X, Y, Z, T), el punto que codifican 32 bytes: Y, y en el último bit si X es impar; o None."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= FIELD:
        return None
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, FIELD - 2, FIELD) % FIELD  # x², según la curva
    x = pow(square, (FIELD + 3) // 8, FIELD)
    if (x * x - square) % FIELD:
        x = x * ROOT_OF_MINUS_ONE % FIELD
    if (x * x - square) % FIELD or (x == 0 and sign):  # no hay raíz, o se pide -0: no es un punto
        return None
    x = FIELD - x if x & 1 != sign else x
    return x, y, 1, x * y % FIELD


def _add(one, other):
    """Devuelve la suma de dos puntos de la curva, cada uno como (X, Y, Z, T), según RFC 8032, 5.1.4."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % FIELD
    b = (one[1] + one[0]) * (other[1] + other[0]) % FIELD
    c = 2 * one[3] * other[3] * CURVE_D % FIELD
    d = 2 * one[2] * other[2] % FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD, g * h % FIELD, f * g % FIELD, e * h % FIELD


def _multiply(scalar, point):
    """Devuelve el punto sumado consigo mismo `scalar` veces: duplica el punto por cada bit de `scalar`."""
    total = (0, 1, 1, 0)  # el neutro: sumarlo no cambia nada
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point, scalar = _add(point, point), scalar >> 1
    return total


BASE = _read_point((4 * pow(5, FIELD - 2, FIELD) % FIELD).to_bytes(32, "little"))


def _refuse_float(text):
    """Rechaza un número con decimales, que no tiene una sola forma de escribirse."""
    raise ValueError("no lleva decimales: " + text)


def _shorten(value):
    """Devuelve un valor como JSON en una línea, cortado a 60 caracteres."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _is_only_signed(name):
    """Devuelve si solo la firma prueba este archivo: la copia del verificador, el PDF del acuse, cargos y ancla."""
    return name in (COPY, OFFICES, ANCHOR) or (name.startswith("acuses/") and name.endswith(".pdf"))


# -- Línea de comandos -------------------------------------------------------------------------------


def print_result(archive):
    """Imprime si el expediente está íntegro o qué archivos no; devuelve el código de salida del programa, 0 o 1."""
    if archive.flaws:
        for name, reason in archive.flaws:
            print(f"ALTERADO  {name}: {reason}")
        print(f"El expediente NO está íntegro: {len(archive.flaws)} archivo(s) con problemas.")
        return 1
    print("Solicitud {}: {} archivos comprobados.".format(archive.load(REQUEST, {}).get("folio"), len(archive.files)))
    last_event = archive.events[-1]
    print("Último eslabón, el {} (compárelo con el del portal): {}".format(last_event["seq"], last_event["hash"]))
    for note in archive.notes:
        print(note)
    print("El expediente está íntegro.")
    return 0


def _read_options(arguments):
    """Devuelve los argumentos de la línea de comandos: el ZIP o la carpeta, la huella de la llave, y un eslabón."""
    parser = argparse.ArgumentParser(description="Comprueba un expediente de Factureya.")
    parser.add_argument("expediente", nargs="?", default=str(Path(__file__).resolve().parent), help="ZIP o carpeta")
    parser.add_argument("--huella", default="", help="huella de la llave, la de /solicitudes/verificador/ o del acuse")
    parser.add_argument("--eslabon", default="", help="eslabón de la bitácora que dice el acuse")
    return parser.parse_args(arguments)


PARTS = (
    (EVENTS, check_events),
    (MANIFEST, check_manifest),
    (VERSIONS, check_versions),
    (EVENTS, check_data),
    (EVIDENCE, check_stored_files),
    (DECISIONS, check_decisions),
    (EXECUTIONS, check_executions),
    (OFFICES, check_offices),
    (ANCHOR, check_anchor),
)

if __name__ == "__main__":
    sys.exit(main())
