"""Recordings as files: each config.json is kept as what differs from the file's first one."""
import json


def differences(base, value, at=""):
    """{JSON pointer: value there, or null for none}. Lists are compared as wholes."""
    if base == value:
        return {}
    if not isinstance(base, dict) or not isinstance(value, dict):
        return {at: value}
    found = {}
    for key in sorted(set(base) | set(value)):
        pointer = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in value:
            found[pointer] = None
        elif key not in base:
            found[pointer] = value[key]
        else:
            found.update(differences(base[key], value[key], pointer))
    return found


def apply(base, changes):
    result = json.loads(json.dumps(base))
    for pointer, value in changes.items():
        if pointer == "":
            return value
        *way, last = [word.replace("~1", "/").replace("~0", "~") for word in pointer.split("/")[1:]]
        place = result
        for word in way:
            place = place.setdefault(word, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return result


def write(path, scenarios):
    base = next((call["config"] for scenario in scenarios for call in scenario["calls"] if "config" in call), None)
    lines = ["{", f' "config": {json.dumps(base)},', ' "scenarios": [']
    for number, scenario in enumerate(scenarios):
        lines.append(f'  {{"name": {json.dumps(scenario["name"])}, "calls": [')
        calls = []
        for call in scenario["calls"]:
            if "config" in call:
                call = {**call, "config": differences(base, call["config"])}
            calls.append("   " + json.dumps(call))
        lines.append(",\n".join(calls))
        lines.append("  ]}" + ("," if number + 1 < len(scenarios) else ""))
    lines += [" ]", "}"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def read(path):
    """The scenarios, with whole configs."""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    for scenario in found["scenarios"]:
        for call in scenario["calls"]:
            if "config" in call:
                call["config"] = apply(found["config"], call["config"])
    return found["scenarios"]
