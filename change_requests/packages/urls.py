"""/control/paquetes/: suppliers' credit packages, their originals, and their changes (M28–M32)."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from change_requests.packages import views_change, views_files, views_list, views_package
from change_requests.packages.acts import ACTS

app_name = "packages"


class ChangeFolioConverter(StringConverter):
    """Find what may be a folio of a change in an address; the view reads it, so that O for 0 is forgiven (M10)."""

    regex = r"[Pp][Qq][^/\0]{7,16}"


class FileTokenConverter(StringConverter):
    """Find what may be the token of a file in an address; a database cannot even look for some other characters."""

    regex = r"[A-Za-z0-9_-]{1,43}"


class PackageKeyConverter:
    """Find the key of a package or of a copy in an address; no longer one than a database key can be."""

    regex = r"[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Return the key as a number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Return the key as text."""
        return str(value)


register_converter(ChangeFolioConverter, "package_folio")
register_converter(FileTokenConverter, "package_token")
register_converter(PackageKeyConverter, "package_key")

urlpatterns = [
    path("", views_list.PackageList.as_view(), name="list"),
    path("nuevo/", views_list.RegisterPackage.as_view(), name="register"),
    path("nuevo/subida/", views_files.OriginalPieces.as_view(), name="original_pieces"),
    path("pedir/", views_list.AskForChange.as_view(), name="ask"),
    path("archivos/<package_token:token>/", views_files.DownloadFile.as_view(), name="file"),
    path("<package_key:pk>/", views_package.PackageDetail.as_view(), name="package"),
    path("<package_key:pk>/fin-de-venta/", views_package.EndSale.as_view(), name="end_sale"),
    path("<package_key:pk>/copias/<package_key:copy_pk>/", views_package.RecordPort.as_view(), name="record_port"),
    path("cambios/<package_folio:folio>/", views_change.ChangeDetail.as_view(), name="change"),
    path("cambios/<package_folio:folio>/subidas/<str:kind>/", views_files.ChangePieces.as_view(), name="pieces"),
    path(
        "cambios/<package_folio:folio>/subida/<package_token:token>/cancelar/",
        views_change.DropUpload.as_view(),
        name="drop_upload",
    ),
    *(
        path(f"cambios/<package_folio:folio>/{act.path}/", views_change.ChangeAct.as_view(act=act), name=act.name)
        for act in ACTS
    ),
]
