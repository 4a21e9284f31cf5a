"""`python -m detector.cli` is `jikimi`."""

import sys

from detector.cli import main

sys.exit(main())
