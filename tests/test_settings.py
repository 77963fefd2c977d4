"""What a person configured, and how a mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.settings import ProviderSettings, Settings


def write(home: Path, text: str | bytes) -> Path:
    file = home / "config" / "atlas.toml"
    file.parent.mkdir(parents=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_without_a_file_the_defaults_hold(home: Path) -> None:
    settings = Settings.load()
    assert settings.home == home
    assert settings.file == home / "config" / "atlas.toml"
    assert (settings.http.host, settings.http.port, settings.roots.read) == ("127.0.0.1", 8765, ())


def test_the_file_is_read(home: Path) -> None:
    write(home, '[models]\ndefault = "extractive"\n[roots]\nread = ["/books"]\n[http]\nport = 9000\n')
    settings = Settings.load()
    assert settings.models.default == "extractive"
    assert settings.roots.read == (Path("/books"),)
    assert settings.http.port == 9000


def test_the_environment_wins_over_the_file_key_by_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, '[http]\nport = 9000\nhost = "localhost"\n')
    monkeypatch.setenv("ATLAS_HTTP__PORT", "9001")
    http = Settings.load().http
    assert (http.host, http.port) == ("localhost", 9001)


def test_an_empty_variable_is_no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HOME", "")
    monkeypatch.setenv("ATLAS_HTTP__PORT", "")
    settings = Settings.load()
    assert settings.home.is_absolute()
    assert settings.http.port == 8765


def test_a_tilde_is_the_home_folder_also_where_no_shell_expands_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HOME", "~/atlas-of-a-test")
    monkeypatch.setenv("ATLAS_PROJECT", "~/project")
    monkeypatch.setenv("ATLAS_ROOTS__READ", '["~/books"]')
    settings = Settings.load()
    assert settings.home == Path.home() / "atlas-of-a-test"
    assert settings.project == Path.home() / "project"
    assert settings.roots.read == (Path.home() / "books",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http\nport = 1", "atlas.toml"),
        ("[http]\nport = 99999", "http.port"),
        ('[http]\nport = "many"', "ATLAS_HTTP__PORT"),
        ("[http]\nprot = 1", "There is no key prot in [http]"),
        ("[http]\nprot = 1", "Did you mean port?"),
        ('[group.main]\nmembers = ["openai:m"]\nstratgy = "x"', "There is no key stratgy in [group.main]"),
        ('[group.main]\nmembers = ["openai:m"]\nstratgy = "x"', "Did you mean strategy?"),
        ('[group.a]\nmembers = [{ name = "openai:m", wieght = 2 }]', "Did you mean weight?"),
        ("[provider.lab]\nbase_ulr = 1", "Did you mean base_url?"),
        ("[budgets]\nday_usd = 1", "There is no table [budgets]"),
        ("[budgets]\nday_usd = 1", "Did you mean [budget]?"),
        ('[groups.a]\nmembers = ["openai:m"]', "Did you mean [group.NAME]?"),
        ("[budget]\nfoo = 1", "There are day_usd, day_tokens."),
        ("zzz = 1", "There is no key zzz (in"),
        ("[htpp]\nport = 1", "htpp"),
        ("http = 3", "http"),
        ("[runs]\nat_once = 0", "runs.at_once"),
        ("[runs]\nkeep_days = -1", "runs.keep_days"),
        ('[roots]\nread = "/books"', "roots.read: Input should be a list ("),
        ("[group]\na = 1", "Input should be a table"),
        ('home = "/elsewhere"', "Set ATLAS_HOME"),
        ('[provider.openai]\nbase_url = "http://x"', "openai is a provider that ships"),
        ("[group.a]\nmembers = []", "group.a.members"),
        ("[group.a]\nmembers = []", "Name at least one"),
        ('[runs]\nat_once = "many"', "Write a whole number, such as 3."),
        ('[runs]\nkeep_days = "many"', "Write a number, such as 0.5."),
        ("[models]\ndefault = 3", "Write text in quotes."),
        ('[memory]\nembeddings = "perhaps"', "write true, false, or a model such as"),
        ('[memory]\nrecall = "perhaps"', "Write true or false."),
        ('[provider."a:b"]\nbase_url = "http://x"', "'a:b' is no name; write letters, digits, - and _"),
        ('[provider." x "]\nbase_url = "http://x"', "' x ' is no name"),
        ('[group."fast one"]\nmembers = ["openai:m"]', "'fast one' is no name"),
        ('[group.a]\nmembers = ["openai:m"]\nmid_stream = ["guess"]', "group.a.mid_stream"),
        ('[group.a]\nmembers = [{ name = "openai:m", weight = 0 }]', "group.a.members"),
        ("[budget]\nday_usd = 0", "budget.day_usd"),
        (b"[models]\ndefault = '\xff'", "atlas.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named_by_file_and_key(home: Path, text: str | bytes, said: str) -> None:
    file = write(home, text)
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.load()
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("key", ["sk-abcdef0123456789", "gsk_a1b2c3d4e5f6", "0123456789abcdef"])
def test_a_key_where_the_name_of_its_variable_belongs_is_refused_and_not_repeated(
    home: Path, key: str
) -> None:
    write(home, f'[provider.lab]\nkey_env = "{key}"\n[http]\nport = "many"\n')
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.load()
    assert 'the name of a variable, not the key; write key_env = "LAB_KEY"' in str(caught.value)
    with pytest.raises(ValidationError) as raw:
        ProviderSettings(key_env=key)
    assert key not in f"{caught.value} {raw.value}"


def test_each_of_several_mistakes_has_its_remedy_behind_it(home: Path) -> None:
    file = write(home, '[http]\nport = "many"\nhots = "x"\n[provider."a:b"]\n')
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.load()
    said = str(caught.value).replace(str(file), "FILE")
    assert "(in FILE or ATLAS_HTTP__PORT). Write a whole number, such as 3." in said
    assert "There is no key hots in [http] (in FILE or ATLAS_HTTP__HOTS). Did you mean host?" in said
    assert "Value error" not in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ATLAS_HTTP__PORT", "many"),
        ("ATLAS_ROOTS__READ", "/a:/b"),
        ("ATLAS_ROOTS", "{half"),
        ("ATLAS_HTTP__PROT", "1"),
    ],
)
def test_a_mistake_in_the_environment_is_told_as_one(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidConfiguration, match=r"roots|http"):
        Settings.load()


def test_a_file_with_a_byte_order_mark_is_read(home: Path) -> None:
    write(home, b"\xef\xbb\xbf[http]\nport = 9000\n")
    assert Settings.load().http.port == 9000


def test_a_folder_in_the_files_place_is_a_mistake_in_words(home: Path) -> None:
    (home / "config" / "atlas.toml").mkdir(parents=True)
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        Settings.load()


def test_a_secret_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HTTP__TOKEN", "tide-and-moon")
    settings = Settings.load()
    assert settings.http.token is not None
    assert settings.http.token.get_secret_value() == "tide-and-moon"
    assert "tide-and-moon" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    monkeypatch.setenv("ATLAS_HTTP__PORT", "many")
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.load()
    assert "tide-and-moon" not in str(caught.value)


def test_settings_do_not_change(home: Path) -> None:
    with pytest.raises(ValidationError):
        Settings.load().http.port = 1
