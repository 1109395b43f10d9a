"""The program with the data set `squares`, `python -m tests.train.program`, for tests that need their own process."""

import sys

from refvid.__main__ import main
from tests.train.toy import register

if __name__ == "__main__":
    register()
    sys.exit(main())
