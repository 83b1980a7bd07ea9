"""An engine for tests: a function makes the replies, and what was asked is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from laudo.engines.messages import Messages
from laudo.engines.protocol import Reply, Sampling


class FakeEngine:
    """Answers by a function of the messages; a token is a word.

    Args:
        answer: gives the text of the reply to a chat.

    Attributes:
        chats: all chats so far, in the order in which they were asked.
    """

    def __init__(self, answer: Callable[[Messages], str]) -> None:
        self._answer = answer
        self.chats: list[Messages] = []

    def reply(self, chats: Sequence[Messages], *, sampling: Sampling) -> list[Reply]:
        """Answers with at most `sampling.max_new_tokens` words."""
        self.chats += chats
        return [self._reply(chat, sampling.max_new_tokens) for chat in chats]

    def _reply(self, chat: Messages, limit: int) -> Reply:
        words = self._answer(chat).split(" ")
        prompt = str(chat[-1]["content"][-1]["text"])
        return Reply(
            text=" ".join(words[:limit]),
            stop="length" if len(words) > limit else "end",
            prompt=prompt,
            prompt_tokens=len(prompt.split()),
            new_tokens=min(len(words), limit),
        )
