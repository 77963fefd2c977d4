"""Marks by which a text poses as something else: as our fence, a model's own mark, a tag, a picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.downstream.screening.phrases import POSES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["marked"]

_SPEAKS = r"""(?:[Yy]ou |[Ii]gnore|[Nn]ew |[Tt]he (?:user|assistant|model)|[Ff]rom now|[Dd]o not|[Aa]lways[ ]
    |IMPORTANT|[Pp]lease )"""
_VALUE = r"""(?:\{|\[|<|%7b|%5b|\$\{|\$[a-z_]|\.\.\.|…|\)|data\b|your|insert|secret|base64|the[ _+-]
    |url[_-]?encod    |summary|history|conversation|content|prompt|placeholder|encoded|xxx|aes|[\w+/-]{60})"""
_HOST = r"(?:https?:)?//[^\s()?\"'<>]{1,300}"


def _compiled(*lines: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile("".join(line.replace("\n    ", "") for line in lines), flags)


_FENCE = _compiled(
    r"</(?:source|finding|draft|result)>[\s`*]{0,8}",
    r"(?:</?(?:source|finding|draft|result|system|user|instruction)",
    r"|(?:system|user|human|assistant|developer|important|instructions?|note|now|new|next|ignore|please|you",
    r"|the (?:user|task|system|assistant))\b)",
    r"|<(?:source|finding|draft) id=[\"']|<result call=[\"']",
)
_TEMPLATE = _compiled(
    r"<\|(?:im_start|start_header_id|system|begin_of_text|endoftext|im_sep)\|>",
    r"[\s\S]{0,40}?(?:system|user|assistant|<\|)",
    r"|\[INST\]\s{0,4}\S|<<SYS>>\s{0,4}\S|<start_of_turn>\s{0,4}\S",
    r"|^#{2,4} ?(?:System|Instruction|Human)s?:\s{1,4}\S[^\n]{0,80}(?:[Ii]gnore|[Yy]ou (?:must|are))",
    r"|^\n(?:Human|H|System): [^\n]{0,120}(?:ignore|instead|must|now|send|call|reveal|please)[^\n]{0,200}",
    r"\n\s{0,3}(?:Assistant|A):",
    r"|</?(?:system|system[_-](?:prompt|message|reminder|instructions?|override)|admin",
    r"|developer[_-](?:message|prompt|note))>[\s`*]{0,8}",
    _SPEAKS,
    flags=re.MULTILINE,
)
_INSISTS = _compiled(
    r"<(?:important|instructions?|system|secret|hidden|critical|information|admin|note[_-]to[_-]\w{1,12}",
    r"|(?:ai|llm|agent|model|assistant)[_-]?(?:instructions?|only|note))(?:\s[^<>]{0,80})?>",
)
_IMAGE = _compiled(
    r"!\[[^\]\n]{0,200}\](?:\(\s{0,3}|:\s{0,3}|\[)<?",
    _HOST,
    r"\?(?:[^\s()&=]{1,40}=[^\s()&]{0,100}&){0,6}",
    r"(?:q|query|d|data|s|secret|token|leak|payload|p|c|content|text|t|msg|message|m|info|i|key|exfil|history|chat",
    r"|conversation|summary|prompt|log|x|stolen|user|email|body)=",
    _VALUE,
    r"|!\[[^\]\n]{0,200}\]\(\s{0,3}",
    _HOST,
    r"/(?:\{\{?|\[|<|%7b)[^\s()]{0,80}\)",
    r"|<img\b[^<>]{0,200}?\bsrc\s?=\s?[\"']?",
    _HOST,
    r"\?[^\s\"'<>=]{1,40}=",
    _VALUE,
)
_MARKS = (
    ("closes or opens a fence of ours", _FENCE, False),
    (POSES, _TEMPLATE, False),
    ("carries what was said away in an image's address", _IMAGE, False),
    ("gives orders in a tag of its own", _INSISTS, True),
)


def marked(text: str, *, description: bool) -> Iterator[tuple[str, int, int]]:
    """What a text does by marks, and where; in a tool's description a tag of its own is one, too."""
    for name, pattern, of_tools in _MARKS:
        if (description or not of_tools) and (match := pattern.search(text)):
            yield name, match.start(), match.end()
