"""What tests of trackers share: facts of a run, a reader of W&B's offline files, and a stand-in for its server."""

import gzip
import json
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from experiments.tracking.facts import Facts

_BLOCK = 32768  # bytes
_HEADER = struct.Struct("<IHB")  # checksum, length, kind: whole, first, middle or last part of a record


@pytest.fixture
def facts(tmp_path: Path) -> Callable[..., Facts]:
    """Facts of a run whose folder is there."""

    def make(**options: Any) -> Facts:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        return Facts(**{
            "identity": "0123456789abcdef", "name": "focal-seed0", "group": "ablation-focal", "job_type": "arm",
            "tags": ("focal",), "config": {"seed": 0}, "settings": {"train_cfg": {"max_iters": 4}}, "folder": folder,
            "begins": 0, **options,
        })  # fmt: skip

    return make


@pytest.fixture
def records_in() -> Callable[[Path], list[Any]]:
    """Read a ``.wandb`` file: W&B's own messages in LevelDB's log format, behind 7 bytes that name the format.

    wandb 0.31 has no reader of it in Python; its own one, in ``wandb sync``, is tested against the stand-in server. Its process
    writes the last block a moment after ``finish`` returned.
    """
    from wandb.proto import wandb_internal_pb2

    def read(path: Path) -> list[Any]:
        deadline = time.monotonic() + 30
        while not (records := parsed(path)) or not any(record.HasField("exit") for record in records):
            assert time.monotonic() < deadline, f"{path} has no end"
            time.sleep(0.02)
        return records

    def parsed(path: Path) -> list[Any]:
        data = path.read_bytes()
        assert data.startswith(b":W&B")
        records, at, message = [], 7, b""
        while at < len(data):
            if _BLOCK - at % _BLOCK < _HEADER.size:  # padding
                at += _BLOCK - at % _BLOCK
                continue
            _, length, kind = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            message += data[at : at + length]
            at += length
            if kind in (1, 4):  # whole, last
                record = wandb_internal_pb2.Record()
                record.ParseFromString(message)
                records.append(record)
                message = b""
        return records

    return read


class Server(ThreadingHTTPServer):
    """As much of W&B's server as its client needs, on loopback; ``asked`` are method or operation, path, and content."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.buckets: dict[str, dict[str, Any]] = {}

    def handle_error(self, *_: Any) -> None:
        """Nothing: a client that ends cuts its connections."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def variables(self, operation: str) -> list[dict[str, Any]]:
        """Those of each call of a GraphQL operation."""
        return [asked["variables"] or {} for kind, name, asked in self.asked if (kind, name) == ("graphql", operation)]

    def history(self) -> list[dict[str, Any]]:
        """All lines of history that were sent, in order."""
        parts = [part["files"].get("wandb-history.jsonl", {}) for kind, _, part in self.asked if kind == "stream"]
        return [json.loads(line) for part in parts for line in part.get("content", [])]

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        project = {"id": "P", "name": "project", "entity": {"id": "E", "name": "team"}}
        if operation == "Viewer":
            return {
                "viewer": {"id": "U", "entity": "team", "flags": "{}", "teams": {"edges": []}, "username": "somebody"}
            }
        if operation == "RunResumeStatus":
            steps = [line["_step"] for line in self.history()]
            tail = json.dumps([json.dumps({"_step": max(steps, default=0)})])
            bucket = self.buckets.get(variables["name"])
            if bucket is not None:
                bucket = {**bucket, "historyLineCount": len(steps), "historyTail": tail}
            return {"model": {**project, "bucket": bucket}}
        if operation == "UpsertBucket":
            bucket = {"id": "R", "name": variables["name"], "displayName": "", "config": "{}", "project": project}
            self.buckets[variables["name"]] = {
                **bucket, "summaryMetrics": "{}", "logLineCount": 0, "eventsLineCount": 0, "eventsTail": "[]", "tags": [],
                "wandbConfig": '{"t": 1}',
            }  # fmt: skip
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "ArtifactType":
            return {"project": {"artifact": None}}
        if operation == "CreateArtifact":
            sequence = {"id": "S", "latestArtifact": None}
            return {"createArtifact": {"artifact": {"id": "A", "state": "PENDING", "artifactSequence": sequence}}}
        if operation == "CreateArtifactManifest":
            return {"createArtifactManifest": {"artifactManifest": {"id": "M", "file": self._upload("manifest.json")}}}
        if operation == "CreateArtifactFiles":
            nodes = [{"node": self._upload(file["name"])} for file in variables["input"]["artifactFiles"]]
            return {"createArtifactFiles": {"files": {"edges": nodes}}}
        if operation == "CommitArtifact":
            return {"commitArtifact": {"artifact": {"id": "A", "digest": ""}}}
        if operation == "CreateRunFiles":
            files = [self._upload(name) for name in variables["files"]]
            return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}
        if operation == "NotifyScriptableRunAlert":
            return {"notifyScriptableRunAlert": {"success": True}}
        return {}

    def _upload(self, name: str) -> dict[str, Any]:
        return {
            "id": "F", "name": name, "displayName": name, "uploadUrl": f"{self.url}/upload/{name}", "uploadHeaders": [],
            "uploadMultipartUrls": None, "storagePath": name, "artifact": {"id": "A"},
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        content = self._content()
        if self.path == "/graphql":
            asked = json.loads(content)
            match = re.match(r"\s*(?:query|mutation)\s+(\w+)", asked["query"])
            assert match is not None
            self.server.asked.append(("graphql", match[1], asked))
            self._send({"data": self.server.answer(match[1], asked.get("variables") or {})})
        elif self.path.endswith("/file_stream"):
            self.server.asked.append(("stream", self.path, {"files": {}, **json.loads(content)}))
            self._send({})
        else:
            self._other()

    def do_PUT(self) -> None:
        self.server.asked.append(("upload", self.path.removeprefix("/upload/"), self._content()))
        self._send({})

    def _other(self) -> None:
        self.server.asked.append((self.command, self.path, None))
        self._send({})

    do_GET = do_CONNECT = do_HEAD = _other

    def _content(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def _send(self, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server() -> Iterator[Server]:
    """A stand-in for W&B's server; as a proxy it notes whatever is sent anywhere."""
    with Server() as standing:
        thread = threading.Thread(target=standing.serve_forever, daemon=True)
        thread.start()
        yield standing
        standing.shutdown()
