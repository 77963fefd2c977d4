"""A tracking server is asked alike by either client: the same requests, answers and failures."""

from __future__ import annotations

import asyncio
import base64
import http.server
import ssl
import threading
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from atlas_mcp.observe.tracking.asking import Access, access_to, by_aiohttp, by_httpx, open_asking

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

WAYS = pytest.mark.parametrize("way", [by_aiohttp, by_httpx])


@contextmanager
def hearing(status: int = 200, **headers: str) -> Generator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers everything alike, and what it was asked."""
    heard: list[dict[str, Any]] = []

    class Conversation(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            heard.append({"path": self.path, "body": body, **{k.lower(): v for k, v in self.headers.items()}})
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the method
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Conversation) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", heard
        server.shutdown()


@asynccontextmanager
async def saying(words: bytes) -> AsyncGenerator[str]:
    """A server that says these words to whoever connects, then nothing more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@WAYS
async def test_a_request_arrives_with_its_path_words_and_body(way: Any) -> None:
    with hearing() as (url, heard):
        async with way(Access(f"{url}/below", 5.0)) as ask:
            answer = await ask("GET", "/api", params={"name": "atlas/tides & more"})
            await ask("POST", "/api", json={"a": "ü"})
            await ask("POST", "/v1", content=b"\x00\x01", headers={"content-encoding": "gzip"})
    assert (answer.status, answer.kind, answer.text) == (200, "application/json", "{}")
    asked, posted, sent = heard
    path, _, words = asked["path"].partition("?name=")
    assert (path, words.replace("/", "%2F").replace("+", "%20")) == (
        "/below/api",
        "atlas%2Ftides%20%26%20more",
    )
    assert posted["content-type"] == "application/json"
    assert posted["body"].decode("unicode_escape").replace(" ", "") in {'{"a":"ü"}', '{"a":"Ã¼"}'}
    assert (sent["body"], sent["content-encoding"]) == (b"\x00\x01", "gzip")


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


ADA = "http://ada:l%C3%B6velace%40home@tracking:5000/below/"


@pytest.mark.parametrize(
    ("address", "variables", "seen"),
    [
        ("http://tracking", {"TOKEN": "tides"}, "Bearer tides"),
        ("http://tracking", {"TOKEN": "tides", "USERNAME": "bob", "PASSWORD": "€"}, basic("bob", "€")),
        ("http://tracking", {"USERNAME": "bob"}, ""),
        (ADA, {}, basic("ada", "lövelace@home")),
        (ADA, {"TOKEN": "tides"}, basic("ada", "lövelace@home")),
        (ADA, {"USERNAME": "bob", "PASSWORD": "b"}, basic("bob", "b")),
    ],
)
def test_credentials_are_those_of_mlflows_own_variables_or_of_the_address(
    address: str, variables: dict[str, str], seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    access = access_to(address, seconds=5.0, mlflow=True)
    assert access.headers.get("authorization", "") == seen
    assert access.address in {"http://tracking", "http://tracking:5000/below"}
    other = access_to(address, seconds=5.0, mlflow=False)
    assert other.headers.get("authorization", "") == (
        basic("ada", "lövelace@home") if "ada" in address else ""
    )


@WAYS
async def test_credentials_stand_above_every_request(way: Any) -> None:
    with hearing() as (url, heard):
        async with way(Access(f"{url}/below", 5.0, basic("ada", "€"))) as ask:
            await ask("GET", "/version")
            await ask("POST", "/api", json={})
    assert [each["authorization"] for each in heard] == [basic("ada", "€")] * 2


def certify(folder: Path) -> None:
    """Put a certificate that nobody else signed into a folder, as cert.pem, with its key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))


@WAYS
async def test_a_certificate_that_nobody_vouches_for_is_taken_where_that_is_wished(
    way: Any, tmp_path: Path
) -> None:
    certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with way(Access(url, 5.0, "Bearer tides")) as ask:
            with pytest.raises(ConnectionError, match=r"(?i)certificate"):
                await ask("GET", "/version")
        assert heard == []
        async with way(Access(url, 5.0, trusting=True)) as ask:
            assert (await ask("GET", "/version")).text == "{}"


@WAYS
async def test_a_redirect_is_an_answer_like_any(way: Any) -> None:
    with hearing(302, location="http://127.0.0.1:1/elsewhere") as (url, heard):
        async with way(Access(url, 5.0)) as ask:
            assert (await ask("GET", "/version")).status == 302
    assert len(heard) == 1


@WAYS
@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://", "nonsense", "http://[", "http://h:x"])
async def test_what_cannot_be_reached_says_why(way: Any, address: str) -> None:
    for opened in (way(Access(address, 5.0)), open_asking(access_to(address, seconds=5.0, mlflow=True))):
        async with opened as ask:
            with pytest.raises(ConnectionError, match=r"\w"):
                await ask("GET", "/version")


@WAYS
async def test_what_does_not_speak_http_cannot_be_reached(way: Any) -> None:
    async with saying(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n") as url, way(Access(url, 5.0)) as ask:
        with pytest.raises(ConnectionError, match=r"\w"):
            await ask("GET", "/version")


@WAYS
async def test_silence_ends_in_time(way: Any) -> None:
    async with saying(b"") as url, way(Access(url, 0.2)) as ask:
        with pytest.raises(TimeoutError):
            await ask("GET", "/version")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
async def test_the_proxy_of_the_environment_is_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.lower(), raising=False)
    with hearing() as (url, heard):
        monkeypatch.setenv(name, url)
        async with open_asking(Access("http://tracking.example", 5.0)) as ask:
            await ask("GET", "/version")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with open_asking(Access(url, 5.0)) as ask:
            await ask("GET", "/version")
    assert [each["path"] for each in heard] == ["http://tracking.example/version", "/version"]
