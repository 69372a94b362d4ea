"""`python -m agentflan` is the same as `agentflan`."""

import sys

from agentflan.cli import main

sys.exit(main())
