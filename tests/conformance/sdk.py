"""The official SDK, pointed at a simulator, and its methods by what they call."""

import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path

# The SDK reads settings from the home directory, which are none of our business.
os.environ["HOME"] = tempfile.mkdtemp(prefix="conformance-home-")

import PureCloudPlatformClientV2 as sdk
from PureCloudPlatformClientV2.api_client import ApiClient
from PureCloudPlatformClientV2.rest import ApiException

PACKAGE = Path(sdk.__file__).parent


class Method:
    """One method of the SDK: the call it makes, and how its arguments are called."""

    def __init__(self, api, name, source):
        self.api = api
        self.name = name
        self.path = re.search(r"resource_path = '([^']+)'", source)[1]
        self.verb = re.search(r"call_api\(resource_path, '(\w+)'", source)[1]
        answer = re.search(r"response_type=(?:'([^']*)'|None)", source)
        self.answer = answer[1] if answer else None
        named = r"{}\['([^']+)'\] = params\['([^']+)'\]"
        self.in_path = dict(re.findall(named.format("path_params"), source))
        self.in_query = dict(re.findall(named.format("query_params"), source))
        lists = re.findall(r":param list\[\w+\] (\w+):", source)
        self.lists = set(lists)
        # Most bodies are called `body`.
        given = re.search(r"body_params = params\['(\w+)'\]", source)
        self.body_name = given[1] if given else None
        body = re.search(rf":param (\S+) {self.body_name}:", source)
        self.body = body[1] if body else None
        names = re.findall(r"\{([^}]+)\}", self.path)
        pattern = re.sub(r"\\\{[^}]+\\\}", "([^/]+)", re.escape(self.path))
        self.pattern = re.compile(pattern + "$")
        self.names = names

    def values(self, path):
        """Gives the arguments that stand in a path, or nothing when it is another method's."""
        found = self.pattern.match(path)
        if not found:
            return None
        return {self.in_path[name]: value for name, value in zip(self.names, found.groups())}


@lru_cache(None)
def methods():
    """Reads every method out of the SDK's source: its answers are typed nowhere else."""
    found = {}
    for file in sorted((PACKAGE / "apis").glob("*_api.py")):
        text = file.read_text(encoding="utf-8")
        api = re.search(r"^class (\w+)\(", text, re.M)[1]
        for part in re.split(r"\n    def ", text)[1:]:
            name = part.split("(", 1)[0]
            if "resource_path = '" in part and "call_api(" in part:
                method = Method(api, name, part)
                found.setdefault((method.verb, method.path), method)
    return found


def method(verb, path):
    """Finds the method of a path template; a family that the SDK does not know is a slip."""
    return methods()[verb, path]


@lru_cache(None)
def method_of(verb, path):
    """Finds the method for a path with its ids; literal segments win over parameters."""
    fits = [m for (v, _), m in methods().items() if v == verb and m.values(path) is not None]
    return min(fits, key=lambda m: len(m.names), default=None)


class Connection:
    """One OAuth client of one simulated org, through the SDK."""

    def __init__(self, base_url, org):
        # The SDK makes the login host out of the API host by its first label; a host without
        # `api.` serves both, as the simulator does.
        self.client = ApiClient(host=base_url)
        self.client.get_client_credentials_token(f"{org}-client", f"{org}-secret")
        self.apis = {}

    def typed(self, method, body):
        """Makes the SDK's model of a body, so that the SDK writes the request."""
        if body is None or method.body is None:
            return None
        return self.client._ApiClient__deserialize(body, method.body)

    def call(self, method, path_values, body=None, **query):
        """Calls a method; query arguments by their names on the wire."""
        if method.api not in self.apis:
            self.apis[method.api] = getattr(sdk, method.api)(self.client)
        arguments = dict(path_values)
        for name, value in query.items():
            arguments[method.in_query[name]] = value
        if body is not None:
            arguments[method.body_name] = self.typed(method, body)
        return getattr(self.apis[method.api], method.name)(**arguments)

    def raw(self):
        """Gives the text of the last answer."""
        return self.client.last_response.data


__all__ = ["ApiException", "Connection", "method", "method_of", "methods", "sdk"]
