"""Passages follow structure, fit their size and lose nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.text.passages import passages


def cut(text: str, aim: int = 700, most: int = 1_200) -> list[str]:
    return [text[span.start : span.end] for span in passages(text, aim=aim, most=most)]


def test_a_short_text_is_one_passage() -> None:
    assert cut("# Title\n\nOne. Two.\n") == ["# Title\n\nOne. Two."]


def test_a_heading_stays_with_what_follows_it() -> None:
    text = f"# A\n\n{'First words. ' * 12}\n\n## B\n\n### C\n\n{'Second words. ' * 12}"
    first, second = passages(text, aim=150, most=300)
    assert text[second.start : second.end].startswith("## B\n\n### C\n\nSecond")
    assert (first.heading, second.heading) == ("A", "C")


def test_a_list_a_table_and_code_stay_whole_where_they_fit() -> None:
    items = "\n".join(f"- item number {number}" for number in range(10))
    table = "\n".join(f"| row {number} | value |" for number in range(10))
    code = "```\n" + "\n".join(f"line({number})\n" for number in range(10)) + "```"
    text = f"Some words before.\n\n{items}\n\n{table}\n\n{code}"
    found = cut(text, aim=120, most=400)
    for whole in (items, table, code):
        assert any(whole in passage for passage in found)


def test_long_prose_is_cut_between_sentences() -> None:
    text = " ".join(f"This is sentence number {number} of them." for number in range(60))
    found = cut(text)
    assert len(found) > 2
    assert all(passage.startswith("This is") and passage.endswith(".") for passage in found)


def test_long_code_is_cut_between_lines() -> None:
    text = "```py\n" + "\n".join(f"value_{number} = compute({number})" for number in range(120)) + "\n```"
    found = cut(text)
    assert len(found) > 2
    assert all(len(passage) <= 1_200 for passage in found)
    assert all(line.startswith(("value_", "```")) for passage in found for line in passage.splitlines())


def test_source_code_is_cut_between_lines_whatever_it_looks_like() -> None:
    text = "# no heading\n\n" + "\n".join(f"value_{number} = compute({number})" for number in range(120))
    spans = passages(text, code=True)
    assert len(spans) > 2
    assert {span.heading for span in spans} == {None}
    assert "\n".join(text[span.start : span.end] for span in spans) == text


def test_a_passage_begins_and_stays_on_its_page() -> None:
    pages = [
        f"Page {number} begins. " + f"Words of page {number}. " * 40 + "And it goes" for number in (1, 2, 3)
    ]
    text = "\fon here. ".join(pages)
    spans = passages(text)
    assert {span.page for span in spans} == {1, 2, 3}
    for span in spans:
        found = text[span.start : span.end]
        others = {1, 2, 3} - {span.page}
        assert not any(f"Words of page {other}" in found for other in others)
    assert passages("No pages here.")[0].page is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "# H\n\n",
                "Some prose here. ",
                "- item\n",
                "| a | b |\n",
                "```\nx = 1\n```\n",
                "\n\n",
                "wörd" * 90,
                "\f",
            ]
        ),
        max_size=40,
    )
)
def test_passages_fit_are_in_order_and_hold_every_letter(parts: list[str]) -> None:
    text = "".join(parts)
    spans = passages(text, aim=80, most=160)
    end = 0
    for span in spans:
        assert end <= span.start < span.end
        assert span.end - span.start <= 160
        assert not any(character.isalpha() for character in text[end : span.start])
        end = span.end
    assert not any(character.isalpha() for character in text[end:])
