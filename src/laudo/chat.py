"""The protocol in front of models: messages in, what the model added out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from laudo.prompts import Messages

Stop = Literal["end", "length"]


class Reply(NamedTuple):
    """One answer. `text` holds only new tokens, never any of the prompt.

    `stop` is `length` where the limit cut the answer; `logprob` is the mean over new tokens, None where
    the engine does not give it.
    """

    text: str
    stop: Stop
    prompt: str
    prompt_tokens: int
    new_tokens: int
    logprob: float | None = None


class Chat(Protocol):
    """Anything that answers messages. Greedy: the same batch gets the same answers."""

    def reply(self, chats: Sequence[Messages], *, max_new_tokens: int) -> list[Reply]:
        """Answers each of the chats, in their order."""
        ...


class FakeChat:
    """A chat for tests: `answer` makes the text from the messages; `asked` remembers them."""

    def __init__(self, answer: Callable[[Messages], str]) -> None:
        self._answer = answer
        self.asked: list[Messages] = []

    def reply(self, chats: Sequence[Messages], *, max_new_tokens: int) -> list[Reply]:
        """Answers with at most `max_new_tokens` words."""
        self.asked += chats
        replies = []
        for chat in chats:
            words = self._answer(chat).split(" ")
            stop: Stop = "length" if len(words) > max_new_tokens else "end"
            prompt = str(chat[-1]["content"][-1]["text"])
            replies.append(
                Reply(
                    " ".join(words[:max_new_tokens]),
                    stop,
                    prompt,
                    len(prompt.split()),
                    min(len(words), max_new_tokens),
                )
            )
        return replies
