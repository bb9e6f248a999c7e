// Shows openapi.json as headings and paragraphs. Text only goes in as text.
"use strict";

const element = (name, text) => {
  const e = document.createElement(name);
  if (text) e.textContent = text;
  return e;
};

const METHODS = ["get", "put", "post", "patch", "delete", "head", "options"];

function parameters(where, list, doc) {
  const known = list.map((p) => (p.$ref ? doc.components.parameters[p.$ref.split("/").pop()] : p));
  if (!known.length) return;
  const dl = element("dl");
  for (const p of known.filter(Boolean)) {
    dl.append(element("dt", `${p.name} (${p.in}${p.required ? ", needed" : ""})`),
              element("dd", p.description || ""));
  }
  where.append(dl);
}

function show(doc) {
  const where = document.getElementById("paths");
  where.replaceChildren();
  for (const [path, item] of Object.entries(doc.paths || {})) {
    for (const method of METHODS.filter((m) => item[m])) {
      const o = item[method];
      const section = element("section");
      const title = element("h2");
      title.append(element("code", `${method.toUpperCase()} ${path}`));
      section.append(title);
      for (const text of [o.summary, o.description]) if (text) section.append(element("p", text));
      parameters(section, [...(item.parameters || []), ...(o.parameters || [])], doc);
      const answers = Object.entries(o.responses || {});
      const list = element("ul");
      for (const [status, r] of answers) {
        const a = r.$ref ? doc.components.responses[r.$ref.split("/").pop()] : r;
        list.append(element("li", `${status}: ${(a && a.description) || ""}`));
      }
      section.append(list);
      where.append(section);
    }
  }
}

fetch("/api/docs/openapi.json")
  .then((r) => (r.ok ? r.json() : Promise.reject(new Error(`status ${r.status}`))))
  .then(show)
  .catch((e) => {
    document.getElementById("paths").replaceChildren(
      element("p", `openapi.json cannot be read: ${e.message}`));
  });
