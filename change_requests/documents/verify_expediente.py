"""Comprueba un expediente de Factureya sin Factureya: solo Python 3.8 o posterior, sin instalar nada.

    python verify_expediente.py expediente-SC-5R8T-2NW2.zip
    python verify_expediente.py                    (en la carpeta donde lo descomprimió)
    python verify_expediente.py expediente.zip --eslabon <el del acuse en PDF>

Recalcula todas las huellas (SHA-256): las del manifiesto, el contenido de cada versión, la evidencia, la cadena de la
bitácora; y comprueba que cada decisión y la ejecución son del contenido que se aprobó. Termina con 0 si está íntegro;
con 1, y el nombre de cada archivo alterado, si no.
"""

import argparse
import hashlib
import json
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path

MANIFEST, MANIFEST_HASH = "manifiesto.json", "manifiesto.sha256"
REQUEST, VERSIONS, DECISIONS = "solicitud.json", "versiones.json", "decisiones.json"
EXECUTIONS, EVENTS = "ejecuciones.json", "bitacora.json"
CLARIFICATIONS, MAILS, WAIVERS = "aclaraciones.json", "correos.json", "dispensas.json"
GENESIS = "0" * 64
MAX_BYTES = 2 * 1024**3
APPROVED = {"approved", "executed", "closed", "failed", "reverted"}


class Check:
    """Guarda los archivos de un expediente y lo que se encontró mal en ellos."""

    def __init__(self, files):
        self.files = files
        self.flaws = []

    def add_flaw(self, name, reason):
        """Anota que un archivo del expediente está alterado y por qué; de cada archivo basta la primera razón."""
        if not any(name == known for known, _ in self.flaws):
            self.flaws.append((name, reason))

    def load(self, name, empty):
        """Devuelve el contenido de un archivo JSON; si no se lee o es de otro tipo, lo anota y devuelve `empty`."""
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


def main(arguments=None):
    """Comprueba un expediente e imprime el resultado; devuelve 0 si está íntegro, 1 si no."""
    options = _read_options(arguments)
    try:
        files, damaged = read_files(Path(options.expediente))
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        print(f"No se pudo abrir {options.expediente}: {error}")
        return 1
    check = Check(files)
    for name in damaged:
        check.add_flaw(name, "está dos veces, o su contenido está dañado")
    for part in (check_manifest, check_events, check_versions, check_decisions, check_executions, check_texts):
        try:
            part(check)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            check.add_flaw(PARTS[part], f"le falta un dato o no es del tipo esperado ({error})")
    if options.eslabon:
        check_receipt_link(check, options.eslabon)
    return print_result(check)


