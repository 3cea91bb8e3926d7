"""Two orchestrators and the world that they work in: a simulation to learn from, and to benchmark.

Read ``work`` (what there is to do), ``model`` (the simulated language model), ``halo``, ``aop``, ``daao``, ``planning``
(HTDAG), and ``orchestrator``, where all comes together.
"""
