"""One org through the SDK, and what every test asks of its answers."""

import json
import unittest
from urllib.parse import parse_qsl, urlsplit

from families import FAMILIES, World
from sdk import ApiException, Connection, method, method_of
from simulator import Simulator
from typed import differences


class Org:
    """One org through the SDK; what it answers must be as the SDK's models say."""

    def __init__(self, connection):
        self.connection = connection
        self.world = World(self, FAMILIES)

    def call(self, method, path_values, body=None, **query):
        answer = self.connection.call(method, path_values, body, **query)
        raw = self.connection.raw()
        if method.answer not in (None, "", "str") and raw:
            lost = differences(json.loads(raw), answer, method.answer)
            assert not lost, f"{method.name}:\n  " + "\n  ".join(lost)
        return answer

    def does(self, verb, path, ids=(), body=None, **query):
        """Calls the method of a path; `ids` are what stands in it."""
        found = method_of(verb, path)
        assert found, f"the SDK has no method for {verb} {path}"
        values = {found.in_path[name]: id for name, id in zip(found.names, ids)}
        return self.call(found, values, body, **query)

    def create(self, family, body=None):
        return self.make(family, body or family.body(self.world))

    def make(self, family, body):
        return self.does("POST", family.path, self.world.above(family.path), body)

    def one(self, verb, family, id, body=None, **query):
        """Calls the method of one object."""
        behind = {"GET": family.read_in, "DELETE": family.delete_in}.get(verb, family.update_in)
        path = (family.items or family.path) + "/{id}" + behind
        above = [] if family.items else self.world.above(family.path)
        return self.does(verb, path, [*above, id], body, **query)

    def read(self, family, id):
        return self.one("GET", family, id, **family.read_query)

    def sent(self):
        """Gives the last answer as it was sent."""
        return json.loads(self.connection.raw())

    def list(self, family, size):
        """Walks all pages of a list; gives its objects and the number of pages."""
        if family.listing:
            return self.query(family, size)
        listing = method("GET", family.path)
        found, pages = [], 0
        query = {name: value(self.world) if callable(value) else value for name, value in family.query.items()}
        query.update({name: size for name in ("pageSize", "limit") if name in listing.in_query})
        above = self.world.above(family.path)
        while True:
            page = self.does("GET", family.path, above, **query)
            pages += 1
            found += page.entities or []
            if family.pages == "pageNumber" and pages < (page.page_count or 0):
                query["pageNumber"] = pages + 1
                continue
            cursor = dict(parse_qsl(urlsplit(getattr(page, "next_uri", None) or "").query)).get(family.pages)
            if not cursor:
                return found, pages
            query[family.pages] = cursor

    def query(self, family, size):
        """Walks all pages of a list that is asked for by a body."""
        behind, body = family.listing[0], family.listing[1](self.world)
        found, pages, after = [], 0, None
        while True:
            page = self.does("POST", family.path + behind, body={**body, "pageSize": size, "after": after})
            pages += 1
            found += page.entities or []
            after = page.after
            if not after:
                return found, pages


def code(error):
    return json.loads(error.body)["code"]


class Cases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator()
        cls.addClassCleanup(cls.simulator.stop)
        cls.org = Org(Connection(cls.simulator.base_url, "gold"))

    def refused(self, status, call):
        with self.assertRaises(ApiException) as caught:
            call()
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        self.assertTrue(json.loads(caught.exception.body)["message"])
        return caught.exception

    def until(self, done):
        """Asks again and again, as of a job; the simulator's ends after a few times."""
        self.assertTrue(any(done() for _ in range(100)), "it does not end")

    def assertSays(self, now, fields):
        """Holds what is there against what was sent; of an object, only what was sent of it."""
        for name, value in fields.items():
            self.assertIn(name, now)
            if isinstance(value, dict):
                self.assertSays(now[name], value)
            else:
                self.assertEqual(now[name], value, name)
