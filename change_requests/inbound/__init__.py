"""A filled form that comes by mail is the same request as one made in the portal (M7, M8, M20).

`claiming` says whether a mail is ours, `taking` makes requests of its forms, `answers` tells its sender.
"""

from change_requests.inbound.claiming import find_folio_of_chain, receive

__all__ = ["find_folio_of_chain", "receive"]
