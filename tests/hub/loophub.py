"""A small Hub on this machine, spoken to by the real client: repositories, LFS, faults."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

import yaml

TOKEN = "hf_loop"
_LARGE = 4_096


class LoopHub(ThreadingHTTPServer):
    """Repositories in memory.

    Attributes
    ----------
    repos : dict of str to dict
        ``private``, ``commits`` (oid to files, oldest first) and ``branches``.
    lfs : dict of str to bytes
        Large files by their sha256.
    faults : list of [method, pattern, answer, times]
        The answer is a status, ``"cut"`` or ``"flip"``.
    log : list of (method, path, whether a token came with it)
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos, self.lfs, self.faults, self.log = {}, {}, [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, repo, files, branch="main"):
        """Put a commit on a branch; files stand for the whole repository."""
        held = self.repos[repo]
        oid = hashlib.sha1(f"{repo}{branch}{len(held['commits'])}".encode()).hexdigest()
        held["commits"][oid] = files
        held["branches"][branch] = oid
        return oid

    def fail(self, method, pattern, answer, times=1):
        self.faults.append([method, pattern, answer, times])

    def count(self, method, pattern):
        return sum(m == method and re.search(pattern, p) is not None for m, p, _ in self.log)

    def files(self, repo, revision="main"):
        held = self.repos[repo]
        return held["commits"][held["branches"].get(revision, revision)]


