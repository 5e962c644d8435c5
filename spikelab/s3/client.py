"""The connection to S3 or a server like it, and its errors in our words.

Access comes from the arguments or, better, from boto3's own chain (environment, profiles,
roles); nothing secret is ever part of a message.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from spikelab.errors import OptionError, SpikelabError, TransferError

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
ATTEMPTS = 4
# Transfers that run side by side: parts of a large object, or small objects.
THREADS = 4
_HINTS = {
    "NoSuchBucket": "correct the name of the bucket, or create it",
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "PartialCredentialsError": "give the access key's id and its secret together",
    "InvalidAccessKeyId": "check the key, and that it belongs to this server",
    "SignatureDoesNotMatch": "check the secret access key",
    "ExpiredToken": "log in again: the session token has expired",
    "AccessDenied": "ask the owner of the bucket for the permission",
    "403": "check the key, its secret, and its permissions for this bucket",
    "400": "check the key, the region and the endpoint: the server gives no reason",
    "ParamValidationError": "correct the name of the bucket and the key",
    "SSLError": "check the endpoint URL; name the authority of its certificate in AWS_CA_BUNDLE",
    "InvalidObjectState": "the object is archived: restore it first",
    "EndpointConnectionError": "check the endpoint URL, and that the server runs",
    "ConnectTimeoutError": "check the endpoint URL and the network",
    "ReadTimeoutError": "the server is silent: try again later",
    "ProxyConnectionError": "check the proxy in HTTPS_PROXY and HTTP_PROXY, or name the server in "
    "NO_PROXY",
    "HTTPClientError": "check the endpoint URL, the proxy and the network",
    "ConfigParseError": "correct ~/.aws/config, or the file in AWS_CONFIG_FILE",
    "CredentialRetrievalError": "log in again, or correct credential_process in ~/.aws/config",
    "EndpointResolutionError": "correct the region, the endpoint and the name of the bucket",
    "InvalidMaxRetryAttemptsError": "give AWS_MAX_ATTEMPTS a number from 1",
    "BadDigest": "the bytes changed on the way: try again",
    "SlowDown": "the server is busy: try again later",
}


@dataclass(frozen=True)
class Access:
    """How to reach a server; what is None, boto3 looks up in its own chain.

    Attributes
    ----------
    aws_access_key_id, aws_secret_access_key, aws_session_token, region_name : str, optional
        As boto3 takes them.
    endpoint_url : str, optional
        Another server than Amazon's; by default AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL.
    anonymous : bool
        Whether to ask without a key, as public buckets allow.
    """

    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    region_name: str | None = None
    endpoint_url: str | None = None
    anonymous: bool = False


class S3Url(NamedTuple):
    """The place of an object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_url(url: str) -> S3Url:
    """Take ``s3://bucket/key`` apart.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    place = _split_url(url)
    if place is None or not place.key or place.key.endswith("/"):
        raise OptionError("not the URL of an S3 object", found=url, allowed="s3://bucket/key")
    return place


def parse_folder_url(url: str) -> S3Url:
    """Take ``s3://bucket/prefix/`` apart; the key ends in a slash, or is empty.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    place = _split_url(url)
    if place is None or not url.endswith("/") or place.key == "/":
        raise OptionError("not the URL of an S3 folder", found=url, allowed="s3://bucket/prefix/")
    return place


def _split_url(url: str) -> S3Url | None:
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    # A line break in a key could fake lines of logs.
    return S3Url(bucket, key) if scheme == "s3" and bucket and url.isprintable() else None


