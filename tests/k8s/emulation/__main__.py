"""Runs the cluster under load through all that happens to one, and prints what came of it as JSON.

python -m tests.k8s.emulation --rate 200 --seconds 180
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.k8s.emulation.cluster import PORTS, Cluster
from tests.k8s.emulation.ending import run_to_the_end


async def calls_of(address: str) -> int:
    """Returns how many calls a pod has taken, by its metrics."""
    url = f"http://{address}:9090/metrics"
    text = await asyncio.to_thread(lambda: urlopen(url, timeout=5).read().decode())
    lines = [line for line in text.splitlines() if line.startswith("grpc_server_started_total{")]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


async def events(
    cluster: Cluster, folder: Path, pause_s: float, phases: dict[str, list[float]]
) -> dict[str, Any]:
    """Does to the cluster all that happens to one; notes when, and returns what else there is to say."""
    generator, compressor = cluster.generator, cluster.compressor
    found: dict[str, Any] = {}

    async def phase(name: str, *actions: Any) -> None:
        begun_s = time.time()
        print(f"{time.strftime('%X')} {name}", file=sys.stderr, flush=True)
        await asyncio.gather(*actions)
        await asyncio.sleep(pause_s)
        phases[name] = [begun_s, time.time()]

    async def killed() -> None:
        generator.ready[0].kill()
        compressor.ready[0].kill()

    await phase("quiet", asyncio.sleep(pause_s))
    await phase("kill", killed())
    for workload in cluster.workloads.values():
        while len(workload.ready) < 2:  # noqa: ASYNC110 - the container comes again
            await asyncio.sleep(0.2)
    await phase("drain", generator.drain("node-a"), compressor.drain("node-a"))
    await phase("update generator", generator.update())
    await phase("update compressor", compressor.update())
    await phase("scale to 1", generator.scale(1))
    await phase("scale to 4", generator.scale(4))
    await asyncio.sleep(1.2 * generator.connection_age_s)  # until the client has looked for the new pods
    before = {pod.address: await calls_of(pod.address) for pod in generator.pods}
    await asyncio.sleep(2 * pause_s)
    after = {pod.address: await calls_of(pod.address) for pod in generator.pods}
    found["calls_of_each_of_four"] = sorted(after[address] - count for address, count in before.items())
    await phase("scale back to 1", generator.scale(1))

    # A version whose model is corrupt: it never takes the place of the pod that serves.
    corrupt = folder / "models/cars/1"
    corrupt.mkdir(parents=True)
    (corrupt / "card.json").write_text("{}", encoding="utf-8")
    (corrupt / "model.onnx").write_bytes(b"no model")
    broken = generator.start(extra={"GANPRESS_GENERATOR_MODELS": str(corrupt.parents[1])})

    async def crashed() -> None:
        while not broken.restarts and not broken.ready:  # noqa: ASYNC110 - processes are looked at
            await asyncio.sleep(0.2)

    await phase("corrupt model", crashed())
    found["corrupt_was_ready"] = broken.was_ready.is_set()
    found["corrupt_restarts"] = broken.restarts
    generator.pods.remove(broken)
    await broken.end()

    target = generator.ready[0].address
    found["reached"] = {
        "client to generator": cluster.reaches(cluster.client, target, 50051),
        "client to metrics": cluster.reaches(cluster.client, target, 9090),
        "stranger to generator": cluster.reaches(cluster.stranger, target, 50051),
        "generator to compressor": cluster.reaches(
            generator.ready[0].namespace, compressor.ready[0].address, 50052
        ),
    }
    return found


def summarise(lines: list[str], phases: dict[str, list[float]]) -> dict[str, Any]:
    """Returns calls, losses and the 99th percentile, in all and of each phase."""
    calls = [json.loads(line) for line in lines if line.startswith("[")]

    def figures(chosen: list[Any]) -> dict[str, Any]:
        times_ms = sorted(call[1] for call in chosen) or [0.0]
        return {
            "calls": len(chosen),
            "lost": sum(1 for call in chosen if call[3]),
            "p50_ms": times_ms[len(times_ms) // 2],
            "p99_ms": times_ms[int(len(times_ms) * 0.99)],
        }

    of_phase = {
        name: figures([call for call in calls if low <= call[0] < high])
        for name, (low, high) in phases.items()
    }
    errors = Counter(call[3] for call in calls if call[3])
    return {"all": figures(calls), "phases": of_phase, "errors": errors}


async def main() -> None:
    """Runs the cluster and prints the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.k8s.emulation", description=__doc__)
    parser.add_argument("--render", default="dev", help="Render of the manifests to run.")
    parser.add_argument("--rate", type=float, default=200.0, help="Calls a second.")
    parser.add_argument(
        "--seconds", type=float, default=180.0, help="How long, or longer when the events are."
    )
    parser.add_argument("--pause", type=float, default=8.0, help="Seconds between two events.")
    parser.add_argument(
        "--connection-age", type=float, help="In place of the manifests' max_connection_age_s."
    )
    parser.add_argument("--calls", type=Path, help="File for all calls, a JSON line each.")
    options = parser.parse_args()
    age = {} if options.connection_age is None else {"MAX_CONNECTION_AGE_S": str(options.connection_age)}
    extra = {name: {f"GANPRESS_{name.upper()}_{key}": value for key, value in age.items()} for name in PORTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = Cluster(options.render, folder, extra)
        begun_s = time.time()
        await asyncio.gather(cluster.generator.scale(3), cluster.compressor.scale(2))
        ready_s = time.time() - begun_s
        print(f"{time.strftime('%X')} ready", file=sys.stderr, flush=True)
        load = await cluster.load(options.rate)
        assert load.stdout
        reading = asyncio.create_task(load.stdout.read())
        phases: dict[str, list[float]] = {}
        load_s = time.time()
        found = await events(cluster, folder, options.pause, phases)
        await asyncio.sleep(load_s + options.seconds - time.time())
        load.terminate()
        lines = (await reading).decode().splitlines()
        if options.calls:
            options.calls.write_text("\n".join([json.dumps(phases), *lines]), encoding="utf-8")
        report = summarise(lines, phases) | found
        await asyncio.gather(*[workload.stop() for workload in cluster.workloads.values()])
        report["ended_in_time"] = all(workload.ended_in_time for workload in cluster.workloads.values())
        report["seconds_to_ready"] = round(ready_s, 1)
        report["seconds_of_events"] = round(max(high for _, high in phases.values()) - phases["quiet"][0], 1)
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    run_to_the_end(main())
