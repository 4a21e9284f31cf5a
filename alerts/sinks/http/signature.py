"""Who sent a webhook: its signature by the Standard Webhooks specification (HMAC-SHA256, v1).

The receiver has the same secret, and refuses what is signed otherwise or, after five minutes as
a rule, what was signed long ago: the box's clock has to be right.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from uuid import UUID

PREFIX = "whsec_"

KEY_BYTES = range(24, 65)
"""How long the specification has a key be."""


def signing_key(secret: str) -> bytes:
    """The key in `secret`; raises ValueError, which quotes nothing of it, where there is none."""
    text = secret.strip()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError(
            f"is no signing secret; write {PREFIX} and 24 to 64 random bytes in base64, such as "
            f'echo "{PREFIX}$(openssl rand -base64 32)" prints'
        )
    return key


def signed(key: bytes, alert_id: UUID, unix_s: int, body: bytes) -> dict[str, str]:
    """The headers that sign `body`; the id stays the same over every attempt, the time does not."""
    content = f"{alert_id}.{unix_s}.".encode() + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": str(alert_id),
        "webhook-timestamp": str(unix_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
