"""Includes the default configuration, of which `config/` of the repository has the one copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "gradus_convert"
FILES = ("artifact.toml",)


class DefaultConfig(BuildHookInterface[Any]):
    """Adds the files to the wheel, and to the source distribution, from which a wheel can be built, too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files to include; an editable install reads them where they are."""
        root = Path(self.root)
        if version == "editable" or (root / "src" / PACKAGE / "default_config").is_dir():
            return
        target = Path("src" if self.target_name == "sdist" else "", PACKAGE, "default_config")
        for name in FILES:
            source = root.parent / "config" / name
            if not source.is_file():
                raise FileNotFoundError(f"{source} is needed: build {PACKAGE} in a clone of gradus")
            build_data["force_include"][str(source)] = str(target / name)
