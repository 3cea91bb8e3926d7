"""The token that opens the live page: one for each user, kept in a file, so that an open page outlives its server."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from benchmark_recorder.log import logger

if TYPE_CHECKING:
    from pathlib import Path


def kept_token(folder: Path) -> str:
    """The token of this user, made on first use.

    Args:
        folder: where it is kept, in a file that only this user can read; made if it is not there.
    """
    path = folder / "page-token"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            found = path.read_text(encoding="ascii").strip()
            if len(found) >= 22 and not path.stat().st_mode & 0o077:
                return found
            path.unlink()  # cut short, or readable by others
            return kept_token(folder)
        made = secrets.token_urlsafe(16)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{made}\n")
    except (OSError, ValueError) as error:
        logger.warning("%s: %s; pages that are open now have to be opened anew after a restart", path, error)
        return secrets.token_urlsafe(16)
    return made
