"""The families of plain objects, one entry each, and the documents of which there is one.

The methods of the SDK follow from the path of the collection. `body` is a function of a `World`, which
makes what a body refers to. A family is added by its entry, and no more.
"""

from . import customers, flows, outbound, people, work
from .base import Family, Setting, World

ROOMS = (people, flows, outbound, customers, work)
FAMILIES = [family for room in ROOMS for family in room.FAMILIES]
SETTINGS = [setting for room in ROOMS for setting in room.SETTINGS]

__all__ = ["FAMILIES", "SETTINGS", "Family", "Setting", "World"]
