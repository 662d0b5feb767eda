"""A real API server takes every manifest, where its binaries are at hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml

from scripts.render_k8s import RENDERS, golden
from tests.deploy.resource_schemas import is_known

pytestmark = pytest.mark.k8s

_TOKEN = "ganpress"  # of an API server that lives for a minute
_START_S = 60


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[str]]:
    """kubectl, pointed at an API server of our own."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip("$KUBEBUILDER_ASSETS names no folder with etcd and kube-apiserver")
    folder, binaries = tmp_path_factory.mktemp("apiserver"), Path(assets)
    key = folder / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f"{_TOKEN},admin,1,system:masters\n", encoding="utf-8")
    etcd = [binaries / "etcd", f"--data-dir={folder}/etcd", "--listen-client-urls=http://127.0.0.1:12379"]
    etcd += ["--advertise-client-urls=http://127.0.0.1:12379", "--listen-peer-urls=http://127.0.0.1:12380"]
    server = [binaries / "kube-apiserver", "--etcd-servers=http://127.0.0.1:12379", f"--cert-dir={folder}"]
    server += ["--secure-port=16443", "--service-cluster-ip-range=10.0.0.0/24"]
    server += ["--service-account-issuer=https://localhost", "--authorization-mode=AlwaysAllow"]
    server += [f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"]
    server += [f"--token-auth-file={folder}/tokens.csv", "--disable-admission-plugins=ServiceAccount"]
    command = [str(Path(sys.executable).parent / "kubectl"), "--server=https://127.0.0.1:16443"]
    command += ["--insecure-skip-tls-verify", f"--token={_TOKEN}"]
    with subprocess.Popen(etcd) as storing, subprocess.Popen(server) as serving:
        try:
            end_s = time.monotonic() + _START_S
            while subprocess.run([*command, "get", "--raw", "/readyz"], check=False).returncode:
                assert time.monotonic() < end_s, "the API server did not start"
                time.sleep(1)
            yield command
        finally:
            serving.terminate()
            storing.terminate()


@pytest.mark.parametrize("name", RENDERS)
def test_the_server_takes_every_manifest(name: str, kubectl: list[str]) -> None:
    """A dry run on the server, with strict fields, refuses none of Kubernetes' own kinds."""
    manifests = list(yaml.safe_load_all(golden(name).read_text(encoding="utf-8")))
    namespaces = [manifest for manifest in manifests if manifest["kind"] == "Namespace"]
    others = [m for m in manifests if m["kind"] != "Namespace" and not is_known(m)]
    for chosen, options in ((namespaces, []), (others, ["--dry-run=server"])):
        command = [*kubectl, "apply", "--validate=strict", *options, "-f", "-"]
        subprocess.run(command, input=yaml.safe_dump_all(chosen), text=True, check=True)
