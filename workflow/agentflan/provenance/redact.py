"""Keeps secrets out of records: secret-looking variables and keys, tokens, logins."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"(^|[^a-z])(api[-_]?key|key|token|secret|passw(or)?d|pwd|credentials?|auth(orization)?|cookies?)$", re.I
)
_SECRET_WORDS = re.compile(r"KEY|TOKEN|SECRET|PASSW|PWD|CREDENTIAL|AUTH|COOKIE", re.I)
_SHORTEST = 6  # a shorter value of a variable would be found everywhere
_TOKENS = re.compile(
    r"\b(?:sk|pk|rk)-[\w-]{8,}|\bhf_\w{8,}|\bgh[pousr]_\w{8,}|\bgithub_pat_\w{8,}|\bxox[abpr]-[\w-]{8,}"
    r"|\bAKIA[0-9A-Z]{12,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+|\bBearer\s+\S{8,}",
)
_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(://[^\s?]+)\?[^\s\"']+")


class Redactor:
    """Takes secrets out of texts; knows the values of this process's secret-looking environment variables."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        values = {value for name, value in environment.items() if _SECRET_WORDS.search(name)}
        self._secrets = sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without secrets; JSON objects inside keep their form."""
        if text.lstrip().startswith(("{", "[")):
            try:
                value = json.loads(text)
            except ValueError:
                pass
            else:
                cleaned = self.value(value)
                return text if cleaned == value else json.dumps(cleaned)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        text = _TOKENS.sub(REDACTED, text)
        return _QUERY.sub(rf"\1?{REDACTED}", _LOGIN.sub(f"{REDACTED}@", text))

    def value(self, value: Any) -> Any:
        """A JSON value without secrets; what stands under a secret-looking key is taken out whole."""
        if isinstance(value, dict):
            return {
                self.text(str(key)): REDACTED if _is_secret(key, item) else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def command_line(self, words: list[str]) -> list[str]:
        """Arguments without secrets: also those that follow a secret-looking flag."""
        cleaned, hide = [], False
        for word in words:
            flag, sign, _ = word.partition("=")
            if hide and not word.startswith("--"):
                cleaned.append(REDACTED)
            elif word.startswith("-") and sign and _SECRET_NAME.search(flag):
                cleaned.append(f"{flag}={REDACTED}")
            else:
                cleaned.append(self.text(word))
            hide = word.startswith("-") and not sign and bool(_SECRET_NAME.search(word))
        return cleaned


def _is_secret(key: Any, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and bool(_SECRET_NAME.search(str(key)))
