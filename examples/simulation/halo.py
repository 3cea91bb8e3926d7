"""Routing: which agent does a step, and which one leads the task. By keyword, or by HALO's rules over skills."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .work import Step

SKILLS: Final = {
    "builder_agent": {"frontend", "backend", "database", "design"},
    "content_agent": {"writing", "research"},
    "email_agent": {"email"},
    "seo_agent": {"seo"},
    "marketing_agent": {"marketing", "research"},
    "billing_agent": {"billing"},
    "security_agent": {"security"},
    "analyst_agent": {"analytics", "database"},
    "deploy_agent": {"devops"},
    "qa_agent": {"testing"},
    "spec_agent": {"product", "design"},
}
GENERALIST: Final = "builder_agent"

# As such lists grow: agent by agent, each with the words that its tasks had so far.
_KEYWORDS: Final = {
    "builder_agent": ("build", "create", "page", "css", "form"),
    "content_agent": ("write", "blog", "content", "copy"),
    "email_agent": ("email", "mail"),
    "seo_agent": ("seo", "keyword"),
    "marketing_agent": ("marketing", "campaign"),
    "billing_agent": ("payment", "invoice", "billing"),
    "security_agent": ("security", "authentication", "password"),
    "analyst_agent": ("analytics", "metrics"),
    "deploy_agent": ("deploy", "hosting"),
    "qa_agent": ("test", "check"),
    "spec_agent": ("plan", "specification"),
}


def agent_by_keyword(text: str, otherwise: str) -> str:
    """The first agent one of whose words occurs in a text."""
    text = text.lower()
    return next((agent for agent, words in _KEYWORDS.items() if any(w in text for w in words)), otherwise)


def route_by_keyword(description: str, steps: Sequence[Step]) -> tuple[str, list[Step]]:
    """The lead by the description's words; each step by its own, or else to the lead."""
    lead = agent_by_keyword(description, GENERALIST)
    return lead, [replace(step, agent=agent_by_keyword(step.name, lead)) for step in steps]


def specialist(skill: str) -> str:
    """Of the agents that have a skill, the one that has the fewest others; by name where several have."""
    able = [agent for agent, skills in SKILLS.items() if skill in skills]
    return min(able, key=lambda agent: (len(SKILLS[agent]), agent), default=GENERALIST)


def route_by_rules(steps: Sequence[Step]) -> tuple[str, list[Step]]:
    """Rule 1: a step goes to the specialist of its skill. Rule 2: the agent with the most work leads."""
    routed = [replace(step, agent=specialist(step.skill)) for step in steps]
    work: Counter[str] = Counter()
    for step in routed:
        work[step.agent] += round(step.size * 1000)
    return (work.most_common(1)[0][0] if work else GENERALIST), routed


def is_able(step: Step) -> bool:
    """Whether a step's agent has its skill."""
    return step.skill in SKILLS.get(step.agent, ())
