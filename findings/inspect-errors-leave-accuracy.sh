#!/usr/bin/env bash
# inspect-ai 0.3.285: with fail_on_error=False a sample that ends in an error is left out of the accuracy, although the
# results say that it was a sample. An agent that breaks on all hard tasks scores as if they had not been asked.
# Seen: of three samples two are right and one breaks: accuracy 1.0, total_samples 3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check inspect-ai==0.3.285
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import inspect_ai
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
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


@solver
def breaking():
    async def solve(state, _):
        if state.sample_id == "hard":
            raise RuntimeError("broken")
        return state

    return solve


samples = [Sample(id=name, input="2 + 2", target="4") for name in ("easy", "plain", "hard")]
task = Task(dataset=samples, solver=[breaking(), generate()], scorer=includes())
(log,) = inspect_ai.eval(task, model=get_model("fake/1"), log_dir="logs", fail_on_error=False, display="none")
log = read_eval_log(log.location)
accuracy = log.results.scores[0].metrics["accuracy"].value
print(f"accuracy {accuracy}, total_samples {log.results.total_samples}")
assert (accuracy, log.results.total_samples) == (1.0, 3), "it has changed"
PYTHON
