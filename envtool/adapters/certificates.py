"""The certificates that the user trusts: what one tool is told of holds for all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from envtool.errors import UsageError

HINT = (
    "The host's certificate is not trusted: SSL_CERT_FILE, PIP_CERT or REQUESTS_CA_BUNDLE names a file with that of "
    "the authority that signed it (a company's proxy has its own)."
)
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Who reads requests' own sets them for this; the others come after these."""


def trusted(environ: Mapping[str, str] = os.environ) -> str | None:
    """The file or folder that the first of the variables names; None where nobody set one.

    Raises UsageError (``settings.certificates``) where it is not there: requests and uv would trust nobody at all.
    """
    variable = next((name for name in _VARIABLES if environ.get(name)), None)
    if variable is None:
        return None
    path = environ[variable]
    if not os.path.exists(path):  # noqa: PTH110 - False for any text, where Path.exists raises
        message = f"{variable} names {path}, which is not there"
        raise UsageError("settings.certificates", message, "Mend it, or unset it.")
    return path


def for_uv(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What uv is told: it reads SSL_CERT_FILE (a file) and SSL_CERT_DIR (a folder) alone."""
    path = next(
        (environ[name] for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(name)), ""
    )
    name = "SSL_CERT_DIR" if os.path.isdir(path) else "SSL_CERT_FILE"  # noqa: PTH112 - False for any text
    told = environ.get("SSL_CERT_FILE") or environ.get(name)
    return {name: path} if path and not told else {}


def distrusted(said: str) -> bool:
    """Whether a tool's words, or OpenSSL's, say that a certificate was the matter."""
    return re.search(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|invalid peer certificate", said) is not None
