import hashlib
import hmac


def parse(text):
    entries = []
    for line in text.splitlines():
        title, _, body = line.partition(":")
        if body.strip():
            entries.append({"title": title.strip(), "body": body.strip()})
    return entries


def render(feed, entries):
    items = "".join(f"<li><b>{e['title']}</b> {e['body']}</li>" for e in entries)
    return f"<h1>{feed}</h1><ul>{items}</ul>"


def sign(page, key):
    digest = hmac.new(key.encode(), page.encode(), hashlib.sha256).hexdigest()
    return f"{page}<!-- {digest} -->"
