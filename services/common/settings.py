"""Settings of a service: one class, four sources.

A flag beats an environment variable, that beats the TOML file, that beats the default. Flags, variable
names, the help text and docs/settings.md all come from the class's fields.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from services.common.access import Allowance
from services.common.addresses import join
from services.common.logs import LogFormat, LogLevel
from services.common.server import ServerOptions
from services.common.tls import TlsFiles
from services.common.tracing import Traces


class SettingsError(ValueError):
    """A setting is unknown or out of range; the message names each one, a line each."""


class ServiceSettings(BaseSettings):
    """What both services can be told.

    A service's class derives from it, sets `env_prefix` and overrides the default port.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Host name or IP address to listen on.")
    port: int = Field(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    address: str = Field(
        "", description="Address to listen on in place of host and port: host:port or unix:/path."
    )
    grace_s: float = Field(10.0, ge=0, description="Seconds that running calls may take after SIGTERM.")
    max_connection_age_s: float = Field(
        0.0, ge=0, description="Seconds after which a client has to connect anew; 0 means never."
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="TCP port of GET /metrics on the same host; not set: none."
    )
    health_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="TCP port of health in plain text on the same host, for probes; not set: none.",
    )
    channelz: bool = Field(False, description="Tell about connections by grpc.channelz.v1.")
    callers: Path | None = Field(
        None, description="File of callers, their hashed tokens and scopes; read again when it changes."
    )
    tls_certificate: Path | None = Field(
        None, description="Certificate chain in PEM, to serve under TLS; read again when it changes."
    )
    tls_key: Path | None = Field(None, description="Private key of the certificate, in PEM.")
    tls_client_ca: Path | None = Field(
        None, description="Certificates in PEM of who vouches for callers; nobody else gets a connection."
    )
    insecure: bool = Field(
        False, description="Serve other machines even without TLS, and without knowing who calls."
    )
    caller_images_per_s: float = Field(
        0.0, ge=0, description="Images a second for each caller; 0 means no limit."
    )
    caller_megapixels_per_s: float = Field(
        0.0, ge=0, description="Millions of pixels a second for each caller; 0 means no limit."
    )
    caller_max_calls: int = Field(
        0, ge=0, description="Calls under way at the same time for each caller; 0 means no limit."
    )
    threads: int = Field(0, ge=0, le=1024, description="Threads that compute; 0 means one a CPU.")
    log_level: LogLevel = Field("info", description="Least level that is logged.")
    log_format: LogFormat = Field("text", description="Form of the log lines on stderr.")
    traces: Traces = Field(
        "off", description="Where OpenTelemetry's traces of calls go; needs ganpress[tracing]."
    )
    slow_s: float = Field(
        0.0, ge=0, description="Calls that take so many seconds or more are logged as warnings; 0 means none."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        """Checks that certificate and key come together, and a client CA with them."""
        given = (self.tls_certificate, self.tls_key)
        if any(given) != all(given) or (self.tls_client_ca and not all(given)):
            raise ValueError("tls_certificate and tls_key go together, and tls_client_ca needs both")
        return self

    @property
    def listen_address(self) -> str:
        """Address to listen on, `host:port` or `unix:/path`."""
        return self.address or join(self.host, self.port)

    @property
    def server_options(self) -> ServerOptions:
        """How to serve."""
        return ServerOptions(
            grace_s=self.grace_s,
            max_connection_age_s=self.max_connection_age_s,
            metrics_host=self.host,
            metrics_port=self.metrics_port,
            health_port=self.health_port,
            channelz=self.channelz,
            callers=self.callers,
            allowance=Allowance(
                self.caller_images_per_s, self.caller_megapixels_per_s, self.caller_max_calls
            ),
            tls=TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca)
            if self.tls_certificate and self.tls_key
            else None,
            slow_s=self.slow_s,
            traces=self.traces,
            insecure=self.insecure,
        )

    @property
    def worker_count(self) -> int:
        """Threads that compute, at least 1."""
        return self.threads or _cpu_count()

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Self:
        """Returns the settings from the flags, the environment and the TOML file `config`.

        Raises:
            SettingsError: A value is not acceptable, or the file is not there or not TOML.
        """
        try:
            return cls(**(_read_toml(config) | EnvSettingsSource(cls)() | flags))
        except ValidationError as error:
            raise SettingsError("\n".join(cls._explain(detail) for detail in error.errors())) from error

    @classmethod
    def _explain(cls, detail: Any) -> str:
        if not detail["loc"]:
            return detail["msg"].removeprefix("Value error, ")
        name = str(detail["loc"][0])
        if detail["type"] == "extra_forbidden":
            return f"there is no setting {name!r}; the settings are {', '.join(cls.model_fields)}"
        message = detail["msg"][:1].lower() + detail["msg"][1:]
        return f"setting {name} ({flag_of(name)} or {env_of(cls, name)}): {message}, got {detail['input']!r}"


def flag_of(name: str) -> str:
    """Returns the command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def env_of(settings: type[ServiceSettings], name: str) -> str:
    """Returns the environment variable of a setting."""
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def default_of(field: FieldInfo) -> str:
    """Returns a setting's default for a reader; empty when it is unset or empty."""
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return "" if field.default is None else str(field.default)


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """Returns the values among which a setting chooses; empty when it is not a choice."""
    if field.annotation is bool:
        return ("true", "false")
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def accepted_range(field: FieldInfo) -> str:
    """Returns the range that a number may have for a reader, such as "1..4096"; empty when it has none."""
    low = high = ""
    for bound in field.metadata:
        match bound:
            case Ge():
                low = f"{bound.ge}"
            case Gt():
                low = f"above {bound.gt}"
            case Le():
                high = f"{bound.le}"
            case _:
                pass
    if low and high:
        return f"{low}..{high}"
    return f"{low} or more" if low else high and f"at most {high}"


def _cpu_count() -> int:
    """Returns the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {str(path)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {str(path)!r} is not TOML: {error}") from error
