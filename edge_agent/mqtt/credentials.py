"""Who we are to the broker: client identifier, password, certificates. Nothing here is ever logged."""

from __future__ import annotations

import hashlib
import os
import ssl
from pathlib import Path

from edge_agent.errors import BrokerError
from edge_agent.mqtt.settings import MqttSettings

NO_PEM = "give a PEM file, key unencrypted"


class AccessError(BrokerError):
    """The broker knows us not, or does not let us do what we must: a person has to mend it."""


def default_client_id(base: str) -> str:
    """The same at every start; 21 letters and digits, which every 3.1.1 broker must accept."""
    return "matecheck" + hashlib.sha256(base.encode()).hexdigest()[:12]


def credential(path: Path | None) -> Path | None:
    """Where the file is read: from the folder of credentials that systemd hands to the service, if it is there by name.

    So the service, which may not read the file itself, and a person who checks the configuration as root use the same
    agent.toml. An empty credential stands for a file that was not there.
    """
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if path is None or not given:
        return path
    handed = Path(given, path.name)
    return handed if handed.is_file() and handed.stat().st_size else path


def read_password(path: Path | None) -> str | None:
    """The first line of the file, read at every attempt: a changed password needs no restart."""
    if path is None:
        return None
    try:
        return (credential(path) or path).read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        reason = "is empty" if isinstance(error, IndexError) else "is not UTF-8"
        if isinstance(error, OSError):
            reason = f"cannot be read ({error.strerror})"
        raise AccessError(
            f"password_file {reason}", where=str(path), mend="write the password in its first line"
        ) from error


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """TLS 1.2 or later. Verifies the broker by ca_file or the system's authorities; shows our certificate, if any."""
    concerned: Path | None = settings.ca_file
    try:
        context = ssl.create_default_context(cafile=credential(settings.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # said here: a build of OpenSSL may default to less
        concerned = settings.cert_file
        if settings.cert_file is not None:
            for concerned in filter(None, (settings.cert_file, settings.key_file)):
                with (credential(concerned) or concerned).open("rb"):  # OpenSSL does not say which of them it misses
                    pass
            concerned = settings.cert_file
            certificate, key = credential(settings.cert_file), credential(settings.key_file)
            # an encrypted key must fail here, and not ask for its password on a terminal that nobody sees
            context.load_cert_chain(certificate or settings.cert_file, key, password="")  # nosec B106 # is no password
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise _unusable(str(concerned or "ca_file"), error) from error
    return context


def _unusable(where: str, error: OSError | ValueError) -> AccessError:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return AccessError("does not belong to key_file", where=where, mend="give the key of this very certificate")
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        why, mend = error.strerror, "mend the path or its permissions"
    else:  # without OpenSSL's own line number
        why, mend = str(getattr(error, "reason", None) or error).replace("_", " ").lower(), NO_PEM
    return AccessError(f"cannot be used for TLS ({why})", where=where, mend=mend)