def _client(access: Access) -> Any:
    import boto3
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config

    if (access.aws_access_key_id is None) != (access.aws_secret_access_key is None):
        raise OptionError(
            "half of the access to S3 is given",
            allowed="aws_access_key_id and aws_secret_access_key together, or neither",
        )
    core = botocore.session.get_session()
    session = boto3.Session(
        access.aws_access_key_id,
        access.aws_secret_access_key,
        access.aws_session_token,
        access.region_name,
        botocore_session=core,
    )
    if not access.anonymous:
        _find_credentials(session)
    profile = core.get_scoped_config()
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries=_retries(),
        signature_version=UNSIGNED if access.anonymous else None,
    )
    client = _made(session, access, config)
    # Other servers refuse the checksums that newer clients add of their own accord.
    plain = {} if is_amazon(client) else _checksums_when_required(profile)
    return _made(session, access, config.merge(Config(**plain))) if plain else client


def _made(session: Any, access: Access, config: Any) -> Any:
    try:
        client = session.client("s3", endpoint_url=access.endpoint_url, config=config)
        _refuse_secrets(client.meta.endpoint_url)
    except ValueError as error:
        if isinstance(error, SpikelabError):
            raise
        # Their texts quote the values.
        if str(error).startswith(("Invalid endpoint", "Invalid IPv6", "Port ")):
            raise OptionError(
                "the endpoint of the S3 server is not usable",
                allowed="a URL such as https://s3.example.org:9000",
                hint="correct endpoint_url, or AWS_ENDPOINT_URL_S3, or AWS_ENDPOINT_URL",
            ) from None
        raise OptionError(
            "the settings of boto3 are not usable",
            hint="correct the variables that begin with AWS_, and ~/.aws/config",
        ) from None
    return client


def _find_credentials(session: Any) -> None:
    try:
        session.get_credentials()
    except (OSError, ValueError, AttributeError) as error:  # what a program printed or is not
        if isinstance(error, SpikelabError):
            raise
        raise OptionError(
            "the credentials for S3 cannot be read",
            found=type(error).__name__,
            hint="correct credential_process and the files of credentials",
        ) from None


def _retries() -> dict[str, Any]:
    own = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"total_max_attempts": ATTEMPTS}
    return {"mode": "standard"} | own


def _refuse_secrets(endpoint_url: str) -> None:
    """Endpoints are shown and kept; so a password inside would be as well.

    A password may have a slash, after which no parser takes it for one.
    """
    if set("@?#") & set(endpoint_url):
        raise OptionError(
            "the endpoint of the S3 server has more than a host and a path",
            allowed="a URL such as https://s3.example.org:9000, without user, password or query",
            hint="give credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile",
        )
    if urlsplit(endpoint_url).port == 0:  # which raises a ValueError if it is no number
        raise ValueError("Port 0")


def _checksums_when_required(profile: dict[str, Any]) -> dict[str, str]:
    """Settings of boto3, without those that the environment or the profile makes."""
    names = ("request_checksum_calculation", "response_checksum_validation")
    made = {name for name in names if f"AWS_{name.upper()}" in os.environ or name in profile}
    return {name: "when_required" for name in names if name not in made}


def is_amazon(client: Any) -> bool:
    """Whether the server is one of Amazon's."""
    return is_amazon_host(host_of(client))


def is_amazon_host(host: str) -> bool:
    """Whether a host is one of Amazon's."""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def host_of(client: Any) -> str:
    """Host, and port where there is one, of the server."""
    return urlsplit(client.meta.endpoint_url).netloc.lower()


def code_of(error: BaseException) -> str:
    """The server's name for an error, else its class."""
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code") or type(error).__name__


@contextmanager
def connection(url: S3Url, access: Access) -> Iterator[Any]:
    """A client; errors of boto3 become ours, told by their codes: their texts quote requests."""
    from botocore.exceptions import BotoCoreError, ClientError

    host = "the S3 server"
    try:
        client = _client(access)
        host = host_of(client)
        yield client
    except (BotoCoreError, ClientError) as error:
        code = code_of(error)
        raise TransferError(
            f"the transfer between here and {url} on {host} failed",
            found=code,
            hint=_HINTS.get(code, "try again; if it stays so, ask the owner of the server"),
        ) from None
