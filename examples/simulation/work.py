"""What has to be done for a task: steps, the skill each needs, its size, and what it waits for.

A task's description names goals; a goal is made of steps. The table is what is true of the work, whoever organises it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work that one agent does with one call of a language model."""

    name: str  # unique in its task
    goal: str  # the phrase of the description that it serves
    skill: str  # what its agent should be able to do
    size: float  # thousands of tokens that a skilled agent writes
    needs: tuple[str, ...] = ()  # the names of the steps whose results it builds on
    stated: bool = False  # it makes the very thing that the description names
    agent: str = ""  # who does it, once that is decided


FOUNDATION: Final = "specification"
"""A step that everything else in its task waits for."""

# A line is a step: name, skill, size, and after "<" what it waits for within its goal. The last one makes the goal.
_GOALS: Final = {
    "landing page": "wireframe design .3|copy writing .4|page frontend .8 < wireframe copy",
    "header": "header frontend .3",
    "CTA": "button frontend .3",
    "blog post": "research research .4|outline writing .2 < research|picture design .3|post writing 1 < outline",
    "welcome email": "recipients email .1|subject email .1|text email .3|mailing email .1 < recipients subject text",
    "Fix CSS": "cause frontend .2|fix frontend .3 < cause|check testing .2 < fix",
    "SEO": "keywords seo .3|titles seo .2 < keywords|tags seo .3 < keywords",
    "authentication": "threats security .4|accounts database .3|form frontend .5|sign-in backend .9 < threats accounts",
    "OAuth": "provider security .3|callback backend .5 < provider",
    "password reset": "message email .2|tokens security .4|reset backend .4 < tokens",
    "marketing campaign": "audience marketing .4|offer marketing .4 < audience|calendar marketing .3 < offer",
    "blog content": "topics research .3|articles writing .8 < topics",
    "email and": "list email .2|newsletter email .5",
    "payment": "provider billing .3|ledger database .3|checkout frontend .5|charge backend .8 < provider ledger",
    "subscriptions": "plans billing .4|renewal backend .5 < plans",
    "invoices": "template billing .3|invoice backend .3 < template",
    "dashboard": "figures analytics .4|queries database .5 < figures|charts frontend .7 < figures",
    "user metrics": "events analytics .3|funnel analytics .4 < events",
    "deployment": "build devops .4|environments devops .4|rollout devops .5 < build environments",
    "automated tests": "cases testing .3|suite testing .7 < cases",
    "SaaS": "specification product .6|hosting devops .4|offer marketing .4|scaffold backend .6",
    "billing": "prices billing .3|accounting billing .4|charges backend .6 < prices",
    "e-commerce": "specification product .6|hosting devops .4|shop backend .7",
    "catalogue": "products database .4|listings seo .3|catalogue frontend .7 < products",
    "checkout": "cart backend .5|payment billing .4|checkout frontend .6 < cart payment",
    "order emails": "templates email .3|trigger backend .3 < templates",
    "content platform": "specification product .6|hosting devops .4|platform backend .7",
    "generation": "prompts writing .5|gateway backend .6|editor frontend .7 < prompts gateway",
    "moderation": "policy security .4|filter backend .5 < policy",
    "and analytics": "events analytics .4|reports analytics .4 < events",
}


@lru_cache
def work_of(text: str) -> tuple[Step, ...]:
    """The steps that a task of this description takes, in an order in which they can be done.

    A description that names no goal of the table is one goal of three steps.
    """
    goals = sorted((goal for goal in _GOALS if goal in text), key=text.index)
    if not goals:
        return tuple(_steps(text, "analysis research .3|draft writing .6 < analysis|result writing .4 < draft"))
    steps = [step for goal in goals for step in _steps(goal, _GOALS[goal])]
    first = next((step.name for step in steps if step.name.endswith(FOUNDATION)), None)
    if first is None:
        return tuple(steps)
    return tuple(s if s.name == first or s.needs else replace(s, needs=(first,)) for s in steps)


def _steps(goal: str, lines: str) -> list[Step]:
    steps = []
    for line in lines.split("|"):
        words, _, needs = line.partition("<")
        name, skill, size = words.split()
        waits_for = tuple(f"{goal}: {need}" for need in needs.split())
        steps.append(Step(f"{goal}: {name}", goal, skill, float(size), waits_for))
    return [*steps[:-1], replace(steps[-1], stated=True)]
