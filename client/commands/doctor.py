"""`client doctor`: what keeps the client and its servers from working together."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click
from cryptography import x509

from client.api import GanpressClient
from client.errors import GanpressError, PartialError, UnreachableError
from client.handshakes import HandshakeError, handshake
from client.options import Connection, connection_options, json_option
from client.security import Security
from client.tables import print_table
from services.common.addresses import is_local
from services.common.server import MAX_MESSAGE_BYTES
from services.common.version import GANPRESS_VERSION

Verdict = Literal["ok", "warning", "wrong"]
_SOON_DAYS = 14


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """What it is about."""
    verdict: Verdict
    """Whether it is as it should be."""
    told: str
    """What was found, and what to do."""


@click.command(short_help="Check both servers, versions, limits and certificates.")
@json_option
@connection_options("generator", "compressor")
def doctor(connection: Connection, as_json: bool) -> None:
    """Look at both services as a caller does, and say what is wrong and what to do.

    Without addresses the services inside this program are looked at. Exit code 1 if anything is wrong.
    """
    services = connection.run(lambda client: _services(client, connection))
    findings = [*_certificates(connection.security), *services]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print_table(
            ["what", "verdict", "found"],
            [[finding.what, finding.verdict, finding.told] for finding in findings],
        )
    wrong = sum(finding.verdict == "wrong" for finding in findings)
    if wrong:
        raise PartialError(f"{wrong} of {len(findings)} things are wrong")


async def _services(client: GanpressClient, connection: Connection) -> list[Finding]:
    findings: list[Finding] = []
    addresses = {"generator": connection.generator, "compressor": connection.compressor}
    for name, address in addresses.items():
        certificate = None
        try:
            if address and (certificate := await handshake(address, connection.security)):
                findings.append(_dated(name, address, certificate))
            findings += await (_generator(client) if name == "generator" else _compressor(client))
        except HandshakeError as error:
            findings.append(Finding(name, "wrong", f"no calls can be made to {address}: {error}"))
        except UnreachableError as error:
            told = (
                f"{address} greets in TLS and then ends the connection: if it wants a certificate of yours, "
                "give --certificate and --key"
            )
            findings.append(Finding(name, "wrong", told if certificate else str(error)))
        except GanpressError as error:
            findings.append(Finding(name, "wrong", str(error)))
        if address and not is_local(address) and not connection.security.uses_tls:
            findings.append(
                Finding(name, "warning", f"{address} is another machine, in plain text: give --tls or --ca")
            )
    return findings


async def _generator(client: GanpressClient) -> list[Finding]:
    models = await client.list_models()
    limits = await client.generator_limits()
    drawn = [image async for image in client.generate(model=models.default_model, count=1)]
    names = sorted({model.name for model in models.models})
    findings = [
        _version("generator", models.runtime.ganpress_version),
        Finding("generator", "ok", f"drew {len(drawn[0].data)} bytes; its models are {', '.join(names)}"),
        *_limits("generator", limits),
    ]
    try:
        versions = await client.model_versions()
    except GanpressError as error:
        return [*findings, Finding("generator", "warning", f"its repository cannot be looked at: {error}")]
    findings += [
        Finding("generator", "wrong", f"model {version.name} version {version.version}: {version.reason}")
        for version in versions.versions
        if version.reason and "policy" not in version.reason
    ]
    return findings


async def _compressor(client: GanpressClient) -> list[Finding]:
    codecs = await client.list_codecs()
    limits = await client.compressor_limits()
    answer = await client.compress(_tiny_image(), "png")
    return [
        _version("compressor", codecs.ganpress_version),
        Finding("compressor", "ok", f"wrote {len(answer.data)} bytes; it has {len(codecs.codecs)} codecs"),
        *_limits("compressor", limits),
    ]


def _version(name: str, version: str) -> Finding:
    if version == GANPRESS_VERSION:
        return Finding(name, "ok", f"version {version}, as this client")
    return Finding(
        name, "warning", f"version {version}, and this client is {GANPRESS_VERSION}: use equal ones"
    )


def _limits(name: str, limits: Any) -> list[Finding]:
    findings: list[Finding] = []
    if limits.max_message_bytes != MAX_MESSAGE_BYTES:
        findings.append(
            Finding(
                name,
                "wrong",
                f"takes messages of {limits.max_message_bytes} bytes; this client sends {MAX_MESSAGE_BYTES}",
            )
        )
    shown = {
        "images a request": limits.max_images,
        "pixels an image": limits.max_pixels,
        "in its queue": limits.queue_size,
        "images a second": limits.images_per_s,
        "megapixels a second": limits.megapixels_per_s,
        "calls at a time": limits.max_calls,
    }
    told = ", ".join(f"{value:,} {what}" for what, value in shown.items() if value)
    return [*findings, Finding(name, "ok", f"takes you for {limits.caller or 'nobody'}: {told}")]


def _certificates(security: Security) -> list[Finding]:
    return [
        _certificate(what, path)
        for what, path in (("authority", security.ca), ("certificate", security.certificate))
        if path
    ]


def _certificate(what: str, path: Path) -> Finding:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        return Finding(what, "wrong", f"{path} cannot be read as PEM: {error}")
    return _dated(what, str(path), certificates[0])


def _dated(what: str, where: str, certificate: x509.Certificate) -> Finding:
    ends = certificate.not_valid_after_utc
    days = (ends - datetime.now(UTC)).days
    told = f"{where}: the certificate {certificate.subject.rfc4514_string()} ends {ends:%Y-%m-%d}"
    if days < 0:
        return Finding(what, "wrong", f"{told}: renew it")
    return Finding(what, "warning" if days < _SOON_DAYS else "ok", told)


def _tiny_image() -> bytes:
    import numpy as np

    from client.images import to_png

    return to_png(np.zeros((16, 16, 3), np.uint8))
