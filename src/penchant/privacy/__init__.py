"""Privacy that can be checked: private fitting and its ledger, audits, pseudonyms, forgetting with receipts."""
