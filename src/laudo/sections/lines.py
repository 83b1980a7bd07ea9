"""The lines of a text: MIMIC-CXR breaks them before 80 characters."""

import re

_BETWEEN_PARAGRAPHS = re.compile(r"\n(?:[ \t]*\n)+")
_ITEM = re.compile(r"(?:(?P<number>\d{1,2})[.)]|[-*•])[ \t]+\S")
_SENTENCE_ENDS = ".:;!?"


def unwrap(body: str) -> str:
    """Returns the text with the lines of each paragraph joined. List items keep their own lines."""
    if "\n" not in body:
        return body.strip()
    paragraphs = (_joined(block) for block in _BETWEEN_PARAGRAPHS.split(body))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _joined(block: str) -> str:
    """Returns a paragraph as one line, and a line for each item of a list."""
    pieces: list[str] = []
    previous_item: re.Match[str] | None = None
    for line in map(str.strip, block.split("\n")):
        if not line:
            continue
        item = _ITEM.match(line)
        if item and _begins_item(item, previous_item, pieces):
            pieces.append("\n" + line)
            previous_item = item
        else:
            pieces.append(" " + line)
    return "".join(pieces).strip()


def _begins_item(item: re.Match[str], previous: re.Match[str] | None, pieces: list[str]) -> bool:
    """Returns whether what looks like an item of a list is one.

    A line in the middle of a sentence may begin with `8. `. An item is at the beginning, follows the end of a
    sentence, or is the next item of its list.
    """
    if not pieces or pieces[-1][-1] in _SENTENCE_ENDS:
        return True
    return previous is not None and _is_next(previous, item)


def _is_next(previous: re.Match[str], item: re.Match[str]) -> bool:
    if not item["number"] or not previous["number"]:
        return item["number"] == previous["number"]  # both are bullets
    return int(item["number"]) == int(previous["number"]) + 1
