"""The descriptions of fields that editors show are those of the SDK."""

import unittest

import describe


class Descriptions(unittest.TestCase):
    def test_the_file_of_descriptions_is_that_of_the_sdk(self):
        told = "write it: target/conformance-venv/bin/python tests/conformance/describe.py"
        self.assertEqual(describe.text(), describe.FILE.read_text(), told)


if __name__ == "__main__":
    unittest.main()
