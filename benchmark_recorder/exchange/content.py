"""What a file holds, as text that can be read more than once; pipes, gzip, zstd and UTF-16 are known by content."""

from __future__ import annotations

import codecs
import gzip
import shutil
import stat
import sys
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Final, cast

from benchmark_recorder.errors import StoreFormatError, StoreUnavailableError, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_INFLATED: Final = 512 * 1024 * 1024
"""Bytes that a compressed file, or a member of an archive, may have when it is unpacked."""

MOST_RATIO: Final = 1000
"""It may have so many times its compressed size."""

PIPE: Final = "-"
"""The name of standard input."""

_AT_ONCE: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


@contextmanager
def plain_file(path: Path) -> Iterator[Path]:
    """A regular file that holds the content in UTF-8, without compression: the file itself, or a temporary one.

    Args:
        path: also of a pipe; ``-`` is standard input.

    Raises:
        StoreFormatError: the file is damaged, or far larger than its compressed size.
        StoreUnavailableError: there is no such file, or it is a folder.
        OSError: it cannot be read.
    """
    with ExitStack() as stack:

        def aside() -> Path:
            return Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-recorder-"))) / "content"

        content = path
        if str(path) == PIPE:
            content = _copy(sys.stdin.buffer, aside())
        elif not path.exists():
            raise StoreUnavailableError(f"{path}: there is no such file")
        elif path.is_dir():
            raise StoreUnavailableError(f"{path}: is not a regular file")
        elif not stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as pipe:
                content = _copy(pipe, aside())
        try:
            content = _as_utf_8(_unpacked(content, aside), aside)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise StoreFormatError(f"it is truncated or damaged: {error}") from error
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # of a package that may be missing
                raise
            raise StoreFormatError(f"it is truncated or damaged: {error}") from error
        yield content


def check_size(unpacked: int, packed: int) -> None:
    """Refuse what is far larger than its compressed size.

    Raises:
        StoreFormatError: it is.
    """
    if unpacked > min(MOST_INFLATED, max(_AT_ONCE, packed * MOST_RATIO)):
        raise StoreFormatError(
            f"its content is larger than {MOST_INFLATED // 2**20} MiB, or than {MOST_RATIO:,} times its compressed "
            "size; unpack it yourself if you trust it"
        )


def zstd_missing() -> ImportError:
    """The error that says what reads zstd."""
    return missing("a file that is packed with zstd needs backports.zstd", "inspect")


def _copy(source: IO[bytes], target: Path) -> Path:
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, _AT_ONCE)
    return target


def _unpacked(path: Path, aside: Callable[[], Path]) -> Path:
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP):
            source: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        elif magic == _ZSTD:
            source = _zstd_file(file)
        else:
            return path
        target = aside()
        packed, size = path.stat().st_size, 0
        with source, target.open("wb") as unpacked:
            while block := source.read(_AT_ONCE):
                size += len(block)
                check_size(size, packed)
                unpacked.write(block)
    return target


def _zstd_file(file: IO[bytes]) -> IO[bytes]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise zstd_missing() from None
    return cast("IO[bytes]", zstd.ZstdFile(file))


def _as_utf_8(path: Path, aside: Callable[[], Path]) -> Path:
    with path.open("rb") as file:
        mark = file.read(4)
    if mark in {codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE}:
        encoding = "utf-32"
    elif mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        return path
    target = aside()
    with path.open(encoding=encoding, newline="") as text, target.open("w", encoding="utf-8", newline="") as file:
        shutil.copyfileobj(text, file)
    return target
