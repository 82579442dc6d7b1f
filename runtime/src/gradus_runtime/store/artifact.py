"""An open artifact: its manifest, proved, and its files, each proved when it is read."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gradus_runtime.contracts import manifest as manifests
from gradus_runtime.contracts import names, strict_json
from gradus_runtime.contracts.digest import sha256_hex
from gradus_runtime.contracts.manifest import FileEntry, Manifest
from gradus_runtime.errors import IntegrityError, UsageError
from gradus_runtime.store import disk

if TYPE_CHECKING:
    from gradus_runtime.store.carrier import Carrier

__all__ = ["Artifact", "resolve_level", "seal"]

SEAL_BYTES = 64 + 2 + len(names.MANIFEST) + 1


def seal(digest: str) -> bytes:
    """Bytes of `manifest.sha256`, as `sha256sum manifest.json` prints them."""
    return f"{digest}  {names.MANIFEST}\n".encode()


class Artifact:
    """One version, open for reading. Close it, or use it as a context manager.

    Args:
        carrier: Holds the files; closed with the artifact, or when opening fails.
        origin: Where it comes from, for people.
        expected: The digest that a pin demands, if any.

    Attributes:
        manifest: The contract, in the format of today.
        manifest_bytes: The bytes of `manifest.json`, as published.
        digest: SHA-256 of the manifest's bytes, in hexadecimal.
        origin: Where it comes from, for people.
        first_level: The level that it was opened by, by its own name or an old one; None where by none.

    Raises:
        IntegrityError: The manifest is not what its seal or the pin say, or does not list all files.
        ManifestError: The manifest breaks the contract.
    """

    def __init__(self, carrier: Carrier, origin: str, *, expected: str | None = None) -> None:
        self._carrier = carrier
        self.origin = origin
        try:
            self._sizes = carrier.sizes()
            self.manifest_bytes, self.digest = self._verified_manifest(expected)
            self.manifest: Manifest = manifests.parse(self.manifest_bytes, place=f"{origin}/{names.MANIFEST}")
            self._entries = {f.name: f for f in self.manifest.files}
            self._check_names()
        except BaseException:
            carrier.close()
            raise
        self.first_level: str | None = None

    def _verified_manifest(self, expected: str | None) -> tuple[bytes, str]:
        data = self._bounded(names.MANIFEST, strict_json.MAX_BYTES)
        digest = sha256_hex(data)
        if self._bounded(names.SEAL, SEAL_BYTES) != seal(digest):
            raise IntegrityError(
                f"{names.SEAL} must hold the digest of {names.MANIFEST}",
                place=self.origin,
                value=digest,
                hint="The version is damaged: pin another one, and publish this one again.",
            )
        if expected is not None and digest != expected:
            raise IntegrityError(
                f"the version must have the pinned digest {expected}",
                place=self.origin,
                value=digest,
                hint="It was replaced after it was pinned: roll back, then find out who wrote it.",
            )
        return data, digest

    def _bounded(self, name: str, limit: int) -> bytes:
        size = self._sizes.get(name)
        if size is None:
            raise IntegrityError(f"{name} must exist", place=self.origin)
        if size > limit:
            raise IntegrityError(
                f"a file must be at most {limit} bytes", place=f"{self.origin}/{name}", value=size
            )
        return self._carrier.read(name, limit + 1)

    def _check_names(self) -> None:
        """Refuse what is not listed. What is listed and gone, cut or changed is refused when it is read."""
        others = self._sizes.keys() - {names.MANIFEST, names.SEAL} - self._entries.keys()
        if others:
            odd = "; ".join(f"{name} is not in the manifest" for name in sorted(others))
            raise IntegrityError(f"files must be as the manifest says: {odd}", place=self.origin)

    def entry(self, name: str) -> FileEntry:
        """Return what the manifest says of a file.

        Raises:
            UsageError: The manifest does not list it.
        """
        try:
            return self._entries[name]
        except KeyError:
            raise UsageError(
                "a file must be in the manifest",
                place=self.origin,
                value=name,
                hint=f"There are {', '.join(self._entries)}.",
            ) from None

    def read(self, name: str) -> bytes:
        """Return the bytes of a file that the manifest lists, proved against it.

        Raises:
            UsageError: The manifest does not list it.
            IntegrityError: It is gone, or size or SHA-256 differ.
            EnvironmentFailedError: It cannot be read.
        """
        entry = self.entry(name)
        size = self._sizes.get(name)
        if size is None:
            raise IntegrityError("a file of the manifest must exist", place=f"{self.origin}/{name}")
        if size != entry.size:
            raise IntegrityError(
                f"a file must have {entry.size} bytes, as the manifest says",
                place=f"{self.origin}/{name}",
                value=size,
            )
        with disk.failing("a file must be readable", f"{self.origin}/{name}", reading=True):
            data = self._carrier.read(name, entry.size + 1)
        found = sha256_hex(data)
        if len(data) != entry.size or found != entry.sha256:
            raise IntegrityError(
                f"a file must have the SHA-256 {entry.sha256}", place=f"{self.origin}/{name}", value=found
            )
        return data

    def opened_again(self) -> Artifact:
        """Open the same version anew, by its path, and hold it to the same digest. This one stays as it is.

        Raises:
            IntegrityError: It is not what it was, byte for byte.
            EnvironmentFailedError: It cannot be read.
        """
        with disk.failing("a version must be readable", self.origin):
            carrier = self._carrier.opened_again()
        again = Artifact(carrier, self.origin, expected=self.digest)
        again.first_level = self.first_level
        return again

    def verify(self) -> None:
        """Read and prove every file.

        Raises:
            IntegrityError: At the first that differs.
        """
        for name in self._entries:
            self.read(name)

    def close(self) -> None:
        """Let the files go. What was read stays valid."""
        self._carrier.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def resolve_level(manifest: Manifest, name: str) -> str:
    """Return the level that a name means: a level's own, or an old one (`production_ensemble_full.pkl`).

    An old name gives a line of deprecation, as a `FutureWarning`.

    Raises:
        UsageError: Neither a level nor an alias.
    """
    if any(name == level.name for level in manifest.levels):
        return name
    level = manifest.aliases.get(name) or manifest.aliases.get(name.removesuffix(".pkl"))
    if level is not None:
        warnings.warn(
            f"{name!r} is an old name of {level!r} and is deprecated: use {level!r}",
            FutureWarning,
            stacklevel=2,
        )
        return level
    known = [s.name for s in manifest.levels] + sorted(manifest.aliases)
    raise UsageError(
        "a level must be in the manifest", place="level", value=name, hint=f"Choose from {', '.join(known)}."
    )
