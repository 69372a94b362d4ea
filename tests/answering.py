"""What the tests' HTTP servers share: an answer that is sent whole, or cut off in the middle."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler


class AnsweringHandler(BaseHTTPRequestHandler):
    """Sends one answer a connection and logs nothing."""

    def send(self, status: int, text: str, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        """Send a JSON text, of which only the first half comes if `cut`; the headers say otherwise where given."""
        data = text.encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """The tests read no log."""
