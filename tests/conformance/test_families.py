"""Every family through the SDK: create, list, read, update, delete, and what is refused."""

import uuid

from families import FAMILIES, SETTINGS
from families.base import SOFT
from org import Cases, code
from sdk import ApiException, method_of


def writable(value):
    """Takes what only the server writes out of what was read inside an object."""
    if isinstance(value, list):
        return [writable(one) for one in value]
    if isinstance(value, dict):
        return {name: writable(one) for name, one in value.items() if name not in ("selfUri", "state")}
    return value


class Families(Cases):
    def what_is_created_is_answered_and_read(self, family):
        body = family.body(self.org.world)
        made = self.org.make(family, body)
        sent = self.org.sent()
        for name, value in body.items():
            if isinstance(value, (str, int, bool)) and name in sent and name not in family.unlike:
                self.assertEqual(sent[name], value, name)
        read = self.org.read(family, made.id)
        now = self.org.sent()
        self.assertEqual(read.id, made.id)
        if family.name:
            self.assertEqual(now[family.name], body[family.name])

    def lists_of_several_pages_hold_all(self, family):
        made = {self.org.create(family).id for _ in range(3)}
        found, pages = self.org.list(family, 2)
        ids = [one.id for one in found]
        self.assertEqual(len(ids), len(set(ids)), "an object is listed twice")
        self.assertLessEqual(made, set(ids))
        if family.pages:
            self.assertGreater(pages, 1)

    def an_unknown_id_is_not_found(self, family):
        error = self.refused(404, lambda: self.org.read(family, str(uuid.uuid4())))
        self.assertTrue(code(error))

    def a_second_of_the_same_name_is_refused(self, family):
        body = family.body(self.org.world)
        self.org.make(family, body)
        status, wanted = family.duplicate
        error = self.refused(status, lambda: self.org.make(family, body))
        self.assertEqual(code(error), wanted)

    def changed(self, made, family):
        """Gives the body of an update, with the version that it replaces."""
        self.org.read(family, made.id)
        now = self.org.sent()
        whole = family.update == "PUT" or family.whole
        body = family.body(self.org.world) if whole else {}
        for name in list(body):
            if name in family.once:
                del body[name]
            elif name in now and name not in family.unlike:
                body[name] = writable(now[name])
        body.update(family.change)
        if family.clash:
            body["version"] = now["version"]
        return body

    def an_update_stays(self, family):
        made = self.org.create(family)
        self.org.one(family.update, family, made.id, self.changed(made, family))
        self.org.read(family, made.id)
        self.assertSays(self.org.sent(), family.change)
        # Another object can have the name again.
        if family.name in family.change:
            self.org.one("DELETE", family, made.id, **family.delete_query)

    def a_stale_version_is_refused(self, family):
        made = self.org.create(family)
        now = self.org.sent()
        body = self.changed(made, family)
        if family.name in body:
            body[family.name] = now[family.name]
        self.org.one(family.update, family, made.id, body)
        self.refused(family.clash, lambda: self.org.one(family.update, family, made.id, body))

    def what_is_deleted_is_gone(self, family):
        made = self.org.create(family)
        self.org.one("DELETE", family, made.id, **family.delete_query)
        if family.soft:
            try:
                self.org.read(family, made.id)
                self.assertSays(self.org.sent(), family.soft)
            except ApiException as error:
                self.assertEqual(error.status, 404, error.body)
        else:
            self.refused(404, lambda: self.org.read(family, made.id))
        # What is only switched off can be switched off again.
        if family.soft in (None, SOFT):
            self.refused(404, lambda: self.org.one("DELETE", family, made.id, **family.delete_query))


class Settings(Cases):
    def call(self, setting, verb, body=None):
        above = self.org.world.above(setting.path)
        self.org.does(verb, setting.path, above, body)
        return self.org.sent() if verb == "GET" else None

    def written(self, setting):
        """Gives the body of a write, with the version that it replaces."""
        body = setting.body(self.org.world)
        return {**body, "version": self.call(setting, "GET")["version"]} if setting.version else body

    def what_is_written_is_read(self, setting):
        if setting.made_by:
            self.refused(404, lambda: self.call(setting, "GET"))
            self.call(setting, setting.made_by, setting.body(self.org.world))
        first = self.call(setting, "GET")
        body = self.written(setting)
        self.call(setting, setting.verb, body)
        self.assertSays(self.call(setting, "GET"), (setting.says or setting.body)(self.org.world))
        if setting.version:
            self.refused(409, lambda: self.call(setting, setting.verb, body))
        if setting.deletes:
            self.call(setting, "DELETE")
            if setting.made_by:
                self.refused(404, lambda: self.call(setting, "GET"))
            else:
                self.assertEqual(self.call(setting, "GET"), first)


def add(cases, entry, check, holds=True):
    if holds:
        word = entry.path.removeprefix("/api/v2/").replace("/", "_")
        setattr(cases, f"test_{word}__{check.__name__}", lambda self: check(self, entry))


for family in FAMILIES:
    path = (family.items or family.path) + "/{id}"
    add(Families, family, Families.what_is_created_is_answered_and_read)
    add(Families, family, Families.lists_of_several_pages_hold_all)
    add(Families, family, Families.an_unknown_id_is_not_found)
    add(Families, family, Families.a_second_of_the_same_name_is_refused, family.duplicate)
    add(Families, family, Families.an_update_stays, family.change)
    add(Families, family, Families.a_stale_version_is_refused, family.change and family.clash)
    add(Families, family, Families.what_is_deleted_is_gone, method_of("DELETE", path + family.delete_in))
for setting in SETTINGS:
    add(Settings, setting, Settings.what_is_written_is_read)
