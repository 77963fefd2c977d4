"""Sentences are found where they stand, in prose and in structure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.text.blocks import heading_path, outline
from atlas_mcp.text.sentences import sentences


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


def kinds(text: str) -> list[tuple[str, str]]:
    return [(sentence.kind, sentence.text) for sentence in sentences(text)]


@pytest.mark.parametrize(
    "whole",
    [
        "Use a proxy, e.g. Nginx, for this.",
        "It is, i.e. Always, so.",
        "Dr. Smith met Mrs. Jones.",
        "Cats vs. Dogs is a film.",
        "See No. 5 and Fig. 3 for more.",
        "J. R. R. Tolkien wrote it.",
        "The U.S. Senate voted.",
        "Version 2.0 is 3.5 times faster than v1.2.3 was.",
        "Open config.toml and main.py first.",
        "Read https://example.org/a.b?c=d. or not",
        "Write `a. B` into the file.",
        "The link [a](https://x.org/A. B) stays.",
        '"What?" he asked.',
        "He left at 5 p.m. Monday.",
        "Acme Inc. Paris opened.",
        "Wait... what is it?",
        "It costs 3,5 Mio. euros here.",
    ],
)
def test_these_are_one_sentence(whole: str) -> None:
    assert texts(whole) == [whole]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He said “go.” She went.", ["He said “go.”", "She went."]),
        ("Er sagte: „Nein.“ Dann ging er.", ["Er sagte: „Nein.“", "Dann ging er."]),
        ("1. Introduction\nThe text begins.", ["Introduction", "The text begins."]),
        ("1. an item that\n   Goes on.\n2. Two", ["an item that\n   Goes on.", "Two"]),
        ("**Note.** Read it. *Why?* Because.", ["**Note.**", "Read it.", "*Why?*", "Because."]),
        ("It was so.[1] Then not.[^2] End.", ["It was so.[1]", "Then not.[^2]", "End."]),
        ("He lives in the U.S. The rest do not.", ["He lives in the U.S.", "The rest do not."]),
        ("Apples, pears, etc. They are fruit.", ["Apples, pears, etc.", "They are fruit."]),
        ("これは文です。次の文です！終わり", ["これは文です。", "次の文です！", "終わり"]),  # noqa: RUF001
        ("他说:“你好。”然后走了。", ["他说:“你好。”", "然后走了。"]),
        ("It uses 2. Then 3 follow.", ["It uses 2.", "Then 3 follow."]),
        ("Name: Ann  \nRole: lead", ["Name: Ann", "Role: lead"]),
        ("It runs over\ntwo lines. And on.", ["It runs over\ntwo lines.", "And on."]),
    ],
)
def test_these_are_split_here(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_markdown_structure_is_kept_apart_from_its_marks() -> None:
    text = (
        "---\ntitle: A page\n---\n\nimport X from './x'\n\n# Top {#top}\n\nIntro\n=====\n"
        "Some text\nbelow it.\n- first. With two.\n* [x] done\n  and more\n\n"
        "1. one\n2. two\n\n> Quoted words.\n\n| a | b |\n|---|:-:|\n| c | d |\n\n"
        "<Note>\n  Inside. Still.\n</Note>\n<!-- a\ncomment. -->\n"
        "```py\nx = 1. \n\n# no heading\n```\n***\n## End ##\n"
    )
    assert kinds(text) == [
        ("markup", "---\ntitle: A page\n---"),
        ("markup", "import X from './x'"),
        ("heading", "Top"),
        ("heading", "Intro"),
        ("prose", "Some text\nbelow it."),
        ("item", "first."),
        ("item", "With two."),
        ("item", "done\n  and more"),
        ("item", "one"),
        ("item", "two"),
        ("prose", "Quoted words."),
        ("row", "| a | b |"),
        ("markup", "|---|:-:|"),
        ("row", "| c | d |"),
        ("markup", "<Note>"),
        ("prose", "Inside."),
        ("prose", "Still."),
        ("markup", "</Note>"),
        ("markup", "<!-- a\ncomment. -->"),
        ("code", "x = 1. \n\n# no heading"),
        ("heading", "End"),
    ]


def test_a_sentence_knows_the_heading_it_stands_under() -> None:
    found = sentences("Before.\n# One\nIn one.\n## Two\nIn two.", heading="Given")
    assert [(s.text, s.heading) for s in found if s.kind == "prose"] == [
        ("Before.", "Given"),
        ("In one.", "One"),
        ("In two.", "Two"),
    ]


def test_a_tag_over_several_lines_is_markup_and_an_address_is_not() -> None:
    assert kinds('<img\n  src="a.png"\n/>\n\n<https://x.org> is a link.') == [
        ("markup", '<img\n  src="a.png"\n/>'),
        ("prose", "<https://x.org> is a link."),
    ]


def test_a_passage_that_begins_inside_code_is_read_as_code() -> None:
    found = sentences("x = 1.\ny = 2\n```\n\nAfter it. And on.", 100, heading="Usage")
    assert [(s.kind, s.text) for s in found] == [
        ("code", "x = 1.\ny = 2"),
        ("prose", "After it."),
        ("prose", "And on."),
    ]
    assert found[0].start == 100


def test_code_without_a_fence_is_known_by_its_line_ends() -> None:
    listing = 'const a = {\n  "name": "x",\n  "rest": [1, 2],\n};\nrun(a);'
    assert kinds(f"{listing}\n\nOne, two,\nand then three.") == [
        ("code", listing),
        ("prose", "One, two,\nand then three."),
    ]


def test_the_path_of_headings_at_an_offset() -> None:
    text = "# A\n\n## B\n\nx\n\n## C\n\n### D\n\ny\n\n# E\nz"
    headings = outline(text)
    assert heading_path(headings, text.index("x")) == ["A", "B"]
    assert heading_path(headings, text.index("y")) == ["A", "C", "D"]
    assert heading_path(headings, text.index("z")) == ["E"]


@pytest.mark.parametrize(
    "piece", [".", "](", "<a ", "`", "<!--\n", "- \n", "|", " " * 9, "a. ", "-|", "{/*", "A.B."]
)
def test_adversarial_repetition_takes_no_time(piece: str) -> None:
    assert len(sentences(piece * 20_000)) >= 0


MARKDOWN = [
    *(
        "# H\n",
        "- item. Two\n",
        "| a | b |\n",
        "|---|---|\n",
        "```\n",
        "~~~py\n",
        "\n",
        "\n\n",
        "Some text. ",
    ),
    *("More! ", "<Tag>\n", "<!--", "-->", "> quote. Yes\n", "---\n", "===\n", "e.g. ", "文。", "\r\n", "\f"),
    *("\t", "  \n", "`x. Y`", "1. one\n", "[a](b. C)", "...", '?"', "\u2028", "x" * 50),
]
pieces = st.lists(st.sampled_from(MARKDOWN) | st.text(max_size=12), max_size=40)


@settings(max_examples=200, deadline=None)
@given(pieces, st.integers(0, 50))
def test_every_sentence_is_exactly_what_stands_at_its_offsets(parts: list[str], start: int) -> None:
    text = "".join(parts)
    snapshot = "#" * start + text
    end = 0
    for sentence in sentences(text, start):
        assert snapshot[sentence.start : sentence.end] == sentence.text
        assert sentence.text
        assert sentence.start >= end
        end = sentence.end


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["Some words", "e.g. this", "A (b) c", "No 2.0", "文字"]), min_size=1, max_size=8
    )
)
def test_no_word_of_prose_is_lost(parts: list[str]) -> None:
    text = ". ".join(parts)
    assert "".join("".join(texts(text)).split()) == "".join(text.split())
