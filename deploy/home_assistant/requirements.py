"""Prints what a Home Assistant needs for voice, so that it installs nothing while it runs.

To be run with its own Python: it reads the manifests of the integrations that are loaded.
"""

import ast
import json
from pathlib import Path

import homeassistant
from homeassistant import bootstrap

ROOT = Path(homeassistant.__file__).parent
OURS = {"wyoming", "api", "config", "onboarding", "template", "media_source", "zeroconf"}
IMPORTED = {"recorder"}  # by 2024's analytics, which does not say so
ALWAYS = (
    "CORE_INTEGRATIONS",
    "DEFAULT_INTEGRATIONS",
    "FRONTEND_INTEGRATIONS",
    "LOGGING_INTEGRATIONS",  # 2024
    "LOGGING_AND_HTTP_DEPS_INTEGRATIONS",
    "DEBUGGER_INTEGRATIONS",
)
ENTITIES = {"assist_satellite", "binary_sensor", "light", "number", "select", "switch"}


def manifest(domain: str) -> dict:
    """Return an integration's manifest; an empty one where this version has no such integration."""
    file = ROOT / "components" / domain / "manifest.json"
    return json.loads(file.read_text()) if file.exists() else {}


def of_integrations() -> set[str]:
    """Return the requirements of all integrations that are loaded, and of those they need."""
    names = (
        OURS
        | IMPORTED
        | ENTITIES
        | {name for key in ALWAYS for name in getattr(bootstrap, key, ())}
    )
    todo = sorted(names - {"sentry", "debugpy"})  # both are for developers
    seen: set[str] = set()
    requirements: set[str] = set()
    while todo:
        domain = todo.pop()
        if domain not in seen:
            seen.add(domain)
            requirements |= set(manifest(domain).get("requirements", ()))
            todo += manifest(domain).get("dependencies", ())
    return requirements


def of_login() -> set[str]:
    """Return those of the second factors of the login, which name theirs in code."""
    requirements: set[str] = set()
    for file in (ROOT / "auth" / "mfa_modules").glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REQUIREMENTS":
                requirements |= set(ast.literal_eval(node.value))
    return requirements


print("\n".join(sorted(of_integrations() | of_login())))
