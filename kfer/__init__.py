"""Train, prove and ship one network that says who a face is and what it expresses."""

__version__ = "0.1.0"
