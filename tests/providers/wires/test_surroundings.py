"""Proxies and certificates that cannot be used are told by the variable that is wrong, at every vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.wires.surroundings import unreachable
from tests.fakes.model_server import FakeModels
from tests.providers.asking import prompt
from tests.providers.vendors import VENDORS

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _straight(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:1080", "Write for example http://"),
        ("HTTPS_PROXY", "ftp://me:secret@127.0.0.1:1", "Write for example http://"),
        ("HTTP_PROXY", "::nonsense::", "Write for example http://"),
        ("https_proxy", "ftp://127.0.0.1:1", "unset https_proxy"),
        ("SSL_CERT_FILE", "nowhere.pem", "Set SSL_CERT_FILE to where certificates"),
        ("SSL_CERT_FILE", __file__, "Set SSL_CERT_FILE to where certificates"),
    ],
)
async def test_what_stands_in_the_way_is_told_alike_by_a_check_and_a_stream(
    vendor: str, variable: str, value: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    provider = VENDORS[vendor](NOWHERE)
    health = await provider.check()
    with pytest.raises(InvalidConfiguration, match=variable) as caught:
        await complete(ProviderGroup([provider]), prompt())
    assert not health.answers
    assert variable in health.says
    assert health.remedy == caught.value.remedy
    assert remedy in caught.value.remedy
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_what_was_put_right_serves_the_next_stream(
    vendor: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with FakeModels(tokens=4) as server:
        provider = VENDORS[vendor](server.root)
        with monkeypatch.context() as wrong:
            wrong.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
            assert not (await provider.check()).answers
        assert (await complete(provider, prompt())).text
        await provider.aclose()


def test_a_socks_proxy_says_which_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    failure = unreachable(ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."))
    assert "ALL_PROXY is 'socks5://127.0.0.1:1080'" in failure.message
    assert "pip install socksio" in failure.remedy


def test_what_no_variable_explains_is_told_with_all_that_may_be_wrong() -> None:
    failure = unreachable(ValueError("no such thing"))
    assert "ValueError no such thing" in failure.message
    assert "HTTPS_PROXY" in failure.remedy
