"""docs/openapi.json as the tests use it: is it sound, does it name what the server answers, does an
answer look as it says. No test lives here.
"""
import json
import re

import jsonschema

METHODS = ("get", "put", "post", "patch", "delete", "head", "options")


class Document:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.doc = json.load(f)
        self.resolver = jsonschema.RefResolver("", self.doc)
        self.seen = set()  # (METHOD, path) of the document that were asked
        self.statuses = {}  # ... and with which status they were answered

    # ---- what it is ----

    def deref(self, x):
        while isinstance(x, dict) and "$ref" in x:
            x = self.resolver.resolve(x["$ref"])[1]
        return x

    def operations(self):
        for path, item in self.doc["paths"].items():
            for method, op in item.items():
                if method in METHODS:
                    yield method.upper(), path, op

    def faults(self):
        """Sentences about what is not as OpenAPI 3.1 wants it."""
        out = []
        if not re.fullmatch(r"3\.1\.\d+", self.doc.get("openapi", "")):
            out.append("it is not OpenAPI 3.1")
        for key in ("title", "version"):
            if not self.doc.get("info", {}).get(key):
                out.append(f"info has no {key}")
        tags = {t["name"] for t in self.doc.get("tags", [])}
        ids = set()
        for method, path, op in self.operations():
            where = f"{method} {path}"
            if not path.startswith("/"):
                out.append(f"{where}: the path does not begin with /")
            if op.get("operationId") in ids or not op.get("operationId"):
                out.append(f"{where}: no operationId of its own")
            ids.add(op.get("operationId"))
            if not op.get("summary") or not set(op.get("tags", [])) <= tags:
                out.append(f"{where}: no summary, or a tag that is not there")
            names = [(p["in"], p["name"]) for p in map(self.deref, op.get("parameters", []))]
            if len(set(names)) != len(names):
                out.append(f"{where}: a parameter twice")
            if {n for i, n in names if i == "path"} != set(re.findall(r"{(\w+)}", path)):
                out.append(f"{where}: path parameters are not those of the path")
            for p in map(self.deref, op.get("parameters", [])):
                if p["in"] == "path" and p.get("required") is not True:
                    out.append(f"{where}: {p['name']} is not required")
                if "schema" not in p and "content" not in p:
                    out.append(f"{where}: {p['name']} has no schema")
            if not any(s.startswith("2") or s.startswith("3") for s in op.get("responses", {})):
                out.append(f"{where}: no answer that is a success")
            for status, r in op.get("responses", {}).items():
                if not self.deref(r).get("description"):
                    out.append(f"{where}: {status} has no description")
        out += self._unknown_refs(self.doc, "#")
        for name, schema in self.doc["components"]["schemas"].items():
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as e:
                out.append(f"schema {name}: {e.message}")
        return out

    def _unknown_refs(self, x, where):
        out = []
        if isinstance(x, dict):
            if isinstance(x.get("$ref"), str):
                try:
                    self.resolver.resolve(x["$ref"])
                except jsonschema.RefResolutionError:
                    out.append(f"{where}: {x['$ref']} is not there")
            for k, v in x.items():
                out += self._unknown_refs(v, f"{where}/{k}")
        elif isinstance(x, list):
            for k, v in enumerate(x):
                out += self._unknown_refs(v, f"{where}/{k}")
        return out

    def pattern(self, path, op):
        """The path as the server's table of routes writes it."""
        rest = {p["name"] for p in map(self.deref, op.get("parameters", []))
                if p.get("x-perigee-rest")}
        base = self.doc["paths"][path].get("servers", self.doc["servers"])[0]["url"].rstrip("/")
        return base + re.sub(r"{(\w+)}", lambda m: "**" if m.group(1) in rest else "*", path)

    def routes(self):
        return {(method, self.pattern(path, op)) for method, path, op in self.operations()}

    # ---- what the server answers ----

    def find(self, method, path):
        """The operation for a request's path; one without parameters goes before."""
        path = path.split("?")[0]
        best = None
        for m, template, op in self.operations():
            if m != method:
                continue
            p = re.escape(self.pattern(template, op))
            p = p.replace("/" + re.escape("**"), "(/.*)?").replace(re.escape("*"), "[^/]+")
            if re.fullmatch(p, path) and (best is None or template.count("{") < best[0].count("{")):
                best = template, op
        return best

    def check(self, method, path, status, kind, value, body=None):
        """None, or what is wrong with an answer; remembers that it was asked."""
        found = self.find(method, path)
        if not found:
            return f"{method} {path} is not in the document"
        template, op = found
        self.seen.add((method, template))
        self.statuses.setdefault((method, template), set()).add(status)
        answer = self.deref(op["responses"].get(str(status)))
        if answer is None:
            return f"{method} {template}: {status} is not in the document"
        content = answer.get("content")
        kind = kind.split(";")[0].strip()
        if not content:
            # Nothing to say is no body, or {}.
            return None if not kind or value in (None, {}) else f"{method} {template}: {status} with a body"
        media = content.get(kind) or content.get("*/*")
        if media is None:
            return f"{method} {template}: {status} as {kind}, not {list(content)}"
        if "json" in kind:
            wrong = self.fault(media["schema"], value)
            if wrong:
                return f"{method} {template}: {status}: {wrong}"
        if body is not None and status < 300 and "requestBody" in op:
            media = self.deref(op["requestBody"])["content"].get("application/json")
            wrong = media and self.fault(media["schema"], body)
            if wrong:
                return f"{method} {template}: taken, but the document's request: {wrong}"
        return None

    def fault(self, schema, value):
        v = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        e = jsonschema.exceptions.best_match(v.iter_errors(value))
        return e and f"at /{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
