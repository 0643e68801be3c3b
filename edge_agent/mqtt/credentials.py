"""Who we are to the broker: client identifier, password, certificates. Nothing here is ever logged."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from edge_agent.errors import BrokerError
from edge_agent.mqtt.settings import MqttSettings


class AccessError(BrokerError):
    """The broker knows us not, or does not let us do what we must: a person has to mend it."""


def default_client_id(base: str) -> str:
    """The same at every start; 21 letters and digits, which every 3.1.1 broker must accept."""
    return "matecheck" + hashlib.sha256(base.encode()).hexdigest()[:12]


def read_password(path: Path | None) -> str | None:
    """The first line of the file, read at every attempt: a changed password needs no restart."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        reason = "is empty" if isinstance(error, IndexError) else f"cannot be read ({error})"
        raise AccessError(
            f"password_file {reason}", where=str(path), mend="write the password in its first line"
        ) from error


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Verifies the broker against ca_file or the system's authorities; shows our certificate where there is one."""
    concerned: Path | None = settings.ca_file
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        concerned = settings.cert_file
        if settings.cert_file is not None:
            # an encrypted key must fail here, and not ask for its password on a terminal that nobody sees
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise AccessError(
            f"cannot be used for TLS ({error})",
            where=str(concerned or "ca_file"),
            mend="give a PEM file, key unencrypted",
        ) from error
    return context
