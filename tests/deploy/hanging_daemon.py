"""`jikimi`, but its inference hangs for good once the file that `HANG_FILE` names is there.

Run by tests in place of the command: the thread stands still as it would in a driver's call that
never returns, and everything else goes on.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

from detector.cli import main
from detector.inference.engine import LiteRTEngine

hang = Path(os.environ["HANG_FILE"])
embed = LiteRTEngine.embed


def embed_or_hang(engine: LiteRTEngine, views: Any) -> Any:
    """Embed, or wait for ever."""
    if hang.exists():
        threading.Event().wait()
    return embed(engine, views)


setattr(LiteRTEngine, "embed", embed_or_hang)  # noqa: B010 - a plain assignment is a type error
sys.exit(main())
