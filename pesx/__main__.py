"""``python -m pesx`` is ``pesx``."""

import sys

from pesx.cli import main

if __name__ == "__main__":
    sys.exit(main())
