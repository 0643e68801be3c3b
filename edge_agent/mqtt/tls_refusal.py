"""Why a broker ends a TLS connection before it has answered: in TLS 1.3 it says so only after the handshake."""

from __future__ import annotations

import socket
import ssl

from edge_agent.mqtt.credentials import AccessError, tls_context
from edge_agent.mqtt.settings import MqttSettings

PATIENCE_S = 2.0  # a broker that has nothing against us waits for our first word
ABOUT_US = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")  # in the names of alerts, such as TLSV1_ALERT_UNKNOWN_CA


def look_for_refusal(settings: MqttSettings) -> None:
    """Connect once more without a word, and listen. What fails otherwise has been said already.

    Raises:
        AccessError: the broker refuses our certificate, or wants one.
    """
    try:
        with socket.create_connection((settings.host, settings.port), PATIENCE_S) as plain:
            stream = tls_context(settings).wrap_socket(plain, server_hostname=settings.host)
            with stream:
                stream.recv(1)
    except ssl.SSLError as error:
        alert = (error.reason or "").partition("_ALERT_")[2]
        if any(name in alert for name in ABOUT_US):
            what = f"the broker refuses our certificate: {alert.replace('_', ' ').lower()}"
            mend = (
                "check cert_file and key_file: signed by the authority that the broker trusts, not expired or revoked"
            )
            raise AccessError(what, where=settings.address, mend=mend) from error
    except (OSError, ValueError):
        return
