"""Every kind of the catalogue is written through the SDK, or it is said why not."""

import re
import tomllib
import unittest
from collections import defaultdict

from families import FAMILIES, SETTINGS
from simulator import ROOT

# Kinds that are written in another test, or by nobody, and why.
APART = {
    "guide_version": "test_apart.py: lives in its guide and is published by a job",
    "responsemanagement_responseasset": "test_apart.py: comes by an upload",
    "script": "test_apart.py: comes by an upload to another host",
    "station": "test_apart.py: comes with a telephone",
}
NEVER = {
    "business_rules_decision_table": "orgsmith only finds its twin; rows belong to a version that only its org knows",
    "conversations_messaging_integrations_whatsapp": "a person signs up for the number at Meta",
    "telephony_providers_edges_trunk": "comes with an Edge group; the API has no write",
}


def plain(path):
    """Gives a path whose parameters have no names."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def kinds():
    for file in sorted((ROOT / "crates/core/catalogue/kinds").glob("*.toml")):
        yield tomllib.loads(file.read_text(encoding="utf-8"))


class Catalogue(unittest.TestCase):
    def test_every_kind_is_written_or_it_is_said_why_not(self):
        written = {plain(entry.path) for entry in [*FAMILIES, *SETTINGS]}
        of_family = defaultdict(list)
        for kind in kinds():
            # What orgsmith does not write itself is known by its list.
            call = kind.get("create") or kind.get("update") or kind["list"][0]
            covered = plain(call["path"]) in written
            excused = APART.get(kind["kind"]) or NEVER.get(kind["kind"])
            with self.subTest(kind=kind["kind"]):
                self.assertFalse(covered and excused, "it is written, and excused from it")
                self.assertTrue(covered or excused, "add it to families/, or say why not")
            of_family[kind["family"]].append(covered or kind["kind"] in APART)
        unwritten = sorted(family for family, all in of_family.items() if not any(all))
        print(f"{len(of_family)} families of the catalogue, without a write: {', '.join(unwritten) or 'none'}")
        total = sum(len(all) for all in of_family.values())
        print(f"{sum(map(sum, of_family.values()))} of {total} kinds are written through the SDK")

    def test_whoever_is_excused_is_a_kind(self):
        known = {kind["kind"] for kind in kinds()}
        self.assertEqual(set(APART | NEVER) - known, set())
