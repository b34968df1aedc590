"""What can be said of a deal at an instant."""
