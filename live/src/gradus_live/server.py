"""A small server of metrics."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gradus_runtime.errors import EnvironmentFailedError, GradusError
from gradus_runtime.monitoring.metrics import CONTENT_TYPE

__all__ = ["open_server"]


def open_server(text: Callable[[], str], host: str, port: int) -> ThreadingHTTPServer:
    """Open a server whose `/metrics` gives a text; `serve_forever` serves.

    Args:
        text: Called for each request, by any thread.
        host: Address to listen at.
        port: 0 for any free one.

    Raises:
        EnvironmentFailedError: The address cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # a client that says nothing holds no thread for longer

        def do_GET(self) -> None:
            if self.path.split("?")[0] not in ("/metrics", "/"):
                self._answer(404, "text/plain; charset=utf-8", "metrics are at /metrics\n")
                return
            try:
                self._answer(200, CONTENT_TYPE, text())
            except GradusError as e:
                self._answer(500, "text/plain; charset=utf-8", f"{e}\n")

        def _answer(self, code: int, kind: str, body: str) -> None:
            data = body.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as in http.server)
            """Say nothing for a scrape."""

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except OSError as e:
        raise EnvironmentFailedError(
            "a server must have its address", place=f"{host}:{port}", cause=e.strerror
        ) from None
