"""`ganpress-compressor`: serves the compressor."""

from services.common.command import service_command
from services.common.memory import keep_freed_memory
from services.common.server import Service
from services.compressor.service import build_service
from services.compressor.settings import CompressorSettings


def _build(settings: CompressorSettings) -> Service:
    keep_freed_memory()
    return build_service(settings)


main = service_command("ganpress-compressor", CompressorSettings, _build)

if __name__ == "__main__":
    main()
