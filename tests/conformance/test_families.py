"""Every family through the SDK: create, list, read, update, delete, and what is refused."""

import json
import unittest
import uuid

from families import FAMILIES, World
from sdk import ApiException, Connection, method, methods
from simulator import Simulator
from typed import differences


class Org:
    """One org through the SDK; what it answers must be as the SDK's models say."""

    def __init__(self, connection):
        self.connection = connection
        self.world = World(self)

    def call(self, method, path_values, body=None, **query):
        answer = self.connection.call(method, path_values, body, **query)
        raw = self.connection.raw()
        if method.answer not in (None, "", "str") and raw:
            lost = differences(json.loads(raw), answer, method.answer)
            assert not lost, f"{method.name}:\n  " + "\n  ".join(lost)
        return answer

    def create(self, family):
        return self.make(family, family.body(self.world))

    def make(self, family, body):
        return self.call(method("POST", family.path), {}, body)

    def one(self, verb, family, id, body=None, **query):
        """Calls the method of one object."""
        item = item_of(verb, family)
        return self.call(item, {item.in_path[item.names[-1]]: id}, body, **query)

    def list(self, family, size):
        """Walks all pages of a list; gives its objects and the number of pages."""
        listing = method("GET", family.path)
        found, pages = [], 0
        query = dict(family.query)
        if "pageSize" in listing.in_query:
            query["pageSize"] = size
        while True:
            page = self.call(listing, {}, **query)
            pages += 1
            found += page.entities or []
            if family.pages == "pageNumber" and pages < (page.page_count or 0):
                query["pageNumber"] = pages + 1
            elif family.pages == "after" and page.next_uri:
                query["after"] = page.next_uri.split("after=")[1].split("&")[0]
            else:
                return found, pages


def item_of(verb, family):
    """Finds the method of one object of a family."""
    fits = [
        method
        for (found, path), method in methods().items()
        if found == verb and path.rsplit("/", 1)[0] == family.path and path.endswith("}")
    ]
    return fits[0] if fits else None


def code(error):
    return json.loads(error.body)["code"]


class Families(unittest.TestCase):
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

    def what_is_created_is_answered_and_read(self, family):
        body = family.body(self.org.world)
        made = self.org.make(family, body)
        sent = json.loads(self.org.connection.raw())
        for name, value in body.items():
            if isinstance(value, (str, int, bool)) and name in sent and name not in family.unlike:
                self.assertEqual(sent[name], value, name)
        read = self.org.one("GET", family, made.id)
        self.assertEqual(read.id, made.id)
        self.assertEqual(read.name, made.name)

    def lists_of_several_pages_hold_all(self, family):
        made = {self.org.create(family).id for _ in range(3)}
        found, pages = self.org.list(family, 2)
        ids = [one.id for one in found]
        self.assertEqual(len(ids), len(set(ids)), "an object is listed twice")
        self.assertLessEqual(made, set(ids))
        if family.pages:
            self.assertGreater(pages, 1)

    def an_unknown_id_is_not_found(self, family):
        error = self.refused(404, lambda: self.org.one("GET", family, str(uuid.uuid4())))
        self.assertTrue(code(error))

    def a_second_of_the_same_name_is_refused(self, family):
        body = family.body(self.org.world)
        self.org.make(family, body)
        status, wanted = family.duplicate
        error = self.refused(status, lambda: self.org.make(family, body))
        self.assertEqual(code(error), wanted)

    def changed(self, made, family):
        """Gives the body of an update, with the version that it replaces."""
        self.org.one("GET", family, made.id)
        now = json.loads(self.org.connection.raw())
        whole = family.update == "PUT" or family.whole
        body = family.body(self.org.world) if whole else {}
        for name in list(body):
            if name in now and name not in family.unlike:
                body[name] = now[name]
        body.update(family.change)
        if family.clash:
            body["version"] = now["version"]
        return body

    def an_update_stays(self, family):
        made = self.org.create(family)
        self.org.one(family.update, family, made.id, self.changed(made, family))
        self.org.one("GET", family, made.id)
        now = json.loads(self.org.connection.raw())
        for name, value in family.change.items():
            if isinstance(value, dict):
                self.assertEqual({**now[name], **value}, now[name], name)
            else:
                self.assertEqual(now[name], value, name)
        # Another object can have the name again.
        if "name" in family.change:
            self.org.one("DELETE", family, made.id, **family.delete_query)

    def a_stale_version_is_refused(self, family):
        made = self.org.create(family)
        body = self.changed(made, family)
        if "name" in body:
            body["name"] = made.name
        self.org.one(family.update, family, made.id, body)
        self.refused(family.clash, lambda: self.org.one(family.update, family, made.id, body))

    def what_is_deleted_is_gone(self, family):
        made = self.org.create(family)
        self.org.one("DELETE", family, made.id, **family.delete_query)
        if family.soft:
            try:
                self.assertEqual(self.org.one("GET", family, made.id).state, "deleted")
            except ApiException as error:
                self.assertEqual(error.status, 404, error.body)
        else:
            self.refused(404, lambda: self.org.one("GET", family, made.id))
        self.refused(404, lambda: self.org.one("DELETE", family, made.id, **family.delete_query))


def add(family, check, holds=True):
    if holds:
        word = family.path.removeprefix("/api/v2/").replace("/", "_")
        name = f"test_{word}__{check.__name__}"
        setattr(Families, name, lambda self: check(self, family))


for family in FAMILIES:
    add(family, Families.what_is_created_is_answered_and_read)
    add(family, Families.lists_of_several_pages_hold_all)
    add(family, Families.an_unknown_id_is_not_found)
    add(family, Families.a_second_of_the_same_name_is_refused, family.duplicate)
    add(family, Families.an_update_stays, family.change)
    add(family, Families.a_stale_version_is_refused, family.change and family.clash)
    add(family, Families.what_is_deleted_is_gone, item_of("DELETE", family))
