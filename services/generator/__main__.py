"""`ganpress-generator`: serves the generator."""

from services.common.command import service_command
from services.generator.quantization.command import quantize
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings

main = service_command("ganpress-generator", GeneratorSettings, build_service, [quantize])

if __name__ == "__main__":
    main()
