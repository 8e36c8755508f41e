"""The pages of packages: every state in words, each step by its form, and nothing that a GET changes (M28–M32)."""

import re

import pytest
from django.test import Client

from accounts.operations import set_credits
from change_requests.packages import operations
from change_requests.packages.models import PackageChange, PackageFile, PackageUpload, SupplierPackage
from factureya.core.models import Event
from factureya.testing.package_pages import find_address as at
from factureya.testing.package_pages import make_file as file
from factureya.testing.package_pages import send
from factureya.testing.packages import NEED, WHY, Packages, damage, make_archive
from factureya.testing.pages import key_in, make_client, text_of
from factureya.testing.people import make_auditor, make_contact, make_customer

pytestmark = pytest.mark.django_db
Status = PackageChange.Status


@pytest.mark.clause("M28", "M32")
def test_an_empty_list_says_what_to_do(cast):
    page = text_of(make_client(cast.laura).get(at("list")))
    assert "Todavía no hay paquetes" in page
    assert "Ningún cambio" in page
    assert "Registrar un paquete" in page
    assert "Registrar un paquete" not in text_of(make_client(cast.elsa).get(at("list")))


REGISTERED = {
    "supplier": "Timbrado del Centro",
    "name": "PAC-500",
    "version": "v3.2",
    "software": "Panel de timbrado",
    "credits": "1,500",
    "price": "$1,845.50",
    "months": "12",
    "valid_from": "2026-01-01",
    "valid_until": "",
    "licence_name": "Contrato 2025",
    "licence_text": "La cláusula 7 permite una copia marcada.",
    "replaces": "",
    "completo": "1",
}


@pytest.mark.clause("M28", "M32")
def test_register_a_package_with_its_original_once(cast):
    client, content = make_client(cast.laura), make_archive("copia")
    data = {**REGISTERED, "key": key_in(client.get(at("register")))}
    first = client.post(at("register"), {**data, "original": file("pac-500.zip", content)})
    package = SupplierPackage.objects.get()
    assert first.url == at("package", package.pk)
    assert (package.credits, str(package.price)) == (1500, "1845.50")
    again = client.post(at("register"), {**data, "original": file("pac-500.zip", content)})
    assert again.url == first.url  # a double click
    assert SupplierPackage.objects.count() == 1
    page = text_of(client.get(first.url))
    assert "1,500 créditos, $1,845.50, 12 meses" in page
    assert "todavía no; se compara cada noche" in page
    stored = client.get(at("file", package.original.token))
    assert b"".join(stored.streaming_content) == content
    assert "attachment" in stored["Content-Disposition"]


