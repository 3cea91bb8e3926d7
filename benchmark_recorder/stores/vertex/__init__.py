"""How the Vertex AI store does it: its table, its SQL, its set-up."""

from benchmark_recorder.stores.vertex.store import VertexStore

__all__ = ["VertexStore"]
