"""TLS: who gets a connection, by which protocol, with which certificate."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.common.access import CallersError
from services.common.access.callers import token_digest
from services.common.server import Server, ServerOptions
from services.common.starting import AddressError
from services.common.tls import TlsError, TlsFiles
from tests.helpers.certificates import Authority, Issued


@pytest.fixture
def authority(tmp_path) -> Authority:
    """Who vouches for both ends."""
    return Authority(tmp_path / "pki")


def files(issued: Issued, client_ca: Path | None = None) -> TlsFiles:
    """The settings for a certificate."""
    return TlsFiles(issued.certificate, issued.key, client_ca)


@asynccontextmanager
async def running(**options) -> AsyncGenerator[tuple[Server, str]]:
    """A server without services, on any port of this machine."""
    server = Server([], ServerOptions(grace_s=0, **options))
    try:
        yield server, await server.start("127.0.0.1:0")
    finally:
        await server.stop()


def credentials(ca: Path, client: Issued | None) -> grpc.ChannelCredentials:
    """What a caller takes into a connection."""
    pair = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None, None)
    return grpc.ssl_channel_credentials(ca.read_bytes(), *pair)


async def health(address: str, ca: Path, client: Issued | None = None) -> int:
    """Asks for the health of a server over TLS."""
    async with grpc.aio.secure_channel(address, credentials(ca, client)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return (await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)).status


async def services(address: str, ca: Path, client: Issued | None, *metadata: tuple[str, str]) -> list[str]:
    """Asks a server for its services, which only callers that are known may."""
    async with grpc.aio.secure_channel(address, credentials(ca, client)) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        call = stub.ServerReflectionInfo(iter([request]), metadata=metadata, timeout=10)
        return [service.name async for answer in call for service in answer.list_services_response.service]


def handshake(address: str, **limits: ssl.TLSVersion) -> str | None:
    """Shakes hands as any TLS client and returns the protocol."""
    host, port = address.rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    for name, version in limits.items():
        setattr(context, name, version)
    with socket.create_connection((host, int(port)), 10) as plain, context.wrap_socket(plain) as secure:
        return secure.version()


def names_in(address: str) -> str:
    """The certificate that a server shows now."""
    host, port = address.rsplit(":", 1)
    return ssl.get_server_certificate((host, int(port)), timeout=10)


async def test_protocols(authority):
    """TLS 1.2 and 1.3 are spoken on both ports; 1.1 and 1.0 are not."""
    tls = files(authority.issue("server"))
    async with running(tls=tls, metrics_port=0) as (server, address):
        metrics = server._metrics_server.url.split("/")[2]
        for port in (address, metrics):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                assert await asyncio.to_thread(
                    handshake, port, minimum_version=version, maximum_version=version
                )
            for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
                with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises(OSError, match=r"\w"):
                    await asyncio.to_thread(handshake, port, minimum_version=version, maximum_version=version)


async def test_certificate_is_read_again(authority, caplog):
    """A new certificate is shown to new connections without a restart; a broken one is not, and logged."""
    first = authority.issue("server", file="tls")
    async with running(tls=files(first)) as (_, address):
        assert await health(address, authority.file) == 1
        shown = await asyncio.to_thread(names_in, address)
        authority.issue("server", file="new")
        for end in ("key", "pem"):
            (authority.folder / f"new.{end}").replace(authority.folder / f"tls.{end}")
        assert await asyncio.to_thread(names_in, address) != shown
        assert await health(address, authority.file) == 1
        shown = await asyncio.to_thread(names_in, address)
        first.certificate.write_text("broken")
        assert await asyncio.to_thread(names_in, address) == shown
        first.key.unlink()
        assert await asyncio.to_thread(names_in, address) == shown
        assert "what it held before stays in force" in caplog.text


async def test_client_certificate(authority, tmp_path):
    """Where callers need a certificate, none and a foreign one get no connection, and a sound one does."""
    server, caller = authority.issue("server"), authority.issue("caller")
    stranger = Authority(tmp_path / "other", "other").issue("caller")
    late = authority.issue("late", timedelta(days=-1))
    async with running(tls=files(server, authority.file), health_port=0, metrics_port=0) as (
        running_,
        address,
    ):
        assert await services(address, authority.file, caller)
        for wrong in (None, stranger, late):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health(address, authority.file, wrong)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        context = ssl.create_default_context(cafile=authority.file)
        with pytest.raises(OSError, match=r"certificate required|reset|closed|EOF"):
            await asyncio.to_thread(urllib.request.urlopen, running_._metrics_server.url, context=context)


async def test_certificate_names_caller(authority, tmp_path):
    """With a file of callers a certificate opens what the file says; one that nobody has opens nothing."""
    callers = tmp_path / "callers.toml"
    callers.write_text('[callers.painter]\ncertificate = "painter"\nscopes = ["generate"]\n')
    server, painter, other = (authority.issue(name) for name in ("server", "painter", "other"))
    async with running(tls=files(server, authority.file), callers=callers) as (_, address):
        await services(address, authority.file, painter)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await services(address, authority.file, other)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert "belongs to no caller" in (caught.value.details() or "")


async def test_callers_are_read_again(authority, tmp_path):
    """A token that is added works, and one that is removed does not, without a restart."""
    callers = tmp_path / "callers.toml"
    entry = '[callers.{0}]\ntoken_sha256 = "{1}"\nscopes = ["generate"]\n'
    callers.write_text(entry.format("a", token_digest("token-a")))
    async with running(tls=files(authority.issue("server")), callers=callers) as (_, address):
        bearer = {name: ("authorization", f"Bearer token-{name}") for name in "ab"}
        await services(address, authority.file, None, bearer["a"])
        callers.write_text(entry.format("bee", token_digest("token-b")))
        await services(address, authority.file, None, bearer["b"])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await services(address, authority.file, None, bearer["a"])
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        callers.write_text("broken")
        await services(address, authority.file, None, bearer["b"])


def metrics_status(url: str, ca: Path, token: str = "") -> int:
    """Reads the metrics and returns HTTP's status code."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    context = ssl.create_default_context(cafile=ca)
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


