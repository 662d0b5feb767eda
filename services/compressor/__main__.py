"""`ganpress-compressor`: serves the compressor."""

from services.common.command import service_command
from services.compressor.service import build_service
from services.compressor.settings import CompressorSettings

main = service_command("ganpress-compressor", CompressorSettings, build_service)

if __name__ == "__main__":
    main()
