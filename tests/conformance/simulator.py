"""Starts and stops `orgsmith sim`, and runs orgsmith against it."""

import json
import os
import signal
import subprocess
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ORGSMITH = os.environ.get("ORGSMITH", str(ROOT / "target" / "debug" / "orgsmith"))


class Simulator:
    """A simulator of the two empty orgs `gold` and `tenant`."""

    def __init__(self, quota=10_000_000, window_s=60):
        limits = ["--quota", str(quota), "--window-s", str(window_s)]
        line = [ORGSMITH, "sim", "--listen", "127.0.0.1:0", "-o", "json", *limits]
        self.folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=self.folder.name
        )
        # The answer is one JSON document, which need not stand on one line.
        text = ""
        for part in self.process.stdout:
            text += part
            try:
                self.base_url = json.loads(text)["base_url"]
                break
            except ValueError:
                continue
        else:
            raise RuntimeError(f"orgsmith sim ended before it listened: {text}")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def ledger(self, org):
        """Lists the requests that an org has received."""
        with urllib.request.urlopen(f"{self.base_url}/sim/ledger?org={org}") as answer:
            return json.load(answer)["entries"]

    def orgsmith(self, *arguments, secrets=()):
        """Runs orgsmith on a project that holds the simulated orgs; gives what it printed."""
        folder = Path(self.folder.name)
        orgs = ["gold", "tenant"]
        project = {
            "orgs": {
                org: {
                    "base_url": self.base_url,
                    "credential": {"file": f"{org}.json"},
                    "visibility_wait_s": 0,
                }
                for org in orgs
            }
        }
        files = {"orgsmith.yaml": project, "secrets.json": {name: "planted" for name in secrets}}
        for org in orgs:
            files[f"{org}.json"] = {"client_id": f"{org}-client", "client_secret": f"{org}-secret"}
        for name, content in files.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(json.dumps(content))
        done = subprocess.run(
            [ORGSMITH, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
        )
        if done.returncode != 0:
            line = " ".join(map(str, arguments))
            raise AssertionError(
                f"orgsmith {line} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done.stdout
