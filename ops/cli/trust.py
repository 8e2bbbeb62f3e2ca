"""This module says whom a command believes and trusts: which servers' certificates, and where a key may be sent."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.errors import BadSetting, KeyNotPrivate
from app.settings import PREFIX, Settings

# OpenSSL's number for "a certificate counts as its own authority".
_ITSELF_AS_AUTHORITY = 0x80000


def verified_by(url: str, settings: Settings, *, own: bool) -> ssl.SSLContext:
    """Returns what a connection to the URL is verified with. Raises BadSetting for a file that can't be used.

    `own`: the URL comes from the settings, not from a person. An API of this machine whose certificate the settings
    name must then have exactly that certificate. Its name does not matter: the certificate names what others call the
    server, and not 127.0.0.1.
    """
    if urlsplit(url).scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # believes nobody; plain HTTP does not ask
    if own and settings.tls_certificate:
        pinned = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        pinned.verify_flags |= _ITSELF_AS_AUTHORITY
        pinned.check_hostname = False
        return _loaded(pinned, "TLS_CERTIFICATE", settings.tls_certificate)
    if settings.ca_file:
        return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "CA_FILE", settings.ca_file)
    import certifi  # noqa: PLC0415 (its list of authorities is read for strangers' servers only)

    return ssl.create_default_context(cafile=certifi.where())


def _loaded(context: ssl.SSLContext, name: str, path: str) -> ssl.SSLContext:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise BadSetting(f"{PREFIX}{name}={path!r}: the file holds no certificate in PEM.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadSetting(f"{PREFIX}{name}={path!r}: the file cannot be read ({reason}).") from error
    return context


def require_private(url: str, settings: Settings) -> None:
    """Raises KeyNotPrivate if others could read a key on its way to the URL. Call this before a key is sent."""
    parts = urlsplit(url)
    if parts.scheme == "https" or settings.key_over_http or _is_loopback(parts.hostname or ""):
        return
    raise KeyNotPrivate(
        f"the API at {url} is on another machine and speaks plain HTTP, so others may read the key on its way. Use an "
        f"https:// URL. In a network that nobody else can listen to, set {PREFIX}KEY_OVER_HTTP=true."
    )


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
