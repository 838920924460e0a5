"""Holds an answer as it was sent against what the SDK made of it."""

import re
from datetime import date, datetime

import PureCloudPlatformClientV2 as sdk

NUMBERS = (int, float)


def differences(raw, typed, kind, at="$"):
    """Lists what the SDK lost or could not read; nothing when the answer is as its models say."""
    if raw is None or kind is None:
        return []
    if kind.startswith("list["):
        if not isinstance(raw, list):
            return [f"{at}: {kind} expected, {short(raw)} sent"]
        inner = re.match(r"list\[(.*)\]$", kind)[1]
        return [
            line
            for index, (one, made) in enumerate(zip(raw, typed))
            for line in differences(one, made, inner, f"{at}[{index}]")
        ]
    if kind.startswith("dict("):
        if not isinstance(raw, dict):
            return [f"{at}: {kind} expected, {short(raw)} sent"]
        inner = re.match(r"dict\([^,]*, (.*)\)$", kind)[1]
        return [
            line
            for key, one in raw.items()
            for line in differences(one, typed[key], inner, f"{at}.{key}")
        ]
    if kind == "object":
        return []
    if kind in ("datetime", "LocalDateTime", "date"):
        good = isinstance(raw, str) and isinstance(typed, date if kind == "date" else datetime)
        return [] if good else [f"{at}: {short(raw)} is no {kind}"]
    if kind in ("str", "bool", "int", "float", "YearMonth"):
        return scalar(raw, typed, kind, at)
    return model(raw, typed, kind, at)


def scalar(raw, typed, kind, at):
    if isinstance(typed, str) and typed == "outdated_sdk_version":
        return [f"{at}: {short(raw)} is no value that the SDK knows"]
    sorts = {"str": str, "YearMonth": str, "bool": bool, "int": int, "float": NUMBERS}[kind]
    if not isinstance(raw, sorts) or (kind != "bool" and isinstance(raw, bool)):
        return [f"{at}: {kind} expected, {short(raw)} sent"]
    return [] if typed == raw or kind == "YearMonth" else [f"{at}: {short(raw)} became {short(typed)}"]


def model(raw, typed, kind, at):
    if not isinstance(raw, dict):
        return [f"{at}: {kind} expected, {short(raw)} sent"]
    if not isinstance(typed, getattr(sdk, kind)):
        return [f"{at}: {kind} expected, {type(typed).__name__} made"]
    attributes = {wire: name for name, wire in typed.attribute_map.items()}
    found = []
    for wire, value in raw.items():
        if wire not in attributes:
            found.append(f"{at}: {kind} has no field {wire}")
            continue
        name = attributes[wire]
        made = getattr(typed, name)
        found += differences(value, made, typed.swagger_types[name], f"{at}.{wire}")
    return found


def short(value):
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
