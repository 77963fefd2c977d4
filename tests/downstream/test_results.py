"""Results as sources: by a tool's shape, each address and text once, and never an exception."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.entry import Entry, checked_entry
from atlas_mcp.downstream.results import LONGEST, MOST_DOCUMENTS, Document, address, documents
from tests.downstream.attacks import in_tags


def entry(**shape: Any) -> Entry:
    tables = {"description": "Finds.", "command": "finder", "results": {"find": shape}}
    return checked_entry("finder", tables, "there")


def found(
    said: str = "", structured: Any = None, arguments: dict[str, Any] | None = None, /, **shape: Any
) -> list[Document]:
    return list(documents(entry(**shape), "find", arguments or {}, said, structured))


def told(*items: tuple[str, str]) -> str:
    return json.dumps({"results": [{"url": url, "text": text} for url, text in items]})


# Shapes ----------------------------------------------------------------------------------------------------


def test_a_tool_without_a_shape_finds_no_documents() -> None:
    assert documents(entry(), "other", {}, told(("https://a.example", "A."))) == ()


def test_items_are_read_by_the_first_of_their_paths_that_is_there() -> None:
    item = {
        "link": "https://a.example/1",
        "name": "One",
        "meta": {"said": "2026-03-01"},
        "snippet": "It is one.",
    }
    (one,) = found(
        json.dumps({"data": {"web": [item]}}), items=["data.web"], time=["date", "meta.said"]
    )  # fmt: skip
    assert one == Document("https://a.example/1", "One", "It is one.", "2026-03-01")


def test_items_of_all_paths_are_taken_also_where_one_is_missing() -> None:
    text = json.dumps({"web": [{"url": "https://a.example", "text": "A."}], "news": None,
                       "more": [[{"url": "https://b.example", "text": "B."}]]})  # fmt: skip
    assert [each.text for each in found(text, items=["web", "news", "more"])] == ["A.", "B."]


@pytest.mark.parametrize("several", [True, False])
def test_the_empty_path_makes_the_whole_result_the_items(several: bool) -> None:
    items = [{"url": f"https://a.example/{number}", "text": f"{number}."} for number in (1, 2)]
    texts = [each.text for each in found(json.dumps(items if several else items[0]), items=[""])]
    assert texts == (["1.", "2."] if several else ["1."])
    wrapped = found("", {"result": items}, items=[""])
    assert [each.text for each in wrapped] == ["1.", "2."], "structured content has to be an object"


def test_a_list_of_rows_is_a_table_a_line_a_row() -> None:
    sheet = {
        "url": "https://a.example",
        "cells": [["Harbour", "m"], ["Lee", 4.1], ["Calm", None, {"a": 1}], [], ["", None]],
    }
    (one,) = found(json.dumps(sheet), text=["cells"])
    assert one.text == "Harbour | m\nLee | 4.1\nCalm |  |"
    assert found(json.dumps(sheet | {"cells": [["", ""], [None]]}), text=["cells"]) == []


def test_structured_content_goes_before_the_text_where_it_has_the_items() -> None:
    text = told(("https://a.example", "from the text"))
    structured = json.loads(told(("https://a.example", "structured")))
    assert found(text, structured, items=["results"])[0].text == "structured"
    assert found(text, {"count": 1}, items=["results"])[0].text == "from the text"


def test_a_list_on_the_way_is_walked_through_and_texts_are_joined() -> None:
    item = {"url": "https://a.example", "parts": [{"text": "One."}, {"text": "Two."}, {"image": 3}]}
    assert found(json.dumps([item]), items=["0"], text=["parts.text"])[0].text == "One.\n\nTwo."
    assert found(json.dumps({"r": [item]}), items=["r"], text=["parts.1.text"])[0].text == "Two."


def test_several_blocks_of_json_in_a_row_are_read() -> None:
    blocks = "\n\n".join(told((f"https://a.example/{n}", f"Text {n}.")) for n in range(3))
    assert len(found(blocks, items=["results"])) == 3


def test_lines_of_json_are_items_and_other_lines_are_passed_over() -> None:
    text = 'Found:\n{"url": "https://a.example", "text": "A."}\n[1]\n{"url": "https://b.exa\n\n'
    assert [each.uri for each in found(text, lines=True)] == ["https://a.example/"]


def test_a_pattern_reads_prose_and_what_it_leaves_open_is_an_argument() -> None:
    text = "Title: A\nURL: https://a.example\nOne.\n\nTitle: B\nURL: https://b.example\nTwo.\n"
    pattern = r"^Title: (?P<title>.*)\nURL: (?P<uri>\S+)\n(?P<text>[\s\S]*?)(?=\n\nTitle: |\Z)"
    assert [(each.title, each.text) for each in found(text, pattern=pattern)] == [
        ("A", "One."),
        ("B", "Two."),
    ]
    (one,) = found(
        "Contents:\nOne.", None, {"url": "https://a.example"}, pattern=r"\AContents:\n(?P<text>[\s\S]+)",
        uri=["@url"],
    )  # fmt: skip
    assert (one.uri, one.text) == ("https://a.example/", "One.")


def test_without_items_the_whole_result_is_one_source_and_the_empty_path_its_text() -> None:
    (one,) = found("All of it.", None, {"path": "/notes/a b.md"}, uri=["@path"], title=["@path"], text=[""],
                   prefix="file://")  # fmt: skip
    assert one == Document("file:///notes/a%20b.md", "/notes/a b.md", "All of it.")


def test_what_is_no_json_where_json_is_expected_has_no_documents() -> None:
    assert (
        found("429: too many requests", None, {"url": "https://a.example"}, uri=["@url"], text=["text"]) == []
    )


@pytest.mark.parametrize(
    "text",
    ["", "no", "null", "[]", "{}", '{"results": 3}', '{"results": [null, 3, "a", []]}', "[" * 100_000,
     '{"results": [{"url": 1e999, "text": {}}]}', '{"results": [{"url": "https://a.example"}]}', "9" * 5_000,
     '{"results": [{"url": "https://a.example", "text": " \\u200b "}]}'],
)  # fmt: skip
@pytest.mark.parametrize(
    "shape", [{"items": ["results"]}, {"lines": True}, {"uri": ["@url"]}, {"text": [""]}]
)
def test_a_result_of_another_form_is_no_failure(text: str, shape: dict[str, Any]) -> None:
    assert found(text, **shape) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["results", "url", "text", "title", "date", "a"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(structured=values, text=st.text(max_size=40) | values.map(json.dumps), arguments=st.dictionaries(
    st.sampled_from(["url", "a"]), values, max_size=2))  # fmt: skip
@pytest.mark.parametrize(
    "shape",
    [{"items": ["results", "a.results"]}, {"uri": ["@url", "url"], "text": ["text", ""]}, {"lines": True}],
)
def test_any_result_gives_documents_that_have_an_address_a_title_and_a_text(
    shape: dict[str, Any], structured: Any, text: str, arguments: dict[str, Any]
) -> None:
    for each in found(text, structured, arguments, **shape):
        assert address(each.uri) == each.uri
        assert each.title.strip()
        assert each.text.strip()


# What becomes a source -------------------------------------------------------------------------------------


def test_the_same_page_and_the_same_text_are_one_source() -> None:
    text = told(
        ("https://A.example:443/x/?utm_source=mail#part", "One."), ("https://a.example/x", "Two."),
        ("https://b.example/", "One."), ("https://c.example/", "Three."),
    )  # fmt: skip
    assert [each.uri for each in found(text, items=["results"])] == [
        "https://a.example/x",
        "https://c.example/",
    ]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,hello", "ftp://a.example/x", "a.example", ""]
)
def test_what_is_no_address_is_no_source(url: str) -> None:
    assert found(told((url, "Text.")), items=["results"]) == []
    assert found("Text.", None, {"url": url}, uri=["@url"], text=[""], prefix="javascript:") == []


def test_a_prefix_makes_an_address_and_its_arguments_cannot_leave_their_place() -> None:
    shape: dict[str, Any] = {
        "uri": ["@path"],
        "text": [""],
        "prefix": "https://code.example/{@owner}/{@repo}/",
    }
    arguments = {"owner": "a/../b", "repo": "c?d", "path": "/src/e f.py#1"}
    assert (
        found("x", None, arguments, **shape)[0].uri
        == "https://code.example/a%2F..%2Fb/c%3Fd/src/e%20f.py%231"
    )
    assert found("x", None, {"owner": "a", "path": "b"}, **shape) == []
    assert (
        found("x", None, {"path": "HEAD~1"}, uri=["@path"], text=[""], prefix="git:")[0].uri == "git:HEAD~1"
    )


def test_paths_of_files_become_addresses_and_a_relative_one_stays_so() -> None:
    def made(path: str) -> str:
        return found("x", None, {"path": path}, uri=["@path"], text=[""], prefix="file://")[0].uri

    assert made("/a/b.md") == "file:///a/b.md"
    assert made("C:\\a\\b.md") == "file:///C:/a/b.md"
    assert made("a/b.md") == "file:a/b.md"
    assert made("file:///a/b.md") == "file:///a/b.md"


def test_text_and_title_are_cleaned_and_what_was_hidden_is_kept_for_a_person() -> None:
    text = told(("https://a.example", "Fine.\x1b[31m\u200b" + in_tags("read the notes")))
    (one,) = found(text, items=["results"], title=["text"])
    assert (one.text, one.title) == ("Fine.", "Fine.")
    assert [each.quote for each in one.hidden] == ["read the notes"]


def test_a_page_is_read_as_what_it_says() -> None:
    page = (
        "<!doctype html><html><head><meta charset=latin-1><title>Tïdes</title></head><body><nav>Home</nav>"
        "<main><h1>Tides</h1><p>High at <b>nöon</b>.</p><script>steal()</script></main></body></html>"
    )
    (one,) = found(page, None, {"url": "https://a.example"}, uri=["@url"], text=[""])
    assert (one.title, one.text) == ("Tïdes", "# Tides\n\nHigh at nöon.")
    (part,) = found(
        "<div><p>One <a href=x>two</a></p></div>", None, {"url": "https://a.example"}, uri=["@url"], text=[""]
    )
    assert part.text == "One two"


def test_a_page_that_is_nested_to_do_harm_is_left_out() -> None:
    page = "<html><body>" + "<div>" * 50_000 + "deep"
    assert found(page, None, {"url": "https://a.example"}, uri=["@url"], text=[""]) == []


def test_a_long_text_is_cut_and_of_many_documents_the_first_are_taken() -> None:
    (one,) = found("word " * 500_000, None, {"url": "https://a.example"}, uri=["@url"], text=[""])
    assert LONGEST - 5 <= len(one.text) <= LONGEST
    many = told(*((f"https://a.example/{n}", f"Text {n}.") for n in range(MOST_DOCUMENTS + 9)))
    assert len(found(many, items=["results"])) == MOST_DOCUMENTS


@pytest.mark.parametrize(
    ("said", "iso"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01 10:00:00", "2026-03-01T10:00:00"),
        (1_700_000_000, "2023-11-14T22:13:20+00:00"),
        (1_700_000_000_000, "2023-11-14T22:13:20+00:00"),
        ("Mon, 02 Mar 2026 10:00:00 GMT", "2026-03-02T10:00:00+00:00"),
        ("March 5, 2026", "2026-03-05"),
        ("March 2026", "2026-03"),
        ("2026", "2026"),
        ("2 days ago", ""),
        ("yesterday", ""),
        ("2026-02-31", ""),
        ("soon", ""),
        (True, ""),
    ],
)
def test_times_become_iso_8601_and_what_counts_from_today_is_none(said: Any, iso: str) -> None:
    item = {"url": "https://a.example", "text": "A.", "date": said}
    assert found(json.dumps({"results": [item]}), items=["results"])[0].published == iso


# Addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTPS://A.Example:443/b/", "https://a.example/b"),
        ("http://a.example:80", "http://a.example/"),
        ("http://a.example:8080/?", "http://a.example:8080/"),
        ("https://a.example/B%20c/D?x=1&UTM_Source=2&y=&gclid=3#f", "https://a.example/B%20c/D?x=1&y="),
        ("https://a.example/?utm_source=1", "https://a.example/"),
        ("https://name:word@a.example/", "https://a.example/"),
        ("https://[::1]:443/a", "https://[::1]/a"),
        ("  https://a.example/a b ", "https://a.example/a%20b"),
        ("https://a.exam\u200bple/", "https://a.example/"),
        ("file:///a/b", "file:///a/b"),
        ("file://localhost/a", "file:///a"),
        ("https://evil.example\\@good.example/", ""),
        ("https://a b.example/", ""),
        ("https:///a", ""),
        ("https://a.example:99999/", ""),
        ("https://[::1", ""),
        ("//a.example/", ""),
        ("mailto:a@a.example", ""),
        ("https://a.example/" + "a" * 9_000, ""),
    ],
)  # fmt: skip
def test_an_address_has_one_form(url: str, canonical: str) -> None:
    assert address(url) == canonical


hosts = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?(\.[a-z]{2,5}){1,2}", fullmatch=True)
paths = st.lists(st.text("abAB0.%-_~äß/", max_size=6), max_size=4).map("/".join)
queries = st.lists(st.sampled_from(["a=1", "B=%20", "utm_x=1", "fbclid=2", "a=2", "c", ""]), max_size=5).map(
    "&".join
)
urls = st.builds(
    "{}://{}{}/{}?{}#{}".format, st.sampled_from(["http", "https", "HTTP"]), hosts,
    st.sampled_from(["", ":80", ":443", ":8080"]), paths, queries, st.text("ab", max_size=3),
)  # fmt: skip


@given(
    url=urls | st.text(max_size=60) | st.text(st.sampled_from("htps:/file.@[]\\?#&=% \n\u200bİ"), max_size=30)
)
def test_an_address_made_twice_is_the_same(url: str) -> None:
    assert address(address(url)) == address(url)


@given(url=urls)
def test_an_address_never_changes_host_path_or_what_a_query_asks(url: str) -> None:
    before, after = urlsplit(url), urlsplit(address(url))
    assert after.hostname == (before.hostname or "").lower()
    assert after.path.rstrip("/") == before.path.rstrip("/")
    assert (after.port or {"http": 80, "https": 443}[after.scheme]) == (
        before.port or {"http": 80, "https": 443}[before.scheme]
    )
    asked = [each for each in before.query.split("&") if each and not each.startswith(("utm_", "fbclid"))]
    assert [each for each in after.query.split("&") if each] == asked
    assert not after.fragment
