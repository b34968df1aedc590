"""From table to a trusted model."""
