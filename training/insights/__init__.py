"""What the history says of a sales organisation: pipeline, people, sources, rules; with intervals.

Everything here describes: what goes together in the past, not what causes what.
"""
