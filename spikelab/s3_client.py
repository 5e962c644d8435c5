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
READ_TIMEOUT_S = 60
ATTEMPTS = 4
_HINTS = {
    "NoSuchBucket": "correct the name of the bucket, or create it",
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "PartialCredentialsError": "give the access key's id and its secret together",
    "InvalidAccessKeyId": "check the key, and that it belongs to this server",
    "SignatureDoesNotMatch": "check the secret access key",
    "ExpiredToken": "log in again: the session token has expired",
    "AccessDenied": "ask the owner of the bucket for the permission",
    "403": "check the key and its permissions for this bucket",
    "EndpointConnectionError": "check the endpoint URL, and that the server runs",
    "ConnectTimeoutError": "check the endpoint URL and the network",
    "ReadTimeoutError": "the server is silent: try again later",
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
    """

    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    region_name: str | None = None
    endpoint_url: str | None = None


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
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key or key.endswith("/"):
        raise OptionError("not the URL of an S3 object", found=url, allowed="s3://bucket/key")
    return S3Url(bucket, key)


def _client(access: Access) -> Any:
    import boto3
    from botocore.config import Config

    if (access.aws_access_key_id is None) != (access.aws_secret_access_key is None):
        raise OptionError(
            "half of the access to S3 is given",
            allowed="aws_access_key_id and aws_secret_access_key together, or neither",
        )
    session = boto3.Session(
        access.aws_access_key_id,
        access.aws_secret_access_key,
        access.aws_session_token,
        access.region_name,
    )
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    client = session.client("s3", endpoint_url=access.endpoint_url, config=config)
    if ".amazonaws.com" in host_of(client) or "AWS_REQUEST_CHECKSUM_CALCULATION" in os.environ:
        return client
    # Other servers refuse the checksums that newer clients add of their own accord.
    plain = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client("s3", endpoint_url=access.endpoint_url, config=config.merge(plain))


def host_of(client: Any) -> str:
    """Host, and port where there is one, of the server."""
    parts = urlsplit(client.meta.endpoint_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def code_of(error: BaseException) -> str:
    """The server's name for an error, else its class; upload errors hide the real one inside."""
    inner = error.__context__ if type(error).__name__ == "S3UploadFailedError" else None
    error = inner or error
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code") or type(error).__name__


@contextmanager
def connection(url: S3Url, access: Access) -> Iterator[Any]:
    """A client; errors of boto3 become ours, told by their codes: their texts quote requests."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    host = "the S3 server"
    try:
        client = _client(access)
        host = host_of(client)
        yield client
    except (BotoCoreError, Boto3Error, ClientError) as error:
        code = code_of(error)
        raise TransferError(
            f"the transfer between here and {url} on {host} failed",
            found=code,
            hint=_HINTS.get(code, "try again; if it stays so, ask the owner of the server"),
        ) from None
    except ValueError as error:
        if isinstance(error, SpikelabError):
            raise
        raise OptionError(
            "the endpoint of the S3 server is not usable",
            allowed="a URL such as https://s3.example.org:9000",
            hint="correct endpoint_url, or AWS_ENDPOINT_URL_S3, or AWS_ENDPOINT_URL",
        ) from None
