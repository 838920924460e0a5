"""What holds for all families: tokens and rates."""

import unittest

from sdk import ApiException, Connection, method
from simulator import Simulator

SKILLS = "/api/v2/routing/skills"


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator(quota=3, window_s=60)
        cls.addClassCleanup(cls.simulator.stop)

    def test_a_client_gets_a_token_by_its_secret_and_nobody_else_does(self):
        self.assertTrue(Connection(self.simulator.base_url, "tenant").client.access_token)
        client = Connection(self.simulator.base_url, "tenant").client
        with self.assertRaises(ApiException) as caught:
            client.get_client_credentials_token("tenant-client", "another-secret")
        self.assertIn(caught.exception.status, (400, 401))

    def test_a_token_that_is_none_is_refused(self):
        connection = Connection(self.simulator.base_url, "tenant")
        connection.client.access_token = "not-a-token"
        with self.assertRaises(ApiException) as caught:
            connection.call(method("GET", SKILLS), {})
        self.assertEqual(caught.exception.status, 401)

    def test_too_many_requests_are_told_when_to_come_again(self):
        connection = Connection(self.simulator.base_url, "gold")
        for _ in range(3):
            connection.call(method("GET", SKILLS), {})
        connection.client.get_http_client().rest_client.pool_manager.connection_pool_kw["retries"] = False
        with self.assertRaises(ApiException) as caught:
            connection.call(method("GET", SKILLS), {})
        self.assertEqual(caught.exception.status, 429)
        wait = int(caught.exception.headers["Retry-After"])
        self.assertTrue(0 < wait <= 60, wait)
