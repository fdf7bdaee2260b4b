"""Language models: one small contract, three backends, one router, one ledger."""
