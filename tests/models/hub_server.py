"""A hub on loopback: folders owner/name of a directory are its repositories."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit


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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def _send(self, status: int, data: bytes = b"{}", *, head: bool = False, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if not head:
            self.wfile.write(data)

    def _answer(self, *, head: bool) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            name, what, revision = found.groups()
            commit = hub.commits.get(revision or "main", revision)
            if not (hub.root / name).is_dir():
                return self._send(404, head=head, X_Error_Code="RepoNotFound")
            if commit not in hub.commits.values():
                return self._send(404, head=head, X_Error_Code="RevisionNotFound")
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
            return self._send(200, json.dumps(listed).encode(), head=head)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            name, revision, file = found.groups()
            commit = hub.commits.get(revision, revision)
            there = self._files(name).get(file)
            if hub.refuses is not None:
                return self._send(hub.refuses, head=head, X_Error_Code="GatedRepo")
            if there is None:
                return self._send(
                    404, head=head, X_Error_Code="EntryNotFound", X_Repo_Commit=commit
                )
            if not head:
                hub.given.append(file)
                if hub.dies_after is not None and len(hub.given) > hub.dies_after:
                    self.close_connection = True
                    return None
            return self._send(
                200, there.read_bytes(), head=head, ETag=f'"{_oid(there)}"', X_Repo_Commit=commit
            )
        return self._send(404, head=head)

    def _files(self, name: str) -> dict[str, Path]:
        base = self.hub.root / name
        return {p.relative_to(base).as_posix(): p for p in sorted(base.rglob("*")) if p.is_file()}


def _oid(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@contextmanager
def serve_hub(root: Path) -> Iterator[Hub]:
    """Serve a directory of repositories until the block ends."""
    hub = Hub(root)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
