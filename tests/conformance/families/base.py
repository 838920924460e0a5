"""What a family and a settings document are, and the world in which they are made."""

from dataclasses import dataclass, field
from itertools import count
from typing import Callable, Optional

# How a second object of the same name is refused: it differs by service.
NAME_TAKEN = (400, "duplicate.name")
CONFLICT = (409, "general.conflict")

# What a deleted object says that can still be read.
SOFT = {"state": "deleted"}


@dataclass(frozen=True)
class Family:
    """What a client can do with one family, and what is special about it."""

    # The collection. Where it stands below objects of other families, `{…}` are these objects' ids.
    path: str
    body: Callable
    # Fields of an update; nothing where objects cannot be updated.
    change: Optional[dict] = None
    # The verb of an update, and whether it sends the whole object, as a PUT must.
    update: str = "PUT"
    whole: bool = False
    # How a second object of the same name is refused; nothing where names may repeat.
    duplicate: Optional[tuple] = CONFLICT
    # What an update of a stale version is refused with.
    clash: Optional[int] = None
    # What a deleted object says where it can still be read.
    soft: Optional[dict] = None
    # How the list is cut: by page number, by cursor, or not at all.
    pages: str = "pageNumber"
    # Where objects are listed by a query: what stands behind the path, and the body as a
    # function of a `World`.
    listing: Optional[tuple] = None
    # Query parameters of the list, of the read and of the delete.
    query: dict = field(default_factory=dict)
    read_query: dict = field(default_factory=dict)
    delete_query: dict = field(default_factory=dict)
    # Fields that only a create may send.
    once: tuple = ()
    # Fields that the answer spells in another way than the request.
    unlike: tuple = ()
    # The field that says what an object is called; nothing where none does.
    name: Optional[str] = "name"
    # The collection in which single objects are, and what stands behind the id of one that is read,
    # updated or deleted.
    items: Optional[str] = None
    read_in: str = ""
    update_in: str = ""
    delete_in: str = ""


@dataclass(frozen=True)
class Setting:
    """A document of which an org, or an object, has one."""

    path: str
    # The fields of a write, as a function of a `World`.
    body: Callable
    verb: str = "PUT"
    # Whether a write names the version that it replaces.
    version: bool = False
    # The verb that makes it where it is 404 until somebody does.
    made_by: Optional[str] = None
    # Whether it can be deleted; it is as it was at first then.
    deletes: bool = False
    # What is read, where that is not what is written.
    says: Optional[Callable] = None


class World:
    """Makes the objects that bodies refer to, each once."""

    def __init__(self, org, families):
        self.org = org
        self.families = {family.path: family for family in families}
        self.made = {}
        self.numbers = count(1)

    def name(self, word="Conformance"):
        return f"{word} {next(self.numbers)}"

    def once(self, key, make):
        """Makes something the first time that it is asked for."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def id(self, path):
        """Gives the id of an object of the family with this path."""
        return self.once(path, lambda: self.org.create(self.families[path]).id)

    def ref(self, path):
        return {"id": self.id(path)}

    def above(self, path):
        """Gives the ids that stand in a path: of one object of each family above."""
        parts = path.split("/")
        holes = [at for at, part in enumerate(parts) if part.startswith("{")]
        return [self.id("/".join(parts[:at])) for at in holes]


def named(word, **more):
    """Makes the body of an object that needs a name."""
    return lambda world: {"name": world.name(word), **more}
