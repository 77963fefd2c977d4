"""However an address of this machine or its network is spelled, no tool of the open web is given it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.private import is_private, refuse_private
from atlas_mcp.errors import ToolRefused

PRIVATE = [
    "http://localhost/", "http://LOCALHOST./", "http://127.0.0.1", "http://127.0.0.1:8000/x", "http://127.1/",
    "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://10.0.0.1", "http://192.168.1.1",
    "http://169.254.169.254/latest", "http://metadata.google.internal", "http://[::1]/", "http://[fec0::1]/",
    "http://[fe80::1%25eth0]/", "http://[::ffff:127.0.0.1]/", "http://224.0.0.1/", "http://0.0.0.0/",
    # Written otherwise.
    "http://127%2e0%2e0%2e1/", "http://local%68ost/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/",
    "http://\uff4cocalhost/", "http://\u200blocal\u00adhost/", "ht\ntp://127.0.0.1/", " \u200bhttp://127.0.0.1/",
    # Read otherwise.
    "http://127.0.0.1\\@example.com/", "http://example.com@127.0.0.1/", "http://example.com\uff0f@127.0.0.1/",
    "http:/127.0.0.1/", "http:///127.0.0.1/", "http:\\\\127.0.0.1/", "http:127.0.0.1", "http://a:b:80/",
    # Carried within others.
    "http://[64:ff9b::7f00:1]/", "http://[::127.0.0.1]/", "http://[2002:7f00:1::]/", "http://[64:ff9b:1::1]/",
    # Names of a network.
    "http://router/", "http://router", "http://printer.lan/", "http://nas.localdomain/", "http://x.localhost",
    # Other ways to reach what is here.
    "file:///etc/passwd", "file:/etc/passwd", "ftp://example.com/", "gopher://127.0.0.1:70/", "dict:x",
    "view-source:http://127.0.0.1/", "data:text/html,x", "javascript:fetch('x')", "jar:file:///x!/y",
]  # fmt: skip
OPEN = [
    "https://example.com/", "http://example.com:8080/a?b=http://127.0.0.1/", "https://ada:secret@example.com/",
    "http://1.1.1.1/", "http://[2606:4700:4700::1111]/", "http://[64:ff9b::101:101]/", "https://bücher.example/",
    "HTTPS://Example.COM./a%20b", "http://local.example/", "http://127.0.0.1.example.com/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_an_address_of_this_machine_is_refused_however_it_is_spelled_and_wherever_it_stands(url: str) -> None:
    for arguments in ({"q": url}, {"a": [{"urls": ["x.org", url]}]}):
        with pytest.raises(ToolRefused):
            refuse_private(arguments)
    assert is_private(url)


@pytest.mark.parametrize("url", OPEN)
def test_an_address_of_the_open_web_is_given_on(url: str) -> None:
    refuse_private({"url": url, "q": url})
    assert not is_private(url)


@pytest.mark.parametrize(
    "url", ["localhost:8080/x", "127.0.0.1", "router", "//localhost/x", "[::1]", "@10.0.0.1"]
)
def test_where_an_address_is_wished_for_one_without_a_scheme_is_one(url: str) -> None:
    with pytest.raises(ToolRefused):
        refuse_private({"url": url})


@pytest.mark.parametrize(
    "words",
    ["site:example.com tides", "filetype:pdf", "category:people", "http: what is it?", "", "127.0.0.1 there",
     "router", "What does localhost:8080 mean?", "localhost", "tides: springs / neaps", "data: where from?"],
)  # fmt: skip
def test_words_to_search_for_are_no_address(words: str) -> None:
    refuse_private({"query": words})


@given(st.text())
def test_any_text_can_be_looked_at(text: str) -> None:
    is_private(f"http://{text}/")
    is_private(text)
