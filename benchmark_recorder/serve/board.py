"""The sections of one view, as they were last computed, each at its own pace."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import BenchmarkRecorderError
from benchmark_recorder.log import logger
from benchmark_recorder.queries import Query
from benchmark_recorder.reporting.html import render_sections
from benchmark_recorder.reporting.page import Heading, Paragraph, Prose
from benchmark_recorder.serve.sections import SECTIONS, Looked

if TYPE_CHECKING:
    from benchmark_recorder.history import History
    from benchmark_recorder.serve.sections import View

PACE: Final = 1.0
"""Seconds between two looks at least."""
SHARE: Final = 0.1
"""Of the time that a section may be computed in: one that takes a second waits for ten."""
_EVERYTHING: Final = Query()


@dataclass(slots=True)
class Fragment:
    """A section as it was last computed.

    Attributes:
        html: its markup; empty where there is nothing to show.
        number: grows with each change.
        state: what the store held then.
        due: when it may be computed again, on the monotonic clock.
    """

    html: str = ""
    number: int = 0
    state: Any = None
    due: float = 0.0


class Board:
    """Computes the sections of a view again where the store has changed.

    Args:
        history: what is asked.
        view: what is looked at.
    """

    def __init__(self, history: History, view: View) -> None:
        self._looked = Looked(history, view)
        self._lock = Lock()
        self._look = Fragment()
        self.trouble = Fragment()
        self.sections = {name: Fragment() for name in SECTIONS}

    def refresh(self) -> None:
        """Compute what is due; an error becomes the page's banner, and the sections stay as they were."""
        with self._lock:
            try:
                if self._look.due > monotonic():
                    return
                began = monotonic()
                state = self._state()
                _pace(self._look, began)
                for name, compute in SECTIONS.items():
                    fragment = self.sections[name]
                    began = monotonic()
                    if fragment.due > began or (fragment.state == state and name != "delivery"):
                        continue
                    _show(fragment, compute(self._looked))
                    fragment.state = state
                    _pace(fragment, began)
                _show(self.trouble, "")
            except BenchmarkRecorderError as error:
                self._say(str(error))
            except Exception:
                logger.exception("the live page: a section could not be computed")
                self._say("a section could not be computed; the server's log has the reason")

    def shown(self) -> dict[str, str]:
        """The markup of what went wrong, and of each section."""
        return {name: fragment.html for name, fragment in self.fragments().items()}

    def fragments(self) -> dict[str, Fragment]:
        """What went wrong, and each section."""
        return {"trouble": self.trouble, **self.sections}

    def _state(self) -> object:
        """What must change before anything is computed again: the records, or the minute."""
        return self._looked.store.summarize(_EVERYTHING), time() // 60

    def _say(self, sentence: str) -> None:
        _pace(self._look, monotonic())
        page = (Heading(("This page is not up to date",)), Paragraph((Prose(sentence),)))
        _show(self.trouble, render_sections(page, "about-trouble"))


def _show(fragment: Fragment, html: str) -> None:
    if html != fragment.html:
        fragment.html = html
        fragment.number += 1


def _pace(fragment: Fragment, began: float) -> None:
    now = monotonic()
    fragment.due = now + max(0.9 * PACE, (now - began) * (1 / SHARE - 1))
