def test_ingest(feeds):
    assert feeds.ingest("news", "a: one\nb: two") == 2
    feeds.vol.commit.assert_called_once()


def test_search(feeds):
    feeds.ingest("news", "a: one")
    assert feeds.search("one") == ["news"]
    feeds.ingest("blog", "b: two and one")
    assert feeds.search("one") == ["blog", "news"]


def test_publish(feeds, tmp_path):
    feeds.ingest("news", "a: one")
    name = feeds.publish("news")
    assert "<b>a</b> one" in (tmp_path / name).read_text()


def test_cleanup(feeds):
    feeds.ingest("old", "a: one", now=1.0)
    feeds.ingest("new", "b: one")
    assert feeds.cleanup() == ["old"]
    assert feeds.search("one") == ["new"]
    feeds.vol.reload.assert_called_once()


def test_forget(feeds):
    feeds.ingest("old", "a: one")
    feeds.forget("old")
    feeds.ingest("new", "b: one")
    assert feeds.search("one") == ["new"]
