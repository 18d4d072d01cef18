"""Requirements in, torch step, rest step, lock text out."""
