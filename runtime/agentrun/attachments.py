"""Files that go with a message: read from disk, checked, and made into what a model is sent.

Owns which types and sizes are taken. What a file is, is told by its bytes and never by its name. The limits are those
that the services have in common; what one of them refuses besides is told where its requests are made. Knows no
terminal and no conversation.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from agentrun.diagnostics import counted, did_you_mean
from agentrun.engine.attached import KINDS, PDF, Attachment, described, image, pdf, size_in_words, text_file
from agentrun.errors import UsageError, reason_of

__all__ = ["Attachment", "check_together", "described", "read_attachment", "read_attachments"]

# Anthropic takes requests of 32 MB, and OpenAI files of 50 MB in one; base64 makes a third more of it.
MAX_ALL_BYTES = 20_000_000
MAX_PDF_BYTES = 20_000_000
MAX_IMAGE_BYTES = 10_000_000
MAX_TEXT_BYTES = 1_000_000  # a quarter of a million tokens: more than most models read
MAX_FILES = 20  # of more images in a request, Anthropic takes only small ones

_TAKEN = "images (PNG, JPEG, GIF, WebP), PDF and text files (UTF-8) can be attached"
_MOST_BYTES = max(MAX_IMAGE_BYTES, MAX_PDF_BYTES, MAX_TEXT_BYTES)
_UNDECODED = re.compile("[\ud800-\udfff]")
_PDF = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,60}%PDF-\d")

_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
# What people are told of a file that is none of these. Each may begin at another place than 0.
_OTHERS = (
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (doc, xls, ppt)"),
    (0, b"BM", "a BMP image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"8BPS", "a Photoshop image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"ID3", "an MP3 sound"),
    (0, b"\xff\xfb", "an MP3 sound"),
    (0, b"OggS", "an Ogg sound or film"),
    (0, b"fLaC", "a FLAC sound"),
    (8, b"WAVE", "a WAV sound"),
    (8, b"AVI ", "an AVI film"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM film"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"MZ", "a program (Windows)"),
    (0, b"\xcf\xfa\xed\xfe", "a program (macOS)"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"\0asm", "a WebAssembly module"),
    (0, b"wOF", "a font"),
    (0, b"\xff\xfe", "text in UTF-16"),
    (0, b"\xfe\xff", "text in UTF-16"),
)
_BRANDS = (
    (b"avif", "an AVIF image"),
    (b"avis", "an AVIF image"),
    (b"hei", "a HEIC image"),
    (b"hev", "a HEIC image"),
    (b"mif1", "a HEIC image"),
    (b"msf1", "a HEIC image"),
    (b"qt", "a QuickTime film"),
    (b"M4A", "an MP4 sound"),
)
_IN_A_ZIP = (
    (b"word/", "a Word document (docx)"),
    (b"xl/", "an Excel workbook (xlsx)"),
    (b"ppt/", "a PowerPoint presentation (pptx)"),
    (b"mimetypeapplication/epub", "an e-book (EPUB)"),
    (b"mimetypeapplication/vnd.oasis", "an OpenDocument file"),
)
_ADVICE = (
    ("UTF-16", "save it as UTF-8"),
    ("document", "export it as PDF or text"),
    ("OpenDocument", "export it as PDF or text"),
    ("workbook", "export it as CSV or PDF"),
    ("presentation", "export it as PDF"),
    ("e-book", "export it as PDF or text"),
    ("image", "convert it to PNG or JPEG"),
    ("icon", "convert it to PNG or JPEG"),
    ("archive", "attach what is in it"),
)


AnyPath = str | os.PathLike[str]


def read_attachments(paths: AnyPath | Iterable[AnyPath]) -> list[Attachment]:
    """The files of one message, or a single one; the same one twice counts once. Raises `UsageError`."""
    read: dict[str, Attachment] = {}
    for path in (paths,) if isinstance(paths, str | os.PathLike) else paths:
        real = _real(path)
        if real not in read:
            read[real] = read_attachment(path)
            check_together(list(read.values()))
    return list(read.values())


def check_together(attachments: Sequence[Attachment]) -> None:
    """Raises `UsageError` where one message can't hold them all."""
    if len(attachments) > MAX_FILES:
        raise UsageError(f"{counted(len(attachments), 'file')} are too many: a message takes {MAX_FILES}")
    size = sum(one.size_bytes for one in attachments)
    if size > MAX_ALL_BYTES:
        raise UsageError(
            f"the files of a message have {_more(size, MAX_ALL_BYTES)} together; at most "
            f"{size_in_words(MAX_ALL_BYTES)} go",
            help="attach fewer, or send them with several messages",
        )


