"""Frozen apps: PyInstaller specs, hooks, bundles."""
