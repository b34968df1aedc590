"""What the CRM said, and when we knew it."""