def read_attachment(path: AnyPath, name: str | None = None) -> Attachment:
    """`name` is what the model is told; default: `name_of` the path.

    Raises `UsageError` where there is no such file, it can't be read, or no model would take it.
    """
    shown = _readable(os.fspath(path))
    try:
        data, size = _read(_expanded(path), shown)
    except FileNotFoundError:
        raise UsageError(f"there is no file `{shown}`", help=_near(_expanded(path))) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"`{shown}` can't be read: {reason_of(error)}") from None
    if not data:
        raise UsageError(f"`{shown}` is empty")
    return _attachment(name_of(path) if name is None else _readable(name), shown, data, size)


def name_of(path: AnyPath) -> str:
    """What the model is told: the path as it was given, where that leads down from the current folder; else its end.

    The names of a person's folders are nobody's business.
    """
    given = Path(path)
    is_below = not given.is_absolute() and ".." not in given.parts and not os.fspath(path).startswith("~")
    return _readable(given.as_posix() if is_below else given.name)


# -- reading


def _read(path: Path, shown: str) -> tuple[bytes, int]:
    """At most a byte more than can be taken, and the whole size. A pipe is not waited for, and a device not opened."""
    _refuse_what_is_no_file(path.stat().st_mode, shown)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        _refuse_what_is_no_file(found.st_mode, shown)  # it may be another one than a moment ago
        data = file.read(_MOST_BYTES + 1) or b""  # None: it is one of those below /proc that wait for more
    return data, max(found.st_size, len(data))


def _refuse_what_is_no_file(mode: int, shown: str) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((words for is_one, words in kinds if is_one(mode)), "a device")
    raise UsageError(f"`{shown}` is {kind}, not a file", help=_TAKEN)


def _real(path: AnyPath) -> str:
    try:
        return os.path.realpath(_expanded(path))
    except (OSError, ValueError):
        return os.fspath(path)  # reading it says what is wrong


def _expanded(path: AnyPath) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # of a user that isn't known
        return Path(path)


def _near(path: Path) -> str | None:
    try:
        with os.scandir(path.parent) as found:
            names = [one.name for one in found if not one.is_dir()]
    except (OSError, ValueError):
        return f"the folder `{_readable(str(path.parent))}` is not there, or can't be read"
    near = did_you_mean(path.name, names)
    return near and _readable(near)


def _readable(text: str) -> str:
    """Names of files are bytes: what is no text in one is shown as such, and can be sent."""
    return _UNDECODED.sub("\ufffd", text)


# -- what it is


def _attachment(name: str, shown: str, data: bytes, size: int) -> Attachment:
    media_type = _media_type(data)
    if media_type == PDF:
        _refuse_more_than(MAX_PDF_BYTES, "PDF", size, shown)
        return pdf(name, data)
    if media_type is not None:
        _refuse_more_than(MAX_IMAGE_BYTES, "image", size, shown)
        found = image(name, media_type, data)
        if found.pixels is None and not _may_have_a_picture(media_type, data):
            raise UsageError(
                f"`{shown}` is no whole {KINDS[media_type]} image", help="it may be cut off: open it, and save it anew"
            )
        return found
    other = _other(data)
    if other is None and b"\0" in data:
        other = "a binary file"
    if other is not None:
        advice = next((told for word, told in _ADVICE if word in other), None)
        raise UsageError(f"`{shown}` is {other}: {_TAKEN}", help=advice)
    _refuse_more_than(MAX_TEXT_BYTES, "text file", size, shown)
    try:
        return text_file(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} is 0x{data[error.start]:02x}"
        raise UsageError(f"`{shown}` is no text in UTF-8 ({where}): {_TAKEN}", help="save it as UTF-8") from None


def _media_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if _PDF.match(data):
        return PDF
    return next((media_type for magic, media_type in _IMAGES if data.startswith(magic)), None)


def _may_have_a_picture(media_type: str, data: bytes) -> bool:
    """Whether an image whose size can't be told may be whole: decoders pass over much that is wrong in a JPEG."""
    return media_type == "image/jpeg" and b"\xff\xda" in data


def _other(data: bytes) -> str | None:
    """A type that is known and not taken. Words such as `BM` and `MZ` begin texts, too."""
    if data[:4] in (b"PK\3\4", b"PK\5\6"):
        return next((words for mark, words in _IN_A_ZIP if mark in data), "a zip archive")
    if data[4:8] == b"ftyp":
        return next((words for brand, words in _BRANDS if data[8:12].startswith(brand)), "an MP4 film")
    found = (words for at, magic, words in _OTHERS if data.startswith(magic, at))
    return next(found, None) if _is_binary(data) else None


def _is_binary(data: bytes) -> bool:
    if b"\0" in data:
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def _refuse_more_than(limit: int, kind: str, size: int, shown: str) -> None:
    if size > limit:
        raise UsageError(
            f"`{shown}` has {_more(size, limit)}: {'an' if kind == 'image' else 'a'} {kind} may have "
            f"{size_in_words(limit)}"
        )


def _more(size: int, limit: int) -> str:
    """A size that is over a limit, so that it shows."""
    in_words = size_in_words(size)
    return f"{size:,} bytes" if in_words == size_in_words(limit) else in_words
