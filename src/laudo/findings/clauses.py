"""A sentence cut into clauses, and a clause into chunks: how far the words around a mention can reach.

A clause ends where "but", "exceto" or a new negation ends the scope of what stands before it; a chunk at a comma or
conjunction. A target is a token to be judged, known by where it starts: a mention, or what is said of a structure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from laudo.findings.lexicon import Token

LIST = ("and", "or", "comma")


@dataclass
class Chunk:
    """What stands between two conjunctions or commas of a clause, and the targets in it by their starts.

    `joint` is what joins it to the one before; `listed` is the conjunction that closes the list it belongs to:
    "or" for the b of "a, b or c".
    """

    tokens: list[Token]
    joint: str
    targets: dict[int, Token] = field(default_factory=dict)
    listed: str = ""

    @property
    def first(self) -> Token:
        """The first target."""
        return next(iter(self.targets.values()))

    @property
    def last(self) -> int:
        """Where the last target starts."""
        return next(reversed(self.targets))

    @property
    def is_plain(self) -> bool:
        """Whether it names its finding outright, with nothing of its own said before it."""
        ahead = (t for t in self.tokens if t.start < self.first.start and not t.does("joint"))
        described = any(token.does("size", "change", "before", "either") for token in ahead)
        return (
            self.first.is_mention and not self.first.does("structure") and not described and not self.affirms
        )

    @property
    def affirms(self) -> bool:
        """Whether it says that something is there: "effusion is present on the left", "tube in place"."""
        return any("affirmation" in token.says("scope") for token in self.tokens)

    @property
    def is_placed(self) -> bool:
        """Whether it says where: "atelectasis at the left base"."""
        return any(token.does("side", "location") for token in self.tokens)

    @property
    def is_of_part(self) -> bool:
        """Whether it speaks of a part of what it names: "the tip of the tube"."""
        return any("part" in token.says("scope") for token in self.tokens)

    @property
    def has_device(self) -> bool:
        """Whether it names a device."""
        return any(token.does("device") for token in self.tokens)


def clauses(tokens: Sequence[Token], targets: set[int]) -> Iterator[list[Token]]:
    """The sentence cut before each word that ends the scope of what stands before it, if a target follows.

    Such are "but" and its like; a negation after a mention; "with" after something denied; "there is" after either
    ("on the right there is atelectasis" stays whole); and the comma that ends what "despite" began.
    """
    last = max(targets)
    clause: list[Token] = []
    mentioned = denied = conceded = False
    for token in tokens:
        if token.start <= last and _ends(
            token, clause, mentioned=mentioned, denied=denied, conceded=conceded
        ):
            yield clause
            clause, mentioned, denied, conceded = [], False, False, False
        clause.append(token)
        mentioned |= token.start in targets
        denied |= "negation" in token.says("before")
        conceded |= "concession" in token.says("scope")
    yield clause


def _ends(token: Token, clause: Sequence[Token], *, mentioned: bool, denied: bool, conceded: bool) -> bool:
    """Whether the clause ends before a token."""
    scope, joint = token.says("scope"), token.says("joint")
    if token.does("scope") and _denies(clause, token):
        return False  # "sem, no entanto, sinais de derrame", "nem há derrame", "não associada a derrame"
    if "contrast" in scope or "concession" in scope:
        return True
    if "statement" in scope:
        return mentioned or denied
    if "negation" in token.says("before"):
        return mentioned
    if "with" in joint:
        return mentioned and denied
    return "comma" in joint and conceded and mentioned


def _denies(clause: Sequence[Token], token: Token) -> bool:
    """Whether a denial stands right before a token, but for a comma."""
    before = next((t for t in reversed(clause) if "comma" not in t.says("joint")), None)
    return bool(before and "negation" in before.says("before") and token.start - before.end <= len(", "))


def chunks(clause: Sequence[Token], targets: set[int]) -> list[Chunk]:
    """The clause cut at its conjunctions; a piece without a target joins the one before it, else the one after."""
    cut: list[Chunk] = []
    lead: list[Token] = []
    for piece in _pieces(clause):
        piece.targets = {token.start: token for token in piece.tokens if token.start in targets}
        if piece.targets:
            piece.tokens = lead + piece.tokens
            cut.append(piece)
            lead = []
        elif not cut:
            lead += [token for token in piece.tokens if "silence" not in token.says("before")]
        # "..., left lung clear" speaks of something else
        elif not any(token.is_normal for token in piece.tokens):
            cut[-1].tokens.extend(piece.tokens)
    closing = "comma"
    for chunk in reversed(cut):
        if chunk.joint != "comma":
            closing = chunk.joint if chunk.joint in LIST else "comma"
        chunk.listed = closing if chunk.joint in LIST else chunk.joint
    return cut


def _pieces(clause: Sequence[Token]) -> list[Chunk]:
    pieces = [Chunk([], "")]
    for token in clause:
        if token.does("joint"):
            pieces.append(Chunk([], token.says("joint")[0]))
        pieces[-1].tokens.append(token)
    return pieces
