"""Secrets as folders, with what cert-manager puts into them for the Certificates of a render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from client.security import Security
from tests.deploy.manifest_checks import Manifest, of_kind

_PURPOSES = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True)
class _Issued:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


class Secrets:
    """Issues what the manifests ask for, and again when it is told to."""

    def __init__(self, folder: Path, manifests: list[Manifest]) -> None:
        """Issues every Certificate, the authorities' own first."""
        self._folder = folder
        self._issuers = {m["metadata"]["name"]: m["spec"] for m in of_kind(manifests, "Issuer")}
        self._wanted = {m["metadata"]["name"]: m["spec"] for m in of_kind(manifests, "Certificate")}
        self._issued: dict[str, _Issued] = {}
        for name, wanted in sorted(self._wanted.items(), key=lambda item: not item[1].get("isCA")):
            assert wanted["privateKey"]["algorithm"] == "ECDSA"
            self.issue(name)

    def path(self, secret: str) -> Path:
        """Returns the folder of a Secret."""
        return self._folder / secret

    def issue(self, name: str) -> int:
        """Makes a Certificate, or makes it anew, with a new key; returns its serial number."""
        wanted = self._wanted[name]
        issuer = self._issuers[wanted["issuerRef"]["name"]]
        key = ec.generate_private_key(ec.SECP256R1())
        # Without an authority whoever is to be vouched for does so himself.
        authority = self._issued[issuer["ca"]["secretName"]] if "ca" in issuer else None
        certificate = _signed(wanted, key, authority)
        self._issued[wanted["secretName"]] = _Issued(key, certificate)
        self._write(
            self.path(wanted["secretName"]),
            {
                "tls.crt": _pem(certificate),
                "tls.key": key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
                "ca.crt": _pem(authority.certificate if authority else certificate),
            },
        )
        return certificate.serial_number

    def mounted(self, pod: Manifest, variables: Mapping[str, str]) -> dict[str, str]:
        """Returns a container's variables, with paths of mounted Secrets led to their folders."""
        folders = {v["name"]: self.path(v["secret"]["secretName"]) for v in pod["volumes"] if "secret" in v}
        found = dict(variables)
        for mount in pod["containers"][0]["volumeMounts"]:
            if mount["name"] in folders:
                at, folder = mount["mountPath"] + "/", f"{folders[mount['name']]}/"
                found = {k: v.replace(at, folder) if v.startswith(at) else v for k, v in found.items()}
        return found

    @staticmethod
    def _write(folder: Path, files: Mapping[str, bytes]) -> None:
        """Replaces all files at once, as the kubelet does: they are links into a folder that is a link."""
        folder.mkdir(parents=True, exist_ok=True)
        version = folder / f"..v{len(list(folder.glob('..v*')))}"
        version.mkdir()
        for name, data in files.items():
            (version / name).write_bytes(data)
            (version / name).chmod(0o440)
        new = folder / "..new"
        new.symlink_to(version.name)
        new.replace(folder / "..data")
        for name in files:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")


def security_of(secret: Path) -> Security:
    """Returns what a client with this Secret shows."""
    return Security(ca=secret / "ca.crt", certificate=secret / "tls.crt", key=secret / "tls.key")


def _signed(
    wanted: Mapping[str, Any], key: ec.EllipticCurvePrivateKey, authority: _Issued | None
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted["commonName"])])
    now = datetime.now(UTC)
    hours = int(wanted["duration"].removesuffix("h"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=hours))
        .add_extension(x509.BasicConstraints(ca=wanted.get("isCA", False), path_length=None), critical=True)
    )
    if names := wanted.get("dnsNames"):
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    if usages := wanted.get("usages"):
        purposes = x509.ExtendedKeyUsage([_PURPOSES[usage] for usage in usages])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(authority.key if authority else key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
