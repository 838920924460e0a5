"""Runs ci/orgsmith-comment against stand-ins of the comments of GitHub, GitLab and Azure DevOps.

Each knows just the documented calls, asks for the token, and gives no more than a hundred comments at
once; whatever else is asked is 404 and fails the script.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SCRIPT = Path(__file__).resolve().parents[2] / "ci" / "orgsmith-comment"
MARK = "<!-- orgsmith prod -->"
TOKEN = "planted"


class Forge:
    """The comments of one change: how a service lists, makes and changes them."""

    def __init__(self, name, token, environment, listed, changed, change_verb):
        self.name, self.token, self.environment = name, token, environment
        self.listed, self.changed, self.change_verb = re.compile(listed), re.compile(changed), change_verb
        # People talked before, and more than fits on a page.
        self.bodies = [f"remark {n}" for n in range(150)]
        self.faults = []

    def answer(self, verb, path, query, headers, body):
        if headers.get(self.token[0]) != self.token[1]:
            return 401, {}
        if verb == "GET" and self.listed.fullmatch(path):
            return 200, self.list(query)
        if verb == "POST" and self.listed.fullmatch(path):
            self.bodies.append(self.text(body, new=True))
            return 201, {"id": len(self.bodies)}
        found = self.changed.fullmatch(path)
        if verb == self.change_verb and found:
            self.bodies[int(found[1]) - 1] = self.text(body, new=False)
            return 200, {}
        return 404, {}

    def list(self, query):
        size, page = int(query["per_page"][0]), int(query["page"][0])
        assert size <= 100, "a page holds a hundred"
        rows = [{"id": n, "body": body} for n, body in enumerate(self.bodies, 1)]
        return rows[size * (page - 1) : size * page]

    def text(self, body, new):
        return body["body"]


class Azure(Forge):
    """Comments are in threads, and every call names the version of the API."""

    def answer(self, verb, path, query, headers, body):
        if query.get("api-version") != ["7.1"]:
            return 400, {}
        return super().answer(verb, path, query, headers, body)

    def list(self, _):
        thread = lambda n, text: {"id": n, "comments": [{"id": 1, "content": text}]}
        return {"value": [thread(n, text) for n, text in enumerate(self.bodies, 1)]}

    def text(self, body, new):
        if not new:
            return body["content"]
        [comment] = body["comments"]
        assert comment["parentCommentId"] == 0 and comment["commentType"] == "text"
        return comment["content"]


FORGES = [
    Forge(
        "github",
        ("Authorization", f"Bearer {TOKEN}"),
        {"GH_TOKEN": TOKEN, "GITHUB_API_URL": "{}", "GITHUB_REPOSITORY": "we/centre", "ORGSMITH_CHANGE": "7"},
        r"/repos/we/centre/issues/7/comments",
        r"/repos/we/centre/issues/comments/(\d+)",
        "PATCH",
    ),
    Forge(
        "gitlab",
        ("PRIVATE-TOKEN", TOKEN),
        {
            "ORGSMITH_NOTES_TOKEN": TOKEN,
            "CI_API_V4_URL": "{}/api/v4",
            "CI_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_IID": "7",
        },
        r"/api/v4/projects/12/merge_requests/7/notes",
        r"/api/v4/projects/12/merge_requests/7/notes/(\d+)",
        "PUT",
    ),
    Azure(
        "azure",
        ("Authorization", f"Bearer {TOKEN}"),
        {
            "SYSTEM_ACCESSTOKEN": TOKEN,
            "SYSTEM_COLLECTIONURI": "{}/we/",
            "SYSTEM_TEAMPROJECTID": "centre",
            "BUILD_REPOSITORY_ID": "repo",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        },
        r"/we/centre/_apis/git/repositories/repo/pullRequests/7/threads",
        r"/we/centre/_apis/git/repositories/repo/pullRequests/7/threads/(\d+)/comments/1",
        "PATCH",
    ),
]


def serve(forge):
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            at = urlsplit(self.path)
            try:
                status, answer = forge.answer(self.command, at.path, parse_qs(at.query), self.headers, body)
            except Exception as error:
                forge.faults.append(repr(error))
                status, answer = 400, {}
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = handle_any

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def run(forge, host, plan, token=TOKEN):
    """Runs the script for a plan; gives how it ended and what it said."""
    with tempfile.TemporaryDirectory() as out:
        Path(out, "plan.md").write_text(plan, encoding="utf-8")
        given = {name: value.format(host).replace(TOKEN, token) for name, value in forge.environment.items()}
        environment = {"PATH": os.environ["PATH"], "ORGSMITH_OUT": out, **given}
        done = subprocess.run([SCRIPT, forge.name], env=environment, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr


def check(forge):
    server = serve(forge)
    host = f"http://127.0.0.1:{server.server_port}"
    before = list(forge.bodies)
    other = "<!-- orgsmith test -->\nof another org"
    forge.bodies.append(other)
    # Quotes, backslashes and letters beyond ASCII arrive as they are.
    plans = [f'{MARK}\n+ "Größe" \\n {n}\n' for n in (1, 2)]
    for plan in plans:
        code, said = run(forge, host, plan)
        assert code == 0, f"{forge.name}: {said}{forge.faults}"
        assert forge.bodies == [*before, other, plan], f"{forge.name}: {forge.bodies[150:]}"
    code, said = run(forge, host, plans[0], token="wrong")
    assert code != 0, f"{forge.name}: a refusal is a success"
    assert "wrong" not in said, f"{forge.name} tells its token: {said}"
    assert forge.bodies[-1] == plans[1], f"{forge.name}: changed without a token"
    server.shutdown()


def main():
    failed = 0
    for forge in FORGES:
        try:
            check(forge)
        except AssertionError as error:
            print(f"pipelines: {error}", file=sys.stderr)
            failed += 1
    print(f"test result: {len(FORGES) - failed} passed; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
