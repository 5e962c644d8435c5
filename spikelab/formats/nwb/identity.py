"""Identity of a file from its content: equal sessions give equal bytes."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import h5py
import numpy as np

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://www.nwb.org/spikelab")


class Content:
    """A digest that grows with every array and text that a file will hold."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=32)

    def add(self, name: str, value: Any) -> None:
        """Add a named array, or anything with a ``repr`` that depends on its value alone."""
        self._hash.update(f"\0{name}\0".encode(errors="surrogatepass"))
        if isinstance(value, np.ndarray) and value.dtype != object:
            self._hash.update(f"{value.dtype.str}{value.shape}".encode())
            self._hash.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        else:
            text = value.tolist() if isinstance(value, np.ndarray) else value
            self._hash.update(repr(text).encode(errors="surrogatepass"))

    def uuid(self, name: str = "") -> str:
        """The identifier of a part of this content."""
        return str(uuid.uuid5(_NAMESPACE, f"{self._hash.hexdigest()}{name}"))


def rewrite_object_ids(file: h5py.File, content: Content) -> None:
    """Replace the random ``object_id`` of every object by one made of its place and the content.

    pynwb draws these at random; they are plain HDF5 attributes.
    """

    def rewrite(name: str, item: h5py.HLObject) -> None:
        if "object_id" in item.attrs:
            # In place: a new attribute would leave the old text in the file, out of sight.
            item.attrs.modify("object_id", content.uuid(name))

    rewrite("/", file)
    file.visititems(rewrite)