def read_files(root):
    """Devuelve el contenido de cada archivo (de un ZIP o carpeta) por nombre, y la lista de los repetidos o dañados."""
    if root.is_dir():
        files = {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
        return {name: content for name, content in files.items() if "__pycache__" not in name}, []
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


def check_manifest(check):
    """Comprueba que los archivos son los que dice el manifiesto, y que la huella guardada del manifiesto es la suya."""
    manifest = check.load(MANIFEST, {})
    stated_hash = check.files.get(MANIFEST_HASH, b"").decode("ascii", "replace").split()  # «huella  nombre»
    if MANIFEST_HASH not in check.files:
        check.add_flaw(MANIFEST_HASH, "falta")
    elif stated_hash[:1] != [sha256(check.files.get(MANIFEST, b""))]:
        check.add_flaw(MANIFEST, "no corresponde a su huella")
    listed = manifest.get("files", {})
    for name, entry in listed.items():
        if name not in check.files:
            check.add_flaw(name, "falta")
        elif sha256(check.files[name]) != entry["sha256"] or len(check.files[name]) != entry["size"]:
            check.add_flaw(name, "no corresponde a su huella del manifiesto")
    for name in check.files:
        if name not in listed and name not in (MANIFEST, MANIFEST_HASH):
            check.add_flaw(name, "no está en el manifiesto")


def check_events(check):
    """Comprueba que cada eslabón de la bitácora lleva la huella del anterior, y que el último es el del manifiesto."""
    events, head = check.load(EVENTS, []), check.load(MANIFEST, {}).get("head", {})
    chain = check.load(REQUEST, {}).get("chain")
    last = GENESIS
    for number, event in enumerate(events, start=1):
        if event["seq"] != number or event["chain"] != chain:
            return check.add_flaw(EVENTS, f"falta o sobra el evento {number}")
        if event["prev"] != last:
            return check.add_flaw(EVENTS, f"el evento {number} no enlaza con el anterior")
        content = [event[key] for key in ("chain", "seq", "prev", "verb", "at", "actor_id", "actor_name", "data")]
        if sha256(write_canonical(content)) != event["hash"]:
            return check.add_flaw(EVENTS, f"el evento {number} no corresponde a su huella")
        last = event["hash"]
    if (len(events), last) != (head.get("seq"), head.get("hash")):
        check.add_flaw(EVENTS, "la cadena no termina donde dice el manifiesto")
    return None


def check_versions(check):
    """Comprueba que el contenido de cada versión da su huella, y su evidencia está, byte por byte."""
    request, versions = check.load(REQUEST, {}), check.load(VERSIONS, [])
    for number, version in enumerate(versions, start=1):
        if version["no"] != number:
            check.add_flaw(VERSIONS, f"falta la versión {number}")
        check_version(check, version, request.get("folio"))
    if len(versions) != request.get("revision_no"):
        check.add_flaw(VERSIONS, "la solicitud tiene {} versiones".format(request.get("revision_no")))
    known = {_name_version_file(version["no"]) for version in versions}
    for name in check.files:
        if name.startswith("versiones/") and name not in known:
            check.add_flaw(name, "es de una versión que no existe")


def check_version(check, version, folio):
    """Comprueba una versión: su huella, su forma, su folio, su evidencia, y que la bitácora registró su huella."""
    name, recorded = _name_version_file(version["no"]), _list_recorded_hashes(check)
    content = check.files.get(name)
    if content is None:
        return check.add_flaw(name, "falta")
    payload = json.loads(content.decode("utf-8"))
    if sha256(content) != version["sha256"]:
        check.add_flaw(name, "no corresponde a la huella de la versión")
    if write_canonical(normalize_texts(payload)) != content:
        check.add_flaw(name, "no está en su forma única")
    if payload["folio"] != folio:
        check.add_flaw(name, "es de otra solicitud")
    if recorded and version["sha256"] not in recorded:
        check.add_flaw(VERSIONS, "la bitácora no registra la huella de la versión {}".format(version["no"]))
    return check_evidence(check, payload["evidence"])


def check_evidence(check, evidence):
    """Comprueba que cada archivo que el contenido nombra está en la carpeta y da la misma huella."""
    for file in evidence:
        prefix = "evidencia/{}-".format(file["sha256"][:12])
        names = [name for name in check.files if name.startswith(prefix)]
        if not names:
            check.add_flaw(prefix + file["name"], "falta")
        for name in names:
            if sha256(check.files[name]) != file["sha256"] or len(check.files[name]) != file["size"]:
                check.add_flaw(name, "no es la evidencia que se presentó")


def check_decisions(check):
    """Comprueba que cada decisión es de una versión y no la tomó quien pide; que a lo aprobado no le falta ninguna."""
    versions = {version["no"]: version for version in check.load(VERSIONS, [])}
    request, decisions = check.load(REQUEST, {}), check.load(DECISIONS, [])
    for decision in decisions:
        version = versions.get(decision["revision_no"])
        if version is None or decision["sha256"] != version["sha256"]:
            check.add_flaw(DECISIONS, "una decisión es de un contenido que no es el de su versión")
        elif decision["requester"] != version["requester_id"]:
            check.add_flaw(DECISIONS, "una decisión dice otro solicitante que el de su versión")
        if decision["decider"] == decision["requester"]:
            check.add_flaw(DECISIONS, "quien pide decidió su propia solicitud")
    pairs = [(decision["revision_no"], decision["decider"]) for decision in decisions]
    if len(pairs) != len(set(pairs)):
        check.add_flaw(DECISIONS, "una persona decidió dos veces")
    if request.get("status") in APPROVED:
        _check_slots(check, request, decisions)


def _check_slots(check, request, decisions):
    """Comprueba que la solicitud aprobada tiene la decisión de Seguridad y la de cada propietario, sin rechazos."""
    number = request["revision_no"]
    payload = check.load(_name_version_file(number), {})
    needed = {"owner:" + item["asset"] for item in payload.get("items", []) if item["asset"] != "access"}
    given = set()  # como `needed`: «owner:identity», o «security»
    for decision in decisions:
        if decision["revision_no"] == number:
            if decision["verdict"] != "approve":
                check.add_flaw(DECISIONS, "la versión aprobada tiene un rechazo")
            valid = [slot["asset"] for slot in decision["slots"] if not slot["voided_at"]]
            given |= {decision["office"] + (":" + asset if asset else "") for asset in valid}
    if not (needed | {"security"}) <= given:
        check.add_flaw(DECISIONS, "faltan aprobaciones: " + ", ".join(sorted((needed | {"security"}) - given)))


def check_executions(check):
    """Comprueba que lo ejecutado es lo aprobado, que se ejecutó a lo más una vez, y que el estado dice si se hizo."""
    request, executions = check.load(REQUEST, {}), check.load(EXECUTIONS, [])
    versions = {version["no"]: version for version in check.load(VERSIONS, [])}
    for execution in executions:
        version = versions.get(execution["revision_no"])
        if version is None or execution["sha256"] != version["sha256"]:
            check.add_flaw(EXECUTIONS, "la ejecución es de un contenido que no es el de su versión")
        elif execution["result"] == "ok":
            items = check.load(_name_version_file(version["no"]), {}).get("items", [])
            if execution["after"] != {item["field"]: item["new"] for item in items}:
                check.add_flaw(EXECUTIONS, "lo ejecutado no es lo aprobado")
    done = [execution for execution in executions if execution["result"] == "ok"]
    if len(done) > 1 or bool(done) != (request.get("status") in ("executed", "closed", "reverted")):
        check.add_flaw(EXECUTIONS, "no corresponde al estado de la solicitud")


def check_texts(check):
    """Comprueba que razones, aclaraciones y dispensas son las que la bitácora registró."""
    events = check.load(EVENTS, [])
    known = {event["data"].get("text_sha256") for event in events}
    for name, texts in (
        (DECISIONS, [decision["reason"] for decision in check.load(DECISIONS, [])]),
        (CLARIFICATIONS, [message["body"] for message in check.load(CLARIFICATIONS, [])]),
        (MAILS, [mail["body"] for mail in check.load(MAILS, [])]),
        (WAIVERS, [text for waiver in check.load(WAIVERS, []) for text in _list_waiver_texts(waiver)]),
    ):
        if any(sha256(text.encode("utf-8")) not in known for text in texts):
            check.add_flaw(name, "un texto no es el que la bitácora registró")


def _list_waiver_texts(waiver):
    """Devuelve los textos de una dispensa que están en la bitácora: al concederla y, si ya se revisó, al revisarla."""
    granted = "{}\n{}".format(waiver["reason"], waiver["controls"])
    return [granted, waiver["findings"]] if waiver["findings"] else [granted]


def check_receipt_link(check, link):
    """Comprueba que el eslabón `link`, que el cliente tiene en su acuse, está en la bitácora."""
    if link.strip().lower() not in {event.get("hash") for event in check.load(EVENTS, [])}:
        check.add_flaw(EVENTS, f"no contiene el eslabón {link[:12]}…")


def print_result(check):
    """Imprime si el expediente está íntegro o qué archivos no; devuelve el código de salida del programa, 0 o 1."""
    if check.flaws:
        for name, reason in check.flaws:
            print(f"ALTERADO  {name}: {reason}")
        print(f"El expediente NO está íntegro: {len(check.flaws)} archivo(s) con problemas.")
        return 1
    request = check.load(REQUEST, {})
    print("Solicitud {}: {} archivos comprobados.".format(request.get("folio"), len(check.files)))
    head = check.load(MANIFEST, {})["head"]
    print("Último eslabón, el {} (compárelo con el del portal): {}".format(head["seq"], head["hash"]))
    print("El expediente está íntegro.")
    return 0


def sha256(content):
    """Devuelve la huella, en hexadecimal."""
    return hashlib.sha256(content).hexdigest()


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


def _name_version_file(number):
    return f"versiones/{number}.json"


def _list_recorded_hashes(check):
    """Devuelve las huellas de las versiones que la bitácora registró al enviarse la solicitud."""
    events = check.load(EVENTS, [])
    return {
        event["data"]["sha256"]
        for event in events
        if event.get("verb") == "request.submitted"
        and isinstance(event.get("data"), dict)
        and "sha256" in event["data"]
    }


def _refuse_float(text):
    """Rechaza un número con decimales, que no tiene una sola forma de escribirse."""
    raise ValueError("no lleva decimales: " + text)


def _read_options(arguments):
    """Devuelve los argumentos de la línea de comandos: el ZIP o la carpeta, y el eslabón de un acuse."""
    parser = argparse.ArgumentParser(description="Comprueba un expediente de Factureya.")
    parser.add_argument("expediente", nargs="?", default=str(Path(__file__).resolve().parent), help="ZIP o carpeta")
    parser.add_argument("--eslabon", default="", help="eslabón de la bitácora que dice el acuse")
    return parser.parse_args(arguments)


PARTS = {
    check_manifest: MANIFEST,
    check_events: EVENTS,
    check_versions: VERSIONS,
    check_decisions: DECISIONS,
    check_executions: EXECUTIONS,
    check_texts: CLARIFICATIONS,
}

if __name__ == "__main__":
    sys.exit(main())
