#!/usr/bin/env bash
# inspect-ai 0.3.285: with retry_on_error, total_time of a sample is that of its last attempt alone. What the attempts
# before it took is in no time of the log: an agent that fails slowly and then answers looks fast.
# Seen: 5 s in the attempt that failed, and a total_time below 4 s.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check inspect-ai==0.3.285
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import time

import inspect_ai
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, get_model, modelapi
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, solver


@modelapi(name="fake")
class Fake(ModelAPI):
    async def generate(self, **_):
        output = ModelOutput.from_content("fake", "4")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    async def count_tokens(self, *_):
        return 1

    async def count_text_tokens(self, _):
        return 1


attempts = []


@solver
def slow_at_first():
    async def solve(state, _):
        attempts.append(1)
        if len(attempts) == 1:
            time.sleep(5)
            raise RuntimeError("broken")
        return state

    return solve


task = Task(dataset=[Sample(input="2 + 2", target="4")], solver=[slow_at_first(), generate()], scorer=includes())
(log,) = inspect_ai.eval(
    task, model=get_model("fake/1"), log_dir="logs", fail_on_error=False, retry_on_error=1, display="none"
)
(sample,) = log.samples
assert sample.error is None
print(f"attempts {len(attempts)}, total_time {sample.total_time}")
assert len(attempts) == 2, "it has changed"
assert sample.total_time < 4, "it has changed"
PYTHON
