"""Forged expedientes."""
import zipfile
import pytest
from change_requests.documents import archive, signing, verify_expediente
from change_requests.tests.documents.test_archive import make_closed
pytestmark = [pytest.mark.django_db]

def test_smoke():
    with archive.build_zip(make_closed()) as out, zipfile.ZipFile(out) as zipped:
        files = {n: zipped.read(n) for n in zipped.namelist()}
    for n, c in files.items():
        print("=====", n)
        if n.endswith(".json") and "bitacora" not in n: print(c.decode()[:3000])
    check = verify_expediente.check_files(files, fingerprint=signing.find_present_key().fingerprint)
    print(check.flaws, check.notes)
    assert not check.flaws
