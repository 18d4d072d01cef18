"""The whole move to CPU-only torch as one transaction: audit, fix, lock, set up, models, bundle, documentation."""
