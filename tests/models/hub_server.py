"""A hub on loopback: folders owner/name of a directory are its repositories."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from loopback import QuietHandler, listen


class Hub:
    """What the hub has, what it was asked, and how it behaves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commits = {"main": "1" * 40}
        """Commit by branch or tag; every commit has the same files."""
        self.refuses: int | None = None
        """A status that every file is answered with."""
        self.dies_after: int | None = None
        """Files that are given before connections are cut."""
        self.given: list[str] = []
        self.address = ""


class _Handler(QuietHandler):
    hub: Hub

    def get(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            name, what, revision = found.groups()
            commit = hub.commits.get(revision or "main", revision)
            if not (hub.root / name).is_dir():
                return self.send(404, b"{}", X_Error_Code="RepoNotFound")
            if commit not in hub.commits.values():
                return self.send(404, b"{}", X_Error_Code="RevisionNotFound")
            files = self._files(name)
            if what == "tree":
                listed: Any = [
                    {"type": "file", "path": n, "size": p.stat().st_size, "oid": _oid(p)}
                    for n, p in files.items()
                ]
            else:
                siblings = [
                    {"rfilename": n, "size": p.stat().st_size, "blobId": _oid(p)}
                    for n, p in files.items()
                ]
                listed = {
                    "_id": "1", "id": name, "modelId": name, "sha": commit, "private": False,
                    "gated": False, "disabled": False, "downloads": 1, "likes": 0, "tags": [],
                    "siblings": siblings,
                }  # fmt: skip
            return self.send(200, json.dumps(listed).encode())
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            name, revision, file = found.groups()
            commit = hub.commits.get(revision, revision)
            there = self._files(name).get(file)
            if hub.refuses is not None:
                return self.send(hub.refuses, b"{}", X_Error_Code="GatedRepo")
            if there is None:
                return self.send(404, b"{}", X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            if self.command != "HEAD":
                hub.given.append(file)
                if hub.dies_after is not None and len(hub.given) > hub.dies_after:
                    self.close_connection = True
                    return None
            return self.send(200, there.read_bytes(), ETag=f'"{_oid(there)}"', X_Repo_Commit=commit)
        return self.send(404, b"{}")

    def _files(self, name: str) -> dict[str, Path]:
        base = self.hub.root / name
        return {p.relative_to(base).as_posix(): p for p in sorted(base.rglob("*")) if p.is_file()}


@cache
def _hash(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _oid(path: Path) -> str:
    # The files of a repository stay as they are, and every test has links to the same ones.
    return _hash(path.resolve())


@contextmanager
def serve_hub(root: Path) -> Iterator[Hub]:
    """Serve a directory of repositories until the block ends."""
    hub = Hub(root)
    with listen(_Handler, hub=hub) as hub.address:
        yield hub
