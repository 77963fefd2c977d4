"""What Tavily, Firecrawl, Exa, Brave and GitHub answer over HTTP, about an invented web and repository.

The shapes are those of the services' documentation, as far as their MCP servers read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.downstream.third_party.github import ENTERPRISE, github
from tests.downstream.third_party.graph import graph
from tests.downstream.third_party.invented_web import PAGES, found, page_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.downstream.third_party.invented_web import Page

__all__ = ["SERVICES", "Asked", "Reply", "Service", "answer"]

REQUEST = "3f0c4d2e-8a55-4b7a-9f0e-5d1f6a2b7c11"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: for which host and path, with what."""

    host: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    key: str = field(repr=False)
    """The key or token that came with it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and what is said with it, as JSON."""

    status: int
    said: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Service:
    """One service: what it answers, and in which words it refuses."""

    answers: Callable[[Asked], Any]
    refuses: Callable[[int, str], Any]
    unknown_key: int = 401


WORDS = {
    401: "the key is missing or not valid",
    404: "there is nothing at this address",
    422: "the key is missing or not valid",
    429: "too many requests; try again later",
    500: "internal server error",
}


def answer(service: Service, asked: Asked, key: str) -> Reply:
    """What a service answers to a request; 401 or its like for any other key."""
    if asked.key != key:
        status = service.unknown_key
        return Reply(status, service.refuses(status, WORDS[status]))
    said = service.answers(asked)
    return Reply(200, said) if said is not None else Reply(404, service.refuses(404, WORDS[404]))


# Tavily ----------------------------------------------------------------------------------------------------


def _tavily(asked: Asked) -> Any:
    if asked.path == "/search":
        pages = found(asked.body["query"], int(asked.body.get("max_results", 5)))
        return {
            "query": asked.body["query"],
            "follow_up_questions": None,
            "answer": None,
            "images": [],
            "results": [
                {
                    "url": page.url,
                    "title": page.title,
                    "content": _snippet(page),
                    "score": 0.9 - place / 10,
                    "raw_content": page.text if asked.body.get("include_raw_content") else None,
                }
                for place, page in enumerate(pages)
            ],
            "response_time": 0.61,
            "request_id": REQUEST,
        }
    if asked.path == "/extract":
        known, unknown = _sorted_out(asked.body["urls"])
        return {
            "results": [{"url": url, "raw_content": page.markdown} for url, page in known],
            "failed_results": [{"url": url, "error": "Failed to fetch url"} for url in unknown],
            "response_time": 0.02,
            "request_id": REQUEST,
        }
    return None


# Firecrawl -------------------------------------------------------------------------------------------------


def _firecrawl(asked: Asked) -> Any:
    if asked.path == "/v2/search":
        pages = found(asked.body["query"], int(asked.body.get("limit", 5)))
        web = [
            {"url": page.url, "title": page.title, "description": _snippet(page), "position": place}
            for place, page in enumerate(pages, 1)
        ]
        return {"success": True, "data": {"web": web}, "creditsUsed": 2, "id": REQUEST}
    if asked.path == "/v2/scrape" and (page := page_at(asked.body["url"])):
        about = {
            "title": page.title,
            "sourceURL": page.url,
            "url": page.url,
            "publishedTime": page.published,
            "statusCode": 200,
            "contentType": "text/html; charset=utf-8",
            "creditsUsed": 1,
        }
        return {"success": True, "data": {"markdown": page.markdown, "metadata": about}}
    if asked.path == "/v2/map":
        host = asked.body["url"].split("/")[2]
        links = [{"url": page.url, "title": page.title} for page in PAGES if host in page.url]
        return {"success": True, "links": links}
    return None


# Exa -------------------------------------------------------------------------------------------------------


def _exa(asked: Asked) -> Any:
    if asked.path == "/search":
        pages = found(asked.body["query"], int(asked.body.get("numResults", 10)))
        results = [{**_exa_page(page), "highlights": [*page.paragraphs[:2]]} for page in pages]
        return {"requestId": REQUEST, "resolvedSearchType": "neural", "results": results, "searchTime": 401.2}
    if asked.path == "/contents":
        known, unknown = _sorted_out(asked.body["urls"])
        most = int(asked.body.get("text", {}).get("maxCharacters", 3000))
        failed = {"tag": "CRAWL_NOT_FOUND", "httpStatusCode": 404}
        return {
            "requestId": REQUEST,
            "results": [{**_exa_page(page), "text": page.text[:most]} for _, page in known],
            "statuses": [{"id": url, "status": "success", "source": "cached"} for url, _ in known]
            + [{"id": url, "status": "error", "error": failed} for url in unknown],
        }
    return None


def _exa_page(page: Page) -> dict[str, Any]:
    return {
        "id": page.url,
        "url": page.url,
        "title": page.title or None,
        "publishedDate": f"{page.published}T00:00:00.000Z",
        "author": None,
    }


# Brave -----------------------------------------------------------------------------------------------------


def _brave(asked: Asked) -> Any:
    pages = found(asked.query.get("q", ""), int(asked.query.get("count", 10)))
    results = [
        {
            "url": page.url,
            "title": page.title,
            "description": _snippet(page),
            "age": page.published,
            "page_age": f"{page.published}T00:00:00",
            "extra_snippets": [*page.paragraphs[1:3]],
            "meta_url": {"hostname": page.url.split("/")[2]},
        }
        for page in pages
    ]
    if asked.path == "/res/v1/web/search":
        return {"type": "search", "query": {"original": asked.query["q"]}, "web": {"results": results}}
    if asked.path == "/res/v1/news/search":
        return {"type": "news", "query": {"original": asked.query["q"]}, "results": results}
    if asked.path == "/res/v1/llm/context":
        generic = [{"url": p.url, "title": p.title, "snippets": [*p.paragraphs[:3]]} for p in pages]
        sources = {
            p.url: {"title": p.title, "hostname": p.url.split("/")[2], "age": [p.published]} for p in pages
        }
        return {"grounding": {"generic": generic, "poi": None, "map": []}, "sources": sources}
    return None


def _snippet(page: Page) -> str:
    return " ".join(page.paragraphs)[:400]


def _sorted_out(urls: list[str]) -> tuple[list[tuple[str, Page]], list[str]]:
    """The addresses at which there are pages, with them, and those at which there is none."""
    there = [(url, page_at(url)) for url in urls]
    return [(url, page) for url, page in there if page], [url for url, page in there if not page]


GITHUB = Service(
    github, lambda status, words: {"message": words, "documentation_url": "", "status": str(status)}
)

SERVICES = {
    "api.tavily.com": Service(_tavily, lambda _, words: {"detail": {"error": words}}),
    "api.firecrawl.dev": Service(_firecrawl, lambda _, words: {"success": False, "error": words}),
    "api.exa.ai": Service(
        _exa, lambda status, words: {"requestId": REQUEST, "error": words, "tag": f"REFUSED_{status}"}
    ),
    "api.search.brave.com": Service(
        _brave,
        lambda status, words: {
            "type": "ErrorResponse",
            "error": {"id": REQUEST, "status": status, "code": f"REFUSED_{status}", "detail": words},
        },
        unknown_key=422,
    ),
    "api.github.com": GITHUB,
    ENTERPRISE: GITHUB,
    "graph.microsoft.com": Service(
        graph, lambda status, words: {"error": {"code": f"Refused{status}", "message": words}}
    ),
}
"""Each service by the host that its MCP server asks."""
