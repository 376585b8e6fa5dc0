import pytest

# Nothing is committed but by the functions themselves, so that no test depends on the clock.
pytestmark = pytest.mark.modal(background_commit_seconds=0)


def test_ingest(feeds):
    assert feeds.ingest.remote("news", "a: one\nb: two") == 2
    assert feeds.search.remote("two") == ["news"]


def test_search(feeds):
    feeds.ingest.remote("news", "a: one")
    assert feeds.search.remote("one") == ["news"]
    feeds.ingest.remote("blog", "b: two and one")
    assert feeds.search.remote("one") == ["blog", "news"]


def test_publish(feeds, modal_emulator):
    feeds.ingest.remote("news", "a: one")
    name = feeds.publish.remote("news")
    assert "<b>a</b> one" in modal_emulator.volume("feeds").read_text(name)


def test_cleanup(feeds):
    feeds.ingest.remote("old", "a: one", now=1.0)
    feeds.ingest.remote("new", "b: one")
    assert feeds.cleanup.remote() == ["old"]
    assert feeds.search.remote("one") == ["new"]


def test_forget(feeds):
    feeds.ingest.remote("old", "a: one")
    feeds.forget.remote("old")
    feeds.ingest.remote("new", "b: one")
    assert feeds.search.remote("one") == ["new"]