@pytest.mark.clause("M32")
@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"credits": "0"}, "credits", "cuántos créditos"),
        ({"credits": "muchos"}, "credits", "cuántos créditos"),
        ({"price": "-1"}, "price", "Escriba el precio"),
        ({"price": "NaN"}, "price", "Escriba el precio"),
        ({"valid_until": "2025-01-01"}, "valid_until", "después de que empieza"),
        ({"supplier": ""}, "supplier", "Escriba el proveedor"),
        ({"original": ("pac.zip", b"no es un zip")}, "original", "ZIP o un TAR.GZ"),
        ({"original": None}, "original", "Suba el original"),
        ({"original": ("pac.zip", b"")}, "original", "está vacío"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_the_rest_is_kept(cast, change, field, words):
    client = make_client(cast.laura)
    data = {
        **REGISTERED,
        "key": key_in(client.get(at("register"))),
        "original": ("pac.zip", make_archive("copia")),
        **change,
    }
    sent = data.pop("original")
    if sent:
        data["original"] = file(*sent)
    page = client.post(at("register"), data)
    assert page.status_code == 200
    assert words in " ".join(page.context["form"].errors[field])
    assert 'value="Panel de timbrado"' in page.content.decode()
    assert not SupplierPackage.objects.exists()
    if field not in {"original"}:
        assert "completo" in text_of(page)  # the file stays for the next try
        data = {**REGISTERED, "key": data["key"]}
        assert client.post(at("register"), data).status_code == 302


@pytest.mark.clause("M28")
def test_ask_for_a_change_once(scene: Packages):
    client = make_client(scene.cast.laura)
    data = {"key": key_in(client.get(at("ask"))), "package": scene.package.pk, "title": "avisar antes", "need": NEED}
    wrong = client.post(at("ask"), {**data, "need": "corta"})
    assert "al menos 20" in " ".join(wrong.context["form"].errors["need"])
    first, again = client.post(at("ask"), data), client.post(at("ask"), data)
    change = PackageChange.objects.get()
    assert first.url == again.url == at("change", change.folio)
    assert "Ningún paquete está libre" in text_of(client.get(at("ask")))
    assert client.get(at("change", change.folio.lower().replace("-", ""))).url == first.url
    listed = text_of(client.get(at("list")))
    assert "Paso 1 de 7" in listed
    assert "Cambio en curso" in listed


@pytest.mark.clause("M28")
@pytest.mark.parametrize("kind", ["copy", "patch", "licence", "consent"])
def test_nothing_is_uploaded_before_the_authorization(scene: Packages, kind):
    change = scene.ask()
    for person in (scene.cast.gina, scene.cast.elsa, scene.cast.laura, scene.cast.jorge):
        client, address = make_client(person), at("pieces", change.folio, kind)
        headers = {"X-Upload-Name": "copia.zip", "X-Upload-Size": "30", "X-Upload-Offset": "0", "X-Upload-Mark": "a1"}
        piece = client.post(address, b"PK\x03\x04" * 5, content_type="application/octet-stream", headers=headers)
        assert piece.status_code == 409
        assert "no se sube nada" in piece.json()["error"]
        assert client.get(address).status_code == 409
    sent = send(scene.cast.gina, change, "make_copy", copy=file("copia.zip", make_archive("copia")))
    assert sent.status_code == 409
    assert not PackageUpload.objects.exists()
    parts = PackageFile.objects.count()
    assert parts == 1  # the original


@pytest.mark.clause("M32")
def test_an_altered_original_is_not_given_out_and_the_page_says_so(scene: Packages):
    damage(scene.package.original)
    answer = make_client(scene.cast.laura).get(at("file", scene.package.original.token))
    assert answer.status_code == 409
    assert "no es el archivo que se guardó" in text_of(answer)
    operations.compare_files()
    assert "Un archivo no es el que se guardó" in text_of(make_client(scene.cast.laura).get(at("list")))
    assert "El original no es el que se guardó" in text_of(
        make_client(scene.cast.laura).get(at("package", scene.package.pk))
    )


@pytest.mark.clause("M32")
def test_an_altered_copy_in_use_is_said(scene: Packages):
    change, client = scene.bring(Status.RELEASED), make_client(scene.cast.laura)
    damage(scene.last_copy(change).file)
    operations.compare_files()
    listed = text_of(client.get(at("list")))
    assert "Un archivo no es el que se guardó" in listed
    assert "Copia: alterado" in listed
    assert "La copia en uso no es la que se guardó" in text_of(client.get(at("package", scene.package.pk)))
    send(scene.cast.laura, change, "revert", reason=WHY)
    assert "Un archivo no es el que se guardó" not in text_of(client.get(at("list")))


@pytest.mark.clause("M29")
def test_the_list_says_what_the_licence_permits(scene: Packages):
    assert "Cláusula 7: permite una copia marcada." in text_of(make_client(scene.cast.elsa).get(at("list")))


@pytest.mark.clause("M32")
def test_the_list_says_when_the_originals_were_compared(scene: Packages):
    client = make_client(scene.cast.elsa)
    assert "se comparan por primera vez esta noche" in text_of(client.get(at("list")))
    operations.compare_files()
    assert "El original está intacto" in text_of(client.get(at("list")))


@pytest.mark.clause("M28")
def test_a_supervisor_reads_and_searches_the_credits_of_the_clients_below_the_packages(cast):
    few, many = make_customer(legal_name="Papelería Ocaso"), make_customer(legal_name="Muebles del Sur")
    for customer, remaining in ((few, 4), (many, 190)):
        columns = {"package": "PAC-200", "total": 200, "remaining": remaining, "valid_until": None}
        set_credits(customer.pk, actor=cast.laura, seen="", **columns)
    client = make_client(cast.laura)
    page = text_of(client.get(at("list")))
    assert "Créditos de los clientes" in page
    assert "Importar créditos (CSV)" in page
    assert "Papelería Ocaso PAC-200 4 de 200" in page
    assert "Muebles del Sur" not in page
    assert "Muebles del Sur" in text_of(client.get(at("list"), {"q": "muebles"}))
    assert "Muebles del Sur" in text_of(client.get(at("list"), {"ver": "todos"}))
    assert "Ningún cliente que mostrar" in text_of(client.get(at("list"), {"q": "\0zzz"}))
    for other in (cast.elsa, cast.jorge):
        page = text_of(make_client(other).get(at("list"), {"ver": "todos"}))
        assert not [text for text in ("Créditos de los clientes", "Importar", "Papelería") if text in page]


@pytest.mark.clause("M28")
def test_the_end_of_a_sale_is_noted_once_by_who_keeps_packages(scene: Packages):
    client, address = make_client(scene.cast.laura), at("end_sale", scene.package.pk)
    assert "Anotar hasta cuándo se vende" in text_of(client.get(at("package", scene.package.pk)))
    reader = make_client(scene.cast.elsa)
    assert "Anotar hasta cuándo" not in text_of(reader.get(at("package", scene.package.pk)))
    assert reader.post(address, {"valid_until": "2030-01-01"}).status_code == 403
    assert "Escriba hasta qué día se vende" in text_of(client.post(address, {"valid_until": ""}))
    assert "La vigencia termina antes de empezar" in text_of(client.post(address, {"valid_until": "2020-01-01"}))
    assert client.post(address, {"valid_until": "2030-01-01"}).url == at("package", scene.package.pk)
    page = text_of(client.get(at("package", scene.package.pk)))
    assert "hasta el 01/01/2030" in page
    assert "Anotar hasta cuándo" not in page
    assert client.post(address, {"valid_until": "2031-01-01"}).status_code == 409
    scene.package.refresh_from_db()
    assert str(scene.package.valid_until) == "2030-01-01"
    events = Event.objects.filter(chain=scene.package.chain, verb="package.sale_ended")
    assert [event.data["rows"]["package"]["valid_until"] for event in events] == ["2030-01-01"]


@pytest.mark.clause("M32")
def test_beside_a_patch_stands_what_it_changes(scene: Packages):
    change = scene.bring(Status.COPIED)
    patch = scene.last_copy(change).patch
    assert (patch.patch_files, patch.patch_lines) == (1, 2)
    assert "1 archivo, 2 renglones" in text_of(make_client(scene.cast.elsa).get(at("change", change.folio)))
    assert scene.package.original.patch_files is None


@pytest.mark.clause("M32")
def test_a_new_version_asks_what_became_of_the_copy(scene: Packages):
    change = scene.bring(Status.RELEASED)
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    copy, client = change.copies.get(), make_client(scene.cast.laura)
    assert f"{copy.label} a {newer}" in text_of(client.get(at("list")))
    page = client.get(at("package", newer.pk))
    assert "Falta decir qué pasó" in text_of(page)
    address = at("record_port", newer.pk, copy.pk)
    assert "Elija el resultado" in text_of(client.post(address, {"notes": WHY}))
    assert client.post(address, {"outcome": "not_needed", "notes": WHY}).status_code == 302
    assert "Ya no hace falta" in text_of(client.get(at("package", newer.pk)))
    assert f"{copy.label} a {newer}" not in text_of(client.get(at("list")))
    assert client.post(at("record_port", newer.pk, 99), {"outcome": "conflict", "notes": WHY}).status_code == 404


@pytest.mark.clause("M32")
def test_a_change_carries_the_copy_into_the_new_version(scene: Packages):
    change = scene.bring(Status.RELEASED)
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    copy, client = change.copies.get(), make_client(scene.cast.laura)
    address = f"{at('ask')}?paquete={newer.pk}&copia={copy.pk}"
    page = client.get(address)
    assert copy.label in text_of(page)
    data = {"key": key_in(page), "package": newer.pk, "title": "llevar el aviso", "need": NEED}
    assert client.post(address, data).status_code == 302
    assert PackageChange.objects.latest("pk").port_of == copy


@pytest.mark.clause("M3", "M26")
def test_auditing_reads_all_and_posts_nothing_and_strangers_find_nothing(scene: Packages):
    change, auditor, stranger = scene.bring(Status.COPIED), make_auditor(), make_contact()
    pages = [
        at("list"),
        at("change", change.folio),
        at("package", scene.package.pk),
        at("file", scene.package.original.token),
    ]
    for page in pages:
        answer = make_client(auditor).get(page)
        assert answer.status_code == 200
        b"".join(answer)  # a file is read to its end, which closes it
        assert make_client(stranger).get(page).status_code == 404
    looks = Event.objects.filter(verb="log.looked").values_list("data__object", flat=True)
    original = scene.package.original
    assert f"Archivo {original.name}, huella {original.sha256}" in looks
    assert make_client(auditor).post(at("test_copy", change.folio), {"completo": "1"}).status_code == 403
    assert make_client(stranger).post(at("test_copy", change.folio), {"completo": "1"}).status_code == 404


@pytest.mark.clause("M16")
def test_a_form_with_files_has_its_csrf_token_checked(scene: Packages):
    change = scene.bring(Status.IMPACT_WEIGHED)
    client = Client(enforce_csrf_checks=True)
    client.force_login(scene.cast.gina, backend="accounts.sign_in.backends.EmailBackend")
    data = {"copy": file("copia.zip", make_archive("copia")), "completo": "1"}
    assert client.post(at("make_copy", change.folio), data).status_code == 403
    assert not PackageUpload.objects.exists()
    page = client.get(at("change", change.folio))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode()).group(1)
    data = {"copy": file("copia.zip", make_archive("copia")), "completo": "1", "csrfmiddlewaretoken": token}
    assert client.post(at("make_copy", change.folio), data).status_code == 200
    assert PackageUpload.objects.get().is_finished


@pytest.mark.clause("M16")
@pytest.mark.parametrize("path", ["archivos/a%00b/", "cambios/PQ-0000%000000/", "9999999999999999999/", "%00/"])
def test_an_address_that_cannot_be_is_not_found(cast, path):
    assert make_client(cast.laura).get(at("list") + path).status_code == 404


@pytest.mark.clause("M16", "M28")
def test_a_nul_is_refused_in_words(scene: Packages):
    client = make_client(scene.cast.laura)
    data = {"key": key_in(client.get(at("ask"))), "package": "1\0", "title": "a\0b", "need": f"{NEED}\0"}
    page = client.post(at("ask"), data)
    assert page.status_code == 200
    assert set(page.context["form"].errors) == {"package", "title", "need"}
    assert client.get(at("ask") + "?paquete=%00&copia=%00").status_code == 200
    assert client.get(at("register") + "?reemplaza=%00").status_code == 200
