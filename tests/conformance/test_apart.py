"""Objects with a road of their own: files that are uploaded, and versions that are published by jobs."""

import urllib.request
import uuid

from families.customers import BASES
from families.flows import EDGES
from families.people import DIVISIONS, USERS
from families.work import GUIDES
from org import Cases

ASSETS = "/api/v2/responsemanagement/responseassets"
PHONES = f"{EDGES}/phones"
SCRIPTS = "/api/v2/scripts"
STATIONS = "/api/v2/stations"


def upload(url, content, headers, verb="PUT"):
    """Sends a file to where the API says, which is no part of the API and of the SDK."""
    sent = urllib.request.Request(url, content, {"Content-Type": "", **headers}, method=verb)
    with urllib.request.urlopen(sent) as answer:
        return answer.read().decode()


class Apart(Cases):
    def test_a_version_of_a_guide_is_made_changed_and_published(self):
        world, does = self.org.world, self.org.does
        guide = world.id(GUIDES)
        versions = f"{GUIDES}/{{guideId}}/versions"
        one = f"{versions}/{{versionId}}"
        knowledge = {"knowledgeId": world.id(BASES), "knowledgeType": "Standard"}
        body = {"instruction": "Ask for the order.", "knowledgeSettings": knowledge}
        made = does("POST", versions, [guide], body)
        self.assertEqual(made.state, "Draft")
        ids = [guide, made.version]
        does("PATCH", one, ids, {"instruction": "Ask for the bill."})
        self.assertEqual(does("GET", one, ids).instruction, "Ask for the bill.")
        wanted = {"guideVersion": {"state": "ProductionReady"}}
        job = does("POST", f"{one}/jobs", ids, wanted)
        self.until(lambda: does("GET", f"{one}/jobs/{{jobId}}", [*ids, job.id]).status == "Succeeded")
        self.assertEqual(does("GET", one, ids).state, "ProductionReady")
        self.refused(409, lambda: does("PATCH", one, ids, {"instruction": "Ask for nothing."}))
        self.refused(404, lambda: does("GET", one, [guide, "99"]))
        self.refused(404, lambda: does("POST", versions, [str(uuid.uuid4())], {"instruction": "Ask."}))

    def test_an_asset_is_uploaded_found_renamed_and_deleted(self):
        does = self.org.does
        division = self.org.world.id(DIVISIONS)
        offer = does("POST", f"{ASSETS}/uploads", body={"name": "menu.txt", "divisionId": division})
        upload(offer.url, b"Soup", offer.headers)
        status = f"{ASSETS}/status/{{statusId}}"
        self.until(lambda: does("GET", status, [offer.id]).status == "Uploaded")
        one = f"{ASSETS}/{{responseAssetId}}"
        self.assertEqual(does("GET", one, [offer.id]).content_length, 4)
        query = {"query": [], "pageSize": 100, "pageNumber": 1}
        found = does("POST", f"{ASSETS}/search", body=query).results
        self.assertIn(offer.id, [asset.id for asset in found])
        does("PUT", one, [offer.id], {"name": "card.txt", "divisionId": division})
        self.assertEqual(does("GET", one, [offer.id]).name, "card.txt")
        does("DELETE", one, [offer.id])
        self.refused(404, lambda: does("GET", one, [offer.id]))

    def test_a_station_comes_with_a_telephone_and_is_given_to_a_user(self):
        world, does = self.org.world, self.org.does
        user, phone = world.id(USERS), world.id(PHONES)
        line = does("GET", f"{PHONES}/{{phoneId}}", [phone]).lines[0].id
        (station,) = does("GET", STATIONS, lineAppearanceId=line).entities
        self.assertEqual(does("GET", f"{STATIONS}/{{stationId}}", [station.id]).status, "AVAILABLE")
        own = f"{USERS}/{{userId}}/station"
        default = f"{own}/defaultstation"
        does("PUT", f"{default}/{{stationId}}", [user, station.id])
        self.assertEqual(does("GET", own, [user]).default_station.name, station.name)
        self.assertEqual(does("GET", f"{USERS}/{{userId}}", [user], expand=["station"]).station.default_station.id, station.id)
        self.refused(404, lambda: does("PUT", f"{default}/{{stationId}}", [user, str(uuid.uuid4())]))
        does("PUT", f"{own}/associatedstation/{{stationId}}", [user, station.id])
        self.assertEqual(does("GET", f"{STATIONS}/{{stationId}}", [station.id]).user_id, user)
        does("DELETE", f"{own}/associatedstation", [user])
        does("DELETE", default, [user])
        self.assertIsNone(does("GET", own, [user]).default_station)

    def test_a_script_is_uploaded_published_and_exported(self):
        does = self.org.does
        form = (
            '--form\r\nContent-Disposition: form-data; name="file"; filename="s.json"\r\n\r\n{"pages": []}\r\n'
            '--form\r\nContent-Disposition: form-data; name="scriptName"\r\n\r\nConformance\r\n--form--\r\n'
        )
        token = self.org.connection.client.access_token
        headers = {"Content-Type": "multipart/form-data; boundary=form", "Authorization": f"Bearer {token}"}
        host = self.simulator.base_url
        sent = upload(f"{host}/uploads/v2/scripter", form.encode(), headers, verb="POST")
        id = sent.split('"correlationId":"')[1].split('"')[0]
        self.until(lambda: does("GET", f"{SCRIPTS}/uploads/{{uploadId}}/status", [id]).succeeded)
        named = does("GET", SCRIPTS, name="Conformance").entities
        script = named[0].id
        published = f"{SCRIPTS}/published/{{scriptId}}"
        self.refused(404, lambda: does("GET", published, [script]))
        does("POST", f"{SCRIPTS}/published", body={"scriptId": script})
        self.assertEqual(does("GET", published, [script]).name, "Conformance")
        exported = does("POST", f"{SCRIPTS}/{{scriptId}}/export", [script], {})
        self.assertTrue(exported.url)
        self.refused(404, lambda: does("POST", f"{SCRIPTS}/published", body={"scriptId": str(uuid.uuid4())}))
