"""The life of suppliers' packages: every change of one is one of these functions (M28–M32).

Each opens a transaction, locks the change's row and then the package's, re-reads, asks the policy again; then writes
the change, one event with the whole rows, and the mails into the outbox, all or nothing. While the bytes of a file
arrive no transaction is open.
"""

from change_requests.packages.operations.asking import authorize_change, cancel_change, refuse_change, request_change
from change_requests.packages.operations.comparing import compare_files, find_last_night, open_stored
from change_requests.packages.operations.copying import (
    find_next_number,
    make_copy,
    record_test,
    release_change,
    revert_change,
)
from change_requests.packages.operations.deciding import (
    add_consent,
    choose_option,
    estimate_impact,
    judge_licence,
    sign_impact,
)
from change_requests.packages.operations.registering import end_sale, record_port, register_package
from change_requests.packages.operations.uploading import (
    OtherUpload,
    UploadGone,
    WrongOffset,
    append_piece,
    begin_upload,
    drop_upload,
    find_upload,
    finish_upload,
    purge_uploads,
    store_bytes,
    store_whole,
)
from change_requests.packages.parts import Unstorable, UploadBusy
from change_requests.packages.ports import list_copies_to_port, list_missing_ports
from change_requests.packages.store import AlteredFile
