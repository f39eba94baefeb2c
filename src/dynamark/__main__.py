"""`python -m dynamark`."""

import sys

from dynamark.cli import main

sys.exit(main())
