"""Runs all tests and counts them as cargo does, for `./test`."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Counted(unittest.TextTestResult):
    """Counts the parts of a test (`subTest`) that fail as the one test that they belong to."""

    def broken(self):
        ids = [getattr(test, "test_case", test).id() for test, _ in self.failures + self.errors]
        return len(set(ids))


def main():
    suite = unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE))
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Counted)
    result = runner.run(suite)
    broken = result.broken()
    word = "FAILED" if broken else "ok"
    print(f"test result: {word}. {result.testsRun - broken} passed; {broken} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
