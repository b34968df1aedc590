"""The pages of the dashboard: each a pure function from a view and what is asked to content."""
