"""What is remembered: one table with a full-text index, tiers with an end, and a page that can be edited."""
