"""What an engine is: messages in, the text that the model added out. It knows no model library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from laudo.engines.messages import Messages
from laudo.vocabulary import Stop


class Sampling(NamedTuple):
    """How the tokens of a reply are chosen.

    Attributes:
        max_new_tokens: the most tokens that a reply may have.
        temperature: 0 takes the most probable token each time (greedy); above 0, tokens are drawn at random
            from all of the vocabulary.
        seed: where random draws begin, so that the same chats get the same replies; None begins anywhere.
    """

    max_new_tokens: int
    temperature: float = 0.0
    seed: int | None = None


class Reply(NamedTuple):
    """The reply to one chat.

    Attributes:
        text: new tokens alone, never any of the prompt.
        stop: `length` where the limit of new tokens cut the reply, else `end`.
        prompt: the chat as the model saw it, as text.
        prompt_tokens: tokens of the prompt.
        new_tokens: tokens of the reply.
        logprob: mean log-probability of the new tokens; None where the engine does not give it.
    """

    text: str
    stop: Stop
    prompt: str
    prompt_tokens: int
    new_tokens: int
    logprob: float | None = None


class Engine(Protocol):
    """Answers chats with one model.

    An engine has no identity of its own: what fixes its replies besides the messages is known without opening
    it, from its settings (`engines.identity` for the weights) and from the adapter.
    """

    def reply(self, chats: Sequence[Messages], *, sampling: Sampling) -> list[Reply]:
        """Answers each of the chats, in their order.

        The same chats in the same order get the same replies, where sampling is greedy or has a seed.
        """
        ...
