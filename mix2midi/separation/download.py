"""Fetching a file of weights: a quick answer where there is no network, a checksum, and never half a file.

The transfer is urllib's rather than huggingface_hub's: one way for the hub and for Zenodo, progress for whoever asks,
and no retries, which take huggingface_hub 24 seconds to find out that there is no network.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import secrets
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from pathlib import Path
from typing import IO, Any

from mix2midi.errors import ModelError

#: Called with the name of the model, the bytes fetched so far, and the bytes in total (0 where that is not stated).
OnDownload = Callable[[str, int, int], None]

#: A server that has not answered by then is taken for out of reach; name resolution alone can block for longer.
_ANSWER_TIMEOUT_S = 4.0

#: A transfer that stalls for so long has failed.
_STALL_TIMEOUT_S = 30.0

_PIECE = 1 << 20
_HEADERS = {"User-Agent": "mix2midi", "Accept-Encoding": "identity"}
_WAY_OUT = "connect to the network and try again, or name a folder that has them with --model-dir"


def is_offline() -> bool:
    """Whether the user's environment forbids the network, by the variable that demucs obeys too."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def download_weights(url: str, target: Path, sha256: str, name: str, on_download: OnDownload | None) -> None:
    """Fetch a file and write its checksum beside it.

    Parameters
    ----------
    url : str
        http or https; redirections are followed.
    target : Path
        Written only when complete; folders are made.
    sha256 : str
        Its known leading hex digits. The Hugging Face hub states the whole checksum, which is compared too.
    name : str
        Of the model, for messages and progress.
    on_download : callable, optional
        See `OnDownload`.

    Raises
    ------
    ModelError
        If the server is out of reach (within 5 seconds), the transfer fails, the checksum is wrong, or the disk is
        full.
    """
    stated = _stated_sha256(_ask_server(url, name))
    with _partial_file(target, name) as partial:
        try:
            digest = _transfer(url, partial, name, on_download)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise ModelError(f"{name}: fetching weights from {url} failed ({_reason(error)}); {_WAY_OUT}") from error
        is_known = bool(sha256 or stated)
        if not digest.startswith(sha256) or not digest.startswith(stated) or not (is_known or _may_be_weights(partial)):
            raise ModelError(f"{name}: what came from {url} is damaged; try again, or use another network")
    _write_sidecar(target, digest)


def copy_weights(source: Path, target: Path) -> None:
    """Copy a file of weights, with its checksum beside it.

    Raises
    ------
    ModelError
        If the target cannot be written.
    """
    with _partial_file(target, target.parent.name) as partial, source.open("rb") as original:
        shutil.copyfileobj(original, partial, _PIECE)
    _write_sidecar(target, sha256_of(target))


def sha256_of(path: Path) -> str:
    """Checksum of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def sidecar_of(path: Path) -> Path:
    """The file beside weights that holds their checksum, as the tool sha256sum writes it."""
    return path.with_name(path.name + ".sha256")


def _write_sidecar(path: Path, digest: str) -> None:
    with _partial_file(sidecar_of(path), path.name) as partial:
        partial.write(f"{digest}  {path.name}\n".encode())


def _ask_server(url: str, name: str) -> Message:
    """Headers of the file, without following redirections: the hub states the checksum before it redirects."""
    answers: list[Message | Exception] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, headers=_HEADERS, method="HEAD")
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=_ANSWER_TIMEOUT_S) as response:
                answers.append(response.headers)
        except urllib.error.HTTPError as error:  # an answer, too: a redirection, or a refusal to be met again
            answers.append(error.headers)
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_ANSWER_TIMEOUT_S)
    answer = answers[0] if answers else TimeoutError("no answer")
    if isinstance(answer, Exception):
        raise ModelError(
            f"{name}: its weights are not here and cannot be fetched from {url} ({_reason(answer)}); {_WAY_OUT}"
        ) from answer
    return answer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _stated_sha256(headers: Message) -> str:
    etag = (headers.get("X-Linked-ETag") or "").strip('W/"')
    return etag if re.fullmatch(r"[0-9a-f]{64}", etag) else ""


def _transfer(url: str, partial: IO[bytes], name: str, on_download: OnDownload | None) -> str:
    """Write the file as it comes; the checksum of what came."""
    digest, done = hashlib.sha256(), 0
    request = urllib.request.Request(url, headers=_HEADERS)
    with urllib.request.urlopen(request, timeout=_STALL_TIMEOUT_S) as response:
        total = int(response.headers.get("Content-Length") or 0)
        while piece := _next_piece(response):
            partial.write(piece)
            digest.update(piece)
            done += len(piece)
            if on_download is not None:
                on_download(name, done, total)
    if done < total:
        raise http.client.IncompleteRead(b"", total - done)
    return digest.hexdigest()


def _may_be_weights(partial: IO[bytes]) -> bool:
    """Whether what nobody states a checksum of begins as safetensors do, and is no page of a network's log-in."""
    size = partial.tell()
    partial.seek(0)
    head = partial.read(9)
    partial.seek(size)
    return len(head) == 9 and head[8:] == b"{" and 8 + int.from_bytes(head[:8], "little") <= size


def _next_piece(response: http.client.HTTPResponse) -> bytes:
    """What fails here is the network, whatever the system calls it; what fails in writing is the disk."""
    try:
        return response.read(_PIECE)
    except OSError as error:
        raise ConnectionError(error.strerror or str(error)) from error


@contextmanager
def _partial_file(target: Path, name: str) -> Iterator[IO[bytes]]:
    """A file beside the target that takes its place when the block ends well, and vanishes otherwise."""
    partial_path = target.with_name(f"{target.name}-{secrets.token_hex(6)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # With the usual mode, unlike tempfile's 0600: others may share the folder.
        with partial_path.open("x+b") as partial:
            yield partial
        partial_path.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(
            f"{name}: weights cannot be saved in {target.parent} ({reason}); make room or use --model-dir"
        ) from error
    finally:
        with suppress(OSError):  # what went wrong is told already
            partial_path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    return str(getattr(inner, "strerror", None) or inner).lower()
