"""What a shop decides: which list stands where, by which rules, with how much exploration."""
