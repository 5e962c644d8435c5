"""Files and folders on S3 and servers like it: checked uploads and downloads, with receipts."""

from spikelab.s3.check import Problem, check
from spikelab.s3.client import Access, S3Url, parse_url
from spikelab.s3.objects import download, upload
from spikelab.s3.receipt import Receipt
from spikelab.s3.transfers import fetch, send

__all__ = [
    "Access",
    "Problem",
    "Receipt",
    "S3Url",
    "check",
    "download",
    "fetch",
    "parse_url",
    "send",
    "upload",
]
