"""Audit a project for what CPU-only torch will break."""
