"""Write a log of Inspect with a fake model: ``python inspect_log.py FORMAT FOLDER``."""

from __future__ import annotations

import sys
from typing import Any

import inspect_ai
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, get_model, modelapi
from inspect_ai.scorer import includes, match
from inspect_ai.solver import Generate, TaskState, generate, solver

tried = set[int]()


@modelapi(name="fake")
class Fake(ModelAPI):  # type: ignore[misc]
    async def generate(self, **_: Any) -> ModelOutput:
        output = ModelOutput.from_content("fake", "the answer is 4 ")
        output.usage = ModelUsage(input_tokens=10, output_tokens=5, total_tokens=15)
        return output

    async def count_text_tokens(self, text: str) -> int:
        return len(text)

    async def count_tokens(self, *_: Any) -> int:
        return 10


@solver  # type: ignore[untyped-decorator]
def unsteady() -> Any:
    async def solve(state: TaskState, generate_: Generate) -> TaskState:
        if state.sample_id == "broken":
            raise RuntimeError("the tool broke")
        if state.sample_id == "second try" and state.epoch not in tried:
            tried.add(state.epoch)
            raise ValueError("once")
        return state

    return solve


task = Task(
    name="arithmetic",
    dataset=[
        Sample(id="sum", input="2 + 2", target="4"),
        Sample(id="product", input="2 * 3", target="6"),
        Sample(id="broken", input="1 / 0", target="nothing"),
        Sample(id="second try", input="3 + 1", target="4"),
    ],
    solver=[unsteady(), generate()],
    scorer=[includes(), match()],
    epochs=2,
)
inspect_ai.eval(
    task,
    model=get_model("fake/fake-1"),
    log_dir=sys.argv[2],
    log_format=sys.argv[1],
    fail_on_error=False,
    retry_on_error=1,
    limit=2 if sys.argv[1] == "json" else None,  # JSON is large
    display="none",
)
