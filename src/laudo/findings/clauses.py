"""A sentence divided into clauses, and a clause into chunks.

They limit how far the words around a mention reach. A clause ends where "but", "except" or a new negation
ends the scope of what precedes it. A chunk ends at a comma or a conjunction. A target is a token that gets a
status: a mention, or the predicate of a structure. Targets are identified by their start.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from laudo.findings.lexicon import Token

LIST = ("and", "or", "comma")
"""The joints of a list."""


@dataclass
class Chunk:
    """The tokens between two conjunctions or commas of a clause, and the targets among them by their starts.

    `joint` joins it to the chunk before it. `list_joint` is the conjunction at the end of its list: "or" for
    the b of "a, b or c".
    """

    tokens: list[Token]
    joint: str
    targets: dict[int, Token] = field(default_factory=dict)
    list_joint: str = ""

    @property
    def first(self) -> Token:
        """The first target."""
        return next(iter(self.targets.values()))

    @property
    def last_start(self) -> int:
        """The start of the last target."""
        return next(reversed(self.targets))

    @property
    def is_name_only(self) -> bool:
        """Whether it only names its finding: nothing before the name is about this finding alone."""
        if not self.first.is_mention or self.first.does("structure") or self.is_affirmed:
            return False
        preceding = (t for t in self.tokens if t.start < self.first.start and not t.does("joint"))
        return not any(token.does("size", "change", "before", "either") for token in preceding)

    @property
    def is_affirmed(self) -> bool:
        """Whether it says that something is present: "effusion is present on the left", "tube in place"."""
        return any("affirmation" in token.says("scope") for token in self.tokens)

    @property
    def is_located(self) -> bool:
        """Whether it says where: "atelectasis at the left base"."""
        return any(token.does("side", "location") for token in self.tokens)

    @property
    def is_about_part(self) -> bool:
        """Whether it is about a part of what it names: "the tip of the tube"."""
        return any("part" in token.says("scope") for token in self.tokens)

    @property
    def has_device(self) -> bool:
        """Whether it names a device."""
        return any(token.does("device") for token in self.tokens)


@dataclass
class _Clause:
    """A clause to which tokens are being added."""

    tokens: list[Token] = field(default_factory=list)
    has_target: bool = False
    has_negation: bool = False
    has_concession: bool = False

    def add(self, token: Token, *, is_target: bool) -> None:
        self.tokens.append(token)
        self.has_target = self.has_target or is_target
        self.has_negation = self.has_negation or "negation" in token.says("before")
        self.has_concession = self.has_concession or "concession" in token.says("scope")

    def ends_before(self, token: Token) -> bool:
        """Returns whether the token ends the scope of the clause."""
        scope, joint = token.says("scope"), token.says("joint")
        if token.does("scope") and self._negates(token):
            return False  # "sem, no entanto, sinais de derrame", "nem há derrame", "não associada a derrame"
        if "contrast" in scope or "concession" in scope:
            return True
        if "statement" in scope:
            return self.has_target or self.has_negation
        if "negation" in token.says("before"):
            return self.has_target
        if "with" in joint:
            return self.has_target and self.has_negation
        return "comma" in joint and self.has_concession and self.has_target

    def _negates(self, token: Token) -> bool:
        """Returns whether a negation directly precedes the token; a comma may be between them."""
        preceding = next((t for t in reversed(self.tokens) if "comma" not in t.says("joint")), None)
        if preceding is None or "negation" not in preceding.says("before"):
            return False
        return token.start - preceding.end <= len(", ")


def clauses(tokens: Sequence[Token], targets: set[int]) -> Iterator[list[Token]]:
    """Yields the clauses of a sentence.

    A clause ends before each word that ends its scope, if a target follows. Such a word is "but" or a similar
    one; a negation after a target; "with" after a negated target; "there is" after a target or a negation
    ("on the right there is atelectasis" is one clause); and the comma that ends a concession ("despite
    ...,").
    """
    last_target = max(targets)
    clause = _Clause()
    for token in tokens:
        if token.start <= last_target and clause.ends_before(token):
            yield clause.tokens
            clause = _Clause()
        clause.add(token, is_target=token.start in targets)
    yield clause.tokens


def chunks(clause: Sequence[Token], targets: set[int]) -> list[Chunk]:
    """Returns the chunks of a clause that have a target.

    A piece without a target becomes part of the chunk before it; at the beginning of the clause, of the chunk
    after it.
    """
    result: list[Chunk] = []
    leading: list[Token] = []
    for piece in _pieces(clause):
        piece.targets = {token.start: token for token in piece.tokens if token.start in targets}
        if piece.targets:
            piece.tokens = leading + piece.tokens
            leading = []
            result.append(piece)
        elif not result:
            leading += [token for token in piece.tokens if "silence" not in token.says("before")]
        elif not any(
            token.is_normal for token in piece.tokens
        ):  # "..., left lung clear" is about something else
            result[-1].tokens.extend(piece.tokens)
    _set_list_joints(result)
    return result


def _pieces(clause: Sequence[Token]) -> list[Chunk]:
    pieces = [Chunk([], "")]
    for token in clause:
        if token.does("joint"):
            pieces.append(Chunk([], token.says("joint")[0]))
        pieces[-1].tokens.append(token)
    return pieces


def _set_list_joints(chunks: Sequence[Chunk]) -> None:
    closing = "comma"
    for chunk in reversed(chunks):
        if chunk.joint not in LIST:
            chunk.list_joint, closing = chunk.joint, "comma"
            continue
        if chunk.joint != "comma":
            closing = chunk.joint
        chunk.list_joint = closing
