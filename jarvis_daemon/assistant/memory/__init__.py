"""What is remembered: one table with full-text search, tiers with an end, a page to read and edit."""
