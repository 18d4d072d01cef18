"""``[tool.envtool]`` and ``ENVTOOL_*`` to Settings."""
