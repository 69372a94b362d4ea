"""What the description of a tool must be so that it can be shown: see `agentflan.tools`."""

from __future__ import annotations

from agentflan.datasets._records import maybe

_SCHEMA = {"properties?": {str: dict}, "required?": [str]}
TOOL = {"name": str, "description?": object, "parameters?": maybe(_SCHEMA)}
