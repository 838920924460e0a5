"""Every read that orgsmith makes of an org with one object of every kind, made by the SDK.

orgsmith puts `examples/every-kind` into an empty org and exports it again. Whatever it asked for is
asked for once more through the SDK's own method of that path: its models must know every field and
every value of the answer. A kind with an example is covered.
"""

import json
import re
import unittest
from collections import defaultdict
from urllib.parse import parse_qsl, unquote

from sdk import ApiException, Connection, method_of
from simulator import ROOT, Simulator
from typed import differences

# Requests of one operation that are made again.
OF_EACH = 8


def secrets(folder):
    """Names the secrets of a bundle."""
    text = "\n".join(file.read_text() for file in folder.rglob("*.yaml"))
    return sorted(set(re.findall(r"\$secret: *\"?([^\"}\n]+)", text)))


def is_json(answer):
    return answer not in (None, "", "str")


class Sweep(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator()
        cls.addClassCleanup(cls.simulator.stop)
        bundle = ROOT / "examples" / "every-kind"
        line = ["apply", bundle, "--to", "gold", "--yes", "--secrets-file", "secrets.json"]
        cls.simulator.orgsmith(*line, secrets=secrets(bundle))
        cls.simulator.orgsmith("export", "gold", "--out", "exported")
        cls.simulator.orgsmith("diff", bundle, "gold")
        cls.connection = Connection(cls.simulator.base_url, "gold")

    def test_the_sdk_reads_whatever_orgsmith_reads(self):
        asked = defaultdict(dict)
        for entry in self.simulator.ledger("gold"):
            if entry["method"] == "GET" and entry["path"].startswith("/api/v2/"):
                asked[entry["operation"]][entry["path"], entry["query"]] = None
        self.assertGreater(len(asked), 30)
        calls = 0
        for operation, requests in sorted(asked.items()):
            # The last ones saw the objects.
            for path, query in list(requests)[-OF_EACH:]:
                calls += 1
                with self.subTest(operation=operation, path=path, query=query):
                    self.replay(path, query)
        print(f"{len(asked)} operations, {calls} requests made again")

    def replay(self, path, query):
        method = method_of("GET", path)
        self.assertIsNotNone(method, f"the SDK has no method for GET {path}")
        values = {name: unquote(value) for name, value in method.values(path).items()}
        arguments = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if method.in_query[name] in method.lists:
                arguments.setdefault(name, []).extend(value.split(","))
            else:
                # Some methods compare a number before they send it.
                arguments[name] = int(value) if value.isdigit() else value
        try:
            answer = self.connection.call(method, values, **arguments)
        except ApiException as error:
            # Deleted since, or a job that is over: orgsmith was told the same.
            self.assertEqual(error.status, 404, f"{method.name}: {error.body}")
            return
        if is_json(method.answer):
            lost = differences(json.loads(self.connection.raw()), answer, method.answer)
            self.assertEqual(lost, [], method.name)
