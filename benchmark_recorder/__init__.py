"""Record what AI-agent orchestrators do, compare versions with verdicts that hold, and report."""

__version__ = "0.1.0"
