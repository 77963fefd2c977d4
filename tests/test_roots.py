"""Which documents a call may name; nothing outside the roots, whatever way the path takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import AtlasError, InvalidInput, OutsideRoots, UnreadableDocument
from atlas_mcp.roots import LONGEST_TEXT, MOST_DOCUMENTS, readable

HERE = Path(__file__).resolve()
links = pytest.mark.skipif(sys.platform == "win32", reason="making a link needs a privilege on Windows")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "tides.md").write_text("The Moon pulls.")
    (tmp_path / "secret.md").write_text("Nobody may read this.")
    return folder


def test_a_file_and_a_folder_inside_a_root_are_given_as_absolute_paths(root: Path) -> None:
    file = root / "deep" / "tides.md"
    assert readable([str(file), str(root)], [root]) == [str(file.resolve()), str(root.resolve())]


@pytest.mark.parametrize("address", ["https://example.org/a.html", " HTTP://example.org"])
def test_an_address_stays_one_for_whoever_reads_pages(root: Path, address: str) -> None:
    assert readable([address], [root]) == [address.strip()]


def test_any_of_many_roots_will_do(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert readable([str(root / "deep")], [other, root]) == [str((root / "deep").resolve())]


def test_a_relative_path_counts_from_the_working_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert readable(["deep/tides.md"], [root]) == [str((root / "deep" / "tides.md").resolve())]


@pytest.mark.parametrize(
    "way", ["../secret.md", "deep/../../secret.md", "..", "../allowed-not/x", "../missing.md"]
)
def test_two_dots_do_not_lead_out_of_a_root(root: Path, way: str) -> None:
    with pytest.raises(OutsideRoots, match=r"\[roots\]"):
        readable([os.fspath(root / way)], [root])


def test_a_path_that_may_not_be_read_says_how_it_may_be_in_settings_and_in_python(root: Path) -> None:
    with pytest.raises(OutsideRoots) as caught:
        readable([str(root.parent / "secret.md")], [root])
    assert "in atlas.toml under [roots], such as read = [" in caught.value.remedy
    assert "in Python, open_atlas(roots=[Path(" in caught.value.remedy


def test_two_dots_that_stay_inside_are_fine(root: Path) -> None:
    assert readable([str(root / "deep" / ".." / "deep")], [root]) == [str((root / "deep").resolve())]


def test_a_folder_whose_name_only_begins_like_a_root_is_outside(root: Path) -> None:
    sibling = root.with_name("allowed-not")
    sibling.mkdir()
    with pytest.raises(OutsideRoots):
        readable([str(sibling)], [root])


@links
def test_a_link_does_not_lead_out_of_a_root(root: Path) -> None:
    (root / "door").symlink_to(root.parent)
    (root / "window.md").symlink_to(root.parent / "secret.md")
    for way in ("door", "door/secret.md", "window.md"):
        with pytest.raises(OutsideRoots):
            readable([str(root / way)], [root])


@links
def test_a_link_that_leads_inside_is_followed_and_a_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(root)
    file = (root / "deep" / "tides.md").resolve()
    assert readable([str(tmp_path / "short" / "deep" / "tides.md")], [root]) == [str(file)]
    assert readable([str(file)], [tmp_path / "short"]) == [str(file)]


@links
def test_a_loop_of_links_is_no_document(root: Path) -> None:
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    with pytest.raises(UnreadableDocument):
        readable([str(root / "a")], [root])


def test_without_roots_nothing_may_be_read(root: Path) -> None:
    with pytest.raises(OutsideRoots, match="none yet"):
        readable([str(root)], [])


def test_what_does_not_exist_is_said_inside_a_root_and_not_betrayed_outside(root: Path) -> None:
    with pytest.raises(UnreadableDocument, match="No such file"):
        readable([str(root / "missing.md")], [root])
    outside: list[str] = []
    for name in ("secret.md", "missing.md"):
        with pytest.raises(OutsideRoots) as caught:
            readable([str(root.parent / name)], [root])
        outside.append(str(caught.value).replace(name, ""))
    assert outside[0] == outside[1]


@pytest.mark.skipif(sys.platform == "win32", reason="HOME is not what Windows calls it")
def test_a_tilde_is_the_home_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    assert readable(["~/deep"], [Path("~")]) == [str((root / "deep").resolve())]


@pytest.mark.parametrize("document", ["~nobody-of-this-name/x", "a\0b", "x" * 400])
def test_what_cannot_be_a_path_is_refused_in_words(root: Path, document: str) -> None:
    with pytest.raises((UnreadableDocument, OutsideRoots)):
        readable([document], [Path(root.anchor)])


@pytest.mark.parametrize("document", ["", "   ", "\n\n \n", "\udcff", "text\n\ud800"])
def test_an_empty_document_and_one_that_is_not_unicode_are_refused(root: Path, document: str) -> None:
    with pytest.raises(InvalidInput):
        readable([document], [root])


def test_a_text_needs_no_root_and_is_given_as_it_is() -> None:
    texts = ["The Moon pulls.\nThe sea follows.", "tide " * 300]
    assert readable(texts, []) == texts


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput, match="2,000,000 is the most"):
        readable(["x" * (LONGEST_TEXT + 1)], [])


def test_too_many_documents_are_refused(root: Path) -> None:
    assert len(readable([str(root)] * MOST_DOCUMENTS, [root])) == MOST_DOCUMENTS
    with pytest.raises(InvalidInput, match="Name a folder"):
        readable([str(root)] * (MOST_DOCUMENTS + 1), [root])


@given(
    st.lists(
        st.sampled_from(["..", ".", "tests", HERE.name, "~", "/", "etc", "\0", "é"]) | st.text(max_size=8),
        min_size=1,
    )
)
def test_whatever_is_named_is_inside_a_root_or_refused_with_a_remedy(parts: list[str]) -> None:
    root = HERE.parent
    refusal: AtlasError | None = None
    given_back: list[str] = []
    try:
        given_back = readable(["/".join(parts)], [root])
    except AtlasError as error:
        refusal = error
    assert all("\n" in one or Path(one).is_relative_to(root) for one in given_back)
    assert refusal is None or refusal.remedy
