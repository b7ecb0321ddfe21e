"""The version of everything: the package, the sidecar (set by the build) and the reports."""

__version__ = "0.1.0.dev0"
