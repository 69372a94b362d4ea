"""Fetching raw files: from the hub by pinned revision, an address or a folder; checked, resumed, with a receipt."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, NotAvailable
from agentflan.files import read_json, sha256_of, write_json

_CHUNK = 1 << 20


class Fetched(NamedTuple):
    """A file that is in place, and the folder, address or hub revision that it is from."""

    name: str
    sha256: str
    size: int
    place: str


def fetch(
    source: Source, folder: Path, origin: str | None, manifest: Path | None, optional: tuple[str, ...] = ()
) -> list[Fetched]:
    """Bring a source's files into `folder`, check them, and write ``receipt.json`` last.

    A file that is there and right is not fetched again. What was fetched so far of a cut-off file stays beside it
    under ``.part`` and is gone on with; a whole file with wrong bytes is kept under ``.bad`` and fetched anew.

    Args:
        source: the pinned origin.
        folder: where the files go, under their upstream names.
        origin: a folder or an address to take them from; the pinned place if None. What a folder lacks of files with an
            address of their own is fetched from there.
        manifest: hashes and sizes that replace the pinned ones: ``{"files": {path: {"sha256", "size"}}}``. Its paths
            are relative to the manifest's folder, which holds `origin` and all that there is to take.
        optional: names that are taken along where a folder has them.

    Raises:
        FileError: a file is missing, or has other bytes than it should; both hashes are shown.
        NotAvailable: the hub or the address cannot be reached, or asks for a licence or a token.
    """
    files = list(source.files)
    if _is_folder(origin):
        files += [SourceFile(name, optional=True) for name in optional]
        files = [file for file in files if _is_taken(file, Path(origin), manifest)]
        if any(not file.url for file in source.files) and all(file.url for file in files):
            names = [*(file.name for file in source.files if not file.url), *optional]
            raise FileError(origin, "none of the files of the source", ", ".join(names))
    files = [_expected(file, origin, manifest) for file in files]
    fetched = [_fetch_file(source, file, folder, origin) for file in files]
    write_json(folder / "receipt.json", _receipt(source, fetched, origin))
    return fetched


def _is_folder(place: str | None) -> bool:
    return bool(place) and "://" not in place


def _is_taken(file: SourceFile, folder: Path, manifest: Path | None) -> bool:
    return not file.optional or (folder / file.name).exists() or bool(file.url and manifest is None)


def _place(source: Source, file: SourceFile, origin: str | None) -> str:
    """The folder or address that a file is taken from; "" for the hub, or where there is none."""
    if origin and not (file.url and _is_folder(origin) and not (Path(origin) / file.name).exists()):
        return origin
    return file.url or source.url


def _expected(file: SourceFile, origin: str | None, manifest: Path | None) -> SourceFile:
    if manifest is None or origin is None:
        return file
    entries = read_json(manifest)["files"]
    key = (Path(origin) / file.name).resolve().relative_to(manifest.parent.resolve()).as_posix()
    if key not in entries:
        raise FileError(manifest, f"no entry for {key}", "hash and size of every file")
    return SourceFile(file.name, entries[key]["sha256"], entries[key]["size"])


def _fetch_file(source: Source, file: SourceFile, folder: Path, origin: str | None) -> Fetched:
    target, place = folder / file.name, _place(source, file, origin)
    if not (target.exists() and file.sha256 and sha256_of(target) == file.sha256):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        if _is_folder(place):
            _copy(Path(place) / file.name, part)
        elif place or not source.repo:
            _download(f"{place.rstrip('/')}/{file.name}", part, file)
        else:
            _from_hub(source, file, part)
        _check(part, file)
        part.replace(target)
    return Fetched(file.name, sha256_of(target), target.stat().st_size, place or f"{source.repo}@{source.revision}")


def _copy(path: Path, part: Path) -> None:
    if not path.is_file():
        raise FileError(path, "no such file", "a file of the source")
    shutil.copyfile(path, part)


def _download(url: str, part: Path, file: SourceFile) -> None:
    if not url.startswith(("http://", "https://")):
        raise NotAvailable(f"{file.name}: this source has no address; give the folder that holds it with --from")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            resumed = have and response.status == 206
            with part.open("ab" if resumed else "wb") as handle:
                shutil.copyfileobj(response, handle, _CHUNK)
            length = response.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # all of it is here
            return
        raise NotAvailable(f"{url}: the server answers {error.code}; {_by_hand(file)}") from None
    except OSError as error:
        kept = "what came so far is kept, run it again"
        raise NotAvailable(f"{url}: cannot be reached ({error}); {kept}, or {_by_hand(file)}") from None
    received = part.stat().st_size - (have if resumed else 0)
    if length is not None and received < int(length):
        raise FileError(part, f"{received} of {length} bytes", "the whole file", "What came is kept: run it again")


def _by_hand(file: SourceFile) -> str:
    return f"give a folder that holds it as {file.name} with --from"


def _from_hub(source: Source, file: SourceFile, part: Path) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = hf_hub_download(source.repo, file.name, repo_type="dataset", revision=source.revision)
    except GatedRepoError:
        raise NotAvailable(
            f"{source.repo}: accept its terms on the hub and set HF_TOKEN to a token with read access"
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise NotAvailable(
            f"{source.repo}@{source.revision}: {file.name} cannot be fetched ({type(error).__name__}); "
            f"check the network, or {_by_hand(file)}"
        ) from None
    shutil.copyfile(path, part)


def _check(part: Path, file: SourceFile) -> None:
    """Refuse a whole file that is another one; it is put aside, so that the next try begins anew.

    Raises:
        FileError: its size or its hash is not the pinned one.
    """
    size = part.stat().st_size
    if file.size is not None and size != file.size:
        raise FileError(part, f"{size} bytes", f"{file.size} bytes", _put_aside(part))
    found = sha256_of(part)
    if file.sha256 is not None and found != file.sha256:
        raise FileError(part, f"SHA-256 {found}", f"SHA-256 {file.sha256}", _put_aside(part))


def _put_aside(part: Path) -> str:
    """Rename a wrong file; what a user is told."""
    bad = part.with_suffix(".bad")
    part.replace(bad)
    return f"The file is kept for a look as {bad.name}; run it again to fetch it anew"


def _receipt(source: Source, fetched: list[Fetched], origin: str | None) -> dict[str, Any]:
    place = {"repo": source.repo, "revision": source.revision} if origin is None else {"origin": origin}
    receipt = {**place, "licence": source.licence, "files": [file._asdict() for file in fetched]}
    return json.loads(json.dumps(receipt))