async def test_metrics_need_their_scope(authority, tmp_path):
    """Metrics are read over TLS by callers with the scope for them; nobody else is answered."""
    callers = tmp_path / "callers.toml"
    callers.write_text(
        "".join(
            f'[callers.{scope}]\ntoken_sha256 = "{token_digest(scope)}"\nscopes = ["{scope}"]\n'
            for scope in ("metrics", "admin")
        )
    )
    tls = files(authority.issue("server"))
    async with running(tls=tls, callers=callers, metrics_port=0) as (server, _):
        url = server._metrics_server.url
        assert url.startswith("https://")
        codes = {
            token: await asyncio.to_thread(metrics_status, url, authority.file, token)
            for token in ("", "nobody", "admin", "metrics")
        }
        assert codes == {"": 401, "nobody": 401, "admin": 403, "metrics": 200}


async def test_health_port(authority, tmp_path):
    """The port of health answers health in plain text without a token, and nothing else."""
    callers = tmp_path / "callers.toml"
    callers.write_text(f'[callers.a]\ntoken_sha256 = "{token_digest("a")}"\nscopes = ["admin"]\n')
    tls = files(authority.issue("server"), authority.file)
    async with (
        running(tls=tls, callers=callers, health_port=0) as (server, _),
        grpc.aio.insecure_channel(server.health_address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/ganpress.v1.GeneratorService/ListModels")(b"")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0"])
@pytest.mark.parametrize("missing", ["tls", "callers", "both"])
async def test_open_address_is_refused(authority, tmp_path, address, missing):
    """What other machines reach is not served without TLS and known callers."""
    callers = tmp_path / "callers.toml"
    callers.write_text(f'[callers.a]\ntoken_sha256 = "{token_digest("a")}"\nscopes = ["admin"]\n')
    options = ServerOptions(
        tls=None if missing in {"tls", "both"} else files(authority.issue("server")),
        callers=None if missing in {"callers", "both"} else callers,
    )
    with pytest.raises(AddressError, match=r"other machines reach .* or --insecure to serve it without"):
        await Server([], options).start(address)


async def test_open_metrics_are_refused():
    """A server on this machine alone does not give its metrics to others unasked."""
    with pytest.raises(AddressError, match=r"other machines reach the metrics on '0\.0\.0\.0:0'"):
        await Server([], ServerOptions(metrics_host="0.0.0.0", metrics_port=0)).start("127.0.0.1:0")


async def test_open_address_is_served(authority, tmp_path):
    """With TLS and callers, or told to be insecure, a server is reached from other machines."""
    callers = tmp_path / "callers.toml"
    callers.write_text(f'[callers.a]\ntoken_sha256 = "{token_digest("a")}"\nscopes = ["admin"]\n')
    tls = files(authority.issue("server"))
    for options in (ServerOptions(tls=tls, callers=callers), ServerOptions(insecure=True)):
        server = Server([], options)
        assert (await server.start("0.0.0.0:0")).startswith("0.0.0.0:")
        await server.stop()


async def test_unusable_files(authority, tmp_path):
    """A certificate without its key, and a file of callers that is none, are refused with a sentence."""
    one, other = authority.issue("one"), authority.issue("other")
    shutil.copy(other.key, one.key)
    with pytest.raises(TlsError, match=r"one.pem and .*one.key are no certificate in PEM with"):
        Server([], ServerOptions(tls=files(one)))
    with pytest.raises(TlsError, match=r"cannot read .*none.pem: No such file"):
        Server([], ServerOptions(tls=TlsFiles(tmp_path / "none.pem", one.key)))
    with pytest.raises(CallersError, match=r"cannot read .*none.toml'?: No such file"):
        Server([], ServerOptions(callers=tmp_path / "none.toml"))
