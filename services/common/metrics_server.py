"""The HTTP port where Prometheus reads the metrics."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, exposition

from services.common.access import AccessError, PermissionDeniedError
from services.common.metrics import Source, build_info
from services.common.tls import Certificates

_TIMEOUT_S = 10.0  # of a read or write: who does not go on is cut


class MetricsServer:
    """Answers `GET /metrics` on a port of its own, in threads of its own."""

    def __init__(
        self,
        host: str,
        port: int,
        sources: Sequence[Source],
        *,
        certificates: Certificates | None = None,
        authorise: Callable[[str], None] | None = None,
    ) -> None:
        """Listens; port 0 takes a free one.

        Args:
            host: Host to listen on.
            port: Port to listen on.
            sources: Whose metrics to give.
            certificates: Those of the server, for https.
            authorise: Takes a request's Authorization header, and raises `AccessError`; None: all may read.

        Raises:
            OSError: The address is taken or makes no sense.
        """
        registry = CollectorRegistry()
        for source in (*sources, ProcessCollector(registry=None), build_info()):
            registry.register(source)
        app = cast("Any", exposition).make_wsgi_app(registry)

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            try:
                if authorise:
                    authorise(environ.get("HTTP_AUTHORIZATION", ""))
            except AccessError as error:
                denied = isinstance(error, PermissionDeniedError)
                status = "403 Forbidden" if denied else "401 Unauthorized"
                headers = [("Content-Type", "text/plain"), ("WWW-Authenticate", "Bearer")]
                start_response(status, headers)
                return [f"{error}\n".encode()]
            return app(environ, start_response)

        class Listener(_Listener):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def get_request(self) -> tuple[Any, Any]:
                connection, peer = super().get_request()
                connection.settimeout(_TIMEOUT_S)
                return (certificates.wrap(connection) if certificates else connection), peer

        self._server = make_server(host, port, answer, Listener, _Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if certificates else "http"
        self.url: str = f"{scheme}://{shown}:{self._server.server_port}/metrics"

    def stop(self) -> None:
        """Closes the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Listener(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Binds without asking who the host is, which may take the name server's time."""
        super(WSGIServer, self).server_bind()
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keeps silent about connections that fail: scanners and time-outs would fill the log."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keeps silent about requests."""
