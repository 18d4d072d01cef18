"""Environments: generations, install, probe, verify."""
