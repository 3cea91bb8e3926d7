"""The metadata of a document's records, as codes of its different texts: kept once a question needs it.

Metadata repeats: a million records may have some thousand different texts of it. So each text is decoded and asked
once, and the answer for all records is looked up by their codes. Where texts hardly repeat, codes save nothing: each
question then reads the document, and remembers what it asked of the latest texts.
"""

from __future__ import annotations

from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np

from benchmark_recorder.columns import Coded
from benchmark_recorder.grouping import label_of
from benchmark_recorder.stores.json_file.lines import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.json_file.source import Piece, Source

MAX_TEXTS: Final = 100_000
MAX_BYTES: Final = 1 << 25
"""Different texts, and their bytes in all, that are kept."""

FEW_TEXTS: Final = 4
"""Up to this count, comparing all codes with each is faster than looking them up."""

MAX_QUESTIONS: Final = 20
"""Questions whose answers are kept."""


class _Line(msgspec.Struct, gc=False):
    metadata: msgspec.Raw = msgspec.Raw(b"null")


_decode_lines = msgspec.json.Decoder(list[_Line]).decode
_decode = msgspec.json.Decoder().decode


def _texts_in(pieces: Iterable[Piece]) -> Iterator[list[bytes]]:
    """The metadata of some records, as it is in the document."""
    for block, found, _ in pieces:
        records = _decode_lines(b"[%b]" % block) if found is None else found
        yield [bytes(line.metadata) for line in records]


class _TooManyError(Exception):
    """Metadata hardly repeats."""


class _Codes(dict[bytes, int]):
    """The code of each text, in the order of appearance."""

    size = 0

    def __missing__(self, text: bytes) -> int:
        self.size += len(text)
        if len(self) == MAX_TEXTS or self.size > MAX_BYTES:
            raise _TooManyError
        code = self[text] = len(self)
        return code


class _Answers(dict[bytes, int]):
    """The answer of each text among the latest."""

    def __init__(self, ask: Callable[[Any], int]) -> None:
        self._ask, self._size = ask, 0

    def __missing__(self, text: bytes) -> int:
        self._size += len(text)
        if len(self) >= MAX_TEXTS or self._size > MAX_BYTES:
            self.clear()
            self._size = len(text)
        answer = self[text] = self._ask(_decode(text))
        return answer


class _Question(NamedTuple):
    """What is asked of metadata; the answer is a number.

    Attributes:
        ask: of decoded metadata.
        answers: by code, as many as were asked for.
        labels: what the numbers mean, where they are codes.
    """

    ask: Callable[[Any], int]
    answers: list[int]
    labels: Vocabulary


class Metadata:
    """The metadata of the records of one document, from its first on: the different texts, and each record's code.

    Attributes:
        offset: everything before it was read.
    """

    def __init__(self, offset: int, texts: Iterable[bytes] = (), codes: NDArray[np.int32] | None = None) -> None:
        self.offset = offset
        self._codes: _Codes | None = _Codes()  # None where there are too many
        for text in texts:
            self._codes[text]  # which gives it a code
        self._rows = np.empty(0, np.int32) if codes is None else codes
        self._count = len(self._rows)
        self._questions: dict[str, _Question] = {}
        self._by_line = False

    def __len__(self) -> int:
        return self._count

    @property
    def texts(self) -> list[bytes] | None:
        """The different ones, by code; ``None`` where they are too many to be kept."""
        return None if self._codes is None else list(self._codes)

    @property
    def codes(self) -> NDArray[np.int32]:
        """Of the records, where they are kept."""
        return self._rows[: self._count]

    def read_on(self, source: Source, *, by_line: bool) -> None:
        """Add the records that were appended to the document; one with records beside it is not kept."""
        end = source.size if source.older is not None else source.layout.end
        if self._codes is None or self.offset == end:
            return
        try:
            if source.tail:
                raise _TooManyError  # noqa: TRY301 - as where they are too many
            for texts in _texts_in(source.decoded(_decode_lines, self.offset, by_line=by_line)):
                self._add(np.fromiter(map(self._codes.__getitem__, texts), np.int32, len(texts)))
        except _TooManyError:
            self._codes, self._rows, self._count = None, np.empty(0, np.int32), 0
            self._questions.clear()
        self.offset, self._by_line = end, by_line

    def _add(self, codes: NDArray[np.int32]) -> None:
        start, self._count = self._count, self._count + len(codes)
        if self._count > len(self._rows):
            grown = np.empty(2 * self._count, np.int32)
            grown[:start] = self._rows[:start]
            self._rows = grown
        self._rows[start : self._count] = codes

    def matching(self, query: Query, source: Source) -> NDArray[np.bool_]:
        """Which records have the metadata that a query asks for."""
        question = self._question(repr(query.metadata), lambda _: query.has_metadata)
        return self._answers(question, source, np.bool_)

    def labels(self, key: str, source: Source) -> Coded:
        """The group of each record by a key of the metadata; see ``grouping.label_of``."""
        question = self._question(
            f"by {key}", lambda labels: lambda own: labels[label_of(own.get(key)) if isinstance(own, dict) else None]
        )
        codes: NDArray[np.int32] = self._answers(question, source, np.int32)
        return Coded(codes, question.labels.texts)

    def _question(self, name: str, ask: Callable[[Vocabulary], Callable[[Any], int]]) -> _Question:
        if name not in self._questions:
            if len(self._questions) == MAX_QUESTIONS:
                self._questions.clear()
            labels = Vocabulary()
            self._questions[name] = _Question(ask(labels), [], labels)
        return self._questions[name]

    def _answers(self, question: _Question, source: Source, dtype: type[np.generic]) -> NDArray[Any]:
        """The answer of each record."""
        ask, answers, _ = question
        if self._codes is None:
            texts = chain.from_iterable(_texts_in(source.decoded(_decode_lines, source.header, by_line=self._by_line)))
            return np.fromiter(map(_Answers(ask).__getitem__, texts), dtype)
        if len(answers) < len(self._codes):
            answers += [ask(_decode(text)) for text in list(self._codes)[len(answers) :]]
        by_code = np.array(answers, dtype)
        if dtype is np.bool_ and len(yes := np.flatnonzero(by_code)) <= FEW_TEXTS:
            return reduce(np.logical_or, (self.codes == code for code in yes), np.zeros(self._count, np.bool_))
        return by_code.take(self.codes)
