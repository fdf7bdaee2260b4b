"""The budgets, measured: `make bench`. Each benchmark is a file with ``run() -> list[Row]``."""