@contextmanager
def running():
    """Run a Hub while the block does."""
    hub = LoopHub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer("GET")

    def do_HEAD(self):
        self.answer("HEAD")

    def do_POST(self):
        self.answer("POST")

    def do_PUT(self):
        self.answer("PUT")

    def answer(self, method):
        path = unquote(urlparse(self.path).path)
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size)
        self.known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self.server.log.append((method, path, "Authorization" in self.headers))
        self.fault = None
        for fault in self.server.faults:
            if fault[3] and fault[0] == method and re.search(fault[1], path):
                fault[3] -= 1
                self.fault = fault[2]
                break
        if isinstance(self.fault, int):
            self.send({"error": "on purpose"}, self.fault)
            return
        for pattern, function in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found:
                function(self, *found.groups())
                return
        self.send({"error": "not known here"}, 404)

    def send(self, content, status=200, headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        told = {"Content-Length": str(len(body))} | (headers or {})
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "cut":
            body = body[: len(body) // 2]
            self.close_connection = True
        if self.fault == "flip":
            body = bytes([body[0] ^ 1]) + body[1:]
        self.wfile.write(body)

    def missing(self, code, status=404):
        self.send({"error": code}, status, {"X-Error-Code": code, "X-Error-Message": code})

    def held(self, name, revision=None):
        """Give a repository and the commit of a revision; or answer that there is none."""
        repo = self.server.repos.get(name)
        if repo is None or (repo["private"] and not self.known):
            self.missing("RepoNotFound", 404 if self.known else 401)
            return None, None
        oid = repo["branches"].get(revision or "main", revision)
        if oid not in repo["commits"]:
            self.missing("RevisionNotFound")
            return None, None
        return repo, oid


def _create(request):
    if not request.known:
        request.send({"error": "Invalid credentials"}, 401)
        return
    asked = json.loads(request.body)
    name = f"{asked.get('organization') or 'user'}/{asked['name']}"
    url = f"{request.server.url}/{name}"
    if name in request.server.repos:
        request.send({"error": "it exists", "url": url}, 409)
        return
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    request.server.repos[name] = {"private": private, "commits": {}, "branches": {}}
    request.server.commit(name, {".gitattributes": b"*.safetensors filter=lfs\n"})
    request.send({"url": url, "name": name})


def _info(request, name, revision=None):
    repo, oid = request.held(name, revision)
    if repo:
        siblings = [{"rfilename": path} for path in repo["commits"][oid]]
        told = {"id": name, "modelId": name, "sha": oid, "private": repo["private"]}
        told |= {"siblings": siblings, "tags": [], "downloads": 0}
        card = repo["commits"][oid].get("README.md", b"").decode()
        if card.startswith("---\n"):
            told["cardData"] = yaml.safe_load(card.split("---\n")[1])
        request.send(told)


def _branch(request, name, branch):
    repo, oid = request.held(name)
    if repo and branch in repo["branches"]:
        request.send({"error": "it exists"}, 409)
    elif repo:
        repo["branches"][branch] = oid
        request.send({})


def _validate(request):
    request.send({"errors": [], "warnings": []})


def _preupload(request, name, revision):
    repo, oid = request.held(name, revision)
    if not repo:
        return
    there, told = repo["commits"][oid], []
    for one in json.loads(request.body)["files"]:
        large = one["size"] > _LARGE or one["path"].endswith(".safetensors")
        own = {"path": one["path"], "uploadMode": "lfs" if large else "regular"}
        if one["path"] in there:
            own["oid"] = _oid(there[one["path"]], large=large)
        told.append(own | {"shouldIgnore": False})
    request.send({"files": told})


def _batch(request, name):
    objects = []
    for one in json.loads(request.body)["objects"]:
        own = {"oid": one["oid"], "size": one["size"]}
        if one["oid"] not in request.server.lfs:
            href = f"{request.server.url}/lfs/{one['oid']}"
            own["actions"] = {"upload": {"href": href, "header": {}}}
        objects.append(own)
    request.send({"transfer": "basic", "objects": objects})


def _store(request, oid):
    if hashlib.sha256(request.body).hexdigest() != oid:
        request.send({"error": "wrong bytes"}, 400)
        return
    request.server.lfs[oid] = request.body
    request.send(b"")


def _commit(request, name, revision):
    if not request.known:
        request.send({"error": "Invalid credentials"}, 401)
        return
    repo, oid = request.held(name, revision)
    if not repo:
        return
    files = dict(repo["commits"][oid])
    for line in request.body.splitlines():
        told = json.loads(line)
        value = told["value"]
        if told["key"] == "header" and value.get("parentCommit") not in (None, oid):
            request.send({"error": "the parent is stale"}, 412)
            return
        if told["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        if told["key"] == "lfsFile":
            files[value["path"]] = request.server.lfs[value["oid"]]
        if told["key"] == "deletedFile":
            del files[value["path"]]
    made = request.server.commit(name, files, revision)
    url = f"{request.server.url}/{name}/commit/{made}"
    request.send({"success": True, "commitOid": made, "commitUrl": url, "hookOutput": ""})


def _tree(request, name, revision):
    repo, oid = request.held(name, revision)
    if not repo:
        return
    rows = []
    for path, content in repo["commits"][oid].items():
        row = {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}
        if _is_large(path, content):
            sha = _oid(content, large=True)
            row["lfs"] = {"oid": sha, "size": len(content), "pointerSize": 130}
        rows.append(row)
    request.send(rows)


def _resolve(request, name, revision, path):
    repo, oid = request.held(name, revision)
    if not repo:
        return
    files = repo["commits"][oid]
    if path not in files:
        request.missing("EntryNotFound")
        return
    content, told = files[path], {"X-Repo-Commit": oid}
    if _is_large(path, content):
        sha = _oid(content, large=True)
        request.server.lfs[sha] = content
        # Another name of this machine, as large files lie on other machines than the Hub.
        where = f"http://localhost:{request.server.server_port}/cdn/{sha}"
        linked = {"X-Linked-ETag": f'"{sha}"', "X-Linked-Size": str(len(content))}
        request.send(b"", 302, told | linked | {"Location": where})
        return
    request.send(content, 200, told | {"ETag": f'"{_oid(content)}"'})


def _cdn(request, sha):
    content, told = request.server.lfs[sha], {"ETag": f'"{sha}"', "Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
    if asked:
        start = int(asked.group(1))
        whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.send(content[start:], 206, told | {"Content-Range": whole})
        return
    request.send(content, 200, told)


def _is_large(path, content):
    return len(content) > _LARGE or path.endswith(".safetensors")


def _oid(content, *, large=False):
    if large:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


_NAME = r"([^/]+/[^/]+)"
_ROUTES = [
    (r"/api/repos/create", _create),
    (r"/api/validate-yaml", _validate),
    (rf"/api/models/{_NAME}", _info),
    (rf"/api/models/{_NAME}/revision/(.+)", _info),
    (rf"/api/models/{_NAME}/branch/(.+)", _branch),
    (rf"/api/models/{_NAME}/preupload/(.+)", _preupload),
    (rf"/api/models/{_NAME}/commit/(.+)", _commit),
    (rf"/api/models/{_NAME}/tree/([^/]+)", _tree),
    (rf"/{_NAME}\.git/info/lfs/objects/batch", _batch),
    (r"/lfs/([0-9a-f]{64})", _store),
    (r"/cdn/([0-9a-f]{64})", _cdn),
    (rf"/{_NAME}/resolve/([^/]+)/(.+)", _resolve),
]
