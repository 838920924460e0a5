"""Licences, contracts and limits, as the SDK reads them."""

import json
import unittest

from sdk import ApiException, Connection, method
from simulator import Simulator
from typed import differences

LICENSE = "/api/v2/license"
CONTRACTS = "/api/v2/billing/contracts"
NAMESPACES = "/api/v2/organizations/limits/namespaces"


class Seats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator()
        cls.addClassCleanup(cls.simulator.stop)
        cls.connection = Connection(cls.simulator.base_url, "gold")

    def call(self, verb, path, body=None, values=None, **query):
        """Calls a method; its models must know every field and every value of the answer."""
        found = method(verb, path)
        values = {found.in_path[name]: value for name, value in (values or {}).items()}
        answer = self.connection.call(found, values, body, **query)
        if found.answer not in (None, "", "str", "object"):
            lost = differences(json.loads(self.connection.raw()), answer, found.answer)
            self.assertEqual(lost, [], found.name)
        return answer

    def refused(self, status, *call, **more):
        with self.assertRaises(ApiException) as caught:
            self.call(*call, **more)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        self.assertTrue(json.loads(caught.exception.body)["code"])

    def test_roles_and_permissions_need_licences_that_are_defined(self):
        roles = self.call("GET", "/api/v2/authorization/roles", name="admin")
        needed = self.call("POST", f"{LICENSE}/infer", [roles.entities[0].id])
        also = self.call("POST", f"{LICENSE}/infer/permissions", ["routing:queue:view"])
        defined = [one.id for one in self.call("GET", f"{LICENSE}/definitions")]
        self.assertTrue(set(needed) and set(needed) <= set(defined))
        self.assertTrue(set(also) <= set(defined))
        one = {"licenseId": defined[0]}
        read = self.call("GET", f"{LICENSE}/definitions/{{licenseId}}", values=one)
        self.assertEqual(read.id, defined[0])
        self.refused(404, "GET", f"{LICENSE}/definitions/{{licenseId}}", values={"licenseId": "none"})
        self.refused(400, "POST", f"{LICENSE}/infer", ["none"])

    def test_whoever_is_active_holds_a_licence(self):
        home = self.call("GET", "/api/v2/authorization/divisions/home").id
        body = {"name": "Ann", "email": "ann@seats.example.com", "divisionId": home, "state": "active"}
        user = self.call("POST", "/api/v2/users", body)
        listed = self.call("GET", f"{LICENSE}/users", pageSize=100, pageNumber=1)
        own = [row for row in listed.entities if row.id == user.id]
        self.assertTrue(own[0].licenses)
        read = self.call("GET", f"{LICENSE}/users/{{userId}}", values={"userId": user.id})
        self.assertEqual([one.id for one in read.licenses], own[0].licenses)
        self.refused(404, "GET", f"{LICENSE}/users/{{userId}}", values={"userId": "none"})

    def test_an_open_period_has_charges(self):
        contracts = self.call("GET", CONTRACTS, status="Active").entities
        contract = contracts[0]
        values = {"contractId": contract.id}
        self.assertEqual(self.call("GET", f"{CONTRACTS}/{{contractId}}", values=values).id, contract.id)
        open_one = [period for period in contract.billing_periods if period.status == "Open"][0]
        path = f"{CONTRACTS}/{{contractId}}/billingperiods/{{billingPeriodId}}"
        values["billingPeriodId"] = open_one.id
        for charge in self.call("GET", path, values=values).charges:
            self.assertGreaterEqual(charge.prepaid_quantity, charge.actual_quantity)
        values["billingPeriodId"] = "none"
        self.refused(404, "GET", path, values=values)

    def test_limits_are_listed_by_namespace(self):
        names = self.call("GET", NAMESPACES)
        self.assertTrue(names)
        for rest in ("", "/defaults"):
            values = {"namespaceName": "routing"}
            limits = self.call("GET", f"{NAMESPACES}/{{namespaceName}}{rest}", values=values)
            self.assertTrue(all(limit.namespace == "routing" for limit in limits.entities))
            values = {"namespaceName": "none"}
            self.refused(404, "GET", f"{NAMESPACES}/{{namespaceName}}{rest}", values=values)

    def test_products_are_listed(self):
        self.assertTrue(self.call("GET", "/api/v2/authorization/products").entities)
